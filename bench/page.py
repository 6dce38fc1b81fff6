"""Where the benchmarks write: a page of several blocks, each between its own two marks."""

from __future__ import annotations

from pathlib import Path


def write_block(path: Path, name: str, heading: str, text: str) -> None:
    """Replace the block of ``name`` in ``path`` by ``text``, or add it under ``heading``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    block = f"{begin}\n{text}{end}\n"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n\n"
    if begin in old and end in old:
        before, rest = old.split(begin, 1)
        new = before + block + rest.split(end, 1)[1].lstrip("\n")
    else:
        new = f"{old.rstrip()}\n\n## {heading}\n\n{block}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(new, encoding="utf-8")
