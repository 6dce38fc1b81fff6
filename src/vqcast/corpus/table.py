"""Load a corpus and refuse what can't be trained on.

Both shapes of CONTRACT §1 are read: per-frame rows, and pooled rows
(``schema_version`` 3, one a cell). Plain or gzip is told by the first bytes,
not by the name; a folder is a Parquet dataset. All of them become one frame,
with every column, from bytes that are read once::

    corpus = load(Path("per_frame_canonical6.jsonl.gz"))
    corpus.features.shape      # (rows, 6), float64
    corpus.frame.number("enc_bytes")
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vqcast.corpus.checking import FRAME_KEYS, POOLED_KEYS, SHAPE_POOLED
from vqcast.corpus.frame import BOOL, Frame
from vqcast.corpus.lazy import pl
from vqcast.corpus.reading import read
from vqcast.errors import CorpusError
from vqcast.vocab import FEATURES

MIN_ROWS = 100
_SIZE = ("score_width", "score_height")


CellKey = tuple[str, str, str | None, float, str | None]
"""src, encoder, preset, cq and options: what tells one encode from another."""


@dataclass(frozen=True)
class Corpus:
    """A checked corpus: one entry a row in every column, in file order."""

    path: Path
    sha256: str
    shape: str
    frame: Frame
    """Every column of the file, under its own name."""
    dropped_nan_rows: int = 0
    """Pooled rows that were left out: a mean or the score is not finite."""

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def src(self) -> list[str]:
        """Source name of every row."""
        return self._names("src")

    @cached_property
    def encoder(self) -> list[str]:
        """Encoder of every row."""
        return self._names("encoder")

    @cached_property
    def preset(self) -> list[str | None]:
        """Preset of every row; None where it records none."""
        return self._names("preset")

    @cached_property
    def group(self) -> list[str | None]:
        """Content group of every row; None where it records none."""
        return self._names("group")

    @cached_property
    def cq(self) -> NDArray[np.float64]:
        """Quality number of every row."""
        return self.number("cq")

    @cached_property
    def vmaf(self) -> NDArray[np.float64]:
        """Score of every row, 0..100."""
        return self.number("vmaf")

    @cached_property
    def frame_index(self) -> NDArray[np.int64]:
        """Frame number of every row; 0 in pooled rows."""
        if self.shape == SHAPE_POOLED:
            return np.zeros(len(self), dtype=np.int64)
        return self.number("frame_index").astype(np.int64)

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Canonical-6, ``[rows, 6]``."""
        return self.features_as(np.float64)

    def features_as(self, dtype: DTypeLike) -> NDArray[Any]:
        """Canonical-6, ``[rows, 6]``, in another precision and not kept."""
        features = np.empty((len(self), len(FEATURES)), dtype=dtype)
        for column, name in enumerate(FEATURES):
            features[:, column] = self.number(name)
        return features

    def number(self, name: str) -> NDArray[np.float64]:
        """A column of numbers under the per-frame name; NaN where a row has none."""
        found: NDArray[np.float64] = self.frame.number(self._own(name)).to_numpy()
        return found

    def codes(self, name: str) -> tuple[list[Any], NDArray[np.int32]]:
        """A text column as its distinct names, by first row, and each row's index among them."""
        names, codes = self.distinct(name)
        return [name for (name,) in names], codes.astype(np.int32)

    def counts(self, name: str) -> dict[Any, int]:
        """Rows of each name of a text column, by first row."""
        names, codes = self.codes(name)
        return dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))

    def _names(self, name: str) -> list[Any]:
        names, codes = self.codes(name)
        return [*map(names.__getitem__, codes.tolist())]

    def _own(self, name: str) -> str:
        """The file's name of a per-frame column."""
        pooled = dict(zip(_FRAME_NUMBERS, _POOLED_NUMBERS, strict=True))
        return pooled.get(name, name) if self.shape == SHAPE_POOLED else name

    @property
    def synthetic(self) -> bool:
        """Whether a row is marked as made up."""
        kind = self.frame.kinds.get("synthetic")
        if kind is None:
            return False
        marks = self.frame.data["synthetic"]
        return bool(marks.any() if kind == BOOL else (marks == "true").any())

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns beyond the required ones, sorted."""
        return tuple(sorted(self.frame.kinds.keys() - set(FRAME_KEYS) - set(POOLED_KEYS)))

    @property
    def sources(self) -> list[str]:
        """Unique source names, sorted."""
        return sorted(self.codes("src")[0])

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
        return replace(self, frame=self.frame.take(rows))

    def group_of(self) -> dict[str, str]:
        """Each source's group; a source without one is a group of its own."""
        pairs, _ = self.distinct("src", "group")
        return {src: group or src for src, group in pairs}

    def groups_of_each(self) -> dict[str, int]:
        """How many groups each source's rows name; rows without one count as another."""
        pairs, _ = self.distinct("src", "group")
        return dict(Counter(src for src, _ in pairs))

    def settings(self) -> tuple[list[tuple[str, str | None, float]], NDArray[np.int64]]:
        """The distinct (encoder, preset, cq) and each row's index among them."""
        return self.distinct("encoder", "preset", "cq")

    def cells(self) -> tuple[list[CellKey], NDArray[np.int64]]:
        """The distinct cells by first row, and each row's index among them."""
        return self.distinct("src", "encoder", "preset", "cq", "options")

    def distinct(self, *names: str) -> tuple[list[Any], NDArray[np.int64]]:
        """The distinct values of columns, by first row, and each row's index among them."""
        texts = ("src", "encoder", "preset", "group", "options")
        rows = pl.DataFrame(
            [
                (
                    self.frame.text(name) if name in texts else self.frame.number(self._own(name))
                ).alias(name)
                for name in names
            ]
        )
        # Rows mostly come in runs of one cell: what is compared is the first of each.
        run_of_row = rows.select(pl.struct(pl.all()).rle_id()).to_series().to_numpy()
        firsts = rows[np.flatnonzero(np.diff(run_of_row, prepend=-1))]
        kept = firsts.unique(maintain_order=True).with_row_index("index")
        found = firsts.join(kept, on=names, how="left", nulls_equal=True, maintain_order="left")
        return kept.drop("index").rows(), found["index"].to_numpy().astype(np.int64)[run_of_row]


