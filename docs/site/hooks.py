"""What the site is built from beside its pages: reference, pictures, JSON Schemas, colours.

A page says where something generated goes: ``<!-- write: cli -->`` for a part of the reference,
``<!-- chart: NAME -->`` for a figure of `vqcast report`. A number that the code defines is held to
it: ``0.95<!-- = vqcast.evidence.gate.MEAN_PLCC_MIN -->``. Pictures come from vqcast's own commands
and kept in ``build/docs`` under a digest of what they were made from.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import cli_page
import json_page
import python_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from vqcast.media import encoders
from vqcast.pages import ink

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "docs"
REGISTRY = ROOT / "model" / "tiny"
CORPUS = ROOT / "data" / "phase_a" / "per_frame_canonical6.jsonl.gz"
TUNE = ROOT / "docs" / "transcripts" / "tune.jsonl"
PAGES = ROOT / "src" / "vqcast" / "pages"
DRAWING = sorted(path for path in PAGES.rglob("*.*") if path.suffix != ".pyc")


def _encoder_entry() -> str:
    """The adapter table's entry of SVT-AV1, as it stands in the source."""
    source = Path(encoders.__file__).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Encoder":
            text = ast.get_source_segment(source, node, padded=True) or ""
            if '"libsvtav1"' in text:
                return f"```python\n{textwrap.dedent(text)}\n```"
    raise PluginError("the adapter table has no entry of libsvtav1")


WRITERS: dict[str, Callable[[], str]] = {
    "encoder": _encoder_entry,
    "cli": cli_page.page,
    "extras": cli_page.extras_table,
    "refusals": cli_page.refusals,
    "json": json_page.page,
    "python": python_page.page,
}
_WRITE = re.compile(r"^<!-- write: (\w+) -->$", re.M)
_EQUALS = re.compile(r"(-?[\d.]+)<!-- = ([\w.]+) -->")
_CHART = re.compile(r"<!-- chart: (\S+) -->")
_FIGURE = re.compile(r"<figure class=.*?</figure>", re.S)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation: a folder stands for its pages, ``*`` for those named nowhere else."""
    _report.cache_clear()
    docs = Path(config.docs_dir)
    named = {path for path in _paths(config.nav) if path.endswith(".md")}
    rest = sorted(path.name for path in docs.glob("*.md") if path.name not in named)
    config.nav = _filled(config.nav, docs, rest)
    return config


def _paths(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    values = nav.values() if isinstance(nav, dict) else nav
    return [path for value in values for path in _paths(value)]


def _filled(nav: Any, docs: Path, rest: list[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _filled(value, docs, rest) for title, value in nav.items()}
    if not isinstance(nav, list):
        return nav
    found: list[Any] = []
    for item in nav:
        if item == "*":
            found += rest
        elif isinstance(item, str) and item.endswith("/"):
            pages = sorted(path.name for path in (docs / item).glob("*.md"))
            found += [f"{item}{name}" for name in pages if f"{item}{name}" not in nav]
        else:
            found.append(_filled(item, docs, rest))
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what commands write: the report, the corpus's curves, schemas, colours."""
    with ThreadPoolExecutor(2) as pool:
        report = pool.submit(_report)
        curves = pool.submit(_made, "corpus.svg", [CORPUS], "corpus", "plot", CORPUS, "-o")
    made = {
        "report.html": report.result(),
        "images/corpus.svg": curves.result(),
        "assets/colours.css": _colours().encode(),
    }
    made |= {f"reference/schemas/{name}": text for name, text in json_page.json_schemas().items()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the generated parts, and hold the page's numbers to the code's."""

    def held(found: re.Match[str]) -> str:
        module, _, name = found[2].rpartition(".")
        value = getattr(importlib.import_module(module), name)
        if float(found[1]) != value:
            raise PluginError(f"{page.file.src_uri} says {found[1]}, {found[2]} is {value}")
        return found[1]

    written = _WRITE.sub(lambda found: WRITERS[found[1]](), markdown)
    return _EQUALS.sub(held, written)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set the report's figures into the page, their evidence linked to the report."""
    report = f"{'../' * page.file.dest_uri.count('/')}report.html"
    return _CHART.sub(lambda found: _figure(found[1], report), html)


def _figure(name: str, report: str) -> str:
    for figure in _FIGURE.findall(_report().decode()):
        if f'id="{name}-title"' in figure:
            linked = figure.replace('href="#file-', f'href="{report}#file-')
            return f'<div class="chart-of-report">{linked}</div>'
    raise PluginError(f"the report has no chart {name}")


@cache
def _report() -> bytes:
    """The report of the shipped models on their corpus, with the tuning of the start page."""
    inputs = [REGISTRY / "checksums.json", CORPUS, TUNE]
    words = ("report", "--registry", REGISTRY, "--corpus", CORPUS, "--tune", TUNE, "-o")
    return _made("report.html", inputs, *words)


def _made(name: str, inputs: list[Path], *words: object) -> bytes:
    """What ``vqcast WORDS FILE`` writes, from an earlier run where nothing has changed since."""
    digest = hashlib.sha256(repr(words).encode())
    for path in [*inputs, *DRAWING]:
        digest.update(path.read_bytes())
    kept = KEPT / f"{digest.hexdigest()[:16]}-{name}"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "vqcast.cli.main", *map(str, words), str(kept)]
        # From elsewhere, so that the report links no file of this checkout.
        done = subprocess.run(command, cwd=KEPT, capture_output=True, text=True)
        if done.returncode:
            raise PluginError(f"{' '.join(command)} failed: {done.stderr}")
    return kept.read_bytes()


def _colours() -> str:
    """The charts' colours as CSS variables, for both schemes."""

    def variables(theme: int) -> str:
        shown = {name: (light, dark) for light, (name, dark) in ink.VARIABLES.items()}
        return "".join(f"--{name}:{values[theme]};" for name, values in shown.items())

    return (
        f"[data-md-color-scheme]{{{variables(0)}--font:system-ui,sans-serif}}\n"
        f'[data-md-color-scheme="slate"]{{{variables(1)}}}\n'
    )
