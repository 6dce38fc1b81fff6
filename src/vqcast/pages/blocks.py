"""A page of several blocks, each between two marks of its own, so that a command writes one."""

from __future__ import annotations

from pathlib import Path

from vqcast.durable.files import read_regular, write_atomic
from vqcast.errors import InputError


def marks(name: str) -> tuple[str, str]:
    """The lines that begin and end the block of that name."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def replaced(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` in the block. Raises InputError where it has no such block."""
    begin, end = marks(name)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InputError(f"the page lacks the marks {begin} and {end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"


def write(path: Path, name: str, text: str, *, heading: str = "") -> None:
    """Write ``text`` into the block; an absent one is added at the end, under ``heading``."""
    page = read_regular(path).decode() if path.exists() else ""
    begin, end = marks(name)
    if begin not in page:
        page = "\n\n".join(filter(None, (page.rstrip(), heading, f"{begin}\n{end}\n")))
    write_atomic(path, replaced(page, name, text).encode())
