"""Score and bitrate of a title over encoder, preset, CRF and height, and what probes make of it.

    with vqcast.surface("film.mkv") as surface:
        surface.score("libsvtav1", "10", 35, 720)  # value, lower, upper
        probe = surface.measure("libsvtav1", "10", 35, 720)
        surface = surface.condition(probe)
        surface.hull("libsvtav1", "10", (1080, 720, 540, 360))

A surface is a value: `condition` gives another one. Scores are of encodes that are scaled up to the
display's size and compared with the source at that size.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.heights import HeightTable
from vqcast.errors import InputError
from vqcast.forecast import heights as steps
from vqcast.forecast.forecaster import Forecast, Probe
from vqcast.forecast.heights import Heights
from vqcast.forecast.hull import hull
from vqcast.forecast.prior import Kind
from vqcast.measured.cell import Cell
from vqcast.measured.probe import Prober
from vqcast.media.encoders import encoder as adapter
from vqcast.media.source import Intake, Source
from vqcast.media.threads import plan
from vqcast.media.tool import Tool
from vqcast.metric import MetricName, beside
from vqcast.serve.trust import Trust
from vqcast.tuning import sampling
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.glimpse import PLACES, QUICK_PLACES, Glimpse, even, glimpse
from vqcast.tuning.grid import CrfGrid, grid_of
from vqcast.tuning.ground import Ground, ground
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import default_cache
from vqcast.tuning.title import Progress, Title, duration_s, is_sampled

Array = NDArray[np.float64]
_AIM = 90.0
"""The score near which the sampling of long titles is judged."""


@dataclass(frozen=True, slots=True)
class Ranged:
    """A forecast with the interval that holds the truth with the surface's confidence."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class SurfaceProbe:
    """One encode of the title that was made and scored."""

    encoder: str
    preset: str | None
    crf: float
    height: int
    score: float
    bitrate_kbps: float
    frames: int
    """Encoded for it."""
    reused: bool
    """Whether an earlier run had measured it."""
    whole: bool
    deviation: tuple[float, float]
    """Standard deviations of sampling: of the score, and of log2 of the bitrate."""
    seen: Probe = field(repr=False)


@dataclass(frozen=True, slots=True)
class HullPoint:
    """A point of the hull: no other height and CRF is better at its bitrate."""

    height: int
    crf: float
    score: Ranged
    bitrate_kbps: Ranged


@dataclass(slots=True)
class _Room:
    """What surfaces of one title share: the source, and titles by what they encode."""

    source: Source
    tool: Tool
    machine: Machine
    cache: Path | None
    display: tuple[int, int]
    metric: MetricName
    confidence: float
    registry: Path | None
    trust: Trust | None
    without: Collection[str]
    on_progress: Progress | None
    cancel: threading.Event
    titles: dict[tuple[str, str | None, int], Title] = field(default_factory=dict)
    grounds: dict[object, Ground] = field(default_factory=dict)

    @property
    def rescaled(self) -> tuple[int, int] | None:
        """The size of scores, where it is not the source's."""
        own = (self.source.width, self.source.height)
        return None if self.display == own else self.display

    def share(self, height: int) -> float:
        """Of the display. Raises InputError for a height that nothing is gained by."""
        if height == self.display[1]:
            return 1.0
        if not 64 <= height < self.display[1] or height % 2:
            raise InputError(
                f"{height} lines can't be encoded for a display of {self.display[1]}",
                field="heights", hint=f"use even numbers of 64 to {self.display[1]}",
            )  # fmt: skip
        return height / self.display[1]

    def coded(self, height: int) -> tuple[int, int]:
        """Width and height of the encode."""
        share = self.share(height)
        return self.display if share == 1.0 else (even(self.display[0] * share), height)

    def title(self, encoder: str, preset: str | None, height: int) -> Title:
        """What probes of one encoder, preset and height are taken of."""
        key = (encoder, preset, height)
        if key not in self.titles:
            coded = self.coded(height)
            cell = Cell(
                self.source, encoder, preset, 0, size=self.rescaled,
                coded=None if coded == (self.source.width, self.source.height) else coded,
                threads=plan(self.machine.cores, 1), also=beside([self.metric]),
            )  # fmt: skip
            self.titles[key] = Title(
                Prober(cell, self.tool, self.cache, self.cancel), self.machine, self.metric, "mean",
                target=_AIM, sampled=is_sampled(self.source, "mean", None),
                allowed=sampling.allowed(self.confidence), on_progress=self.on_progress,
                beside=next(iter(self.titles.values()), None),
            )  # fmt: skip
        return self.titles[key]

    def ground(
        self, encoder: str, preset: str | None, told: Sequence[tuple[Kind, Probe]]
    ) -> Ground:
        """The forecaster of one encoder and preset at the display's own height."""
        key = (encoder, preset, *((kind, probe.crf) for kind, probe in told))
        if key not in self.grounds:
            asked = TuneRequest(
                encoder=encoder, preset=preset, target=_AIM, confidence=self.confidence,
                metric=self.metric,
            )  # fmt: skip
            self.grounds[key] = ground(
                asked, preset, grid_of(encoder), self.source, self.tool, registry=self.registry,
                trust=self.trust, without=self.without, told=told,
            )  # fmt: skip
        return self.grounds[key]


