"""A corpus as a Parquet dataset: a folder ``NAME.parquet/encoder=E/src=S/part.parquet``.

Each part holds the rows of one encoder and source, all columns included, and is
read and written alone, so memory follows the largest part and not the corpus.
``vqcast.row`` is a row's place in the corpus: a dataset trains the same bytes
as the JSON Lines that it was made from.

The digest of a dataset is the SHA-256 of what ``sha256sum`` says of its parts
in order of their names, as the shell computes it too::

    cd NAME.parquet && find * -name '*.parquet' | LC_ALL=C sort | xargs sha256sum | sha256sum
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.durable.folder import replace_folder
from vqcast.errors import CorpusError, InputError
from vqcast.extras import needed
from vqcast.vocab import FEATURES

if TYPE_CHECKING:
    import polars as pl

SUFFIX = ".parquet"
ROW = "vqcast.row"
"""The column that says where in the corpus a row stands, from 0."""
_WHOLE = "vqcast.int."
"""Before a column's name: which of its mixed numbers are whole."""
_KINDS = "vqcast"
"""The key of the file's metadata that lists columns and kinds, in the order of the JSON keys."""
_NAME_BYTES = 255
_EXACT = 1 << 53

INT, FLOAT, BOOL, TEXT, JSON = "int", "float", "bool", "text", "json"
WHOLE, NUMBER, MIXED = "whole", "number", "mixed"
"""What a column's values are in JSON. JSON: any value, as its text. The last three are
stored as floats: WHOLE were all written as whole numbers, NUMBER where they are whole, MIXED
have a column of their own that says which."""

_MEASURED = {"cq", "crf", "vmaf", "vmaf_score", "enc_time_ms", *FEATURES}
"""Always stored as floats, so that all parts have one schema."""
_OPTIONAL = ("preset", "group")
"""Always there, so that all parts have one schema; null where a row has none."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one encoder and source, each with its place in the corpus."""

    encoder: str
    src: str
    rows: Callable[[], Iterator[tuple[int, dict[str, Any]]]]
    """Called when they are needed, so that nobody holds all parts."""


def is_dataset(out: Path) -> bool:
    """Whether a corpus written to ``out`` is to be a Parquet dataset."""
    return out.suffix == SUFFIX


def polars() -> Any:
    """The table library. Raises MissingDependency."""
    with needed("polars", "a Parquet corpus"):
        import polars
    return polars


def _keys(encoder: str, src: str) -> tuple[tuple[str, str], ...]:
    return ("encoder", encoder), ("src", src)


def part_name(encoder: str, src: str) -> str:
    """Where a part lies in its dataset; names are percent-encoded, as Hive's readers expect.

    Raises InputError for a name too long for a file system.
    """
    folders = [f"{key}={quote(value, safe='')}" for key, value in _keys(encoder, src)]
    if max(map(len, folders)) > _NAME_BYTES:
        raise InputError(
            f"{src!r}: too long a name for a folder of a Parquet dataset",
            hint="rename the source, or write .jsonl.gz",
        )
    return "/".join([*folders, f"part{SUFFIX}"])


def write_dataset(out: Path, parts: Sequence[Part]) -> tuple[int, str]:
    """Make ``out`` the dataset of ``parts``, in one step; return its rows and digest.

    Raises InputError where anything but a dataset stands at ``out``.
    """
    polars()
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; a Parquet dataset is a folder", hint="remove it first")
    for found in out.rglob("*"):
        if found.suffix != SUFFIX and not found.is_dir():
            raise InputError(
                f"{out}: holds {found.name}, so it is more than a dataset, and would be replaced",
                hint="choose another name, or move that file",
            )
    files = _Files({part_name(part.encoder, part.src): part for part in parts})
    replace_folder(out, files)
    return files.n_rows, digest_of(files.digests)


class _Files(Mapping[str, bytes]):
    """The parts' files by name; bytes are made when they are asked for, and not kept."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self.digests: dict[str, str] = {}
        self.n_rows = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, name: str) -> bytes:
        places, rows = zip(*self._parts[name].rows(), strict=True)
        data = _encode(places, rows)
        self.digests[name] = sha256_bytes(data)
        self.n_rows += len(rows)
        return data


def digest_of(digests: Mapping[str, str]) -> str:
    """The dataset's SHA-256, from its parts' names and digests."""
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests)]
    return sha256_bytes("".join(lines).encode())


def _key_order(rows: Sequence[dict[str, Any]]) -> list[str]:
    """All keys, so that each row's own stand in their order where rows agree on one."""
    order: list[str] = []
    for keys in dict.fromkeys(map(tuple, rows)):
        place = 0
        for key in keys:
            if key in order:
                place = order.index(key) + 1
            else:
                order.insert(place, key)
                place += 1
    return order


