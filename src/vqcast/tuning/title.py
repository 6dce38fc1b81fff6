"""A title that is being tuned: what one probe of it is, whole or in looks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from vqcast.documents.tune import TuneProbe, TuneSource
from vqcast.forecast.forecaster import Probe
from vqcast.forecast.scale import pooled
from vqcast.measured.probe import Prober
from vqcast.media.source import Source
from vqcast.metric import METRICS
from vqcast.tuning import sampling
from vqcast.tuning.machine import Machine
from vqcast.tuning.sample import POOLS, Sample
from vqcast.vocab import FEATURES

_MICROSECONDS = 1e6
Progress = Callable[[int, int], None]


def duration_s(source: Source) -> float:
    """Seconds that the source's frames are shown for, the last as long as the average."""
    index, frames = source.index, source.frames
    if index is None or frames < 2:
        return frames / 25.0
    span = float(index.times_us.max() - index.times_us.min()) / _MICROSECONDS
    return max(span, 1e-3) * frames / (frames - 1)


def described(source: Source, compared: tuple[int, int]) -> TuneSource:
    """``source`` as documents tell it, its pictures scored at the size ``compared``."""
    width, height = compared
    return TuneSource(
        name=source.path.name, sha256=source.sha256, identity=source.identity,
        width=source.width, height=source.height, video_bytes=source.video_bytes,
        damage=source.damage, chain=source.video.chain or None, hwaccel=source.video.method,
        score_width=width, score_height=height, frames=source.frames,
        duration_s=round(duration_s(source), 3), bytes=source.path.stat().st_size,
    )  # fmt: skip


def is_sampled(source: Source, pooling: str, whole: bool | None) -> bool:
    """Whether looks stand for ``source``; ``whole`` is what was asked for."""
    if pooling not in POOLS or source.index is None:
        return False
    if whole is not None:
        return not whole
    return source.raw is None and not sampling.is_short(source.frames)


class Title:
    """Probes one source; to be closed, which removes the pictures of its looks.

    ``beside`` probes the same source, and has pictures that may be used; it is closed later.
    """

    def __init__(
        self,
        prober: Prober,
        machine: Machine,
        metric: str,
        pooling: str,
        *,
        target: float,
        sampled: bool,
        allowed: float,
        on_progress: Progress | None = None,
        beside: Title | None = None,
    ) -> None:
        self.prober, self.metric, self.pooling = prober, METRICS[metric], pooling
        self.target, self.on_progress = target, on_progress
        self.sampled = sampled
        """Whether looks stand for the whole."""
        self.error = 0.0
        """Standard deviation of what looks say of the score, points, at the probe nearest to the
        target; 0 where all was encoded."""
        self.size_error = 0.0
        """Standard deviation of what they say of log2 of the size."""
        self._nearest = math.inf
        self.sample: Sample = Sample(
            prober,
            machine,
            metric,
            pooling,
            allowed=allowed,
            on_progress=on_progress,
            beside=beside.sample if beside else None,
        )

    def close(self) -> None:
        """Remove the pictures of its looks."""
        self.sample.close()

    @property
    def fps(self) -> float:
        """Frames a second, averaged over the title."""
        return self.prober.source.frames / duration_s(self.prober.source)

    def probe(self, crf: float, *, whole: bool = False) -> tuple[TuneProbe, Probe]:
        """Measure at ``crf``; the first probe of a long title also settles how much of it."""
        if self.sampled and not whole:
            found = self._looks(crf)
            if found is not None:
                return found
            self.sampled, self.error, self.size_error = False, 0.0, 0.0
        return self._whole(crf)

    def _looks(self, crf: float) -> tuple[TuneProbe, Probe] | None:
        seen = self.sample.probe(crf)
        if seen is None:
            return None
        away = abs(seen.score - self.target)
        if away < self._nearest:
            self._nearest, self.error = away, seen.deviation
            self.size_error = seen.size_deviation
        line = TuneProbe(
            crf=crf, score=self._rounded(seen.score), bytes=seen.bytes, frames=seen.frames,
            whole=False, reused=seen.reused, wall_s=seen.wall_s, looks=seen.looks,
            scored=seen.scored,
            deviation=self._rounded(seen.deviation), scatter=round(seen.scatter, 4),
            title_bytes=round(seen.bytes_a_frame * self.prober.source.frames),
            encode_s=seen.encode_s, energy_j=seen.energy_j,
        )  # fmt: skip
        return line, Probe(crf, seen.score, self._bits(seen.bytes_a_frame), seen.features)

    def _whole(self, crf: float) -> tuple[TuneProbe, Probe]:
        found, reused = self.prober.measure(crf, on_progress=self._tell)
        columns = {name: found.column(name) for name in found.columns}
        score = pooled(self.metric, columns, self.pooling, self.fps)
        features = np.array(
            [columns[name].mean() if name in columns else np.nan for name in FEATURES]
        )
        line = TuneProbe(
            crf=crf, score=self._rounded(score), bytes=found.enc_bytes, frames=found.frames,
            whole=True, reused=reused, wall_s=round(found.wall_s, 3),
            encode_s=None if found.enc_time_ms is None else found.enc_time_ms / 1000,
            energy_j=found.enc_energy_j,
        )  # fmt: skip
        return line, Probe(crf, score, self._bits(found.enc_bytes / found.frames), features)

    def _rounded(self, score: float) -> float:
        return round(score, self.metric.digits + 2)

    def _tell(self, frames: int) -> None:
        if self.on_progress is not None:
            self.on_progress(frames, self.prober.source.frames)

    def _bits(self, bytes_a_frame: float) -> float:
        """Bits a pixel."""
        return 8 * bytes_a_frame / (self.prober.source.width * self.prober.source.height)
