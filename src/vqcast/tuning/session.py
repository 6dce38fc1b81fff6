"""One tuning from start to answer: probe, condition, decide, until the doubt is small enough.

result = tune(Path("film.mkv"), TuneRequest(encoder="libsvtav1", target=93))
result.crf, result.score, result.lower, result.basis
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from vqcast.documents.tune import (
    Basis,
    CurvePoint,
    Status,
    TuneProbe,
    TuneProbed,
    TuneResult,
    TuneStart,
)
from vqcast.forecast.forecaster import Forecast
from vqcast.forecast.scale import pooled
from vqcast.measured.cell import Cell
from vqcast.measured.probe import Prober
from vqcast.media import grain, inputs
from vqcast.media.encoders import encoder as adapter
from vqcast.media.measure import check_size, converted, encoder_options, score
from vqcast.media.option_check import require_options
from vqcast.media.options import PLAIN
from vqcast.media.source import Doubted, Intake, Source, reread
from vqcast.media.threads import plan
from vqcast.media.tool import Tool
from vqcast.metric import METRICS, compared_at, unlike
from vqcast.serve.trust import Trust
from vqcast.tuning import sampling, shares
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.grid import grid_of
from vqcast.tuning.ground import ground
from vqcast.tuning.history import History, kept
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.search import MOST_PROBES, Goal, Record, State, assess, search
from vqcast.tuning.title import Progress, Title, described, is_sampled

NEAR = 1.5
"""Points between an answer and a probe of its title in looks."""
CEILING_MARGIN = 0.1
"""Points below the source's score against itself that the best reachable CRF may give."""
Event = TuneStart | TuneProbed | TuneResult


def default_cache() -> Path:
    """Where probes are kept between runs: the user's cache folder."""
    return platformdirs.user_cache_path("vqcast") / "probes"


def tune(
    source: str | Path | Source,
    request: TuneRequest,
    *,
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    machine: Machine | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
) -> TuneResult:
    """The highest CRF at which ``source`` reaches the target with the confidence asked for.

    ``registry`` holds the forecaster (default: the one that travels with vqcast), ``trust`` asks
    for a signed one. Probes are kept in ``cache`` (default: the user's cache folder) unless
    ``keep`` is false. ``machine`` says what may be used of this one. ``on_event`` is told of the
    start, each probe and the result, ``on_progress`` of how far a probe is, in frames, and all of
    them (0: not known yet); setting ``cancel`` ends the encodes that run. ``intake`` is how a
    source that is given by its path is taken. Raises RegistryError for a registry that is absent
    or damaged, InputError or MediaError for what can't be tuned, ToolFailure where ffmpeg fails.
    """
    tool = tool_of(machine)
    request = request.described(tool)
    opened = probed(source, request, tool, intake)

    def searched(source: Source) -> TuneResult:
        session = Session(
            request, source, tool, (cache or default_cache()) if keep else None,
            registry=registry, trust=trust, machine=machine, on_progress=on_progress,
            cancel=cancel or threading.Event(),
        )  # fmt: skip
        with closing(session.title):
            return session.run(on_event or (lambda event: None))

    try:
        return searched(opened)
    except Doubted:
        return searched(reread(opened, tool))


