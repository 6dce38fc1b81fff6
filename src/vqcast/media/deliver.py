"""The file that a user keeps: the whole title encoded, its other streams beside it.

The pictures are those of a whole-title probe, since the encoder is told the
same. The output gets its name only once it was read back and compared::

    made = deliver(source, planned, "medium", 23, tool, scoring=Scoring(every=11))
    made.scores.columns["vmaf"].mean()

With a `Scoring` it is decoded and scored in the process that makes it, and what the file decodes to
is then shown to be what was scored, by a digest of every picture.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.source import Hdr, StreamFate
from vqcast.durable.files import TEMPORARY_PREFIX, adopt, remove
from vqcast.durable.scratch import mine, scratch
from vqcast.errors import InputError, LargerThanSource, MediaError, ToolFailure
from vqcast.media import argv, hdr10_plus, inputs, keep_hdr
from vqcast.media.carriage import Carriage, Container, carry, container, cover_name
from vqcast.media.complaint import cause
from vqcast.media.decode import decode_made, digests
from vqcast.media.encoders import Encoder
from vqcast.media.hdr_readback import read_back
from vqcast.media.holds import require_streams, require_times
from vqcast.media.in_parts import Made, Scoring, Work, make
from vqcast.media.join import Unlike, join
from vqcast.media.measure import (
    Scores,
    check,
    check_size,
    deadline_s,
    encoder_options,
    read_logs,
    require_packets,
    score,
)
from vqcast.media.option_check import known_options
from vqcast.media.parts import Parts, TitlePart, cut, drop
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.streams import StreamChoice, chapters, inventory, picture_of
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool

_TRIAL_S = 2.0
"""How long a muxer is tried: it refuses a stream at once, or not."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A whole title as it was delivered, checked."""

    path: Path
    entry: Encoder
    frames: int
    bytes: int
    """Of the file."""
    video_bytes: int
    """Of the video packets, as the encoder gave them."""
    wall_s: float
    fates: tuple[StreamFate, ...] = ()
    """What became of each stream of the source."""
    hdr: Hdr | None = None
    """What of the source's HDR the file was seen to say; None: there was none."""
    scores: Scores | None = None
    """Of the frames that were scored meanwhile; None: none were."""
    parts: int = 1
    """In how many it was encoded."""
    reused: int = 0
    """How many of them an earlier run had finished."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a title goes, by which encoder, and what goes with it."""

    entry: Encoder
    output: Path
    target: Container
    carriage: Carriage
    overwrite: bool

    @property
    def is_alone(self) -> bool:
        """Whether no other stream goes with the pictures.

        ffmpeg holds streams of one file back for each other: with a cover beside it, one encode in
        twenty that was scored meanwhile stood still for ever on a busy machine, none without.
        """
        return sum(each.fate != "left out" for each in self.carriage.fates) <= 1


def plan(
    source: Source,
    entry: Encoder,
    output: Path,
    tool: Tool,
    *,
    overwrite: bool = False,
    choice: StreamChoice | None = None,
) -> Plan:
    """What `deliver` would write to ``output``, whose suffix names the container.

    Raises InputError where it already exists (unless ``overwrite``), is the source, or can't
    hold a stream: its muxer is tried on all that would go with the pictures.
    """
    target = container(output)
    if not source.whole:
        raise InputError("was probed in part, and all of it is delivered", path=source.path)
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", path=output, hint="create it first")
    _refuse_existing(output, overwrite=overwrite)
    if output.exists() and output.samefile(source.path):
        raise InputError("is the source itself", path=output, hint="give the output another name")
    streams = inventory(source.path) if source.raw is None else []
    codec = entry.codec

    def carriage(refused: dict[int, str] | None = None) -> Carriage:
        return carry(
            streams, target, codec=codec, encoder=entry.name, choice=choice, refused=refused
        )

    made = carriage()
    if _refusal(source, target, made, tool):
        refused = {}
        for stream in made.carried:
            alone = carry([stream], target, codec=codec, encoder=entry.name, choice=choice)
            if said := _refusal(source, target, alone, tool):
                refused[stream.index] = said
        made = carriage(refused)
    if source.light is not None and choice is not None and choice.dolby_vision == "keep":
        can = "dolbyvision" in known_options(entry.name, tool)[0]
        made.pictures += keep_hdr.keep_dolby_vision(
            source.light, entry, target.muxer, can=can, chain=source.video.chain
        )
    elif source.light is not None:
        made.told += keep_hdr.left_out(source.light)
    if source.raw is None and (early := chapters(source.path)[1]):
        made.told.append(
            f"{early} chapter{'' if early == 1 else 's'} before the first picture and sound "
            f"{'is' if early == 1 else 'are'} left out"
        )
    return Plan(entry, output, target, made, overwrite)


def _refusal(source: Source, target: Container, carriage: Carriage, tool: Tool) -> str:
    """Why the muxer does not take what goes with the pictures; empty: it does."""
    if not carriage.carried and not carriage.covers:
        return ""
    with scratch() as name:
        folder = Path(name)
        _write_covers(source, carriage, folder)
        try:
            finished = run(
                argv.trial(
                    tool.path, inputs.read(source.path, source.raw), carriage.words, target.muxer,
                    folder / f"trial.{target.muxer}",
                ),
                cwd=folder,
                deadline_s=_TRIAL_S,
            )  # fmt: skip
        except ToolFailure:  # it writes, so it takes them
            return ""
    return cause(finished.stderr) if finished.returncode else ""


