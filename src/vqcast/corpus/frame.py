"""JSON rows as columns and back without loss: a Polars frame, and what each column's values were.

    frame = Frame.of_rows([{"src": "a", "cq": 20, "vmaf": 93.5}])
    list(frame.rows())         # [{"src": "a", "cq": 20, "vmaf": 93.5}]

Whole numbers stay whole, an absent key stays absent, a value of any other kind is
kept as its JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.lazy import pl
from vqcast.errors import InputError
from vqcast.vocab import FEATURES

INT, FLOAT, BOOL, TEXT, JSON = "int", "float", "bool", "text", "json"
WHOLE, NUMBER, MIXED = "whole", "number", "mixed"
"""What a column's values are in JSON. JSON: any value, as its text. The last three are
stored as floats: WHOLE were all written as whole numbers, NUMBER where they are whole, MIXED
have a column of their own that says which."""
NUMERIC = frozenset({INT, FLOAT, WHOLE, NUMBER, MIXED})
RESERVED = "vqcast."
"""The start of names that no column of a corpus may have."""
_MARK = f"{RESERVED}int."
"""Before a column's name: which of its mixed numbers are whole."""
_EXACT = 1 << 53
_MEASURED = {"cq", "crf", "vmaf", "vmaf_score", "enc_time_ms", *FEATURES}
"""Always stored as floats, so that all parts have one schema."""
_SLICE = 1 << 15


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows as columns."""

    data: pl.DataFrame
    kinds: Mapping[str, str]
    """Key -> kind, in the order of the JSON keys."""
    foreign: bool = False
    """Of a Parquet file that says no kinds: its nulls may be values."""

    def __len__(self) -> int:
        return len(self.data)

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Frame:
        """The frame of ``rows``. Raises InputError for a reserved key."""
        types = {INT: pl.Int64, BOOL: pl.Boolean, TEXT: pl.String, JSON: pl.String}
        columns, kinds = [], {}
        for key, values, absent in _columns(rows):
            if key.startswith(RESERVED):
                raise InputError(f"a corpus's column can't be named {key!r}", hint="rename it")
            there = [value for value in values if value is not _ABSENT] if absent else values
            kind = kinds[key] = _kind(key, there)
            stored: Sequence[Any] = values
            if kind == JSON:
                stored = [None if value is _ABSENT else json_text(value) for value in values]
            elif absent:
                stored = [None if value is _ABSENT else value for value in values]
            if kind == MIXED:
                marks = [None if value is None else isinstance(value, int) for value in stored]
                columns.append(pl.Series(f"{_MARK}{key}", marks, dtype=pl.Boolean))
            dtype = types.get(kind, pl.Float64)
            columns.append(pl.Series(key, stored, dtype=dtype, strict=dtype != pl.Float64))
        if not columns:
            columns = [pl.Series(f"{RESERVED}none", [None] * len(rows))]
        return cls(pl.DataFrame(columns), kinds)

    @classmethod
    def stored(cls, data: pl.DataFrame, kinds: Iterable[tuple[str, str]] | None) -> Frame:
        """The frame of columns as they were stored; None: by a tool that says no kinds."""
        if kinds is not None:
            return cls(data, {key: kind for key, kind in kinds if key in data.columns})
        found = {}
        for key, dtype in data.schema.items():
            if not key.startswith(RESERVED):
                plain = BOOL if dtype == pl.Boolean else FLOAT if dtype.is_float() else TEXT
                found[key] = INT if dtype.is_integer() else plain
        return cls(data, found, foreign=True)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as their JSON objects, absent keys left out."""
        keys = list(self.kinds)
        for start in range(0, len(self), _SLICE):
            part = replace(self, data=self.data.slice(start, _SLICE))
            for row in zip(*(part._values(key) for key in keys), strict=True):
                pairs = zip(keys, row, strict=True)
                yield {key: value for key, value in pairs if value is not _ABSENT}

    def _values(self, key: str) -> list[Any]:
        """One column's JSON values."""
        kind, stored = self.kinds[key], self.data[key].to_list()
        marks = self.data[_MARK + key].to_list() if kind == MIXED else stored
        read = _READERS.get(kind, lambda value, _: value)
        return [
            _ABSENT if value is None else read(value, mark)
            for value, mark in zip(stored, marks, strict=True)
        ]

    def value(self, key: str, row: int) -> Any:
        """One JSON value; None also where it is absent."""
        (value,) = replace(self, data=self.data.slice(row, 1))._values(key)
        return None if value is _ABSENT else value

    def take(self, rows: NDArray[np.int64] | pl.Series) -> Frame:
        """The frame of ``rows``: indexes in their order, or a mask."""
        if isinstance(rows, pl.Series):
            return replace(self, data=self.data.filter(rows))
        return replace(self, data=self.data[rows])

    def absent(self, key: str) -> pl.Series:
        """Which rows lack a key."""
        if key not in self.kinds:
            return pl.repeat(True, len(self), eager=True)
        if self.foreign:
            return pl.repeat(False, len(self), eager=True)
        return self.data[key].is_null()

    def number(self, key: str) -> pl.Series:
        """A column as Float64; null where a row has no finite number."""
        if key not in self.kinds:
            return pl.repeat(None, len(self), dtype=pl.Float64, eager=True)
        stored = self.data[key]
        if self.kinds[key] in NUMERIC:
            found = stored.cast(pl.Float64)
            return pl.select(pl.when(found.is_finite()).then(found)).to_series()
        if self.kinds[key] == JSON:
            return pl.Series(key, list(map(_finite, stored.to_list())), dtype=pl.Float64)
        return pl.repeat(None, len(self), dtype=pl.Float64, eager=True)

    def text(self, key: str) -> pl.Series:
        """A column of names; null where a row has none."""
        if key not in self.kinds:
            return pl.repeat(None, len(self), dtype=pl.String, eager=True)
        stored = self.data[key]
        if self.kinds[key] == TEXT and stored.dtype in (pl.String, pl.Categorical, pl.Enum):
            return stored
        if self.kinds[key] != JSON:
            return pl.repeat(None, len(self), dtype=pl.String, eager=True)
        values = [None if text is None else json.loads(text) for text in stored.to_list()]
        return pl.Series(
            key, [value if type(value) is str else None for value in values], dtype=pl.String
        )

    def undefined(self, key: str) -> pl.Series:
        """Where a value is absent, null or NaN."""
        stored = self.data[key]
        nothing = stored.is_null()
        if self.kinds[key] == JSON:
            return nothing | stored.is_in(["null", "NaN"]).fill_null(True)
        return nothing | stored.is_nan().fill_null(True) if stored.dtype.is_float() else nothing

    def compact(self) -> Frame:
        """The same rows in less memory: names as categories, whole numbers no wider than needed."""
        narrow = {TEXT: lambda column: column.cast(pl.Categorical), INT: pl.Series.shrink_dtype}
        columns = [
            narrow[kind](column) if kind in (INT, TEXT) and not column.dtype.is_nested() else column
            for column in self.data
            for kind in (self.kinds.get(column.name, ""),)
        ]
        return replace(self, data=pl.DataFrame(columns))

    @staticmethod
    def concat(frames: list[Frame], order: NDArray[np.int64] | None = None) -> Frame:
        """The rows of all ``frames``, which goes empty; then ``order`` of them, if given.

        Column by column, so that no more than one is there twice. Names become categories.
        """
        known: dict[str, set[str]] = {}
        for key in key_order(tuple(frame.kinds) for frame in frames):
            known[key] = {frame.kinds[key] for frame in frames if key in frame.kinds}
        foreign = any(frame.foreign for frame in frames)
        parts = [
            _Columns(len(frame), frame.kinds, {c.name: c for c in frame.data}) for frame in frames
        ]
        frames.clear()
        columns: list[pl.Series] = []
        kinds: dict[str, str] = {}
        for key, each in known.items():
            kind = kinds[key] = _common(each, key, parts)
            column = _joined(key, [part.stored(key, kind) for part in parts], order)
            columns.append(column.shrink_dtype() if kind == INT else column)
            if kind == MIXED:
                columns.append(_joined(_MARK + key, [part.marks(key) for part in parts], order))
            for part in parts:
                part.columns.pop(key, None)
        return Frame(pl.DataFrame(columns), kinds, foreign)


