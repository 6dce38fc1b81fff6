"""Write the pages that the site is built from: ``docs`` with everything generated put in.

    python docs/site/stage.py build/pages

What comes out is plain Markdown and files, so that any site builder can take it. A page says what
goes where: ``--8<-- "FILE"`` alone in a line is that file of the checkout, ``<!-- write: json -->``
a part of `WRITERS`, ``<!-- chart: NAME -->`` a figure of `vqcast report`. A number that the code
defines is held to it: ``0.95<!-- = vqcast.evidence.gate.MEAN_PLCC_MIN -->``.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import figures
import json_page
import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LEFT_OUT = shutil.ignore_patterns("site", "*.txt", "*.md", ".*", "__pycache__")

WRITERS: dict[str, Callable[[], str]] = {
    "cli": reference.commands,
    "encoder": reference.encoder_entry,
    "extras": reference.extras_table,
    "json": json_page.page,
    "refusals": reference.refusals,
}
_INCLUDE = re.compile(r'^--8<-- "(.+)"$', re.M)
_WRITE = re.compile(r"^<!-- write: (\w+) -->$", re.M)
_EQUALS = re.compile(r"(-?[\d.]+)<!-- = ([\w.]+) -->")
_CHART = re.compile(r"^<!-- chart: (\S+) -->$", re.M)


def stage(out: Path) -> None:
    """Fill the folder ``out`` anew."""
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(DOCS, out, ignore=LEFT_OUT)
    made = {
        "report.html": figures.report(),
        "images/corpus.svg": figures.corpus_curves(),
        "assets/colours.css": figures.colours().encode(),
    }
    made |= {f"reference/schemas/{name}": text for name, text in json_page.json_schemas().items()}
    for name, content in made.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for source in DOCS.rglob("*.md"):
        path = out / source.relative_to(DOCS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(source), encoding="utf-8")


def page(source: Path) -> str:
    """A page with all that it asks for."""
    name = source.relative_to(DOCS)

    def held(found: re.Match[str]) -> str:
        module, _, attribute = found[2].rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        if float(found[1]) != value:
            sys.exit(f"docs/{name} says {found[1]}, {found[2]} is {value}")
        return found[1]

    text = source.read_text(encoding="utf-8")
    text = _INCLUDE.sub(lambda found: (ROOT / found[1]).read_text("utf-8").rstrip("\n"), text)
    text = _WRITE.sub(lambda found: WRITERS[found[1]](), text)
    text = _EQUALS.sub(held, text)
    up = "../" * (len(name.parts) - 1)
    return _CHART.sub(lambda found: figures.chart(found[1], f"{up}report.html"), text)


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