class Session:
    """The state of one tuning.

    ``without`` leaves content groups out of the forecaster; with ``alone`` nothing is known of what
    other encoders' probes of the title saw. ``timed`` probes tell how long their encodes take.
    ``beside`` is a session of the same title whose pictures may be used; it is closed later.
    """

    def __init__(
        self,
        request: TuneRequest,
        source: Source,
        tool: Tool,
        cache: Path | None,
        *,
        registry: Path | None = None,
        trust: Trust | None = None,
        machine: Machine | None = None,
        on_progress: Progress | None = None,
        cancel: threading.Event | None = None,
        without: Collection[str] = (),
        alone: bool = False,
        timed: bool = False,
        beside: Session | None = None,
    ) -> None:
        entry, machine = adapter(request.encoder, request.options), machine or Machine()
        self.preset = request.preset if request.preset is not None else entry.default_preset
        self.grid = grid_of(
            request.encoder, request.min_crf, request.max_crf, request.crf_step, request.options
        )
        encoder_options(source, entry, self.grid.low, self.preset)  # refuses what it can't take
        require_options(entry, self.preset, source.depth, tool, light=source.light)
        self.request, self.source, self.metric = request, source, METRICS[request.metric]
        own = (source.width, source.height)
        self.size = compared_at(request.score_size, own, self.metric)
        check_size(source, self.size, request.also)
        self.crfs = self.grid.crfs
        as_it_is = source.whole and source.video == inputs.PLAIN
        alike = as_it_is and self.size is None and request.options == PLAIN
        self.history = History(cache if alike and not alone else None, source.identity)
        self.ground = ground(
            request, self.preset, self.grid, source, tool, rescaled=self.size is not None,
            registry=registry, trust=trust, without=without,
            told=self.history.others(request, self.preset),
        )  # fmt: skip
        floor = request.confidence
        if not request.each and self.ground.calibrated:
            floor = shares.least_probability(floor, self.ground.info.sha256)
        self.goal = Goal(request.target, floor, request.tolerance_percent / 100)
        cell = Cell(
            source, request.encoder, self.preset, self.grid.low, size=self.size,
            threads=plan(machine.cores, 1), options=request.options,
            also=request.also, vmaf=not self.metric.filter or self.ground.forecaster.reads_features,
        )  # fmt: skip
        self.title: Title = Title(
            Prober(cell, tool, cache, cancel, timed), machine, request.metric, request.pool,
            target=request.target, sampled=is_sampled(source, request.pool, request.whole),
            allowed=sampling.allowed(request.confidence), on_progress=on_progress,
            beside=beside.title if beside else None,
        )  # fmt: skip
        self.ceiling: float | None = None
        """The source's score against itself, once it was asked for."""
        self.lines: list[TuneProbe] = []
        self.seen = Record()

    def run(self, on_event: Callable[[Event], None]) -> TuneResult:
        """Search, and say what was found."""
        start = time.monotonic()
        on_event(TuneStart(**self._question(), notes=self.notes()))

        def measure(index: int, whole: bool = False) -> None:
            on_event(TuneProbed(probe=self._probe(index, whole)))

        while True:
            forecast, state = search(
                self.ground.forecaster, self.crfs, self.goal, self.seen, measure
            )
            if state.answer is None:
                if not self._lower_to_ceiling():
                    break
            elif self.seen.count >= MOST_PROBES:
                break
            elif self._is_far(forecast, state.answer):
                measure(state.answer)
            elif self._must_verify and state.answer not in self.seen.known:
                measure(state.answer, whole=True)
            else:
                break
        result = self._result(forecast, state, time.monotonic() - start)
        on_event(result)
        return result

    def glance(self) -> TuneProbed:
        """Probe once, at the CRF that reaches the target as likely as not."""
        forecast = self.ground.forecaster.forecast(self.seen.probes, self.crfs)
        state = assess(forecast, self.goal, self.seen.known, self.title.error)
        even = int(abs(state.probability - 0.5).argmin())
        return TuneProbed(probe=self._probe(even, False))

    def notes(self) -> list[str]:
        """What is converted, what is measured in any case, and what looks take on disk."""
        notes = list(self.source.notes)
        notes += converted(self.source, adapter(self.request.encoder, self.request.options))
        notes += unlike(self.metric, self._compared)
        notes += self.ground.notes
        notes += [f"{each}: the answer is measured" for each in self.ground.off]
        if self.request.options.grain:
            notes.append(grain.ASKED)
        if self.title.sampled:
            notes.append(
                "looked at in many places, whose pictures take "
                f"{self.title.sample.told_bytes} of the temporary folder"
            )
        return notes

    @property
    def _compared(self) -> tuple[int, int]:
        return self.size or (self.source.width, self.source.height)

    def _is_far(self, forecast: Forecast, answer: int) -> bool:
        """Whether no look was taken near the answer, on a curve that may be like no other."""
        score = float(forecast.score[answer])
        reach = NEAR * self.metric.point
        near = any(abs(each.score - score) <= reach for each in self.seen.probes)
        near = near and not self.source.unusual
        return self.title.sampled and answer not in self.seen.probed and not near

    @property
    def _must_verify(self) -> bool:
        """Whether a forecast is no answer: asked for, or nothing has calibrated it."""
        guessed = not self.ground.calibrated and not self.title.sampled
        return self.request.verify or guessed or self.ceiling is not None

    def _lower_to_ceiling(self) -> bool:
        """Aim at what the source reaches against itself, where that is below the target."""
        if self.ceiling is not None or self.metric.filter:  # which gives a source itself the most
            return False
        source, request = self.source, self.request
        prober = self.title.prober
        scores = score(
            source, source.path, prober.tool, depth=source.depth,
            size=self.size, itself=True, also=request.also, cancel=prober.cancel,
        )  # fmt: skip
        self.ceiling = pooled(self.metric, scores.columns, request.pool, self.title.fps)
        if self.ceiling >= request.target:
            return False
        self.goal = replace(self.goal, target=self.ceiling - CEILING_MARGIN)
        return True

    def _probe(self, index: int, whole: bool) -> TuneProbe:
        was_sampled = self.title.sampled
        line, seen = self.title.probe(float(self.crfs[index]), whole=whole)
        if was_sampled and not self.title.sampled:  # a sample would have to be most of the title
            self.seen.probes.clear()
            self.seen.probed.clear()
        self.lines.append(line)
        self.seen.error = self.title.error
        # The whole title is on no sample's curve.
        self.seen.add(index, seen, whole=line.whole, alike=not (whole and self.title.sampled))
        if self.title.prober.cell.vmaf:  # else another encoder's forecast lacks its features
            self.history.add(kept(self.request, self.preset, seen))
        return line

    def _question(self) -> dict[str, Any]:
        """What every document of this tuning repeats."""
        request = self.request
        return {
            "source": described(self.source, self._compared), "encoder": request.encoder,
            "preset": self.preset,
            "options": str(request.options) or None, "filters": str(request.filters) or None,
            "film_grain": request.options.grain,
            "indicative": self.source.is_hdr and not self.metric.filter,
            "metric": request.metric, "pool": request.pool, "target": request.target,
            "confidence": request.confidence, "each": request.each, "forecaster": self.ground.info,
        }  # fmt: skip

    def _result(self, forecast: Forecast, state: State, wall_s: float) -> TuneResult:
        curve = self._curve(forecast, state)
        chosen, status, reason = self._choose(curve, state)
        point = curve[chosen]
        basis: Basis = "verified" if chosen in self.seen.known else "forecast"
        return TuneResult(
            **self._question(), status=status, reason=reason, crf=point.crf, basis=basis,
            score=point.score, lower=point.lower, upper=point.upper,
            probability=point.probability, bytes=point.bytes, bytes_lower=point.bytes_lower,
            bytes_upper=point.bytes_upper,
            size_percent=round(100 * point.bytes / self.source.path.stat().st_size, 2),
            probes=self.lines, curve=curve,
            frames_encoded=sum(line.frames for line in self.lines if not line.reused),
            wall_s=round(wall_s, 3), ceiling=self.ceiling and round(self.ceiling, 4),
        )  # fmt: skip

    def _curve(self, forecast: Forecast, state: State) -> list[CurvePoint]:
        level, digits = self.request.confidence, self.metric.digits + 1
        lower, upper = forecast.bounds(level, self.title.error)
        bits = forecast.bits_per_pixel(level, self.title.size_error)
        size = self.source.width * self.source.height * self.source.frames / 8
        points = [
            CurvePoint(
                crf=float(crf),
                score=round(float(forecast.score[i]), digits),
                lower=round(float(lower[i]), digits),
                upper=round(float(upper[i]), digits),
                probability=round(float(state.probability[i]), 4),
                bytes=round(bits[0][i] * size),
                bytes_lower=round(bits[1][i] * size),
                bytes_upper=round(bits[2][i] * size),
            )
            for i, crf in enumerate(self.crfs)
        ]
        for line in self.lines:
            if line.whole:  # measured, not forecast
                index = int(abs(self.crfs - line.crf).argmin())
                score, size_ = round(line.score, digits), line.bytes
                points[index] = CurvePoint(
                    crf=line.crf, score=score, lower=score, upper=score,
                    probability=float(line.score >= self.goal.target),
                    bytes=size_, bytes_lower=size_, bytes_upper=size_,
                )  # fmt: skip
        return points

    def _choose(self, curve: list[CurvePoint], state: State) -> tuple[int, Status, str]:
        """Index of the answer, its status, and why."""
        if state.answer is None:
            point = curve[0]
            return 0, "best_effort", (
                f"{self.request.encoder} gives {self.metric.shown(point.score)} at CRF "
                f"{point.crf:g}, the lowest allowed: {self.request.target:g} is out of reach, or "
                "too near to be sure of" + self._of_ceiling()
            )  # fmt: skip
        cap = self.request.max_size_percent
        allowed = math.inf if cap is None else cap / 100 * self.source.path.stat().st_size
        if curve[state.answer].bytes > allowed:
            return self._within(allowed, curve, state.answer)
        if self.goal.target < self.request.target:
            return state.answer, "best_effort", (
                f"{self.request.target:g} is out of reach{self._of_ceiling()}; "
                f"this is the highest CRF within {CEILING_MARGIN:g} of that"
            )  # fmt: skip
        return state.answer, "met", self._why(curve, state.answer)

    def _of_ceiling(self) -> str:
        if self.ceiling is None or self.ceiling >= self.request.target:
            return ""
        return f": the source against itself scores {self.ceiling:.2f}"

    def _why(self, curve: list[CurvePoint], answer: int) -> str:
        point, count = curve[answer], len(self.lines)
        if answer in self.seen.known:
            reason = f"the whole title was measured at CRF {point.crf:g}"
        else:
            probes = f"{count} probe{'' if count == 1 else 's'}"
            reason = f"a forecast, {min(point.probability, 0.99):.0%} sure after {probes}"
            if point.probability < self.request.confidence:
                reason += f"; of many such answers {self.request.confidence:.0%} reach the target"
        if answer == len(curve) - 1:
            reason += "; even the highest CRF allowed reaches the target"
        return reason

    def _within(
        self, allowed: float, curve: list[CurvePoint], wanted: int
    ) -> tuple[int, Status, str]:
        """The best that the size cap leaves."""
        cap, size = self.request.max_size_percent, self.source.path.stat().st_size
        fitting = [index for index, point in enumerate(curve) if point.bytes <= allowed]
        best = fitting[0] if fitting else len(curve) - 1
        rest = f"the best within {cap:g} % is this" if fitting else f"no CRF fits {cap:g} %"
        return best, "size_cap", (
            f"the target needs {100 * curve[wanted].bytes / size:.1f} % of the source's size, "
            f"at CRF {curve[wanted].crf:g}; {rest}"
        )  # fmt: skip
