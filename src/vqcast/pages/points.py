"""A corpus as points of curves: what each encode scored on average, and what it cost in bits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.errors import InputError


@dataclass(frozen=True, slots=True)
class Point:
    """One encode of one source, pooled over its frames."""

    source: str
    encoder: str
    preset: str | None
    cq: float
    frames: int
    vmaf: float
    """Mean over the frames."""
    kbit_per_frame: float | None
    """Of the encoded video; None where the corpus records no size."""

    @property
    def series(self) -> tuple[str, str | None]:
        """What is drawn as one curve."""
        return self.encoder, self.preset

    @property
    def row(self) -> tuple[str, str, str | None, str, int, float, float | None]:
        """Its line of a table."""
        quality = f"{self.cq:g}"
        return (self.source, self.encoder, self.preset, quality, self.frames, self.vmaf,
                self.kbit_per_frame)  # fmt: skip


def points_of(corpus: Corpus) -> list[Point]:
    """The corpus's encodes, sorted by source, encoder, preset and quality."""
    cells, cell = corpus.cells()
    frames = np.bincount(cell)
    means = np.bincount(cell, corpus.vmaf) / frames
    sizes = np.zeros(len(cells))
    np.maximum.at(sizes, cell, np.nan_to_num(corpus.number("enc_bytes")))
    points = [
        Point(
            src, encoder, " ".join(filter(None, (preset, options))) or None, cq, frames=count,
            vmaf=mean, kbit_per_frame=size * 8e-3 / count if size > 0 else None,
        )
        for (src, encoder, preset, cq, options), count, mean, size in zip(
            cells, frames.tolist(), means.tolist(), sizes.tolist(), strict=True
        )
    ]  # fmt: skip
    return sorted(points, key=lambda each: (each.source, each.encoder, each.preset or "", each.cq))


def of_sources(points: Iterable[Point], sources: Iterable[str]) -> list[Point]:
    """The points of ``sources``. Raises InputError for a name that is not there."""
    points, wanted = list(points), list(sources)
    known = {point.source for point in points}
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InputError(
            f"the corpus has no source {', '.join(absent)}",
            hint=f"it has: {', '.join(sorted(known))}",
        )
    return [point for point in points if point.source in wanted]
