"""A bitrate ladder: the hull over heights and CRFs from a few probes, and rungs on it.

    asked = LadderRequest(encoder="libsvtav1", heights=(1080, 720, 540, 360))
    for rung in ladder(Path("film.mkv"), asked).rungs: ...

The first probe is of the display's own height. Each one after it is taken where samples of the
surface disagree most on which height is best at some bitrate, until they agree; what is left goes
to the rungs whose intervals are widest.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
from annotated_doc import Doc
from numpy.typing import NDArray

from vqcast.documents.ladder import DeviceName, LadderPoint, LadderProbe, LadderResult, Spacing
from vqcast.errors import InputError
from vqcast.forecast import scale
from vqcast.forecast.heights import Heights
from vqcast.forecast.hull import apart, spaced
from vqcast.media.encoders import encoder as adapter
from vqcast.media.source import Doubted, Intake, Source, reread
from vqcast.metric import METRICS, MetricName
from vqcast.serve.trust import Trust
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.glimpse import even
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import default_cache
from vqcast.tuning.surface import HullPoint, Surface, SurfaceProbe, grid, over
from vqcast.tuning.title import Progress

Array = NDArray[np.float64]

DEVICES: dict[DeviceName, tuple[int | None, MetricName]] = {
    "source": (None, "vmaf"), "1080p": (1080, "vmaf"), "4k": (2160, "vmaf-4k"),
    "phone": (1080, "vmaf-phone"),
}  # fmt: skip
"""Device -> the most lines that it shows, and the model of its viewer."""
_BITRATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM])")
_SAMPLES, _RATES = 96, 25
_SETTLED = 0.12
"""Expected regret, in points, that is not worth another probe."""
_WIDE = 1.5
"""Half width of a rung's interval, in points, that is worth one."""
_NEAREST_CRFS = 4.0
"""Probes of one height are at least so far apart."""
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRequest:
    """What is asked for. Raises InputError for a value out of its range."""

    encoder: Annotated[str, Doc("The encoder, by ffmpeg's name.")]
    heights: tuple[int, ...] = (1080, 720, 540, 360)
    preset: Annotated[str | None, Doc("The encoder's preset. Default: a medium one.")] = None
    rungs: Annotated[int, Doc("How many rungs, at the most.")] = 6
    spacing: Annotated[
        Spacing, Doc("quality: rungs evenly apart in score; bitrate: evenly in its logarithm.")
    ] = "quality"
    top: Annotated[float, Doc("Score of the best rung, where the bitrate allows it.")] = 95.0
    bottom: Annotated[float, Doc("Score of the cheapest rung, or the lowest that there is.")] = 50.0
    max_bitrate: Annotated[
        str | None, Doc("Most that a rung may take, such as 800k or 6M, its interval included.")
    ] = None
    device: Annotated[
        DeviceName,
        Doc(
            "Where it is watched: source (a screen of the source's size), 1080p, 4k or phone. "
            "Scores are those of pictures scaled up to it."
        ),
    ] = "source"
    confidence: Annotated[float, Doc("How sure intervals are.")] = 0.95
    probes: Annotated[
        int | None, Doc("Most encodes that are made to choose. Default: twice the heights.")
    ] = None

    def __post_init__(self) -> None:
        for field, known in (("spacing", get_args(Spacing)), ("device", get_args(DeviceName))):
            if getattr(self, field) not in known:
                raise InputError(
                    f"{getattr(self, field)!r} is not known", field=field,
                    hint=f"use one of: {', '.join(known)}",
                )  # fmt: skip
        if not self.heights or len(set(self.heights)) != len(self.heights):
            raise InputError("names no height, or one twice", field="heights")
        for field, least in (("rungs", 1), ("probes", 1)):
            value = getattr(self, field)
            if value is not None and value < least:
                raise InputError(f"{value} is fewer than {least}", field=field)
        if not 0 < self.bottom < self.top < 100:
            raise InputError(
                f"{self.bottom:g} to {self.top:g} is no range of scores", field="bottom",
                hint="0 < --bottom < --top < 100",
            )  # fmt: skip
        if self.max_bitrate is not None:
            kbps_of(self.max_bitrate)
        entry = adapter(self.encoder)
        TuneRequest(encoder=self.encoder, target=90, confidence=self.confidence)
        if self.preset is not None:
            entry.check(entry.middle, self.preset)

    @property
    def most_probes(self) -> int:
        """Encodes that may be made."""
        return self.probes or 2 * len(self.heights)