@dataclass(frozen=True, slots=True)
class Surface:
    """What is known of a title; made by `vqcast.surface`, to be closed."""

    _room: _Room
    before: Glimpse
    """What was seen of it before any encode."""
    probes: tuple[SurfaceProbe, ...] = ()
    """That it was conditioned on."""

    def __enter__(self) -> Surface:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Remove the pictures of a long title's looks, of all surfaces of it."""
        for title in self._room.titles.values():
            title.close()

    @property
    def source(self) -> Source:
        """The title."""
        return self._room.source

    @property
    def display(self) -> tuple[int, int]:
        """Width and height at which scores are taken."""
        return self._room.display

    @property
    def fps(self) -> float:
        """Frames a second, averaged."""
        return self.source.frames / duration_s(self.source)

    @property
    def steps(self) -> HeightTable:
        """What was measured of lower heights."""
        return steps.load()

    def measure(
        self, encoder: str, preset: str | None, crf: float, height: int | None = None
    ) -> SurfaceProbe:
        """Encode the title, a long one in many places, and score it; nothing is conditioned.

        ``height``: None: the display's. Raises InputError for what the encoder can't take,
        ToolFailure or MediaError where ffmpeg fails.
        """
        entry, lines = adapter(encoder), self.display[1] if height is None else height
        entry.check(crf, preset)
        title = self._room.title(encoder, preset, lines)
        line, seen = title.probe(crf)
        pixels = self.display[0] * self.display[1]
        own = self.source.width * self.source.height
        seen = replace(seen, bits_per_pixel=seen.bits_per_pixel * own / pixels)
        return SurfaceProbe(
            encoder, preset, crf, lines, line.score, self._kbps(seen.bits_per_pixel), line.frames,
            line.reused, line.whole, (title.error, title.size_error), seen,
        )  # fmt: skip

    def condition(self, probe: SurfaceProbe) -> Surface:
        """The surface given one probe more; the same encode again tells nothing new."""
        if any(_encode_of(each) == _encode_of(probe) for each in self.probes):
            return self
        return replace(self, probes=(*self.probes, probe))

    def score(
        self, encoder: str, preset: str | None, crf: float, height: int | None = None
    ) -> Ranged:
        """The title's mean score, in points. Raises InputError for an encoder without curves."""
        return self.point(encoder, preset, crf, height).score

    def bitrate(
        self, encoder: str, preset: str | None, crf: float, height: int | None = None
    ) -> Ranged:
        """The video's kilobits a second."""
        return self.point(encoder, preset, crf, height).bitrate_kbps

    def point(
        self, encoder: str, preset: str | None, crf: float, height: int | None = None
    ) -> HullPoint:
        """Both at once."""
        lines = self.display[1] if height is None else height
        entry = adapter(encoder)
        entry.check(crf, preset)
        made = self.curves(encoder, preset).forecast(self._room.share(lines), np.array([crf]))
        return self.points(made, encoder, preset, lines)[0]

    def hull(self, encoder: str, preset: str | None, heights: Sequence[int]) -> list[HullPoint]:
        """The best heights and CRFs, from the cheapest to the best."""
        crfs, curves = grid(encoder).crfs, self.curves(encoder, preset)
        points = [
            point
            for height in heights
            for point in self.points(
                curves.forecast(self._room.share(height), crfs), encoder, preset, height
            )
        ]
        rates = np.log2([each.bitrate_kbps.value for each in points])
        return [points[at] for at in hull(rates, np.array([each.score.value for each in points]))]

    def curves(self, encoder: str, preset: str | None) -> Heights:
        """The joint forecast of all heights of one encoder and preset."""
        top, kind = self.display[1], (encoder, preset)
        told = [
            ((each.encoder, each.preset), each.seen)
            for each in self.probes
            if (each.encoder, each.preset) != kind and each.height == top
        ]
        table = self.steps
        seen = [
            (self._room.share(each.height), each.seen)
            for each in self.probes
            if (each.encoder, each.preset) == kind
        ]
        known = self.before.ceilings
        tops = [known[share] for share in table.shares[-2:] if share in known]
        return Heights.of(
            self._room.ground(encoder, preset, told).forecaster, table, known, seen,
            steps.hints(table, self.before.motion, tops) if len(tops) == 2 and not told else (),
            alike=encoder == table.encoder,
        )  # fmt: skip

    def ground(self, encoder: str, preset: str | None) -> Ground:
        """What speaks for an encoder and preset before any probe."""
        return self._room.ground(encoder, preset, ())

    def points(
        self, made: Forecast, encoder: str, preset: str | None, height: int
    ) -> list[HullPoint]:
        """A forecast's points, one a CRF, with their intervals."""
        error = self._errors(encoder, preset, height)
        level = self._room.confidence
        lower, upper = made.bounds(level, error[0])
        bits = made.bits_per_pixel(level, error[1])
        return [
            HullPoint(
                height, float(crf),
                Ranged(float(made.score[i]), float(lower[i]), float(upper[i])),
                Ranged(*(self._kbps(float(each[i])) for each in bits)),
            )
            for i, crf in enumerate(made.crfs)
        ]  # fmt: skip

    def _errors(self, encoder: str, preset: str | None, height: int) -> tuple[float, float]:
        """Sampling's deviations of the probes nearest in height, the largest of each."""
        own = [each for each in self.probes if (each.encoder, each.preset) == (encoder, preset)]
        near = [each for each in own if each.height == height] or own
        return (
            max((each.deviation[0] for each in near), default=0.0),
            max((each.deviation[1] for each in near), default=0.0),
        )

    def _kbps(self, bits_per_pixel: float) -> float:
        return bits_per_pixel * self.display[0] * self.display[1] * self.fps / 1000


