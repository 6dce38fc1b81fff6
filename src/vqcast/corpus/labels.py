"""A column of names as small integers: a few distinct names, millions of rows.

Reads like a list of the names::

    >>> labels = Labels.of(["b", "a", "b"])
    >>> labels[0], len(labels), labels == ["b", "a", "b"], labels.counts()
    ('b', 3, True, {'b': 2, 'a': 1})
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound="str | None", covariant=True)

_PIECE = 1 << 16


class Labels(Sequence[T], Generic[T]):
    """``names[codes[row]]`` for every row; a name need not occur."""

    __slots__ = ("codes", "names")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, names: Sequence[T], codes: NDArray[np.int32]) -> None:
        self.names = tuple(names)
        self.codes = codes

    @classmethod
    def of(cls, values: Iterable[T]) -> Labels[T]:
        """The labels of ``values``, names in order of appearance."""
        code: dict[Any, int] = {}
        codes = [code.setdefault(value, len(code)) for value in values]
        return cls(tuple(code), np.array(codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> Labels[T]: ...
    def __getitem__(self, row: int | slice) -> T | Labels[T]:
        if isinstance(row, slice):
            return Labels(self.names, self.codes[row])
        name: T = self.names[self.codes[row]]
        return name

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), _PIECE):
            yield from map(self.names.__getitem__, self.codes[start : start + _PIECE].tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.names, dtype=dtype)[self.codes]

    def __repr__(self) -> str:
        return f"Labels({len(self)} rows, {self.counts()})"

    def take(self, rows: NDArray[np.int64]) -> Labels[T]:
        """The labels of ``rows``, in their order."""
        return Labels(self.names, self.codes[rows])

    def counts(self) -> dict[T, int]:
        """Rows of each name that occurs, in the order of ``names``."""
        counted = np.bincount(self.codes, minlength=len(self.names)).tolist()
        return {name: rows for name, rows in zip(self.names, counted, strict=True) if rows}
