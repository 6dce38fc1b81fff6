"""One piece of a corpus on its way in, checked: the contract's refusals, one row named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcast.corpus.frame import JSON, NUMERIC, TEXT, Frame
from vqcast.corpus.lazy import pl
from vqcast.errors import CorpusError
from vqcast.vocab import FEATURES

SHAPE_FRAME = "per_frame"
SHAPE_POOLED = "pooled"
MAX_FRAME_INDEX = 1 << 53
VERSION = "schema_version"
ROW_HINT = "build the corpus again, or remove that row: nothing is imputed"
BUILD_HINT = "make one with: vqcast corpus build --help"

FRAME_KEYS = ("src", "encoder", "cq", "frame_index", "vmaf", *FEATURES)
POOLED_KEYS = ("src", "encoder", "crf", "vmaf_score", *(f"{name}_mean" for name in FEATURES))


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows as they were read, and how each is named in a refusal."""

    frame: Frame
    path: Path
    numbers: Sequence[int] | None = None
    """Each row's line in the file; None: they are counted from 1."""
    name: str = ""
    """Of the piece's file in the folder ``path``."""

    def refusal(self, row: int, words: str, hint: str) -> CorpusError:
        """What is wrong with a row."""
        number = self.numbers[row] if self.numbers else row + 1
        place = f"{self.name}: " if self.name else ""
        return CorpusError(f"{place}row {number}: {words}", path=self.path, hint=hint)


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows of a piece that can be used."""

    frame: Frame
    shape: str
    dropped: int
    """Pooled rows that were left out: a mean or the score is not finite."""


def check(piece: Piece, shape: str | None) -> Checked:
    """Check a piece against the contract; ``shape`` is that of the rows before it.

    Raises CorpusError for the first row that breaks it.
    """
    asked = _Questions(piece)
    pooled = ~piece.frame.absent(VERSION)
    shape = shape or (SHAPE_POOLED if pooled[0] else SHAPE_FRAME)
    is_pooled = shape == SHAPE_POOLED
    asked.refuse(pooled != is_pooled, lambda row: "mixes per-frame and pooled rows")
    if is_pooled:
        asked.schema()
    asked.required(POOLED_KEYS if is_pooled else FRAME_KEYS)
    for key in ("src", "encoder"):
        asked.name(key)
    keys = ("crf", "vmaf_score", *POOLED_KEYS[4:]) if is_pooled else ("cq", "vmaf", *FEATURES)
    if is_pooled:
        asked.drop(keys[1], keys[2:])
    else:
        asked.frame_number()
    for key in ("preset", "group", "options"):
        asked.optional_name(key)
    asked.number(keys[0])
    asked.score(keys[1])
    for key in keys[2:]:
        asked.number(key)
    asked.answer()
    dropped = int(asked.dropped.sum())
    kept = piece.frame.take(~asked.dropped) if dropped else piece.frame
    return Checked(kept, shape, dropped)


class _Questions:
    """Looks for the first row that breaks a rule, asked in the order in which a row is read."""

    def __init__(self, piece: Piece) -> None:
        self._piece, self._frame = piece, piece.frame
        self._first, self._words, self._hint = len(piece.frame), "", ""
        self.dropped: pl.Series = pl.repeat(False, len(piece.frame), eager=True)

    def refuse(self, bad: pl.Series, words: Callable[[int], str], hint: str = ROW_HINT) -> None:
        """Note the first ``bad`` row, unless one above it, or asked before, is noted."""
        found = (bad & ~self.dropped).arg_true()
        if len(found) and found[0] < self._first:
            self._first, self._hint = int(found[0]), hint
            self._words = words(self._first)

    def answer(self) -> None:
        """Raise CorpusError for the row that was noted."""
        if self._first < len(self._frame):
            raise self._piece.refusal(self._first, self._words, self._hint)

    def _may_be(self, key: str, kinds: frozenset[str]) -> bool:
        """Whether a column's type, which other tools' Parquet files have, allows ``kinds``."""
        return not self._frame.foreign or self._frame.kinds[key] in kinds

    def _said(self, key: str, row: int, kinds: frozenset[str]) -> str:
        """A value for people, or the type of a column that can't hold it."""
        if self._may_be(key, kinds):
            return repr(self._frame.value(key, row))
        return str(self._frame.data[key].dtype)

    def schema(self) -> None:
        self.refuse(
            (self._frame.number(VERSION) != 3).fill_null(True),
            lambda row: f"pooled rows of schema {self._frame.value(VERSION, row)!r}, not 3",
        )

    def required(self, keys: Sequence[str]) -> None:
        absent = {key: self._frame.absent(key) for key in keys}
        lacking = pl.select(pl.any_horizontal(list(absent.values()))).to_series()
        self.refuse(
            lacking,
            lambda row: f"lacks {', '.join(key for key in keys if absent[key][row])}",
            BUILD_HINT,
        )
        if any(key not in self._frame.kinds for key in keys):
            self.answer()

    def name(self, key: str) -> None:
        names = self._frame.text(key)
        self.refuse(
            names.is_null() | (names.cast(pl.String) == "").fill_null(False),
            lambda row: f"{key} is {self._frame.value(key, row)!r}, not a name",
        )

    def optional_name(self, key: str) -> None:
        if key not in self._frame.kinds:
            return
        kinds = frozenset({TEXT, JSON})
        self.refuse(
            self._frame.text(key).is_null() & ~self._frame.undefined(key),
            lambda row: f"{key} is {self._said(key, row, kinds)}, not text",
        )

    def drop(self, score: str, means: Sequence[str]) -> None:
        """Leave out the rows with an undefined mean, or without a finite score."""
        gone = [self._frame.undefined(key) for key in (score, *means)]
        scores = self._frame.data[score]
        if scores.dtype.is_float():
            gone.append(scores.is_infinite())
        elif self._frame.kinds[score] == JSON:
            gone.append(scores.is_in(["Infinity", "-Infinity"]))
        self.dropped = pl.select(pl.any_horizontal(gone)).to_series().fill_null(False)

    def number(self, key: str) -> pl.Series:
        values = self._frame.number(key)
        kinds = NUMERIC | {JSON}
        what = "a finite number" if self._may_be(key, kinds) else "a number"
        self.refuse(
            values.is_null(), lambda row: f"{key} is {self._said(key, row, kinds)}, not {what}"
        )
        return values

    def score(self, key: str) -> None:
        values = self.number(key)
        self.refuse(
            ((values < 0) | (values > 100)).fill_null(False),
            lambda row: f"{key} is {values[row]:g}, outside 0..100",
        )

    def frame_number(self) -> None:
        values = self.number("frame_index")
        wrong = (values < 0) | (values >= MAX_FRAME_INDEX) | (values != values.floor())
        self.refuse(
            wrong.fill_null(False),
            lambda row: f"frame_index is {values[row]:g}, not a frame number from 0",
        )