_ABSENT: Any = object()
_READERS: dict[str, Callable[[Any, Any], Any]] = {
    JSON: lambda value, _: json.loads(value),
    WHOLE: lambda value, _: int(value),
    NUMBER: lambda value, _: int(value) if value.is_integer() else value,
    MIXED: lambda value, whole: int(value) if whole else value,
}
"""From a stored value, and its mark, to the JSON value."""


def _columns(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[Any], bool]]:
    """Each key with a value a row, and whether some rows lack it."""
    orders = dict.fromkeys(map(tuple, rows))
    if len(orders) == 1:
        (keys,) = orders
        for key, values in zip(
            keys, zip(*(row.values() for row in rows), strict=True), strict=True
        ):
            yield key, values, False
        return
    for key in key_order(orders):
        some = [row.get(key, _ABSENT) for row in rows]
        yield key, some, any(value is _ABSENT for value in some)


def key_order(orders: Iterable[tuple[str, ...]]) -> list[str]:
    """All keys, so that each row's own stand in their order where rows agree on one."""
    left: dict[str, set[str]] = {}
    for keys in dict.fromkeys(orders):
        for index, key in enumerate(keys):
            left.setdefault(key, set()).update(keys[max(index - 1, 0) : index])
    order: list[str] = []
    while left:
        ready = (key for key in left if left[key].isdisjoint(left))
        order.append(next(ready, next(iter(left))))
        del left[order[-1]]
    return order