def _write_covers(source: Source, carriage: Carriage, folder: Path) -> None:
    for stream in carriage.covers:
        (folder / cover_name(stream)).write_bytes(picture_of(source.path, stream.index))


def deliver(
    source: Source,
    planned: Plan,
    preset: str | None,
    cq: float,
    tool: Tool,
    *,
    most_bytes: int | None = None,
    threads: Threads | None = None,
    scoring: Scoring | None = None,
    parts: Parts | None = None,
    ready: Sequence[Made] = (),
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Delivered:
    """Encode all of ``source``, with what was ``planned`` to go with its pictures.

    Chapters, tags, frame times, sample aspect ratio, rotation and colours go with it.
    ``threads``: None: one of each kind. ``scoring``: None: not scored. ``parts``: None: a long
    title, too, is encoded in one. ``ready``: every part, made already, which are joined alone.
    ``on_progress`` is told the frames encoded so far. Raises LargerThanSource for more video than
    ``most_bytes``, ToolFailure where ffmpeg fails or makes another film; nothing is written then.
    """
    start, path = time.monotonic(), planned.output.absolute()
    made = path.parent / f"{mine(TEMPORARY_PREFIX)}{secrets.token_hex(4)}{path.suffix}"
    job = _Job(
        source, planned, preset, cq, tool, made, threads, scoring, most_bytes, cancel,
        on_progress or (lambda frames: None),
    )  # fmt: skip
    whole = planned.carriage.keeps_dolby_vision or hdr10_plus.by_file(source, planned.entry)
    apart = None if whole else parts
    cuts = cut(source, planned.entry, apart.length_s) if apart else ()
    try:
        with scratch() as name:
            _write_covers(source, planned.carriage, Path(name))
            done = _joined(job, ready, Path(name)) if ready else None
            if done is None and apart is not None and len(cuts) > 1:
                with contextlib.suppress(Unlike):  # then it is encoded in one
                    done = _in_parts(job, cuts, Path(name), apart)
            done = done or _in_one(job, Path(name))
        hdr = read_back(source.light, made)
        _refuse_existing(path, overwrite=planned.overwrite)
        adopt(made, path)
    finally:
        with contextlib.suppress(InputError):
            remove(made)
    drop(done.files)
    return Delivered(
        path, planned.entry, source.frames, path.stat().st_size, done.video_bytes,
        time.monotonic() - start, tuple(planned.carriage.fates), hdr, done.scores,
        parts=max(len(done.files), 1), reused=done.reused,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Job:
    """What `deliver` was asked for."""

    source: Source
    planned: Plan
    preset: str | None
    cq: float
    tool: Tool
    made: Path
    """The output, before it gets its name."""
    threads: Threads | None
    scoring: Scoring | None
    most_bytes: int | None
    cancel: threading.Event | None
    on_progress: Callable[[int], None]

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.source.name} to {self.planned.output.name}"

    def require_small(self, video_bytes: int) -> None:
        """Raise LargerThanSource for more video than is allowed."""
        if self.most_bytes is not None and video_bytes > self.most_bytes:
            raise grown(self.planned.output.absolute(), video_bytes, self.most_bytes, self.cq)


@dataclass(frozen=True, slots=True)
class _Done:
    """What was made and checked."""

    video_bytes: int
    scores: Scores | None
    files: tuple[Path, ...] = ()
    """Of its parts."""
    reused: int = 0


def _in_one(job: _Job, folder: Path) -> _Done:
    """One continuous encode; where nothing goes with it, scored in the process that makes it."""
    source, made, each = job.source, job.made, job.threads or Threads()
    scoring = job.scoring if job.planned.is_alone else None
    options = encoder_options(
        source, job.planned.entry, job.cq, job.preset,
        threads=each.encoder if job.threads else None,
    )  # fmt: skip
    options = hdr10_plus.told(options, source, job.planned.entry, folder, job.cancel)
    log = folder / argv.PACKET_LOG
    finished = run(
        _command(source, options, job.tool, job.planned, made, each, scoring),
        cwd=folder,
        deadline_s=2 * deadline_s(source.width * source.height, source.frames),
        cancel=job.cancel,
        on_poll=lambda: job.on_progress(argv.count_lines(log)),
    )
    check(finished, job.what, source, place=made.parent)
    sizes = [int(size) for size in log.read_text().split()] if log.is_file() else []
    require_packets(sizes, source.frames, job.what, source)
    job.require_small(sum(sizes))
    try:
        index = decode_made(made, job.tool, threads=each.score, cancel=job.cancel)
    except MediaError as error:
        raise ToolFailure(f"{job.what}: what was made can't be decoded: {error.message}") from error
    require_times(source, index.times_us, job.what)
    require_streams(source, made, job.planned.carriage, job.what)
    assert index.digests is not None
    scores = _scores(folder, source, scoring, index.digests, job.what) if scoring else None
    return _Done(sum(sizes), scores)


def _in_parts(job: _Job, cuts: Sequence[TitlePart], folder: Path, kept: Parts) -> _Done:
    """Parts, those that an earlier run finished among them, each decoded and scored, and joined."""
    source, scoring = job.source, job.scoring
    sampled = scoring is not None and scoring.of_parts
    work = Work(source, job.planned.entry, job.preset, job.cq, job.tool, kept,
                scoring if sampled else None)  # fmt: skip
    cores = job.threads.score if job.threads else 1
    made = make(
        work, cuts, cores, cancel=job.cancel, on_progress=job.on_progress,
        on_part=lambda ready: job.require_small(sum(each.bytes for each in ready)),
    )  # fmt: skip
    return _joined(job, made, folder)


def _joined(job: _Job, made: Sequence[Made], folder: Path) -> _Done:
    """Parts as one file, and their scores where they have any."""
    source, scoring, carriage = job.source, job.scoring, job.planned.carriage
    times = join(
        source, made, [*carriage.pictures, *carriage.words], job.planned.target.muxer, job.made,
        job.tool, folder, job.what, job.cancel,
    )  # fmt: skip
    require_times(source, times, job.what)
    require_streams(source, job.made, carriage, job.what)
    scores = None
    if scoring is not None and made[0].kept.scores:
        width, height = scoring.size or (source.width, source.height)
        columns = {
            name: np.concatenate([each.kept.scores[name] for each in made])
            for name in made[0].kept.scores
        }
        scores = Scores(columns, width, height)
    return _Done(
        sum(each.bytes for each in made), scores, tuple(each.path for each in made),
        sum(each.reused for each in made),
    )  # fmt: skip


def _command(
    source: Source,
    options: Sequence[str],
    tool: Tool,
    planned: Plan,
    made: Path,
    threads: Threads,
    scoring: Scoring | None,
) -> list[str]:
    entry, carriage = planned.entry, planned.carriage
    decoder = 1 if source.damage else threads.decoder  # threads may mend damage in another way
    pictures = [*entry.before_input, *source.read(threads=decoder)]
    words = argv.deliver(
        tool.path, pictures, options, [*carriage.pictures, *carriage.words],
        planned.target.muxer, made, video=source.video,
    )  # fmt: skip
    if scoring is None:
        return words
    check_size(source, scoring.size, scoring.also)
    graph = argv.watch_filter(
        entry.scoring_depth(source.depth), source.video, size=scoring.size,
        every=scoring.every, threads=threads.score, also=scoring.also, rate=source.fps,
    )  # fmt: skip
    return [*words, *argv.watch(argv.on_cuda(graph) if tool.cuda else graph)]


def _scores(
    folder: Path, source: Source, scoring: Scoring, made: NDArray[np.bytes_], what: str
) -> Scores:
    """What the process that encoded wrote to ``folder``; ``made`` are the file's digests.

    Raises ToolFailure where other pictures were scored than are in the file.
    """
    seen = folder / argv.DIGEST_LOG
    counted = argv.count_lines(folder / argv.REFERENCE_COUNT_LOG)
    if counted != source.frames:
        source.judge(f"{counted} frames for {source.frames} packets")
        raise ToolFailure(f"{what}: {counted} of {source.frames} frames were compared")
    if not seen.is_file() or not np.array_equal(digests(seen), made):
        raise ToolFailure(f"{what}: the file does not decode to the pictures that were scored")
    width, height = scoring.size or (source.width, source.height)
    given = (argv.chosen(source.frames, scoring.every), min(scoring.every, 3))
    columns = read_logs(
        folder, source.frames, what, every=scoring.every, also=scoring.also,
        seen=given,
    )  # fmt: skip
    return Scores(columns, width, height)


def grown(path: Path, made: int, source: int, crf: float) -> LargerThanSource:
    """The refusal of video that has ``made`` bytes, where its source has ``source``."""
    error = LargerThanSource(
        f"not written: at CRF {crf:g} the video has {made:,} bytes, "
        f"{100 * made / max(source, 1):.0f} % of the source's {source:,}",
        path=path, hint="keep the source, aim lower, or say --allow-larger",
    )  # fmt: skip
    error.made, error.source, error.crf = made, source, crf
    return error


def measure_delivered(
    source: Source,
    delivered: Delivered,
    tool: Tool,
    *,
    size: tuple[int, int] | None = None,
    every: int = 1,
    threads: int = 1,
    also: Sequence[str] = (),
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Scores:
    """Score the delivered file's pictures against the source's, each frame, or every nth."""
    depth = delivered.entry.scoring_depth(source.depth)
    return score(
        source, delivered.path, tool, depth=depth, size=size, known=True, every=every,
        threads=threads, also=also, cancel=cancel, on_progress=on_progress,
    )  # fmt: skip


def _refuse_existing(output: Path, *, overwrite: bool) -> None:
    if output.is_symlink() or (output.exists() and not (overwrite and output.is_file())):
        raise InputError(
            "already exists",
            path=output,
            hint="give the output another name, or remove it first",
        )
