"""Write corpus rows in the shape that the file's name asks for, and go between the shapes.

``.jsonl`` and ``.jsonl.gz`` are one file, written in one step from memory;
``.parquet`` is a dataset, written part by part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from vqcast.corpus import lines
from vqcast.corpus.frame import Frame
from vqcast.corpus.lazy import pl
from vqcast.corpus.parquet import SUFFIX, Part, is_dataset, write_dataset
from vqcast.corpus.reading import read
from vqcast.documents import jsontext
from vqcast.durable.files import gzip_canonical, write_atomic
from vqcast.errors import DocumentError, InputError


def check_name(out: Path) -> None:
    """Raise InputError for a name that asks for no shape."""
    if not out.name.endswith((*lines.SUFFIXES, SUFFIX)):
        raise InputError(
            f"a corpus is named {', '.join(lines.SUFFIXES)} or {SUFFIX} (a folder)", path=out
        )


def write_corpus(out: Path, parts: Sequence[Part]) -> tuple[int, str | None]:
    """Write the parts' rows to ``out``; return their count and the corpus's sha256.

    Nothing is written, and the digest is None, where there are no rows.
    """
    if not parts:
        return 0, None
    if is_dataset(out):
        return write_dataset(out, parts)
    placed = [(place, _line(row)) for part in parts for place, row in part.rows()]
    placed.sort(key=lambda pair: pair[0])
    return len(placed), _write_lines(out, [line for _, line in placed])


def write_frame(out: Path, frame: Frame) -> tuple[int, str]:
    """Write a frame's rows to ``out``; return their count and the corpus's sha256."""
    if is_dataset(out):
        return write_dataset(out, parts_of(frame))
    return len(frame), _write_lines(out, list(map(_line, frame.rows())))


def parts_of(frame: Frame) -> list[Part]:
    """A frame's rows by encoder and source, in order of appearance."""
    keys = pl.DataFrame([frame.text("encoder").alias("encoder"), frame.text("src").alias("src")])
    members = keys.with_row_index("row").group_by("encoder", "src", maintain_order=True)

    def part(places: pl.Series) -> Iterator[tuple[int, dict[str, Any]]]:
        return zip(places.to_list(), frame.take(places.to_numpy()).rows(), strict=True)

    return [
        Part(str(encoder), str(src), partial(part, rows["row"]), tuple(frame.kinds))
        for (encoder, src), rows in members
    ]


def joined(parts: Sequence[Part]) -> list[Part]:
    """The same rows, those of one encoder and source in one part."""
    alike: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        alike.setdefault((part.encoder, part.src), []).append(part)

    def rows(same: list[Part]) -> Iterator[tuple[int, dict[str, Any]]]:
        return chain.from_iterable(part.rows() for part in same)

    return [replace(same[0], rows=partial(rows, same)) for same in alike.values()]


def convert(source: Path, out: Path) -> tuple[int, str]:
    """Write the corpus ``source`` in the shape of ``out``'s name; return its rows and sha256.

    Every column and row is kept, in order, whole numbers whole. The corpus is
    checked first (`vqcast.corpus.table.load`), but may be of any length.
    """
    check_name(out)
    if source.resolve() == out.resolve():
        raise InputError("would be converted into itself", path=out)
    return write_frame(out, read(source, min_rows=1, keep=True).frame)


def _line(row: dict[str, Any]) -> bytes:
    """A row as JSON; an undefined mean, which Python writes as NaN, as null."""
    try:
        return jsontext.dump_line(row)
    except DocumentError:
        return jsontext.dump_line({k: None if v != v else v for k, v in row.items()})


def _write_lines(out: Path, rows: Sequence[bytes]) -> str:
    data = b"".join(rows)
    return write_atomic(out, gzip_canonical(data) if out.suffix == ".gz" else data)