def _kind(key: str, values: Sequence[Any]) -> str:
    types: set[type] = {type(value) for value in values}
    plain: dict[type, str] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT}
    top = max((abs(value) for value in values if type(value) is int), default=0)
    if types == {int} and top < _EXACT and key in _MEASURED:
        return WHOLE
    if types == {int, float} and top < _EXACT:
        alike = all((type(value) is int) == float(value).is_integer() for value in values)
        return NUMBER if alike else MIXED
    if len(types) > 1 or top >= 1 << 63:
        return JSON
    return plain.get(types.pop(), JSON)


def _encode(places: Sequence[int], rows: Sequence[dict[str, Any]]) -> bytes:
    """One part's file. The same rows give the same bytes with the same polars."""
    pl = polars()
    types = {INT: pl.Int64, BOOL: pl.Boolean, TEXT: pl.String, JSON: pl.String}
    columns = [pl.Series(ROW, places, dtype=pl.Int64)]
    kinds = []
    for key in _key_order(rows):
        if key.startswith("vqcast."):
            raise InputError(f"a corpus's column can't be named {key!r}", hint="rename it")
        kind = _kind(key, [row[key] for row in rows if key in row])
        kinds.append([key, kind])
        values: list[Any] = [row.get(key) for row in rows]
        if kind == JSON:
            values = [_text(row[key]) if key in row else None for row in rows]
        if kind == MIXED:
            whole = [None if value is None else type(value) is int for value in values]
            columns.append(pl.Series(f"{_WHOLE}{key}", whole, dtype=pl.Boolean))
        dtype = types.get(kind, pl.Float64)
        columns.append(pl.Series(key, values, dtype=dtype, strict=dtype != pl.Float64))
    listed = {key for key, _ in kinds}
    columns += [
        pl.Series(key, [None] * len(rows), dtype=pl.String)
        for key in _OPTIONAL
        if key not in listed
    ]
    buffer = io.BytesIO()
    pl.DataFrame(sorted(columns, key=lambda column: str(column.name))).write_parquet(
        buffer, compression="zstd", metadata={_KINDS: json.dumps(kinds, ensure_ascii=False)}
    )
    return buffer.getvalue()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_READERS: dict[str, Callable[[Any, Any], Any]] = {
    JSON: lambda value, _: json.loads(value),
    WHOLE: lambda value, _: int(value),
    NUMBER: lambda value, _: int(value) if value.is_integer() else value,
    MIXED: lambda value, whole: int(value) if whole else value,
}
"""From a stored value, and its mark, to the JSON value."""


@dataclass(frozen=True, slots=True)
class Read:
    """One part as it was read: digested bytes, parsed from those very bytes."""

    name: str
    sha256: str
    frame: pl.DataFrame
    kinds: list[tuple[str, str]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as their JSON objects, absent keys left out."""
        absent = object()
        columns = []
        for key, kind in self.kinds:
            values = self.frame[key].to_list()
            marks = values if kind != MIXED else self.frame[f"{_WHOLE}{key}"].to_list()
            read = _READERS.get(kind, lambda value, _: value)
            columns.append(
                [
                    absent if value is None else read(value, mark)
                    for value, mark in zip(values, marks, strict=True)
                ]
            )
        keys = [key for key, _ in self.kinds]
        for row in zip(*columns, strict=True):
            pairs = zip(keys, row, strict=True)
            yield {key: value for key, value in pairs if value is not absent}

    def places(self) -> list[int] | None:
        """Each row's place in the corpus, or None where the dataset does not say."""
        return self.frame[ROW].to_list() if ROW in self.frame.columns else None


def read_parts(folder: Path, columns: Collection[str] | None = None) -> Iterator[Read]:
    """The parts in order of their names, one at a time, with only ``columns`` if given.

    Raises CorpusError for a folder without parts, or a part that is no Parquet.
    """
    pl = polars()
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}") if path.is_file()
    )
    if not names:
        raise CorpusError(
            f"{folder}: holds no {SUFFIX} file", hint="name a dataset that vqcast corpus wrote"
        )
    for name in names:
        data = read_regular(folder / name)
        try:
            said = pl.read_parquet_metadata(io.BytesIO(data)).get(_KINDS)
            there = list(pl.read_parquet_schema(io.BytesIO(data)))
            wanted = [key for key in there if columns is None or key in columns]
            frame = pl.read_parquet(io.BytesIO(data), columns=wanted, hive_partitioning=False)
            kinds = json.loads(said) if said else [[key, TEXT] for key in there if key != ROW]
            listed = [(key, kind) for key, kind in kinds if key in there]
        except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
            words = str(error).splitlines()[0]
            raise CorpusError(f"{folder}: {name}: not a Parquet part: {words}") from error
        yield Read(name, sha256_bytes(data), frame, listed)
