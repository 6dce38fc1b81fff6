"""Load a Parquet dataset as a checked corpus: part by part, whole columns at a time.

The refusals are those of JSON Lines (`vqcast.corpus.table`), each naming the
part and the row in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus import table
from vqcast.corpus.labels import Labels
from vqcast.corpus.parquet import JSON, ROW, Read, digest_of, polars, read_parts
from vqcast.errors import CorpusError
from vqcast.vocab import FEATURES

if TYPE_CHECKING:
    import polars as pl

_TEXTS = ("src", "encoder", "preset", "group")
_VERSION = "schema_version"
_READ = {*_TEXTS, *table.FRAME_KEYS, *table.POOLED_KEYS, _VERSION, "synthetic", ROW}


class _Names:
    """One text column over all parts: codes now, names once."""

    def __init__(self) -> None:
        self._codes: dict[str | None, int] = {}
        self._pieces: list[NDArray[np.int32]] = []

    def add(self, values: pl.Series) -> None:
        pl = polars()
        names = values.unique(maintain_order=True).to_list()
        ours = [self._codes.setdefault(name, len(self._codes)) for name in names]
        if len(names) == 1:
            self._pieces.append(np.full(len(values), ours[0], dtype=np.int32))
            return
        known = [name for name in names if name is not None]
        place = values.cast(pl.Enum(known)).to_physical().cast(pl.Int64).fill_null(len(known))
        codes = [self._codes[name] for name in known] + [self._codes.get(None, 0)]
        self._pieces.append(np.array(codes, dtype=np.int32)[place.to_numpy()])

    def labels(self, order: NDArray[np.int64] | None) -> Labels[Any]:
        return Labels(tuple(self._codes), _placed(self._pieces, order))


def _placed(pieces: list[NDArray[Any]], order: NDArray[np.int64] | None) -> NDArray[Any]:
    """The pieces as one array, each row at its place; pieces go as they are copied."""
    total = sum(map(len, pieces))
    whole = np.empty((total, *pieces[0].shape[1:]), dtype=pieces[0].dtype)
    start = 0
    for index in range(len(pieces)):
        piece, pieces[index] = pieces[index], whole[:0]
        end = start + len(piece)
        whole[slice(start, end) if order is None else order[start:end]] = piece
        start = end
    return whole


def load_dataset(folder: Path, *, min_rows: int) -> table.Corpus:
    """Read and check the dataset at ``folder``; see `vqcast.corpus.table.load`."""
    names = {key: _Names() for key in _TEXTS}
    numbers: dict[str, list[NDArray[Any]]] = {
        key: [] for key in ("cq", "vmaf", "frame_index", "features", ROW)
    }
    digests: dict[str, str] = {}
    shapes: set[str] = set()
    extra: set[str] = set()
    dropped, synthetic = 0, False
    for part in read_parts(folder, _READ):
        digests[part.name] = part.sha256
        if not len(part.frame):
            continue
        check = _Check(folder, part)
        shapes.add(check.shape)
        if len(shapes) > 1:
            raise CorpusError(f"{folder}: mixes per-frame and pooled rows", hint=table.ROW_HINT)
        extra |= {key for key, _ in part.kinds} - set(table.FRAME_KEYS) - set(table.POOLED_KEYS)
        dropped += check.dropped
        for key in _TEXTS:
            names[key].add(check.text(key, required=key in ("src", "encoder")))
        for key, values in check.numbers().items():
            numbers[key].append(values)
        synthetic = synthetic or check.synthetic()
    if not shapes:
        raise CorpusError(f"{folder}: is empty", hint=table.BUILD_HINT)
    rows = sum(map(len, numbers["vmaf"]))
    table.check_rows(folder, rows, dropped, min_rows)
    order = _order(folder, numbers.pop(ROW), rows)
    columns: dict[str, Any] = {key: column.labels(order) for key, column in names.items()}
    columns |= {key: _placed(pieces, order) for key, pieces in numbers.items()}
    return table.Corpus(
        path=folder,
        sha256=digest_of(digests),
        shape=shapes.pop(),
        **columns,
        dropped_nan_rows=dropped,
        synthetic=synthetic,
        extra_columns=tuple(sorted(extra)),
    )


def _order(folder: Path, pieces: list[NDArray[Any]], rows: int) -> NDArray[np.int64] | None:
    """Each row's place, in the order of the parts; None where they say none.

    Where rows were dropped, those that are left close up.
    """
    places = np.concatenate(pieces)
    if (places < 0).all():
        return None
    by_place = np.argsort(places, kind="stable")
    ranked = places[by_place]
    if ranked[0] < 0 or (np.diff(ranked) <= 0).any():
        raise CorpusError(
            f"{folder}: two rows claim one place ({ROW})",
            hint="parts of two corpora are mixed: convert each again from its own source",
        )
    order = np.empty(rows, dtype=np.int64)
    order[by_place] = np.arange(rows)
    return order


class _Check:
    """One part's columns, each checked as a whole."""

    def __init__(self, folder: Path, part: Read) -> None:
        self._where = f"{folder}: {part.name}"
        self._frame = part.frame
        self._as_json = {key for key, kind in part.kinds if kind == JSON}
        self.shape = table.SHAPE_POOLED if _VERSION in self._frame.columns else table.SHAPE_FRAME
        self.dropped = 0
        self._keys = ("cq", "vmaf", *FEATURES)
        required = table.FRAME_KEYS
        if self.shape == table.SHAPE_POOLED:
            self._keys = ("crf", "vmaf_score", *(f"{name}_mean" for name in FEATURES))
            required = table.POOLED_KEYS
            self._refuse(_VERSION, lambda column: column != 3, "{value!r}, not schema 3")
        missing = [key for key in required if key not in self._frame.columns]
        if missing:
            raise CorpusError(f"{self._where}: lacks {', '.join(missing)}", hint=table.BUILD_HINT)
        if self.shape == table.SHAPE_POOLED:
            self._drop_undefined(self._keys[2:])

    def _drop_undefined(self, means: tuple[str, ...]) -> None:
        pl = polars()
        columns = [self._number(key) for key in means]
        gone = pl.any_horizontal([pl.lit(c.is_null() | c.is_nan()) for c in columns])
        mask = pl.select(gone).to_series()
        self.dropped = int(mask.sum())
        self._frame = self._frame.filter(~mask)

    def _refuse(self, key: str, wrong: Callable[[pl.Series], pl.Series], words: str) -> None:
        """Raise CorpusError for the first row of a column that is ``wrong``, or absent."""
        column = self._frame[key]
        bad = (wrong(column) | column.is_null()).fill_null(True).arg_true()
        if len(bad):
            row = int(bad[0])
            said = words.format(value=column[row])
            raise CorpusError(f"{self._where}: row {row + 1}: {key} is {said}", hint=table.ROW_HINT)

    def text(self, key: str, *, required: bool) -> Any:
        """A column of names; one that is absent is null in every row."""
        pl = polars()
        if key not in self._frame.columns:
            return pl.Series(key, [None] * len(self._frame), dtype=pl.String)
        column = self._frame[key]
        if column.dtype in (pl.Categorical, pl.Enum):
            column = column.cast(pl.String)
        if key in self._as_json:  # null was written out in some row
            values = [None if text is None else json.loads(text) for text in column]
            if any(type(value) not in (str, type(None)) for value in values):
                raise CorpusError(f"{self._where}: {key} is not text", hint=table.ROW_HINT)
            column = pl.Series(key, values, dtype=pl.String)
        if column.dtype != pl.String:
            raise CorpusError(
                f"{self._where}: {key} is {column.dtype}, not text", hint=table.ROW_HINT
            )
        if required:
            self._refuse(key, lambda names: names == "", "{value!r}, not a name")
        return column

    def _number(self, key: str) -> Any:
        pl = polars()
        column = self._frame[key]
        if not column.dtype.is_numeric() or key in self._as_json:
            raise CorpusError(
                f"{self._where}: {key} is {column.dtype}, not a number", hint=table.ROW_HINT
            )
        return column.cast(pl.Float64)

    def numbers(self) -> dict[str, NDArray[Any]]:
        """The numeric columns under the corpus's names, and each row's place (-1: not said)."""
        rows = len(self._frame)
        for key in self._keys:
            self._number(key)
            self._refuse(key, lambda c: ~c.is_finite(), "{value!r}, not a finite number")
        score = self._keys[1]
        self._refuse(score, lambda c: (c < 0) | (c > 100), "{value:g}, outside 0..100")
        if self.shape == table.SHAPE_FRAME:
            self._number("frame_index")
            top = table.MAX_FRAME_INDEX
            self._refuse(
                "frame_index",
                lambda c: (c < 0) | (c >= top) | (c != c.floor()),
                "{value!r}, not a frame number from 0",
            )
            index = self._frame["frame_index"].cast(polars().Int64).to_numpy()
        else:
            index = np.zeros(rows, dtype=np.int64)
        columns = [self._number(key).to_numpy() for key in self._keys]
        places = np.full(rows, -1, dtype=np.int64)
        if ROW in self._frame.columns:
            places = self._frame[ROW].cast(polars().Int64).fill_null(-1).to_numpy()
        return {
            "cq": columns[0],
            "vmaf": columns[1],
            "frame_index": index,
            "features": np.column_stack(columns[2:]),
            ROW: places,
        }

    def synthetic(self) -> bool:
        """Whether a row is marked as made up."""
        if "synthetic" not in self._frame.columns:
            return False
        column = self._frame["synthetic"]
        return bool(column.dtype == polars().Boolean and column.any())
