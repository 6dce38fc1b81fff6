"""A title that is being tuned: what one probe of it is, whole or in segments."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.tune import TuneProbe
from vqcast.forecast.forecaster import Probe
from vqcast.forecast.latent import METRICS, pool
from vqcast.measured.probe import Probed, Prober
from vqcast.media.segment import Segment, find
from vqcast.media.source import Source
from vqcast.tuning import sampling
from vqcast.vocab import FEATURES

Array = NDArray[np.float64]

_MICROSECONDS = 1e6
SAMPLED_POOLS = ("mean", "harmonic")
"""A sample says nothing of a title's worst second, so such poolings need the whole."""


def duration_s(source: Source) -> float:
    """Seconds that the source's frames are shown for, the last as long as the average."""
    index, frames = source.index, source.frames
    if index is None or frames < 2:
        return frames / 25.0
    span = float(index.times_us.max() - index.times_us.min()) / _MICROSECONDS
    return max(span, 1e-3) * frames / (frames - 1)


@dataclass
class Title:
    """Probes one source, and remembers which segments of it stand for the whole."""

    prober: Prober
    metric: str
    pooling: str
    allowed: float
    """Standard deviation that sampling may add, points."""
    sampled: bool
    """Whether segments stand for the whole."""
    error: float = 0.0
    """Standard deviation of sampling, points; 0 where the title is encoded whole."""
    _segments: list[Segment] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames a second, averaged over the title."""
        return self.prober.source.frames / duration_s(self.prober.source)

    def probe(self, crf: float, *, whole: bool = False) -> tuple[TuneProbe, Probe]:
        """Measure at ``crf``; the first probe of a long title also settles how much of it."""
        all_of_it = whole or not self.sampled
        parts = [self.prober.measure(crf)] if all_of_it else self._sample(crf)
        frames = np.concatenate([part.columns[METRICS[self.metric]] for part in parts])
        score = pool(frames, self.pooling, self.fps)
        features = np.array(
            [np.concatenate([part.columns[name] for part in parts]).mean() for name in FEATURES]
        )
        count, size = len(frames), sum(part.video_bytes for part in parts)
        source = self.prober.source
        line = TuneProbe(
            crf=crf,
            score=round(score, 4),
            bytes=size,
            frames=count,
            whole=count == source.frames,
            reused=all(part.reused for part in parts),
            wall_s=round(sum(part.wall_s for part in parts), 3),
        )
        bits_per_pixel = 8 * size / (count * source.width * source.height)
        return line, Probe(crf, score, bits_per_pixel, features)

    def _sample(self, crf: float) -> list[Probed]:
        source, length = self.prober.source, sampling.segment_frames(self.fps)
        if self._segments:
            return self._measure(crf, self._segments)
        count = sampling.FIRST_SEGMENTS
        while count <= sampling.most(source.frames, length):
            segments = self._find(count, length)
            parts = self._measure(crf, segments)
            means = [float(part.columns[METRICS[self.metric]].mean()) for part in parts]
            needed = sampling.enough(means, source.frames, length, self.allowed)
            if needed == count:
                self._segments = segments
                self.error = sampling.error(means, source.frames, length)
                return parts
            if needed == 0:
                break
            count = needed
        self.sampled, self.error = False, 0.0
        return [self.prober.measure(crf)]

    def _find(self, count: int, length: int) -> list[Segment]:
        source, tool = self.prober.source, self.prober.tool
        first = sampling.starts(source.frames, length, count)
        return [find(source, start, length, tool, cancel=self.prober.cancel) for start in first]

    def _measure(self, crf: float, segments: list[Segment]) -> list[Probed]:
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as workers:
            try:
                return list(workers.map(lambda part: self.prober.measure(crf, part), segments))
            except BaseException:
                if self.prober.cancel is not None:
                    self.prober.cancel.set()  # the pool waits for its encodes: end them
                raise
