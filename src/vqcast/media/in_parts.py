"""A long title encoded in parts on all cores.

Each part is encoded, then decoded and scored from its own file::

made = make(Work(source, entry, "8", 35, tool, Parts(folder)), cut(source, entry), cores=2)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import jsontext
from vqcast.documents.part import PartDocument
from vqcast.durable.files import adopt, sha256_bytes, sha256_file
from vqcast.durable.scratch import scratch
from vqcast.errors import ToolFailure
from vqcast.media import argv, inputs, keep_hdr, part_argv, parts
from vqcast.media.decode import EARLIER_US, decode_made
from vqcast.media.encoders import Encoder
from vqcast.media.header import read_header
from vqcast.media.inputs import RawFormat, Segment, drop
from vqcast.media.measure import (
    check,
    check_size,
    deadline_s,
    encoder_options,
    packet_sizes,
    read_logs,
)
from vqcast.media.options import joined
from vqcast.media.parts import Parts, TitlePart
from vqcast.media.run import run
from vqcast.media.segment import ways
from vqcast.media.source import Source
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool
from vqcast.metric import metrics
from vqcast.watch import Ahead

Array = NDArray[np.float64]
_SCORING = 0.35
"""What scoring a part costs beside encoding it, until it is known."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How an encode is scored while it is made."""

    size: tuple[int, int] | None = None
    """Width and height at which pictures are compared; None: the source's own."""
    every: int = 1
    """Frames 0, every, 2 every, ... are scored: of each part, where it is made in parts."""
    also: tuple[str, ...] = ()
    """Metrics beside VMAF v0.6.1."""

    @property
    def of_parts(self) -> bool:
        """Whether parts can be scored from a few pictures: filters beside libvmaf see all."""
        return self.every >= 3 and not any(each.filter for each in metrics(self.also))


@dataclass(frozen=True, slots=True)
class Work:
    """An encode that is made in parts."""

    source: Source
    entry: Encoder
    preset: str | None
    cq: float
    tool: Tool
    kept: Parts
    scoring: Scoring | None = None
    """None: nothing is scored."""
    stitched: bool = False
    """Whether it is joined with parts of other qualities."""

    @property
    def depth(self) -> int:
        """Bits at which it is scored."""
        return self.entry.scoring_depth(self.source.depth)

    def options(self, threads: int) -> list[str]:
        """The encoder's words."""
        entry = self.entry
        words = encoder_options(self.source, entry, self.cq, self.preset, threads=threads)
        if self.stitched and entry.stitch is not None and entry.private is not None:
            words = joined(words, entry.private[1], entry.stitch)
        return words

    def file_of(self, part: TitlePart, threads: Threads) -> Path:
        """Where a part is once it is finished: named by all that it depends on."""
        source, asked, raw = self.source, self.scoring, self.source.raw
        identity = {
            "source": source.identity, "video": [source.video.stream, source.video.graph],
            "raw": [raw.width, raw.height, raw.pix_fmt, str(raw.fps)] if raw else None,
            "start": part.start, "frames": part.frames,
            "encode": self.options(self.entry.alike(threads.encoder)),
            "score": self._graph(part, 1) if asked else None,
            "ffmpeg": self.tool.sha256,
        }  # fmt: skip
        return parts.file_of(self.kept.folder, sha256_bytes(jsontext.dump_line(identity)))

    def _graph(self, part: TitlePart, threads: int) -> str:
        asked = self.scoring
        assert asked is not None
        return part_argv.sample_filter(
            self.depth,
            asked.every,
            size=asked.size,
            threads=threads,
            also=asked.also,
            moved=part.start > 0,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A finished part."""

    part: TitlePart
    path: Path
    kept: PartDocument
    reused: bool = False
    """Whether an earlier run had finished it."""

    @property
    def bytes(self) -> int:
        """Of its video."""
        return sum(self.kept.frame_bytes)


class Stop(threading.Event):
    """Set by itself, or by the caller's."""

    def __init__(self, callers: threading.Event | None) -> None:
        super().__init__()
        self._callers = callers

    def is_set(self) -> bool:
        """Whether either was."""
        return super().is_set() or (self._callers is not None and self._callers.is_set())


def make(
    work: Work,
    cuts: Sequence[TitlePart],
    cores: int,
    *,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_part: Callable[[Sequence[Made]], None] | None = None,
) -> list[Made]:
    """Every part, in the order of the title; those that an earlier run finished are taken.

    ``on_progress`` is told how far it is, in frames; see `Ahead`. ``on_part`` is told the parts
    that are finished, after each. Raises ToolFailure where ffmpeg fails or makes something else;
    what was finished stays.
    """
    planned, stop, lock = parts.schedule(cuts, cores), Stop(cancel), threading.Lock()
    files = {part: work.file_of(part, threads) for part, threads in planned}
    ready = [
        Made(part, file, kept, reused=True)
        for part, file in files.items()
        if (kept := parts.finished(file)) is not None
    ]
    ahead = Ahead(work.source.frames, (1.0, _SCORING), on_progress or (lambda frames: None))
    effort = parts.effort(work.source)
    for made in ready:
        start = made.part.start
        ahead.skip(round(effort[start + made.part.frames] - effort[start]))

    def one(part: TitlePart, threads: Threads) -> None:
        tell = _weighed(ahead.stream(), effort, part)
        made = make_one(work, part, threads, stop, tell)
        with lock:
            ready.append(made)
            if on_part is not None:
                on_part(ready)

    known = {made.part for made in ready}
    missing = [each for each in planned if each[0] not in known]
    work.kept.folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=planned[0][1].at_once) as workers:
        running = [workers.submit(one, *each) for each in missing]
        try:
            for each in running:
                each.result()
        except BaseException:
            stop.set()
            workers.shutdown(cancel_futures=True)
            raise
    return sorted(ready, key=lambda made: made.part.start)


