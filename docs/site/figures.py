"""Pictures of the site, drawn by vqcast's own commands and kept until something changes.

They lie in ``build/docs`` under a digest of what they were made from.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from vqcast.pages import ink

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "docs"
REGISTRY = ROOT / "model" / "tiny"
CORPUS = ROOT / "data" / "networks" / "per_frame_canonical6.jsonl.gz"
TUNE = ROOT / "docs" / "transcripts" / "tune.jsonl"
DRAWING = sorted(
    path
    for path in (ROOT / "src" / "vqcast" / "pages").rglob("*")
    if path.is_file() and path.suffix != ".pyc"
)
_FIGURE = re.compile(r"<figure class=.*?</figure>", re.S)


@cache
def report() -> bytes:
    """The report of the shipped models on their corpus, with the tuning of the start page."""
    inputs = [REGISTRY / "checksums.json", CORPUS, TUNE]
    words = ("report", "--registry", REGISTRY, "--corpus", CORPUS, "--tune", TUNE, "-o")
    return _made("report.html", inputs, *words)


def corpus_curves() -> bytes:
    """The shipped corpus as an SVG of its rate-quality curves."""
    return _made("corpus.svg", [CORPUS], "corpus", "plot", CORPUS, "-o")


def chart(name: str, report_url: str) -> str:
    """A figure of the report as HTML for a page, its evidence linked to the report."""
    for figure in _FIGURE.findall(report().decode()):
        if f'id="{name}-title"' in figure:
            linked = figure.replace('href="#file-', f'href="{report_url}#file-')
            return f'<div class="chart-of-report">{linked}</div>'
    sys.exit(f"the report has no chart {name}")


def colours() -> str:
    """The charts' colours as CSS variables, for both schemes."""

    def variables(theme: int) -> str:
        shown = {name: (light, dark) for light, (name, dark) in ink.VARIABLES.items()}
        return "".join(f"--{name}:{values[theme]};" for name, values in shown.items())

    return (
        f"[data-md-color-scheme]{{{variables(0)}--font:system-ui,sans-serif}}\n"
        f'[data-md-color-scheme="slate"]{{{variables(1)}}}\n'
    )


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
            sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return kept.read_bytes()
