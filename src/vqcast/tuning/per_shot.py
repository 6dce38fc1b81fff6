"""Encode a title shot by shot, each shot as good as it must be, in one closed loop.

made = encode_per_shot("film.mkv", "film.av1.mkv", TuneRequest(encoder="libsvtav1", target=93))
made.score, made.encodes_a_frame, [(shot.crf, shot.score) for shot in made.shots]
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vqcast.documents.shots import Objective, ShotEncode, ShotMade, ShotsResult, ShotsStart
from vqcast.errors import InputError
from vqcast.forecast.scale import pooled
from vqcast.media import grain, hdr10_plus
from vqcast.media.deliver import Delivered, Plan, deliver, grown, plan
from vqcast.media.encoders import encoder as encoder_entry
from vqcast.media.in_parts import Made, Scoring, Stop, Work, make_one
from vqcast.media.join import Unlike, header_of
from vqcast.media.measure import check_size, converted, encoder_options
from vqcast.media.option_check import require_options
from vqcast.media.options import PLAIN
from vqcast.media.parts import AT_ONCE, Parts, TitlePart, drop, kept_in
from vqcast.media.parts import finished as finished_part
from vqcast.media.shots import shots as shots_of
from vqcast.media.source import Doubted, Intake, Source, reread
from vqcast.media.streams import StreamChoice
from vqcast.media.threads import Threads
from vqcast.media.threads import plan as plan_threads
from vqcast.media.tool import Tool
from vqcast.metric import METRICS, compared_at
from vqcast.serve.trust import Trust
from vqcast.tuning import sampling
from vqcast.tuning.encode import Progress, finished, of_map, parts_folder, with_room
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.grid import CrfGrid, grid_of
from vqcast.tuning.ground import Ground, ground
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.shot_surface import ShotSurface
from vqcast.tuning.shots import Controller, Shot, ShotResult
from vqcast.tuning.title import described, duration_s
from vqcast.vocab import FEATURES

Event = ShotsStart | ShotMade | ShotsResult
_FINE = 0.25
"""Step of CRFs, where an encoder's curve is smooth between its usual steps."""
_EXPECTED = 1.2
"""Encodes of each frame that are expected, for the time left."""
_NO_SOURCE_BITS = -4.0
_EVERY = 5
"""Of long titles every nth frame is scored."""


def encode_per_shot(
    source: str | Path | Source,
    output: str | Path,
    request: TuneRequest,
    objective: Objective = "pooled",
    *,
    overwrite: bool = False,
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    machine: Machine | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
    streams: StreamChoice | None = None,
    allow_larger: bool = False,
) -> ShotsResult:
    """Write ``source`` to ``output``, each of its shots at a CRF of its own.

    Arguments are those of `vqcast.tuning.encode.encode`. Finished shots stay in ``cache`` until the
    output is written, so that an encode that was ended goes on from there. Raises as `encode` does,
    and InputError for what can't be encoded shot by shot, before anything is encoded.
    """
    tool, output = tool_of(machine), Path(output)
    request = _asked(request.described(tool), objective)
    opened = probed(source, request, tool, of_map(source, intake, streams))

    def all_of_it(opened: Source) -> ShotsResult:
        asked = with_room(request, opened, streams)
        entry = encoder_entry(asked.encoder, asked.options)
        planned = plan(opened, entry, output, tool, overwrite=overwrite, choice=streams)
        if planned.carriage.keeps_dolby_vision or hdr10_plus.by_file(opened, entry):
            raise InputError("its metadata is told frame by frame, which shots can't be",
                             path=opened.path, hint="leave --per-shot out")  # fmt: skip
        with parts_folder(opened, cache, machine, keep=keep) as kept:
            film = _Film(
                opened, asked, objective, planned, tool, machine or Machine(), kept,
                on_event or (lambda event: None), on_progress, cancel or threading.Event(),
                registry, trust,
            )  # fmt: skip
            return film.encode(allow_larger=allow_larger)

    try:
        return all_of_it(opened)
    except Doubted:
        return all_of_it(reread(opened, tool))


