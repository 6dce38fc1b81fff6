"""Find the CRF of a title, encode with it, and measure what came out.

made = encode("film.mkv", "film.av1.mkv", TuneRequest(encoder="libsvtav1", target=93))
made.crf, made.score, made.met, made.bytes
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.source import StreamFate
from vqcast.documents.tune import EncodeResult, Measure, TuneResult
from vqcast.durable.files import sha256_file
from vqcast.durable.lock import locked
from vqcast.durable.scratch import scratch
from vqcast.errors import Busy, InputError
from vqcast.forecast.scale import linear, pooled
from vqcast.media import grain, keep_hdr
from vqcast.media.beside import fits_xpsnr
from vqcast.media.deliver import Delivered, Plan, deliver, grown, measure_delivered, plan
from vqcast.media.encoders import encoder as encoder_entry
from vqcast.media.in_parts import Scoring
from vqcast.media.inputs import raw_frame_bytes
from vqcast.media.parts import Parts, cut, picture_bytes
from vqcast.media.source import Doubted, Intake, Source, reread
from vqcast.media.streams import StreamChoice, inventory, pictures
from vqcast.media.threads import Threads
from vqcast.media.threads import plan as plan_threads
from vqcast.media.tool import Tool
from vqcast.metric import METRICS, beside, compared_at
from vqcast.serve.trust import Trust
from vqcast.tuning import sampling
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.sample import POOLS
from vqcast.tuning.session import Event, default_cache, tune
from vqcast.tuning.title import duration_s
from vqcast.watch import Ahead

Progress = Callable[[int, int], None]
"""Told as many of all frames as the share of the time that is over, and all of them."""
_SCORING, _SAMPLING = 1.5, 0.6
"""What scoring a file, all of it or a sample, costs beside encoding it, until it is known."""
_BESIDE = "xpsnr"
"""What an indicative score is told with: it is of no model, and asks for no range of light."""


def encode(
    source: str | Path | Source,
    output: str | Path,
    request: TuneRequest,
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
    measure: Measure | None = None,
    parts: bool = True,
) -> EncodeResult:
    """Tune ``source``, write ``output`` at the CRF that was found, and measure it.

    The output's suffix names its container. ``overwrite`` replaces a file, ``streams`` says what
    goes with the pictures; the other arguments are `tune`'s, and ``on_progress`` follows the final
    encode. ``measure`` says how much of the output is scored: ``whole``, or a ``sample`` of its
    frames whose 95 % interval is 0.2 points (0.1 dB, 0.0004 of SSIM) to either side; by default
    that of long ones. ``parts`` encodes long titles in parts, which stay in ``cache`` until the
    output is written, so that an encode that was ended goes on from there; else in one.
    Raises as `tune` does, InputError for an output that can't be written or can't hold a stream,
    before anything is encoded, and LargerThanSource where the video would have more bytes than the
    source's (unless ``allow_larger``), which writes nothing.
    """
    tool, output = tool_of(machine), Path(output)
    request = request.described(tool)
    if measure == "sample" and request.pool not in POOLS:
        raise InputError(f"a sample of the frames says nothing of their {request.pool}",
                         hint="use --measure whole")  # fmt: skip
    source = probed(source, request, tool, of_map(source, intake, streams))

    def all_of_it(opened: Source) -> EncodeResult:
        asked = with_room(request, opened, streams)
        entry = encoder_entry(asked.encoder, asked.options)
        planned = plan(opened, entry, output, tool, overwrite=overwrite, choice=streams)
        words = _of_parts(opened, asked, machine, measure) if parts else []
        opened = replace(opened, notes=(*opened.notes, *planned.carriage.notes(), *words))
        found = tune(
            opened, asked, registry=registry, trust=trust, cache=cache, keep=keep,
            machine=machine, on_event=on_event, cancel=cancel,
        )  # fmt: skip
        with parts_folder(opened, cache, machine, keep=keep) as kept:
            return encode_found(
                opened, planned, found, tool, allow_larger=allow_larger, measure=measure,
                parts=kept if parts else None, machine=machine,
                on_progress=on_progress, cancel=cancel,
            )  # fmt: skip

    try:
        return all_of_it(source)
    except Doubted:
        return all_of_it(reread(source, tool))


def with_room(request: TuneRequest, source: Source, streams: StreamChoice | None) -> TuneRequest:
    """``request`` with what its encoder asks for where Dolby Vision is kept, of probes as well."""
    keeps = streams is not None and streams.dolby_vision == "keep"
    if not keeps or source.light is None or source.light.dolby_vision is None:
        return request
    pixels = source.width * source.height
    room = keep_hdr.with_room(request.options, request.encoder, pixels)
    return replace(request, options=room)


def _of_parts(
    source: Source, request: TuneRequest, machine: Machine | None, measure: Measure | None
) -> list[str]:
    """What the parts of a long title take on disk, in words."""
    entry = encoder_entry(request.encoder, request.options)
    cuts = () if sampling.is_short(source.frames) else cut(source, entry)
    if len(cuts) < 2:
        return []
    words = f"encoded in {len(cuts)} parts, which lie in the cache folder until they are joined"
    if measure == "whole" or request.pool not in POOLS:
        return [words]
    own, deep = (source.width, source.height), entry.scoring_depth(source.depth) > 8
    size = compared_at(request.score_size, own, METRICS[request.metric]) or own
    picture = raw_frame_bytes(*size, "yuv420p10le" if deep else "yuv420p")
    cores = (machine or Machine()).cores
    most = picture_bytes(cuts, cores, sampling.CLOSEST, picture) / 1e9
    return [f"{words}; their pictures take up to {most:.1f} GB of the temporary folder"]


@contextmanager
def parts_folder(
    source: Source, cache: Path | None, machine: Machine | None, *, keep: bool
) -> Iterator[Parts]:
    """The folder of finished parts.

    One that does not stay where nothing is kept, and while another run encodes the same title,
    which removes its parts once they are joined.
    """
    where, folder = machine.temp_dir if machine else None, (cache or default_cache()) / "parts"
    with ExitStack() as held:
        try:
            if not keep:
                folder = Path(held.enter_context(scratch(where)))
            else:
                own = folder / source.identity[:16]
                held.enter_context(locked(own, what="encoding", passing=True))
        except Busy:
            folder = Path(held.enter_context(scratch(where)))
        yield Parts(folder, where)


def of_map(
    source: str | Path | Source, intake: Intake | None, streams: StreamChoice | None
) -> Intake | None:
    """The intake of the video stream that is chosen, where one is."""
    if isinstance(source, Source) or streams is None or not streams.map:
        return intake
    if not Path(source).is_file():
        return intake
    chosen = pictures(streams.select(inventory(Path(source))))
    return intake if chosen is None else replace(intake or Intake(), stream=chosen.index)


def encode_found(
    source: Source,
    planned: Plan,
    found: TuneResult,
    tool: Tool,
    *,
    allow_larger: bool = False,
    measure: Measure | None = None,
    parts: Parts | None = None,
    machine: Machine | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> EncodeResult:
    """Write what was ``planned`` at the CRF that ``found`` names, and score it as probes were.

    ``parts``: None: a long title, too, is encoded in one. Raises ToolFailure where ffmpeg fails,
    LargerThanSource as `encode` does.
    """
    start, most = time.monotonic(), None if allow_larger else source.video_bytes
    if most is not None and found.bytes_lower > most:
        raise grown(planned.output, found.bytes, most, found.crf)
    scoring, machine = _scoring(source, found, measure), machine or Machine()
    threads = plan_threads(machine.cores, 1)
    at = _ahead(source, planned, found, scoring, on_progress, in_parts=parts is not None)
    made = deliver(
        source, planned, found.preset, found.crf, tool, most_bytes=most, threads=threads,
        scoring=scoring, parts=None if sampling.is_short(source.frames) else parts,
        cancel=cancel, on_progress=lambda done: at(0, done),
    )  # fmt: skip
    at(0, source.frames)
    again, tell = made.scores is not None, on_progress or (lambda done, total: None)
    score, half_width, scored, also = _measured(
        source, made, found, scoring, threads, tool, cancel,
        lambda done: tell(done, source.frames) if again else at(1, done),
    )  # fmt: skip
    return finished(
        source, planned, made, tool, crf=found.crf, score=score, half_width=half_width,
        scored=scored, target=found.target, metric=found.metric, indicative=found.indicative,
        xpsnr=also, start=start,
    )  # fmt: skip


def finished(
    source: Source,
    planned: Plan,
    made: Delivered,
    tool: Tool,
    *,
    crf: float,
    score: float,
    half_width: float,
    scored: int,
    target: float,
    metric: str,
    indicative: bool,
    xpsnr: float | None,
    start: float,
) -> EncodeResult:
    """What is said of a finished output; ``start`` is when it was begun."""
    notes, digits = planned.carriage.notes(), METRICS[metric].digits + 2
    if made.hdr is not None:
        keeps = planned.carriage.keeps_dolby_vision
        notes += keep_hdr.notes(made.hdr, planned.entry.name, dolby_vision=keeps)
    grainy = made.entry.given.grain or grain.has_grain(made.path, made.entry.codec.name, tool)
    if grainy:
        notes.append(f"{made.path.name} {grain.NOTE}")
    return EncodeResult(
        output=str(planned.output), crf=crf, score=round(score, digits), target=target,
        met=score >= target, bytes=made.bytes, video_bytes=made.video_bytes,
        measured="whole" if scored == source.frames else "sample", scored=scored,
        score_half_width=round(half_width, digits),
        size_percent=round(100 * made.bytes / source.path.stat().st_size, 2),
        left_out=[_name(each) for each in made.fates if each.fate == "left out"],
        streams=made.fates, source_video_bytes=source.video_bytes, notes=tuple(notes),
        frames=made.frames, sha256=sha256_file(made.path), film_grain=grainy, metric=metric,
        indicative=indicative, xpsnr=xpsnr, hdr=made.hdr,
        parts=made.parts, parts_reused=made.reused,
        wall_s=round(time.monotonic() - start, 3),
    )  # fmt: skip


def _scoring(source: Source, found: TuneResult, measure: Measure | None) -> Scoring:
    """How the output is scored: as probes were, all of it or a sample."""
    size = (found.source.score_width, found.source.score_height)
    sampled = not sampling.is_short(source.frames) and found.pool in POOLS
    if measure is not None:
        sampled = measure == "sample"
    told = found.indicative and fits_xpsnr(size[0], 10)
    factor = _factor(found)
    return Scoring(
        size=None if size == (source.width, source.height) else size,
        every=sampling.spacing(source.frames, _scatter(found), factor) if sampled else 1,
        also=beside([found.metric, *([_BESIDE] if told else [])]),
    )  # fmt: skip


def _factor(found: TuneResult) -> float:
    return sampling.design_factor(found.encoder, plain=found.options is None)


def _scatter(found: TuneResult) -> float:
    """That of the looks nearest to the answer, points of VMAF; 0: none were taken."""
    looks = [each for each in found.probes if each.scatter is not None]
    if not looks:
        return 0.0
    return min(looks, key=lambda each: abs(each.crf - found.crf)).scatter or 0.0


def _ahead(
    source: Source,
    planned: Plan,
    found: TuneResult,
    scoring: Scoring,
    on_progress: Progress | None,
    *,
    in_parts: bool,
) -> Callable[[int, int], None]:
    """Told the frames that are encoded (step 0), and scored after that (1), tells how far it is."""

    def tell(done: int) -> None:
        if on_progress is not None:
            on_progress(done, source.frames)

    in_parts = in_parts and not sampling.is_short(source.frames)
    meanwhile = scoring.of_parts if in_parts else planned.is_alone
    whole = [each.wall_s / each.frames for each in found.probes if each.whole]
    known = whole[-1] if whole and scoring.every == 1 and not meanwhile else None
    after = 0.0 if meanwhile else _SCORING if scoring.every == 1 else _SAMPLING
    return Ahead(source.frames, (1.0, after), tell, known).stream()


def _measured(
    source: Source,
    made: Delivered,
    found: TuneResult,
    scoring: Scoring,
    threads: Threads,
    tool: Tool,
    cancel: threading.Event | None,
    on_progress: Callable[[int], None],
) -> tuple[float, float, int, float | None]:
    """Score of what was made, half width of its 95 % interval, frames that were scored, and XPSNR.

    Where those that were scored meanwhile leave more doubt than is allowed, more of the file are.
    """
    scores, every, metric = made.scores, scoring.every, METRICS[found.metric]
    while True:
        if scores is None:
            scores = measure_delivered(
                source, made, tool, size=scoring.size, every=every,
                threads=threads.score, also=scoring.also, cancel=cancel, on_progress=on_progress,
            )  # fmt: skip
        score = pooled(metric, scores.columns, found.pool, source.frames / duration_s(source))
        values = linear(metric, scores.columns, found.pool)
        half_width = sampling.half_width(values, every, _factor(found))
        if half_width <= sampling.HALF_WIDTH * metric.point:
            return score, half_width, len(values), _xpsnr(scores.columns, found)
        every = sampling.closer(every, half_width / metric.point)
        scores = None


def _xpsnr(columns: Mapping[str, NDArray[np.float64]], found: TuneResult) -> float | None:
    """What stands beside an indicative score, dB; None: it needs none, or ffmpeg can't tell."""
    if not found.indicative or not {*METRICS[_BESIDE].columns} <= columns.keys():
        return None
    return round(pooled(METRICS[_BESIDE], columns, "mean", 25.0), 3)


def _name(fate: StreamFate) -> str:
    return f"stream {fate.index} ({' '.join(word for word in (fate.codec, fate.kind) if word)})"
