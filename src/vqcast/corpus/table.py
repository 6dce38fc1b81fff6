"""Load a corpus and refuse what can't be trained on.

Both shapes of CONTRACT §1 are read: per-frame rows, and pooled rows
(``schema_version`` 3, one a cell). Plain or gzip is told by the first bytes,
not by the name; a folder is a Parquet dataset (`vqcast.corpus.parquet`)::

    corpus = load(Path("per_frame_canonical6.jsonl.gz"))
    corpus.features.shape      # (rows, 6), float64
"""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.labels import Labels
from vqcast.durable.files import MAX_READ_BYTES, read_regular, sha256_bytes
from vqcast.errors import CorpusError, InputError
from vqcast.vocab import FEATURES

MIN_ROWS = 100
SHAPE_FRAME = "per_frame"
SHAPE_POOLED = "pooled"
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1 << 24
MAX_FRAME_INDEX = 1 << 53
ROW_HINT = "build the corpus again, or remove that row: nothing is imputed"
BUILD_HINT = "make one with: vqcast corpus build --help"

FRAME_KEYS = ("src", "encoder", "cq", "frame_index", "vmaf", *FEATURES)
POOLED_KEYS = ("src", "encoder", "crf", "vmaf_score", *(f"{name}_mean" for name in FEATURES))
_TEXT_KEYS = ("src", "encoder")
_LABELS = ("src", "encoder", "preset", "group")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A checked corpus: one entry a row in every column, in file order."""

    path: Path
    sha256: str
    shape: str
    src: Labels[str]
    encoder: Labels[str]
    preset: Labels[str | None]
    group: Labels[str | None]
    cq: NDArray[np.float64]
    frame_index: NDArray[np.int64]
    vmaf: NDArray[np.float64]
    features: NDArray[np.float64]
    """Canonical-6, ``[rows, 6]``."""
    dropped_nan_rows: int = 0
    synthetic: bool = False
    extra_columns: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in _LABELS:
            if not isinstance(getattr(self, name), Labels):
                object.__setattr__(self, name, Labels.of(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.src)

    @property
    def sources(self) -> list[str]:
        """Unique source names, sorted."""
        return sorted(self.src.counts())

    @property
    def cq_min(self) -> float:
        """Smallest quality value observed."""
        return float(self.cq.min())

    @property
    def cq_max(self) -> float:
        """Largest quality value observed."""
        return float(self.cq.max())

    def take(self, rows: NDArray[np.int64]) -> Corpus:
        """The same corpus with only ``rows``, in their order."""
        labels: dict[str, Any] = {name: getattr(self, name).take(rows) for name in _LABELS}
        arrays: dict[str, Any] = {
            name: getattr(self, name)[rows] for name in ("cq", "frame_index", "vmaf", "features")
        }
        return replace(self, **labels, **arrays)

    def group_of(self) -> dict[str, str]:
        """Each source's group; a source without one is a group of its own."""
        pairs, _ = self._distinct(self.src, self.group)
        return {src: group or src for src, group in pairs}

    def groups_of_each(self) -> dict[str, int]:
        """How many groups each source's rows name; rows without one count as another."""
        pairs, _ = self._distinct(self.src, self.group)
        return dict(Counter(src for src, _ in pairs))

    def settings(self) -> tuple[list[tuple[str, str | None, float]], NDArray[np.int64]]:
        """The distinct (encoder, preset, cq) and each row's index among them."""
        return self._distinct(self.encoder, self.preset, self.cq)

    def cells(self) -> tuple[list[tuple[str, str, str | None, float]], NDArray[np.int64]]:
        """The distinct (src, encoder, preset, cq) by first row, and each row's index among them."""
        return self._distinct(self.src, self.encoder, self.preset, self.cq)

    @staticmethod
    def _distinct(*columns: Labels[Any] | NDArray[np.float64]) -> tuple[Any, NDArray[np.int64]]:
        combined = np.zeros(len(columns[0]), dtype=np.int64)
        names: list[Sequence[Any]] = []
        for column in columns:
            if isinstance(column, Labels):
                names.append(column.names)
                codes: NDArray[Any] = column.codes
            else:
                values, codes = np.unique(column, return_inverse=True)
                names.append(values.tolist())
            combined *= len(names[-1])
            combined += codes
        kept, first, index = np.unique(combined, return_index=True, return_inverse=True)
        by_first = np.argsort(first)
        rank = np.empty(len(kept), dtype=np.int64)
        rank[by_first] = np.arange(len(kept))
        found = []
        for code in kept[by_first].tolist():
            words = []
            for each in reversed(names):
                code, place = divmod(code, len(each))
                words.append(each[place])
            found.append(tuple(reversed(words)))
        return found, rank[index]


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _text(data: bytes, path: Path) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while piece := stream.read(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_READ_BYTES:
                    raise CorpusError(f"{path}: unpacks to more than {MAX_READ_BYTES} bytes")
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: a damaged gzip file: {error}") from error
    return b"".join(pieces)


def rows_text(path: Path) -> list[bytes]:
    """The corpus's lines as they stand, blank ones left out; those that a dataset's rows make."""
    if path.is_dir():
        from vqcast.corpus.writing import lines_of_dataset

        return lines_of_dataset(path)
    return [line for _, line in _lines(_text(read_regular(path), path))]


def _number(row: dict[str, Any], key: str, where: str) -> float:
    value = row[key]
    try:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise CorpusError(f"{where}: {key} is {value!r}, not a finite number", hint=ROW_HINT)


def _frame_number(row: dict[str, Any], where: str) -> float:
    value = _number(row, "frame_index", where)
    if not (value.is_integer() and 0 <= value < MAX_FRAME_INDEX):
        raise CorpusError(
            f"{where}: frame_index is {value:g}, not a frame number from 0", hint=ROW_HINT
        )
    return value


def _score(row: dict[str, Any], key: str, where: str) -> float:
    value = _number(row, key, where)
    if not 0.0 <= value <= 100.0:
        raise CorpusError(f"{where}: {key} is {value:g}, outside 0..100", hint=ROW_HINT)
    return value


def _optional_text(row: dict[str, Any], key: str, where: str) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise CorpusError(f"{where}: {key} is {value!r}, not text", hint=ROW_HINT)
    return value


def _required(row: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    missing = [key for key in keys if key not in row]
    if missing:
        raise CorpusError(f"{where}: lacks {', '.join(missing)}", hint=BUILD_HINT)
    for key in _TEXT_KEYS:
        if not isinstance(row[key], str) or not row[key]:
            raise CorpusError(f"{where}: {key} is {row[key]!r}, not a name", hint=ROW_HINT)


def _is_nan_mean(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _decode_nan(line: bytes) -> Any:
    # Python's writer puts a bare NaN where a pooled mean is undefined: it is read
    # here, so that the row is dropped, or refused by the column's name.
    row = json.loads(line.decode())
    json.dumps(row, ensure_ascii=False).encode()
    return row


def decode(line: bytes, where: str) -> dict[str, Any]:
    """A line's JSON object. Raises CorpusError, its sentence beginning with ``where``."""
    try:
        row = (
            _decode_nan(line)
            if b"NaN" in line or b"Infinity" in line
            else msgspec.json.decode(line)
        )
    except UnicodeError as error:
        raise CorpusError(f"{where}: not UTF-8", hint=ROW_HINT) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not JSON: {error}", hint=ROW_HINT) from error
    if not isinstance(row, dict):
        raise CorpusError(f"{where}: not a JSON object", hint=ROW_HINT)
    return row


def check_rows(path: Path, rows: int, dropped: int, least: int) -> None:
    """Raise CorpusError for fewer than ``least`` rows."""
    if rows < least:
        note = f" ({dropped} more were dropped for NaN means)" if dropped else ""
        raise CorpusError(
            f"{path}: {rows} rows{note}, at least {least} are needed", hint=BUILD_HINT
        )


def load(path: Path, *, min_rows: int = MIN_ROWS) -> Corpus:
    """Read and check the corpus at ``path``.

    Raises CorpusError, naming the row, for a missing or empty file, fewer than
    ``min_rows`` rows, missing columns (all at once), a number that is not
    finite, a score outside 0..100, or pooled rows without their means.
    """
    try:
        if not path.exists():
            raise CorpusError(f"{path}: no such corpus", hint=BUILD_HINT)
        if path.is_dir():
            from vqcast.corpus.scan import load_dataset

            return load_dataset(path, min_rows=min_rows)
        data = read_regular(path)
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}") from error
    except InputError as error:
        raise CorpusError(error.message, hint=error.hint) from error
    text = _text(data, path)
    src: list[str] = []
    encoder: list[str] = []
    preset: list[str | None] = []
    group: list[str | None] = []
    numbers: list[tuple[float, ...]] = []
    shape: str | None = None
    dropped = 0
    synthetic = False
    extra: set[str] = set()
    for number, line in _lines(text):
        where = f"{path}: row {number}"
        row = decode(line, where)
        row_shape = SHAPE_POOLED if "schema_version" in row else SHAPE_FRAME
        if shape is None:
            shape = row_shape
        elif shape != row_shape:
            raise CorpusError(f"{where}: mixes per-frame and pooled rows", hint=ROW_HINT)
        if shape == SHAPE_POOLED:
            if row["schema_version"] != 3:
                raise CorpusError(
                    f"{where}: pooled rows of schema {row['schema_version']!r}, not 3"
                )
            _required(row, POOLED_KEYS, where)
            means = [row[f"{name}_mean"] for name in FEATURES]
            if any(_is_nan_mean(mean) for mean in means):
                dropped += 1
                continue
            keys = ("crf", "vmaf_score", tuple(f"{name}_mean" for name in FEATURES))
            index = 0.0
        else:
            _required(row, FRAME_KEYS, where)
            keys = ("cq", "vmaf", FEATURES)
            index = _frame_number(row, where)
        src.append(row["src"])
        encoder.append(row["encoder"])
        preset.append(_optional_text(row, "preset", where))
        group.append(_optional_text(row, "group", where))
        synthetic = synthetic or row.get("synthetic") is True
        numbers.append(
            (
                _number(row, keys[0], where),
                _score(row, keys[1], where),
                index,
                *(_number(row, name, where) for name in keys[2]),
            )
        )
        if len(numbers) == 1:
            extra = set(row) - set(FRAME_KEYS) - set(POOLED_KEYS)
    if shape is None:
        raise CorpusError(f"{path}: is empty", hint=BUILD_HINT)
    check_rows(path, len(numbers), dropped, min_rows)
    table = np.array(numbers, dtype=np.float64)
    return Corpus(
        path=path,
        sha256=sha256_bytes(data),
        shape=shape,
        src=Labels.of(src),
        encoder=Labels.of(encoder),
        preset=Labels.of(preset),
        group=Labels.of(group),
        cq=table[:, 0],
        frame_index=table[:, 2].astype(np.int64),
        vmaf=table[:, 1],
        features=np.ascontiguousarray(table[:, 3:]),
        dropped_nan_rows=dropped,
        synthetic=synthetic,
        extra_columns=tuple(sorted(extra)),
    )
