"""What a look changes: it starts with nothing to predict from, and ends with nothing to come.

    correction("libx264", "veryfast").score(91.3, 8.7)  # what the whole encode has there

Numbers are those of ``cold_start.json``, which ``bench/sampling.py`` writes: each title's looks
beside the same frames of its whole encode. A preset that was not measured takes its encoder's
numbers, an encoder that was not takes none, and both take a wider deviation. A title of many scenes
averages what differs between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean

from msgspec.structs import replace as replace_fields

from vqcast.documents import codec
from vqcast.documents.looks import ColdStart, ColdStarts

TABLE = Path(__file__).with_name("cold_start.json")
_LEAST_DOUBT = 0.03
"""Doubt of the share of a preset that was not measured, at the least."""
_UNKNOWN = ColdStart(
    encoder="", preset=None, titles=0, score_share=0.0, score_deviation=0.1, size_log2=0.0,
    size_deviation=0.3, key_every=250.0,
)  # fmt: skip
"""Of an encoder of which nothing was measured: wider than all that were."""


@dataclass(frozen=True, slots=True)
class LookCorrection:
    """From looks to the same frames of a whole encode."""

    row: ColdStart
    doubt: float
    """Standard deviation of the row's share itself, which no number of scenes makes smaller."""
    size_doubt: float
    """The same of its size, log2."""

    def score(self, looks: float, missing: float) -> float:
        """A score of looks to which ``missing`` is what it lacks, as the whole encode has it."""
        return looks + self.row.score_share * missing

    def score_deviation(self, missing: float, scenes: int) -> float:
        """Standard deviation of that, in a title of so many scenes."""
        own = self.row.score_deviation / math.sqrt(scenes)
        return math.hypot(own, self.doubt) * missing

    def bytes(self, largest: float, others: float, fps: float) -> float:
        """Bytes a frame of the whole, from those of the looks' largest frames and the others."""
        keys = 25.0 / (self.row.key_every * fps)
        return float(((1 - keys) * others + keys * largest) * 2.0**self.row.size_log2)

    def size_deviation(self, scenes: int) -> float:
        """Standard deviation of the bytes' log2, in a title of so many scenes."""
        return math.hypot(self.row.size_deviation / math.sqrt(scenes), self.size_doubt)


def of_sizes_alone(known: LookCorrection) -> LookCorrection:
    """The same for a metric of which nothing was measured."""
    row = replace_fields(
        known.row, score_share=_UNKNOWN.score_share, score_deviation=_UNKNOWN.score_deviation
    )
    return replace(known, row=row, doubt=2 * _LEAST_DOUBT)


def learnt(row: ColdStart) -> LookCorrection:
    """What was measured of one encoder and preset."""
    share = 1 / math.sqrt(row.titles)
    return LookCorrection(row, row.score_deviation * share, row.size_deviation * share)


@cache
def _rows() -> tuple[ColdStart, ...]:
    return tuple(codec.from_bytes(ColdStarts, TABLE.read_bytes(), where=TABLE.name).rows)


def correction(encoder: str, preset: str | None) -> LookCorrection:
    """What is known of ``encoder`` at ``preset``."""
    own = [row for row in _rows() if row.encoder == encoder]
    for row in own:
        if row.preset == preset:
            return learnt(row)
    if not own:
        return LookCorrection(_UNKNOWN, 2 * _LEAST_DOUBT, _UNKNOWN.size_deviation)
    shares = [row.score_share for row in own]
    between = ColdStart(
        encoder=encoder, preset=preset, titles=min(row.titles for row in own),
        score_share=fmean(shares), size_log2=fmean(row.size_log2 for row in own),
        score_deviation=max(row.score_deviation for row in own),
        size_deviation=max(row.size_deviation for row in own),
        key_every=fmean(row.key_every for row in own),
    )  # fmt: skip
    doubt = max(max(shares) - min(shares), _LEAST_DOUBT)
    return LookCorrection(between, doubt, between.size_deviation)
