"""Write corpus rows in the shape that the file's name asks for, and go between the shapes.

``.jsonl`` and ``.jsonl.gz`` are one file, written in one step from memory;
``.parquet`` is a dataset, written part by part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vqcast.corpus.parquet import SUFFIX, Part, is_dataset, read_parts, write_dataset
from vqcast.corpus.table import decode, load, rows_text
from vqcast.documents import jsontext
from vqcast.durable.files import gzip_canonical, write_atomic
from vqcast.errors import InputError

JSON_SUFFIXES = (".jsonl", ".jsonl.gz")


def check_name(out: Path) -> None:
    """Raise InputError for a name that asks for no shape."""
    if not out.name.endswith((*JSON_SUFFIXES, SUFFIX)):
        raise InputError(
            f"{out}: a corpus is named {', '.join(JSON_SUFFIXES)} or {SUFFIX} (a folder)"
        )


def write_corpus(out: Path, parts: Sequence[Part]) -> tuple[int, str | None]:
    """Write the parts' rows to ``out``; return their count and the corpus's sha256.

    Nothing is written, and the digest is None, where there are no rows.
    """
    if not parts:
        return 0, None
    if is_dataset(out):
        return write_dataset(out, parts)
    placed = [(place, jsontext.dump_line(row)) for part in parts for place, row in part.rows()]
    placed.sort(key=lambda pair: pair[0])
    return len(placed), write_lines(out, [line for _, line in placed])


def write_lines(out: Path, lines: Sequence[bytes]) -> str:
    """Write JSON lines, each with its newline, plain or gzipped by the name."""
    data = b"".join(lines)
    return write_atomic(out, gzip_canonical(data) if out.suffix == ".gz" else data)


def parts_of_lines(lines: Sequence[bytes], where: str) -> list[Part]:
    """JSON lines by encoder and source; they are parsed again when they are written."""
    members: dict[tuple[str, str], list[int]] = {}
    for index, line in enumerate(lines):
        row = decode(line, f"{where}: row {index + 1}")
        members.setdefault((row["encoder"], row["src"]), []).append(index)

    def part(indices: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        return ((index, decode(lines[index], where)) for index in indices)

    return [
        Part(encoder, src, partial(part, indices)) for (encoder, src), indices in members.items()
    ]


def lines_of_dataset(folder: Path) -> list[bytes]:
    """A dataset's rows as JSON lines without newline, in the corpus's order."""
    placed: list[tuple[int, bytes]] = []
    for part in read_parts(folder):
        places = part.places() or range(len(placed), len(placed) + len(part.frame))
        lines = (jsontext.dump_line(row)[:-1] for row in part.rows())
        placed += zip(places, lines, strict=True)
    placed.sort(key=lambda pair: pair[0])
    return [line for _, line in placed]


def convert(source: Path, out: Path) -> tuple[int, str]:
    """Write the corpus ``source`` in the shape of ``out``'s name; return its rows and sha256.

    Every column and row is kept, in order, whole numbers whole. The corpus is
    checked first (`vqcast.corpus.table.load`), but may be of any length.
    """
    check_name(out)
    if source.resolve() == out.resolve():
        raise InputError(f"{out}: would be converted into itself")
    load(source, min_rows=1)
    lines = rows_text(source)
    if is_dataset(out):
        return write_dataset(out, parts_of_lines(lines, str(source)))
    return len(lines), write_lines(out, [line + b"\n" for line in lines])
