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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vqcast.corpus.frame import RESERVED, Frame, key_order
from vqcast.corpus.lazy import pl
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.durable.folder import replace_folder
from vqcast.errors import CorpusError, InputError

SUFFIX = ".parquet"
ROW = f"{RESERVED}row"
"""The column that says where in the corpus a row stands, from 0."""
_KINDS = "vqcast"
"""The key of the file's metadata that lists columns and kinds, in the order of the JSON keys."""
_NAME_BYTES = 255

_OPTIONAL = ("preset", "group")
"""Always there, so that all parts have one schema; null where a row has none."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one encoder and source, each with its place in the corpus."""

    encoder: str
    src: str
    rows: Callable[[], Iterator[tuple[int, dict[str, Any]]]]
    """Called when they are needed, so that nobody holds all parts."""
    keys: tuple[str, ...] = ()
    """The order of the corpus's keys, where the part's own rows may not tell."""


def is_dataset(out: Path) -> bool:
    """Whether a corpus written to ``out`` is to be a Parquet dataset."""
    return out.suffix == SUFFIX


def part_name(encoder: str, src: str) -> str:
    """Where a part lies in its dataset; names are percent-encoded, as Hive's readers expect.

    Raises InputError for a name too long for a file system.
    """
    folders = [f"encoder={quote(encoder, safe='')}", f"src={quote(src, safe='')}"]
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
    if out.exists() and not out.is_dir():
        raise InputError(
            "is a file; a Parquet dataset is a folder", path=out, hint="remove it first"
        )
    for found in out.rglob("*"):
        if found.suffix != SUFFIX and not found.is_dir():
            raise InputError(
                f"holds {found.name}, so it is more than a dataset, and would be replaced",
                path=out,
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
        part = self._parts[name]
        places, rows = zip(*part.rows(), strict=True)
        data = _encode(places, rows, part.keys)
        self.digests[name] = sha256_bytes(data)
        self.n_rows += len(rows)
        return data


def digest_of(digests: Mapping[str, str]) -> str:
    """The dataset's SHA-256, from its parts' names and digests."""
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests)]
    return sha256_bytes("".join(lines).encode())


def _encode(places: Sequence[int], rows: Sequence[dict[str, Any]], keys: tuple[str, ...]) -> bytes:
    """One part's file. The same rows give the same bytes with the same polars."""
    frame = Frame.of_rows(rows)
    columns = [pl.Series(ROW, places, dtype=pl.Int64), *frame.data]
    columns += [
        pl.Series(key, [None] * len(rows), dtype=pl.String)
        for key in _OPTIONAL
        if key not in frame.kinds
    ]
    order = [key for key in key_order([keys, tuple(frame.kinds)]) if key in frame.kinds]
    kinds = [[key, frame.kinds[key]] for key in order]
    buffer = io.BytesIO()
    pl.DataFrame(sorted(columns, key=lambda column: str(column.name))).write_parquet(
        buffer, compression="zstd", metadata={_KINDS: json.dumps(kinds, ensure_ascii=False)}
    )
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Read:
    """One part as it was read: digested bytes, parsed from those very bytes."""

    name: str
    sha256: str
    frame: Frame


def read_parts(folder: Path) -> Iterator[Read]:
    """The parts in order of their names, one at a time.

    Raises CorpusError for a folder without parts, or a part that is no Parquet.
    """
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}") if path.is_file()
    )
    if not names:
        raise CorpusError(
            f"holds no {SUFFIX} file", path=folder, hint="name a dataset that vqcast corpus wrote"
        )
    for name in names:
        data = read_regular(folder / name)
        try:
            said = pl.read_parquet_metadata(io.BytesIO(data)).get(_KINDS)
            frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
            kinds = [(key, kind) for key, kind in json.loads(said)] if said else None
        except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
            words = str(error).splitlines()[0]
            raise CorpusError(f"{name}: not a Parquet part: {words}", path=folder) from error
        yield Read(name, sha256_bytes(data), Frame.stored(frame, kinds))