def kbps_of(text: str) -> float:
    """``800k`` or ``6M`` as kilobits a second. Raises InputError for other words."""
    match = _BITRATE.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise InputError(f"{text!r} is no bitrate", field="max_bitrate", hint="write 800k or 6M")
    return float(match[1]) * (1000 if match[2] in "mM" else 1)


def display_of(source: Source, device: DeviceName, heights: Sequence[int]) -> tuple[int, int]:
    """The size at which a viewer sees the title.

    Raises InputError for a height above the source's, or above what the device shows.
    """
    lines = DEVICES[device][0]
    width, height = source.width, source.height
    if lines is not None and lines < height:
        width, height = even(width * lines / height), lines
    if too_high := [each for each in heights if each > height]:
        shown = "source has" if height == source.height else f"{device} shows"
        raise InputError(
            f"{too_high[0]} lines are more than the {height} that the {shown}", field="heights",
            path=source.path, hint=f"--heights {_usual(height)}",
        )  # fmt: skip
    return width, height


def _usual(height: int) -> str:
    usual = [each for each in (2160, 1440, 1080, 720, 540, 360, 240) if each < height]
    return ",".join(str(each) for each in [height, *usual][:4])


def ladder(
    source: str | Path | Source,
    asked: LadderRequest,
    *,
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    machine: Machine | None = None,
    on_probe: Callable[[SurfaceProbe], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
) -> LadderResult:
    """The rungs of ``asked`` for ``source``.

    ``on_probe`` is told of each encode that is made to choose them. Other arguments and what is
    raised are those of `vqcast.tune`.
    """
    tool, began = tool_of(machine), time.monotonic()
    opened = probed(source, TuneRequest(encoder=asked.encoder, target=90), tool, intake)

    def found(source: Source) -> LadderResult:
        display = display_of(source, asked.device, asked.heights)
        with over(
            source, tool, display=display, metric=DEVICES[asked.device][1],
            confidence=asked.confidence, heights=asked.heights, registry=registry, trust=trust,
            cache=(cache or default_cache()) if keep else None, machine=machine,
            on_progress=on_progress, cancel=cancel,
        ) as surface:  # fmt: skip
            return climb(surface, asked, on_probe or (lambda probe: None), began)

    try:
        return found(opened)
    except Doubted:
        return found(reread(opened, tool))


def climb(
    surface: Surface, asked: LadderRequest, on_probe: Callable[[SurfaceProbe], None], began: float
) -> LadderResult:
    """Probe until the heights are settled and the rungs are sure, or no probe is left."""
    entry = adapter(asked.encoder)
    preset = asked.preset if asked.preset is not None else entry.default_preset
    entry.check(entry.middle, preset)
    crfs = grid(asked.encoder).crfs
    while True:
        curves = surface.curves(asked.encoder, preset)
        shares = [height / surface.display[1] for height in asked.heights]
        probed = {(each.height, each.crf) for each in surface.probes}
        regret, wanted = doubt(curves, shares, crfs, asked, probed, surface.display[1])
        points = _points(surface, asked, preset, crfs)
        on = surface.hull(asked.encoder, preset, asked.heights)
        chosen = rungs(on, asked, settled=False)
        if len(surface.probes) >= asked.most_probes:
            break
        if not surface.probes:
            wanted = max(asked.heights), _first(points, asked)
        elif regret < _SETTLED or wanted is None:
            wanted = _widest(chosen, probed, METRICS[DEVICES[asked.device][1]].point)
        if wanted is None:
            break
        probe = surface.measure(asked.encoder, preset, wanted[1], wanted[0])
        on_probe(probe)
        surface = surface.condition(probe)
    chosen = rungs(on, asked)
    return _result(surface, asked, preset, on, points, chosen, regret, began)


def _points(
    surface: Surface, asked: LadderRequest, preset: str | None, crfs: Array
) -> list[HullPoint]:
    curves = surface.curves(asked.encoder, preset)
    return [
        point
        for height in asked.heights
        for point in surface.points(
            curves.forecast(height / surface.display[1], crfs), asked.encoder, preset, height
        )
    ]


def _first(points: Sequence[HullPoint], asked: LadderRequest) -> float:
    """The CRF in the middle of what the tallest height is good for."""
    top = max(asked.heights)
    aim = (asked.top + max(asked.bottom, 75.0)) / 2
    own = [each for each in points if each.height == top]
    return min(own, key=lambda each: abs(each.score.value - aim)).crf


def doubt(
    curves: Heights,
    shares: Sequence[float],
    crfs: Array,
    asked: LadderRequest,
    probed: Collection[tuple[int, float]],
    lines: int,
) -> tuple[float, tuple[int, float] | None]:
    """Points that the choice of heights is expected to lose, and the probe that tells most of it.

    Samples of all heights' curves are drawn. At each bitrate the choice is the height that is best
    on average; its regret is by how much the best height of a sample beats it there.
    """
    drawn = np.random.default_rng(_SEED).standard_normal((_SAMPLES, len(curves.mean)))
    values, vectors = np.linalg.eigh(curves.covariance)
    states = curves.mean + (drawn * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    metric, known = curves.forecaster.metric, []
    for share in shares:
        score, base, bits, bits_base = curves.state(share, crfs)
        known.append((states @ score.T + base, states @ bits.T + bits_base))
    middle = np.array([each[1].mean(axis=0) for each in known])
    latents = np.array([each[0].mean(axis=0) for each in known])
    low, high = _between(latents, middle, curves, asked)
    rates = np.linspace(low, high, _RATES)
    at = np.array([[_at(rates, b, z) for z, b in zip(*each, strict=True)] for each in known])
    scores = _scores(metric.name, at)  # [heights, samples, rates]
    choice = scores.mean(axis=1).argmax(axis=0)
    best = scores.argmax(axis=0)
    lost = scores.max(axis=0) - np.take_along_axis(scores, choice[None, None, :], 0)[0]
    regret = float(lost.mean())
    weights = np.zeros((len(shares), _RATES))
    for index in range(len(shares)):
        involved = (best == index) | (choice == index)[None, :]
        weights[index] = np.where(involved, lost, 0.0).mean(axis=0)
    for index in np.argsort(-weights.sum(axis=1)):
        if weights[index].sum() <= 0:
            break
        rate = float(weights[index] @ rates / weights[index].sum())
        crf = float(crfs[np.abs(middle[index] - rate).argmin()])
        height = asked.heights[index]
        near = any(h == height and abs(c - crf) < _NEAREST_CRFS for h, c in probed)
        if not near:
            return regret, (height, crf)
    return regret, None


def _at(rates: Array, log2_bits: Array, latent: Array) -> Array:
    """A curve's latent score at ``rates``, far below all others where it does not reach."""
    return np.interp(rates, log2_bits[::-1], latent[::-1], left=-10.0, right=float(latent[0]))


def _scores(metric: str, latent: Array) -> Array:
    return scale.to_score(METRICS[metric], latent)


def _between(
    latents: Array, bits: Array, curves: Heights, asked: LadderRequest
) -> tuple[float, float]:
    """Log2 bits a pixel between which rungs will lie."""
    scores = _scores(curves.forecaster.metric.name, latents)
    inside = (scores >= asked.bottom) & (scores <= asked.top)
    if not inside.any():
        return float(bits.min()), float(bits.max())
    return float(bits[inside].min()), float(bits[inside].max())


def rungs(
    on: Sequence[HullPoint], asked: LadderRequest, *, settled: bool = True
) -> list[HullPoint]:
    """Points of the hull, from the best to the cheapest, of which no two intervals overlap.

    Raises InputError where even the cheapest point takes more than the most that is allowed; where
    probes may still narrow its interval, not ``settled``, it is the one rung.
    """
    most = np.inf if asked.max_bitrate is None else kbps_of(asked.max_bitrate)
    within = [each for each in on if each.bitrate_kbps.upper <= most]
    if not within and not settled:
        return [on[0]]
    if not within:
        raise InputError(
            f"the cheapest encode takes {on[0].bitrate_kbps.upper:.0f} kbit/s",
            field="max_bitrate", hint="allow more, or add a lower height",
        )  # fmt: skip
    reached = next((i for i, each in enumerate(within) if each.score.value >= asked.top), None)
    within = within[: len(within) if reached is None else reached + 1]
    above = [each for each in within if each.score.value >= asked.bottom] or within[-1:]
    if asked.spacing == "quality":
        values = np.array([each.score.value for each in above])
    else:
        values = np.log2([each.bitrate_kbps.value for each in above])
    picked = [above[index] for index in spaced(values, asked.rungs)]
    kept = apart([(each.score.lower, each.score.upper) for each in picked])
    return [picked[index] for index in reversed(kept)]


def _widest(
    chosen: Sequence[HullPoint], probed: Collection[tuple[int, float]], point: float
) -> tuple[int, float] | None:
    """The rung whose interval is widest, where that is worth a probe."""
    open_ = [
        each
        for each in chosen
        if (each.score.upper - each.score.lower) / 2 > _WIDE * point
        and not any(
            height == each.height and abs(crf - each.crf) < _NEAREST_CRFS for height, crf in probed
        )
    ]
    if not open_:
        return None
    found = max(open_, key=lambda each: each.score.upper - each.score.lower)
    return found.height, found.crf


def _result(
    surface: Surface,
    asked: LadderRequest,
    preset: str | None,
    on: Sequence[HullPoint],
    points: Sequence[HullPoint],
    chosen: Sequence[HullPoint],
    regret: float,
    began: float,
) -> LadderResult:
    probes = [
        LadderProbe(
            height=each.height, crf=each.crf, score=each.score,
            bitrate_kbps=round(each.bitrate_kbps, 2), frames=each.frames, whole=each.whole,
            reused=each.reused,
        )
        for each in surface.probes
    ]  # fmt: skip
    return LadderResult(
        name=surface.source.path.name, encoder=asked.encoder, preset=preset,
        metric=DEVICES[asked.device][1], device=asked.device, display=[*surface.display],
        confidence=asked.confidence, spacing=asked.spacing,
        rungs=[told(each, surface.display) for each in chosen],
        merged=min(asked.rungs, len(on)) - len(chosen),
        hull=[told(each, surface.display) for each in on],
        curves=[told(each, surface.display) for each in points], probes=probes,
        cells=len(points), regret=round(regret, 4),
        frames_encoded=sum(each.frames for each in surface.probes if not each.reused),
        encoded=[], playlists=[], notes=_notes(surface, asked, preset),
        wall_s=round(time.monotonic() - began, 3),
    )  # fmt: skip


def _notes(surface: Surface, asked: LadderRequest, preset: str | None) -> list[str]:
    ground, table = surface.ground(asked.encoder, preset), surface.steps
    notes = [*surface.source.notes, *ground.notes, *ground.off]
    if not ground.calibrated:
        notes.append("nothing has calibrated this forecast: its intervals are wide")
    if asked.encoder != table.encoder:
        notes.append(
            f"what lower heights lose was measured with {table.encoder}: intervals are wider"
        )
    if min(asked.heights) / surface.display[1] < table.shares[-1]:
        notes.append(
            f"nothing was measured below {table.shares[-1]:.0%} of the display's height: "
            "intervals there are wider"
        )
    return notes


def told(point: HullPoint, display: tuple[int, int]) -> LadderPoint:
    """A point as documents have it."""
    score, rate = point.score, point.bitrate_kbps
    return LadderPoint(
        height=point.height, width=even(display[0] * point.height / display[1]), crf=point.crf,
        score=round(score.value, 3), lower=round(score.lower, 3), upper=round(score.upper, 3),
        bitrate_kbps=round(rate.value, 2), bitrate_lower=round(rate.lower, 2),
        bitrate_upper=round(rate.upper, 2),
    )  # fmt: skip