def _weighed(
    at: Callable[[int, int], None], effort: Array, part: TitlePart
) -> Callable[[int, int], None]:
    """``at``, told frames of ``part`` as the effort that they take."""
    start = effort[part.start]
    return lambda step, done: at(step, round(effort[part.start + done] - start))


def make_one(
    work: Work,
    part: TitlePart,
    threads: Threads,
    stop: threading.Event,
    tell: Callable[[int, int], None],
) -> Made:
    """One part that is not there yet; raises as `make` does.

    ``tell`` is told the frames that are encoded (step 0) and scored (1).
    """
    file = work.file_of(part, threads)
    tell(0, 0)
    with scratch(work.kept.temporary) as name, scratch(work.kept.folder) as beside:
        folder, made = Path(name), Path(beside) / file.name
        sizes = _encode(work, part, threads, made, folder, stop, tell)
        tell(0, part.frames)
        columns = _score(work, part, threads, made, folder, stop)
        adopt(made, file)
    kept = PartDocument(
        sha256=sha256_file(file),
        frame_bytes=[int(size) for size in sizes],
        scores={name: column.tolist() for name, column in columns.items()},
        start=part.start, crf=work.cq,
    )  # fmt: skip
    parts.keep(file, kept)
    tell(1, part.frames)
    return Made(part, file, kept)


def _encode(
    work: Work,
    part: TitlePart,
    threads: Threads,
    file: Path,
    folder: Path,
    stop: threading.Event,
    tell: Callable[[int, int], None],
) -> NDArray[np.int64]:
    """Write ``file``, and beside it the pictures that it is scored against; its frames' bytes."""
    source, what = work.source, _named(work, part)
    log = folder / argv.PACKET_LOG
    for way in _ways(source, part):
        finished = run(
            _encoding(work, threads, file, folder, way), cwd=folder,
            deadline_s=2 * deadline_s(source.width * source.height, part.frames), cancel=stop,
            on_poll=lambda: tell(0, min(argv.count_lines(log), part.frames)),
        )  # fmt: skip
        check(finished, what, source)
        if len(sizes := packet_sizes(log)) == part.frames:
            return sizes
    source.judge(f"{len(sizes)} packets for {part.frames} frames")
    raise ToolFailure(f"{what}: {len(sizes)} packets for {part.frames} frames")


