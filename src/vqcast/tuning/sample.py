"""A long title seen through short looks: the score and size of the whole, and how sure they are.

    with closing(Sample(prober, machine, "vmaf", "mean", allowed=0.27)) as sample:
        seen = sample.probe(28.0)  # seen.score, seen.deviation

Looks are decoded once and kept as raw video in a temporary folder for as long as they are needed.
The first probe settles how many parts are measured; a later one starts from that, and measures what
differs on half of them.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.scratch import mine, remove_leftovers
from vqcast.errors import InputError
from vqcast.forecast.scale import averaging, linear, missing
from vqcast.measured.measurement import Measurement
from vqcast.measured.probe import Prober
from vqcast.measured.store import measure_once
from vqcast.media.options import PLAIN
from vqcast.media.reel import (
    Reel,
    decoded_by_seeking,
    frame_rate,
    gather_by_seeking,
    gather_through,
)
from vqcast.media.threads import plan
from vqcast.metric import METRICS
from vqcast.tuning import sampling
from vqcast.tuning.cold_start import LookCorrection, correction, of_sizes_alone
from vqcast.tuning.machine import Machine
from vqcast.vocab import FEATURES
from vqcast.watch import Alike

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

POOLS = ("mean", "harmonic")
"""Poolings that looks speak for: they say nothing of a title's worst second."""
KEPT_BYTES = 4 << 30
"""Raw pictures kept from one probe to the next, and all of them where more than that are."""
_THROUGH = 0.7
"""Of a title's frames: where looks by seeking would decode more, all of it is decoded once."""
_TELLING = 2
"""Parts that say how many more will be needed, about; fewer say too little."""
_OF_DIFFERENCE = 0.5
"""Share of the allowed deviation that a difference between two CRFs may have."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The whole title at one CRF, as its looks tell it."""

    score: float
    deviation: float
    """Standard deviation of ``score``, points: of where was looked, and of starting anew there."""
    bytes_a_frame: float
    size_deviation: float
    """Standard deviation of log2 ``bytes_a_frame``."""
    features: Array
    """Means of canonical-6, ``[6]``; NaN where they were not measured."""
    scatter: float
    """`sampling.scatter` of its frames, points."""
    looks: int
    frames: int
    """Encoded."""
    scored: int
    bytes: int
    """Of what was encoded."""
    reused: bool
    wall_s: float
    encode_s: float | None = None
    """Of the encodes alone, all cores busy; None: they were not timed."""
    energy_j: float | None = None
    """Of the processor in that time; None: not timed, or not told here."""