def _kind(key: str, values: Sequence[Any]) -> str:
    types: set[type] = set(map(type, values))
    plain: dict[type, str] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT}
    top = 0
    if int in types:
        top = max(abs(value) for value in values if type(value) is int)
    if types == {int} and top < _EXACT and key in _MEASURED:
        return WHOLE
    if types == {int, float} and top < _EXACT:
        alike = all((type(value) is int) == float(value).is_integer() for value in values)
        return NUMBER if alike else MIXED
    if len(types) > 1 or top >= 1 << 63:
        return JSON
    return plain.get(types.pop(), JSON)


def json_text(value: Any) -> str:
    """A value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _finite(text: str | None) -> float | None:
    value: Any = None if text is None else json.loads(text)
    try:
        return float(value) if type(value) in (int, float) and math.isfinite(value) else None
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of one frame on their way into another."""

    rows: int
    kinds: Mapping[str, str]
    columns: dict[str, Any]

    def stored(self, key: str, kind: str) -> Any:
        """A column as ``kind`` stores it; the number of rows, where there is none."""
        own, column = self.kinds.get(key), self.columns.get(key)
        if own is None or column is None:
            return self.rows
        if kind == JSON and own != JSON:
            marks = [column for name, column in self.columns.items() if name == _MARK + key]
            values = Frame(pl.DataFrame([column, *marks]), {key: own})._values(key)
            texts = [None if value is _ABSENT else json_text(value) for value in values]
            return pl.Series(key, texts, dtype=pl.String)
        if kind == TEXT:
            return column.cast(pl.Categorical) if column.dtype == pl.String else column
        if kind in NUMERIC:
            return column.cast(pl.Int64 if kind == INT else pl.Float64)
        return column

    def marks(self, key: str) -> Any:
        """Which of a column's numbers were written as whole ones."""
        own, column = self.kinds.get(key), self.columns.get(key)
        if own is None or column is None:
            return self.rows
        if own == MIXED:
            return self.columns[_MARK + key]
        if own == FLOAT:
            return pl.repeat(False, self.rows, eager=True)
        return pl.repeat(True, self.rows, eager=True) if own != NUMBER else column == column.floor()


def _joined(name: str, pieces: list[Any], order: NDArray[np.int64] | None) -> Any:
    """Pieces as one column; a number stands for as many rows without a value."""
    dtype = next(piece.dtype for piece in pieces if not isinstance(piece, int))
    whole = pl.concat(
        [
            pl.repeat(None, piece, dtype=dtype, eager=True)
            if isinstance(piece, int)
            else piece.cast(dtype)
            for piece in pieces
        ],
        rechunk=True,
    ).alias(name)
    pieces.clear()
    return whole if order is None else whole.gather(order)


def _common(kinds: set[str], key: str, parts: Sequence[_Columns]) -> str:
    """The kind that holds the values of several."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= {WHOLE, NUMBER}:
        return NUMBER
    tops = [part.columns[key].abs().max() for part in parts if part.kinds.get(key) == INT]
    large = any(top is not None and top >= _EXACT for top in tops)
    return MIXED if kinds <= NUMERIC and not large else JSON