def _ways(source: Source, part: TitlePart) -> Iterator[Segment]:
    """Ways to a part, the cheapest first, each from the time of a frame.

    So times stay whole multiples of the frame's, to which an encoder may round them.
    """
    assert source.index is not None
    times, (way, *_) = source.index.times_us, ways(source, part.start, part.frames)
    first = int(times[part.start])
    yield replace(way, seek_us=first, start_us=None)
    if part.start == 0:
        return
    earlier = int(np.searchsorted(times[: part.start - 1], first - EARLIER_US))
    for seek in dict.fromkeys((part.start - 1, earlier)):
        yield replace(way, seek_us=int(times[seek]))


def _encoding(work: Work, threads: Threads, file: Path, folder: Path, way: Segment) -> list[str]:
    source, asked = work.source, work.scoring
    read = source.read(way, threads.decoder)
    options = work.options(threads.encoder)
    if source.raw is None and source.light is None and not source.video.chain:
        options = inputs.filtered(options, _colours_of(source))
    if early := drop(way).rstrip(","):
        options = inputs.filtered(options, early)
    words = argv.encode(
        work.tool.path, [*work.entry.before_input, *read], None, options, file, video=source.video
    )
    if asked is None:
        return words
    check_size(source, asked.size, asked.also)
    return words + part_argv.samples(
        work.depth, asked.every, folder / _SAMPLES, way, size=asked.size, video=source.video
    )


def _colours_of(source: Source) -> str:
    """The filter that tags every part as the title's first frame, as one encode would be.

    Tags that change on the way would otherwise give parts headers that do not go together.
    """
    named = source.video.stream
    stream = int(named) if named.isdecimal() else None
    return keep_hdr.tags(read_header(source.path, stream=stream).light, unsaid=True)


_SAMPLES = "samples.yuv"


def _score(
    work: Work, part: TitlePart, threads: Threads, file: Path, folder: Path, stop: threading.Event
) -> dict[str, Array]:
    """The columns of the frames of ``file`` that are scored; it is decoded whole."""
    source, asked, what = work.source, work.scoring, _named(work, part)
    if asked is None:
        index = decode_made(file, work.tool, threads=threads.score, cancel=stop)
        if len(index.times_us) != part.frames:
            raise ToolFailure(f"{what}: {len(index.times_us)} of {part.frames} frames decode")
        return {}
    width, height = asked.size or (source.width, source.height)
    shape = RawFormat(width, height, f"yuv420p{'' if work.depth == 8 else '10le'}", Fraction(25))
    graph = work._graph(part, threads.score)
    finished = run(
        argv.score(
            work.tool.path, inputs.read(file, threads=threads.score, grain=False),
            inputs.read(folder / _SAMPLES, shape), argv.on_cuda(graph) if work.tool.cuda else graph,
        ),
        cwd=folder, deadline_s=deadline_s(width * height, part.frames), cancel=stop,
    )  # fmt: skip
    check(finished, what)
    chosen = argv.chosen(part.frames, asked.every)
    counts = [argv.count_lines(folder / log) for log in _COUNTS]
    if counts != [part.frames, chosen]:
        raise ToolFailure(f"{what}: {counts[0]} of {part.frames} frames decode, {counts[1]} of "
                          f"{chosen} are there to compare them with")  # fmt: skip
    more = asked.every == 1 and part.start > 0
    seen = (chosen + more, min(asked.every, 3))
    columns = read_logs(folder, chosen, what, every=asked.every, also=asked.also, seen=seen)
    kept = _with_neighbours(work, part) if asked.every > 1 else slice(int(more), None)
    return {name: column[kept] for name, column in columns.items()}


_COUNTS = (argv.DISTORTED_COUNT_LOG, argv.REFERENCE_COUNT_LOG)


def _with_neighbours(work: Work, part: TitlePart) -> slice:
    """The scored frames whose motion is that of the title: not those at a cut."""
    assert work.scoring is not None
    last = (part.frames - 1) % work.scoring.every == 0
    ends = part.start + part.frames == work.source.frames
    return slice(1 if part.start else 0, None if ends or not last else -1)


def _named(work: Work, part: TitlePart) -> str:
    return f"{work.source.name}, frames {part.start} to {part.start + part.frames}"
