"""A corpus as JSON Lines, plain or gzip: bytes to pieces of a few thousand rows at a time."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vqcast.corpus.checking import ROW_HINT, Piece
from vqcast.corpus.frame import Frame
from vqcast.durable.files import MAX_READ_BYTES
from vqcast.errors import CorpusError

SUFFIXES = (".jsonl", ".jsonl.gz")
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1 << 24
_ROWS = 1 << 14


def pieces(data: bytes, path: Path) -> Iterator[Piece]:
    """The rows of a file's bytes; blank lines are none. Raises CorpusError naming the row."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(_text(data, path), start=1):
        if not line.strip():
            continue
        try:
            row = _decode(line, path, f"row {number}")
        except CorpusError:
            if rows:  # what is wrong above comes first
                yield Piece(Frame.of_rows(rows), path, numbers)
            raise
        rows.append(row)
        numbers.append(number)
        if len(rows) == _ROWS:
            yield Piece(Frame.of_rows(rows), path, numbers)
            rows, numbers = [], []
    if rows:
        yield Piece(Frame.of_rows(rows), path, numbers)


def _text(data: bytes, path: Path) -> io.BytesIO:
    """The lines of a file's bytes, unpacked whole before the first is given."""
    if not data.startswith(_GZIP_MAGIC):
        return io.BytesIO(data)
    text = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while piece := stream.read(_PIECE_BYTES):
                text.write(piece)
                if text.tell() > MAX_READ_BYTES:
                    raise CorpusError(f"unpacks to more than {MAX_READ_BYTES} bytes", path=path)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"a damaged gzip file: {error}", path=path) from error
    text.seek(0)
    return text


def _decode(line: bytes, path: Path, where: str) -> dict[str, Any]:
    try:
        if b"NaN" in line or b"Infinity" in line:
            # Python's writer puts a bare NaN where a pooled mean is undefined: it is read
            # here, so that the row is dropped, or refused by the column's name.
            row = json.loads(line.decode())
            json.dumps(row, ensure_ascii=False).encode()
        else:
            row = msgspec.json.decode(line)
    except UnicodeError as error:
        raise CorpusError(f"{where}: not UTF-8", path=path, hint=ROW_HINT) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not JSON: {error}", path=path, hint=ROW_HINT) from error
    if not isinstance(row, dict):
        raise CorpusError(f"{where}: not a JSON object", path=path, hint=ROW_HINT)
    return row