def _asked(request: TuneRequest, objective: Objective) -> TuneRequest:
    """The request, as the forecaster is asked. Raises InputError for what goes with no shots."""
    if METRICS[request.metric].filter:
        raise InputError(f"--per-shot goes with VMAF and its kin, not with {request.metric}",
                         field="metric")  # fmt: skip
    if request.pool != "mean":
        raise InputError(f"--per-shot says by --objective what is pooled, not by {request.pool}",
                         hint="--objective worst holds the worst second", field="pool")  # fmt: skip
    if request.max_size_percent is not None:
        raise InputError("--per-shot knows no cap of the size", field="max_size_percent")
    return replace(request, pool="worst-second") if objective == "worst" else request


def _grid(request: TuneRequest) -> CrfGrid:
    """The encoder's own CRFs, by quarters where its curve is smooth between them."""
    entry = encoder_entry(request.encoder, request.options)
    step = request.crf_step
    if step is None and (entry.fine or entry.search_range[2] < 1):
        step = _FINE if entry.fine else entry.search_range[2]
    return grid_of(request.encoder, request.min_crf, request.max_crf, step, request.options)


@dataclass(slots=True)
class _Film:
    """One title that is encoded shot by shot."""

    source: Source
    request: TuneRequest
    objective: Objective
    planned: Plan
    tool: Tool
    machine: Machine
    kept: Parts
    on_event: Callable[[Event], None]
    on_progress: Progress | None
    cancel: threading.Event
    registry: Path | None
    trust: Trust | None
    preset: str | None = None
    cuts: tuple[TitlePart, ...] = ()
    threads: Threads = field(default_factory=Threads)
    work: Work = None  # type: ignore[assignment]
    account: Controller = None  # type: ignore[assignment]
    made: dict[tuple[int, float], Made] = field(default_factory=dict)
    header: bytes | None = None
    ahead: dict[int, int] = field(default_factory=dict)
    """Shot -> frames of it that are encoded, of those that run."""
    new_frames: int = 0
    reused_frames: int = 0
    furthest: int = 0
    """Frames that `on_progress` was told."""

    def encode(self, *, allow_larger: bool) -> ShotsResult:
        """All of it, or as `encode_per_shot` raises."""
        start = time.monotonic()
        own = self._prepare()
        self._start(own)
        self._reuse()
        while True:
            self._loop()
            if not self._raise_between():
                break
        most = None if allow_larger else self.source.video_bytes
        video = sum(each.bytes for each in self._chosen())
        if most is not None and video > most:
            raise grown(self.planned.output, video, most, self._mean_crf())
        made = deliver(
            self.source, self.planned, self.preset, self._mean_crf(), self.tool,
            threads=plan_threads(self.machine.cores, 1), scoring=self.work.scoring,
            ready=self._chosen(), cancel=self.cancel,
        )  # fmt: skip
        result = self._result(made, start)
        drop(each.path for each in self.made.values())
        self.on_event(result)
        return result

    # Before the first encode.

    def _prepare(self) -> Ground:
        source, request = self.source, self.request
        entry, grid, metric = self.planned.entry, _grid(request), METRICS[request.metric]
        self.preset = request.preset if request.preset is not None else entry.default_preset
        encoder_options(source, entry, grid.low, self.preset)  # refuses what it can't take
        require_options(entry, self.preset, source.depth, self.tool, light=source.light)
        size = compared_at(request.score_size, (source.width, source.height), metric)
        check_size(source, size, request.also)
        found = shots_of(source, entry, self.tool, self.cancel)
        self.cuts = found.parts
        short = sampling.is_short(source.frames) or self.objective == "worst"
        scoring = Scoring(size, 1 if short else _EVERY, request.also)
        self.work = Work(source, entry, self.preset, grid.low, self.tool, self.kept, scoring,
                         stitched=True)  # fmt: skip
        self.threads = plan_threads(self.machine.cores, min(len(self.cuts), AT_ONCE))
        own = ground(
            request, self.preset, grid, source, self.tool, rescaled=size is not None,
            registry=self.registry, trust=self.trust,
        )  # fmt: skip
        bits = np.array([self._source_bits(part) for part in self.cuts])
        surface = ShotSurface(own.forecaster, np.stack([bits, found.motion], axis=1))
        pixels = source.width * source.height
        self.account = Controller(
            self.objective, request.target, [Shot(part.frames, pixels) for part in self.cuts],
            surface, grid.crfs,
        )  # fmt: skip
        return own

    def _source_bits(self, part: TitlePart) -> float:
        """Log2 of the bits that the source takes for a pixel of a shot."""
        packets, pixels = self.source.packets, self.source.width * self.source.height
        if packets is None:
            return _NO_SOURCE_BITS
        sizes = packets.sizes[part.start : part.start + part.frames]
        return float(np.log2(max(8.0 * sizes.sum() / (part.frames * pixels), 1e-6)))

    def _start(self, own: Ground) -> None:
        source, request = self.source, self.request
        scoring = self.work.scoring
        assert scoring is not None
        notes = [*source.notes, *converted(source, self.planned.entry)]
        notes += self.planned.carriage.notes()
        notes += [f"shots: {len(self.cuts)}, kept in the cache folder until they are joined"]
        if request.options.grain:
            notes.append(grain.ASKED)
        self.on_event(
            ShotsStart(
                source=described(source, scoring.size or (source.width, source.height)),
                encoder=request.encoder, preset=self.preset, metric=request.metric,
                pool=request.pool, target=request.target, confidence=request.confidence,
                forecaster=own.info, options=str(request.options) or None,
                filters=str(request.filters) or None, film_grain=request.options.grain,
                indicative=source.is_hdr, objective=self.objective, shots=len(self.cuts),
                notes=notes,
            )
        )  # fmt: skip

    def _reuse(self) -> None:
        """Take the encodes that an earlier run finished."""
        numbers = {part: shot for shot, part in enumerate(self.cuts)}
        there = sorted(kept_in(self.kept.folder), key=lambda each: (each[1].start, each[2]))
        for key, part, crf in there:
            if part not in numbers or crf not in self.account.crfs:
                continue
            file = replace(self.work, cq=crf).file_of(part, self.threads)
            if file.stem == key and (kept := finished_part(file)) is not None:
                self._add(numbers[part], crf, Made(part, file, kept, reused=True))

    # The loop.

    def _loop(self) -> None:
        """Encode what the account asks for, until it is closed."""
        self.kept.folder.mkdir(parents=True, exist_ok=True)
        stop, running = Stop(self.cancel), dict[Future[Made], tuple[int, float]]()
        with ThreadPoolExecutor(max_workers=self.threads.at_once) as workers:
            try:
                while True:
                    while len(running) < self.threads.at_once:
                        wanted = self.account.next(dict(running.values()))
                        if wanted is None:
                            break
                        running[workers.submit(self._one, *wanted, stop)] = wanted
                    if not running:
                        return
                    for each in wait(running, return_when=FIRST_COMPLETED).done:
                        shot, crf = running.pop(each)
                        self._add(shot, crf, each.result())
            except BaseException:
                stop.set()
                workers.shutdown(cancel_futures=True)
                raise

    def _one(self, shot: int, crf: float, stop: threading.Event) -> Made:
        def tell(step: int, frames: int) -> None:
            if step == 0:
                self.ahead[shot] = frames
                self._tell()

        work = replace(self.work, cq=crf)
        return make_one(work, self.cuts[shot], self.threads, stop, tell)

    def _tell(self) -> None:
        if self.on_progress is None:
            return
        total = self.source.frames
        done = self.new_frames + self.reused_frames + sum(list(self.ahead.values()))
        share = done / max(_EXPECTED * total, done + 1)
        # A shot that is encoded once more, since its frames were not all there, is no way back.
        self.furthest = max(self.furthest, int(share * total))
        self.on_progress(self.furthest, total)

    def _add(self, shot: int, crf: float, made: Made) -> None:
        header = header_of(made.path)
        self.header = self.header or header
        if header != self.header:
            raise Unlike(
                f"{self.source.name}: its shots have other headers than each other, so they can't "
                "be joined", hint="leave --per-shot out",
            )  # fmt: skip
        again = shot in self.account.selected
        self.made[shot, crf] = made
        self.ahead.pop(shot, None)
        if made.reused:
            self.reused_frames += made.part.frames
        else:
            self.new_frames += made.part.frames
        columns = {name: np.array(each) for name, each in made.kept.scores.items()}
        features = np.array([columns[name].mean() for name in FEATURES])
        told = self._told(shot, crf)
        value = told.worst if self.objective == "worst" else told.score
        self.account.add(ShotResult(shot, crf, value, 8.0 * made.bytes, features))
        done = len(self.account.selected)
        self.on_event(ShotMade(encode=told, again=again, done=done, shots=len(self.cuts)))

    def _told(self, shot: int, crf: float, *, selected: bool = True) -> ShotEncode:
        made, part, index = self.made[shot, crf], self.cuts[shot], self.source.index
        assert index is not None
        columns = {name: np.array(each) for name, each in made.kept.scores.items()}
        metric = METRICS[self.request.metric]
        forecast = self.account.expected.get((shot, crf)) if not made.reused else None
        times = (index.times_us - index.times_us[0]) / 1e6
        end = part.start + part.frames
        until = times[end] if end < len(times) else duration_s(self.source)
        return ShotEncode(
            shot=shot, start=part.start, frames=part.frames,
            start_s=round(float(times[part.start]), 3), crf=crf,
            score=round(pooled(metric, columns, "mean", self._fps), 4),
            worst=round(pooled(metric, columns, "worst-second", self._fps), 4),
            bytes=made.bytes,
            kilobits_s=round(made.bytes / 125 / max(float(until - times[part.start]), 1e-3), 1),
            forecast=forecast and round(forecast[0], 3),
            forecast_deviation=forecast and round(forecast[1], 3),
            forecast_bytes=forecast and round(forecast[2] / 8), reused=made.reused,
            selected=selected,
        )  # fmt: skip

    @property
    def _fps(self) -> float:
        """Scored frames a second."""
        assert self.work.scoring is not None
        return self.source.frames / duration_s(self.source) / self.work.scoring.every

    # After the last encode.

    def _chosen(self) -> list[Made]:
        selected = self.account.selected
        return [self.made[shot, selected[shot].crf] for shot in range(len(self.cuts))]

    def _mean_crf(self) -> float:
        """Of the frames."""
        selected, frames = self.account.selected, self.source.frames
        total = sum(part.frames * selected[shot].crf for shot, part in enumerate(self.cuts))
        return round(total / frames, 2)

    def _raise_between(self) -> bool:
        """Whether a second across a cut is below the target, and its worse shot is asked more."""
        if self.objective != "worst" or self.account.value < self.request.target:
            return False
        column = METRICS[self.request.metric].columns[0]
        values = [np.array(each.kept.scores[column]) for each in self._chosen()]
        window = max(round(self._fps), 1)
        sums = np.concatenate([[0.0], np.cumsum(np.concatenate(values))])
        means = (sums[window:] - sums[:-window]) / window
        first = int(means.argmin())
        lacks = self.request.target - float(means[first])
        touched = [
            shot for shot, part in enumerate(self.cuts)
            if part.start < first + window and part.start + part.frames > first
        ]  # fmt: skip
        if lacks <= 0 or len(touched) < 2:
            return False
        low = min(touched, key=lambda shot: self.account.selected[shot].value)
        return self.account.ask_more(low, lacks)

    def _result(self, made: Delivered, start: float) -> ShotsResult:
        assert made.scores is not None
        source, request, scores = self.source, self.request, made.scores.columns
        metric, every = METRICS[request.metric], self.work.scoring.every  # type: ignore[union-attr]
        frames = np.array([part.frames for part in self.cuts], np.float64)
        chosen = {(shot, each.crf) for shot, each in self.account.selected.items()}
        shots = [self._told(*key, selected=key in chosen) for key in sorted(self.made)]
        means = np.array([each.score for each in shots if each.selected])
        mean = float(frames @ means / frames.sum())
        worst = pooled(metric, scores, "worst-second", self._fps)
        score = worst if self.objective == "worst" else mean
        values = scores[metric.columns[0]]
        factor = sampling.design_factor(request.encoder, plain=request.options == PLAIN)
        half_width = sampling.half_width(values, every, factor)
        output = finished(
            source, self.planned, made, self.tool, crf=self._mean_crf(), score=score,
            half_width=half_width, scored=len(values), target=request.target,
            metric=request.metric, indicative=source.is_hdr, xpsnr=None, start=start,
        )  # fmt: skip
        encoded = self.account.frames_encoded
        return ShotsResult(
            objective=self.objective, output=output, score=output.score, mean=round(mean, 4),
            worst_second=round(worst, 4), frames_encoded=self.new_frames,
            encodes_a_frame=round(encoded / source.frames, 4), shots=shots,
        )  # fmt: skip