_FRAME_NUMBERS = ("cq", "vmaf", *FEATURES)
_POOLED_NUMBERS = ("crf", "vmaf_score", *POOLED_KEYS[4:])


def load(
    path: Path, *, min_rows: int = MIN_ROWS, score_size: tuple[int, int] | None = None
) -> Corpus:
    """Read and check the corpus at ``path``.

    ``score_size`` (width, height) takes the rows that were scored at that size alone. Raises
    CorpusError, naming the row, for a missing or empty file, fewer than ``min_rows`` rows, missing
    columns (all at once), a number that is not finite, a score outside 0..100, pooled rows without
    their means; and for several scoring sizes of one source where none is named.
    """
    rows = read(path, min_rows=min_rows)
    corpus = Corpus(path, rows.sha256, rows.shape, rows.frame, rows.dropped)
    if not corpus.frame.kinds.keys() >= set(_SIZE):
        if score_size is not None:
            raise CorpusError("records no scoring size", path=path)
        return corpus
    return _of_one_size(corpus, score_size, min_rows)


def _of_one_size(corpus: Corpus, wanted: tuple[int, int] | None, least: int) -> Corpus:
    sizes, size_of = corpus.distinct(*_SIZE)
    named = {size: "x".join(f"{side:g}" for side in size if side is not None) for size in sizes}
    if wanted is not None:
        rows = np.flatnonzero([size == wanted for size in sizes])
        found = corpus.take(np.flatnonzero(np.isin(size_of, rows)))
        if len(found) < least:
            raise CorpusError(
                f"{len(found)} rows are scored at {wanted[0]}x{wanted[1]}, "
                f"at least {least} are needed",
                path=corpus.path,
                hint=f"it has rows at {', '.join(sorted(named.values()))}",
            )
        return found
    if len(sizes) == 1:
        return corpus
    seen: dict[str, Any] = {}
    for src, *size in corpus.distinct("src", *_SIZE)[0]:
        if seen.setdefault(src, tuple(size)) != tuple(size):
            raise CorpusError(
                f"{src} is scored at {named[seen[src]]} and at {named[tuple(size)]}",
                path=corpus.path,
                hint="a corpus has one scoring size a source: take one with "
                "vqcast corpus select --score-size WIDTHxHEIGHT",
            )
    return corpus