def _encode_of(probe: SurfaceProbe) -> tuple[str, str | None, float, int]:
    return probe.encoder, probe.preset, probe.crf, probe.height


def grid(encoder: str) -> CrfGrid:
    """The CRFs that a hull is made of."""
    return grid_of(encoder, step=max(adapter(encoder).search_range[2], 1.0))


def surface(
    source: str | Path | Source,
    *,
    display: tuple[int, int] | None = None,
    metric: MetricName = "vmaf",
    confidence: float = 0.95,
    heights: Sequence[int] = (),
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    machine: Machine | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
    quick: bool = False,
) -> Surface:
    """What is known of ``source`` before any encode, ready to be conditioned on probes.

    ``display`` is the size at which scores are taken (None: the source's own), ``heights`` those
    whose ceilings are measured beside the usual ones; ``quick`` looks at less. Other arguments
    and what is raised are those of `vqcast.tune`.
    """
    tool = tool_of(machine)
    asked = TuneRequest(encoder="libx264", target=_AIM, confidence=confidence, metric=metric)
    opened = probed(source, asked, tool, intake)
    return over(
        opened, tool, display=display, metric=metric, confidence=confidence, heights=heights,
        registry=registry, trust=trust, cache=(cache or default_cache()) if keep else None,
        machine=machine, on_progress=on_progress, cancel=cancel, quick=quick,
    )  # fmt: skip


def over(
    source: Source,
    tool: Tool,
    *,
    cache: Path | None,
    display: tuple[int, int] | None = None,
    metric: MetricName = "vmaf",
    confidence: float = 0.95,
    heights: Sequence[int] = (),
    registry: Path | None = None,
    trust: Trust | None = None,
    machine: Machine | None = None,
    without: Collection[str] = (),
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    quick: bool = False,
) -> Surface:
    """`surface` of a source that was probed; ``without`` leaves content groups out."""
    machine, size = machine or Machine(), display or (source.width, source.height)
    shares = steps.load().shares[-2:] if quick else steps.load().shares
    room = _Room(
        source, tool, machine, cache, size, metric, confidence, registry, trust, without,
        on_progress, cancel or threading.Event(),
    )  # fmt: skip
    wanted = {*shares, *(room.share(each) for each in heights)} - {1.0}
    seen = glimpse(
        source, tool, sorted(wanted), display=room.rescaled, metric=metric, machine=machine,
        cancel=room.cancel, places=QUICK_PLACES if quick else PLACES,
    )  # fmt: skip
    return Surface(room, seen)