class Sample:
    """Parts of one title, measured at any CRF; to be closed, which removes their pictures.

    ``beside`` is another sample of the title, whose pictures are used: it is to be closed later.
    """

    def __init__(
        self,
        prober: Prober,
        machine: Machine,
        metric: str,
        pooling: str,
        *,
        allowed: float,
        on_progress: Progress | None = None,
        beside: Sample | None = None,
    ) -> None:
        self.prober, self.machine = prober, machine
        self.metric, self.pooling = METRICS[metric], pooling
        self.allowed = allowed * self.metric.point
        self.correction: LookCorrection = correction(
            prober.cell.encoder, prober.cell.preset if prober.cell.options == PLAIN else None
        )
        if self.metric.scale != "points":
            self.correction = of_sizes_alone(self.correction)
        self.frames = prober.source.frames
        self._measured: dict[float, dict[int, Measurement]] = {}
        self._lender: Sample | None = beside
        self._folder: Path | None = beside._folder if beside else None
        self._reels: dict[int, Reel] = beside._reels if beside else {}
        self._gathering: threading.Lock = beside._gathering if beside else threading.Lock()
        self._base: float | None = None
        tell = on_progress or (lambda done, total: None)
        self._ahead = Alike(sampling.LOOKS * sampling.LENGTH, tell)
        self._halves = True
        """Whether the last probe was sure after half of the first one's parts."""

    def close(self) -> None:
        """Remove the pictures."""
        if self._folder is not None and self._lender is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def disk_bytes(self) -> int:
        """The most that pictures take in the temporary folder, however many looks are needed."""
        part, most = self._reel(0).bytes, sampling.most_parts(self.frames)
        return min(most * part, KEPT_BYTES + plan(self.machine.cores, most).at_once * part)

    @property
    def told_bytes(self) -> str:
        """The same in words, with what the first looks take."""
        first = min(sampling.FIRST_PARTS * self._reel(0).bytes, self.disk_bytes)
        return f"{first / 1e9:.1f} GB, and up to {self.disk_bytes / 1e9:.1f} GB as more are needed,"

    def probe(self, crf: float) -> Seen | None:
        """The title at ``crf``; None where so many looks are needed that the whole is better.

        Raises ToolFailure or MediaError as `vqcast.media.measure` does.
        """
        began = time.monotonic()
        reused = self._first(crf) if self._base is None else self._later(crf)
        if reused is None:
            return None
        parts = sorted(self._measured[crf])
        made = [self._measured[crf][part] for part in parts]
        score, deviation = self._pooled(crf, parts)
        lacks = missing(self.metric, score)
        first, others = (self._mean(crf, parts, self._bytes(which)) for which in (0, 1))
        size_deviation = others.deviation / others.mean / math.log(2.0)
        fps = float(frame_rate(self.prober.source))
        start, scenes = self.correction, self._scenes()
        return Seen(
            score=start.score(score, lacks),
            deviation=math.hypot(deviation, start.score_deviation(lacks, scenes)),
            bytes_a_frame=start.bytes(first.mean, others.mean, fps),
            size_deviation=math.hypot(size_deviation, start.size_deviation(scenes)),
            features=np.array(
                [self._mean(crf, parts, self._column(name)).mean for name in FEATURES]
                if self.prober.cell.vmaf
                else [np.nan] * len(FEATURES)
            ),
            scatter=math.sqrt(np.mean([self._scatter(each) ** 2 for each in made])),
            looks=len(parts) * sampling.LOOKS,
            frames=sum(self._reel(part).frames for part in parts),
            scored=sum(each.frames for each in made),
            bytes=sum(each.enc_bytes for each in made),
            reused=reused,
            wall_s=round(time.monotonic() - began, 3),
            encode_s=self._shared([each.enc_time_ms for each in made], 1000.0),
            energy_j=self._shared([each.enc_energy_j for each in made]),
        )

    def _shared(self, values: Sequence[float | None], unit: float = 1.0) -> float | None:
        """Sum of what encodes that run at once each count; None where one does not know it."""
        known = [each for each in values if each is not None]
        at_once = plan(self.machine.cores, len(values)).at_once
        return sum(known) / unit / at_once if len(known) == len(values) else None

    def _first(self, crf: float) -> bool | None:
        """Measure as many parts as the error asks for; whether none was new, None: too many."""
        parts = sampling.FIRST_PARTS
        reused = True
        self._ahead.begin(0)
        while parts <= sampling.most_parts(self.frames):
            reused = self._measure(crf, range(parts)) and reused
            deviation = self._pooled(crf, range(parts))[1]
            if deviation <= self.allowed:
                self._base = crf
                return reused
            parts = sampling.more_parts(parts, deviation, self.allowed)
        return None

    def _expected(self, crf: float, planned: int) -> int:
        """How many parts the first probe should take, by those that it has measured."""
        ended = sorted(self._measured[crf].copy())
        deviation = self._pooled(crf, ended)[1]
        if deviation <= self.allowed * math.sqrt(planned / len(ended)):
            return planned
        wanted = sampling.more_parts(len(ended), deviation, self.allowed)
        return max(planned, min(wanted, sampling.most_parts(self.frames)))

    def _later(self, crf: float) -> bool:
        """Measure half of the first probe's parts, and the others where they differ too much."""
        assert self._base is not None
        every = sorted(self._measured[self._base])
        half = every[: (len(every) + 1) // 2]
        self._ahead.begin(len(half) if self._halves else len(every))
        reused = self._measure(crf, half)
        apart = math.sqrt(max(self._pooled(crf, half)[1] ** 2 - self._level_error() ** 2, 0.0))
        self._halves = apart <= _OF_DIFFERENCE * self.allowed
        if not self._halves:
            reused = self._measure(crf, every) and reused
        return reused

    def _scenes(self) -> int:
        assert self._base is not None
        made = self._measured[self._base]
        first = [start for part in made for start in self._reel(part).starts]
        values = np.concatenate([self._linear(each, "mean") for each in made.values()])
        return sampling.scenes(first, values / self.metric.point)

    def _level_error(self) -> float:
        assert self._base is not None
        return self._pooled(self._base, sorted(self._measured[self._base]))[1]

    def _pooled(self, crf: float, parts: Sequence[int]) -> tuple[float, float]:
        """The title's score by its looks, and its deviation."""
        metric, averaged = self.metric, averaging(self.metric, self.pooling)

        def of(name: str) -> Callable[[Measurement], Array]:
            return lambda made: self._looks(averaged.of(made.column(name)))

        found = [self._mean(crf, parts, of(name)) for name in metric.columns]
        means = [each.mean for each in found]
        scores = [float(averaged.back(np.array(mean))) for mean in means]
        score = sum(each * weight for each, weight in zip(scores, metric.weights, strict=True))
        if len(found) == 1:
            return score, abs(averaged.slope(means[0])) * found[0].deviation
        adds = self._mean(crf, parts, lambda made: self._linear(made, self.pooling, means))
        return score, adds.deviation

    def _linear(self, made: Measurement, how: str, means: Sequence[float] | None = None) -> Array:
        """What each look adds to the score, ``[looks]``."""
        columns = {name: made.column(name) for name in self.metric.columns}
        return self._looks(linear(self.metric, columns, how, means))

    def _scatter(self, made: Measurement) -> float:
        columns = {name: made.column(name) for name in self.metric.columns}
        return sampling.scatter(linear(self.metric, columns, self.pooling)) / self.metric.point

    def _looks(self, values: Array) -> Array:
        return sampling.means_of(values, sampling.LOOKS, self.metric.looks_back)

    def _mean(
        self, crf: float, parts: Sequence[int], values: Callable[[Measurement], Array]
    ) -> sampling.Estimate:
        """The title's mean of what ``values`` takes from a part, ``[looks]``.

        Where the first probe measured more parts, its mean and what differs from it on ``parts``.
        """

        def of(crf: float, parts: Sequence[int]) -> tuple[list[int], Array]:
            first = [start for part in parts for start in self._reel(part).starts]
            return first, np.concatenate([values(self._measured[crf][part]) for part in parts])

        first, own = of(crf, parts)
        base = self._base
        if base is None or base == crf or len(self._measured[base]) == len(parts):
            return sampling.estimate(first, own, self.frames)
        level = sampling.estimate(*of(base, sorted(self._measured[base])), self.frames)
        apart = sampling.estimate(first, own - of(base, parts)[1], self.frames)
        return sampling.Estimate(
            level.mean + apart.mean, math.hypot(level.deviation, apart.deviation)
        )

    @staticmethod
    def _column(name: str) -> Callable[[Measurement], Array]:
        return lambda made: sampling.means_of(made.column(name), sampling.LOOKS)

    @staticmethod
    def _bytes(which: int) -> Callable[[Measurement], Array]:
        """Bytes of each look's largest frame (0), or of one of its others (1).

        An encoder may code a change of scene a frame or two late.
        """

        def values(made: Measurement) -> Array:
            sizes = np.array(made.frame_bytes, dtype=np.float64).reshape(-1, sampling.LENGTH)
            largest = sizes.max(axis=1)
            others = (sizes.sum(axis=1) - largest) / (sampling.LENGTH - 1)
            return np.asarray(others if which else largest)

        return values

    def _reel(self, part: int) -> Reel:
        return Reel(
            self.prober.source,
            sampling.starts(self.frames, part),
            sampling.LENGTH,
            (self._folder or Path()) / f"{part}.yuv",
            self.prober.cell.options.chroma,
        )

    def _measure(self, crf: float, parts: Sequence[int]) -> bool:
        """Measure ``parts`` that were not; whether an earlier run had done so with all of them."""
        known = self._measured.setdefault(crf, {})
        missing = [part for part in parts if part not in known]
        if not missing:
            return True
        threads = plan(self.machine.cores, len(missing))

        def one(part: int) -> bool:
            prober = self.prober
            cell = replace(
                prober.at(crf), source=self._reel(part).video, spliced=sampling.LENGTH,
                every=sampling.EVERY, threads=threads,
            )  # fmt: skip
            with self._ahead.part() as at:
                made, reused = measure_once(
                    cell, prober.tool, prober.store, prober.cancel, timed=prober.timed,
                    prepare=lambda: self._gather(part, missing, threads.decoder),
                    on_progress=at,
                )  # fmt: skip
                known[part] = made
                if self._base is None and len(known) >= _TELLING:
                    self._ahead.plan(self._expected(crf, len(parts)))
            self._drop_what_is_too_much(part)
            return reused

        self._make_folder()
        with ThreadPoolExecutor(max_workers=threads.at_once) as workers:
            try:
                return all(list(workers.map(one, missing)))
            except BaseException:
                if self.prober.cancel is not None:
                    self.prober.cancel.set()  # the pool waits for its encodes: end them
                raise

    def _make_folder(self) -> None:
        if self._lender is not None:
            self._lender._make_folder()
            self._folder = self._lender._folder
        if self._folder is None:
            where = self.machine.temp_dir
            remove_leftovers(Path(where or tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=mine(), dir=where))

    def _gather(self, part: int, parts: Sequence[int], threads: int) -> None:
        """Have the pictures of ``part`` on disk.

        Where all of the title is decoded for less, those of all ``parts``, and of others that may
        be asked for later as far as there is room.
        """
        tool, cancel = self.prober.tool, self.prober.cancel
        with self._gathering:
            if part in self._reels:
                return
            wanted = {each: self._reel(each) for each in parts if each not in self._reels}
            apart = decoded_by_seeking(list(wanted.values()))
            dear = apart is None or apart > _THROUGH * self.frames
            room = KEPT_BYTES // self._reel(0).bytes - len(self._reels)
            if dear and len(wanted) <= room:
                self._require_space(len(wanted) * self._reel(0).bytes)
                room = min(room, self._free() // self._reel(0).bytes)
                known = wanted.keys() | self._reels.keys()
                later = set(range(sampling.most_parts(self.frames))) - known
                for each in sorted(later)[: room - len(wanted)]:
                    wanted[each] = self._reel(each)
                reels = list(wanted.values())
                gather_through(reels, tool, threads=self.machine.cores, cancel=cancel)
                self._reels |= wanted
                return
        reel = self._reel(part)
        self._require_space(reel.bytes)
        gather_by_seeking(reel, tool, threads=threads, cancel=cancel)
        self._reels[part] = reel

    def _free(self) -> int:
        """Bytes on the temporary folder's disk."""
        assert self._folder is not None
        return shutil.disk_usage(self._folder).free

    def _require_space(self, needed: int) -> None:
        assert self._folder is not None
        if needed > (free := self._free()):
            raise InputError(
                f"{self._folder.parent}: has {free / 1e9:.1f} GB free, and the pictures of the "
                f"looks need {needed / 1e9:.1f} GB",
                hint="name a folder with more space: --temp-dir",
            )

    def _drop_what_is_too_much(self, part: int) -> None:
        """Remove a part's pictures where those of the parts before it fill what may be kept."""
        with self._gathering:
            reel = self._reels.get(part)
            if reel is not None and (part + 1) * reel.bytes > KEPT_BYTES:
                reel.path.unlink(missing_ok=True)
                del self._reels[part]
