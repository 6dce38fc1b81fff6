"""Encode and score: the two real measurements, each checked on what it produced.

Success is an exit status of 0, an error log without a complaint, the planned
number of frames on both sides, and a complete, finite libvmaf log. Anything less
is a ToolFailure that quotes ffmpeg. Of a source that is known to be damaged, and
decodes the same twice, complaints are expected: what was made from it is then
decoded by itself.
"""

from __future__ import annotations

import math
import re
import tempfile
import threading
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import jsontext
from vqcast.durable.files import read_regular
from vqcast.durable.scratch import scratch
from vqcast.errors import DocumentError, InputError, MediaError, ToolFailure
from vqcast.media import argv, beside, inputs, keep_hdr, logs
from vqcast.media.complaint import cause, complaints, ending
from vqcast.media.decode import decode_made
from vqcast.media.encoders import Encoder, encoder
from vqcast.media.inputs import Segment
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.remake import remake
from vqcast.media.run import Finished, run
from vqcast.media.source import MIN_SIDE, Source
from vqcast.media.tool import Tool
from vqcast.metric import VMAF, VMAF_V1
from vqcast.metric import metrics as named
from vqcast.vocab import FEATURES

_V1_LONG, _V1_SHORT = 216, 160
"""Sides below which libvmaf 3.2's VMAF v1 gives no cambi, or crashes in SpEED."""
_TRIES = 8
"""Encodes tried where none gives a packet."""
_DEADLINE_BASE_S = 120.0
_DEADLINE_S_PER_MEGAPIXEL = 30.0
_FULL = re.compile(r"No space left on device|File too large")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encode that was checked: the file, its video bytes, its wall time.

    ``video_bytes`` are the packets as the encoder gave them: MP4 drops two bytes
    a frame of AV1, and writes some start codes of H.26x one byte longer.
    """

    path: Path
    sizes: NDArray[np.int64]
    """Bytes of each frame's packet, ``[frames]``, in the order in which frames are shown."""
    wall_ms: float

    @property
    def video_bytes(self) -> int:
        """Of all packets."""
        return int(self.sizes.sum())


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-frame columns, each float64 ``[frames]``, keyed as the corpus keys them."""

    columns: dict[str, NDArray[np.float64]]
    width: int
    height: int

    @property
    def frames(self) -> int:
        """How many frames were scored."""
        return len(next(iter(self.columns.values())))

    def features(self) -> NDArray[np.float64]:
        """Canonical-6, float64 ``[frames, 6]``."""
        return np.column_stack([self.columns[name] for name in FEATURES])


@dataclass(frozen=True, slots=True)
class Overlap:
    """The frames that two files have in common."""

    distorted: int
    """First of them in the encode."""
    reference: int
    """First of them in the reference."""
    frames: int

    @property
    def offset(self) -> int:
        """Frame n of the encode is frame n + offset of the reference."""
        return self.reference - self.distorted


def deadline_s(pixels: int, frames: int) -> float:
    """Seconds after which encoding or scoring ``frames`` pictures is given up."""
    return _DEADLINE_BASE_S + _DEADLINE_S_PER_MEGAPIXEL * pixels * frames / 1e6


def check(
    finished: Finished, what: str, source: Source | None = None, *, place: Path | None = None
) -> None:
    """Raise ToolFailure, quoting ffmpeg, where it failed or complained.

    ``place`` is where it wrote; None: the folder for temporary files. Complaints that ``source`` is
    known for are none; of one whose frames were not all decoded they raise Doubted.
    """
    if not finished.returncode and not finished.stderr:
        return
    said = complaints(finished.stderr)
    ended = ending(finished.returncode)
    if _FULL.search(said) or _FULL.search(ended) or "SIGXFSZ" in ended:
        raise ToolFailure(
            f"{what}: there is no space left in {place or tempfile.gettempdir()}",
            hint="free some, or name another folder: TMPDIR for temporary files",
        )
    if said and finished.returncode == 0 and source is not None:
        source.judge(cause(said))
        if source.damage is not None:
            return
    if finished.returncode or said:
        raise ToolFailure(f"{what}: ffmpeg {ended} and said: {cause(said)}")


def encoder_options(
    source: Source,
    entry: Encoder,
    cq: float,
    preset: str | None,
    *,
    threads: int | None = None,
    spliced: int = 0,
    coded: tuple[int, int] | None = None,
) -> list[str]:
    """The encoder's part of a command line for ``source``, whatever it is encoded for.

    ``coded`` (width, height) is what its pictures are scaled to; None: they are not.
    Raises InputError for a quality, preset or source that ``entry`` can't take.
    """
    options = entry.options(cq, preset, source.depth, threads, spliced=spliced, rate=source.rate)
    if source.light is not None and source.is_hdr:
        options = keep_hdr.told(options, entry, source.light, source.depth)
        options = inputs.filtered(options, keep_hdr.tags(source.light))
    if source.flagged:
        options = inputs.filtered(options, "setfield=prog")
    if source.one_view:
        options = inputs.filtered(options, "sidedata=mode=delete:type=STEREO3D")
    if entry.given != PLAIN and entry.given.grain:  # libaom changes its frame, which is compared
        options = inputs.filtered(options, "copy")
    if coded not in (None, (source.width, source.height)):
        options = inputs.filtered(options, argv.scaled(coded))
    if entry.max_fps is not None and source.rate is not None and source.rate > entry.max_fps:
        _refuse_rate(source, entry)
        options = inputs.filtered(options, "setpts=PTS")  # which forgets the rate that was guessed
    if source.steady:
        return options
    if not entry.variable:
        made = remake(source.path, f"fps={round(source.mean_fps or 25)}")
        raise InputError(
            f"has a variable frame rate, whose times {entry.name} loses", path=source.path,
            hint=f"use another encoder, or make the rate constant first: {made}",
        )  # fmt: skip
    # Else times are rounded to the rate that ffmpeg takes the file for.
    return ["-enc_time_base", "demux", *options]


def _refuse_rate(source: Source, entry: Encoder) -> None:
    """Raise InputError for more frames a second than the encoder takes.

    Of uneven times ffmpeg guesses a rate that no frame needs to have; what counts is their mean.
    """
    rate = float(source.rate or 0) if source.steady else source.mean_fps
    if entry.max_fps is None or (rate is not None and rate <= entry.max_fps):
        return
    raise InputError(
        f"has {rate or float(source.rate or 0):g} frames a second, "
        f"{entry.name} takes at most {entry.max_fps:g}",
        path=source.path,
        hint="use another encoder, such as libx264 or libaom-av1, or write fewer frames a "
        f"second first: {remake(source.path, f'fps={entry.max_fps:g}')}",
    )


def converted(source: Source, entry: Encoder) -> list[str]:
    """What the encode changes in the format of the pictures, in words."""
    told, made = [], entry.pix_fmt(source.depth)
    has_420 = "420" in source.pix_fmt or source.pix_fmt in ("", "nv12", "nv21", "p010le")
    if not has_420:
        kept = any(chroma in source.pix_fmt and chroma in made for chroma in ("422", "444"))
        told.append(f"{source.pix_fmt} is {'' if kept else 'encoded and '}scored as 4:2:0")
    if source.depth > 8 and not inputs.is_deep(made):
        told.append(f"{source.depth} bits a sample are encoded as 8")
    return told


def encode(
    source: Source,
    encoder_name: str,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    segment: Segment | None = None,
    threads: int | None = None,
    spliced: int = 0,
    coded: tuple[int, int] | None = None,
    given: EncoderOptions = PLAIN,
    cancel: threading.Event | None = None,
) -> Encoded:
    """Encode every planned frame of ``source``, or those of ``segment``, to ``output`` (MP4).

    Raises ToolFailure where ffmpeg fails, complains, or writes another number
    of packets than frames were planned.
    """
    words = (source.name, encoder_name, preset, f"{cq:g}")
    what = " ".join(word for word in words if word is not None)
    output = output.absolute()
    entry = encoder(encoder_name, given)
    options = encoder_options(
        source, entry, cq, preset, threads=threads, spliced=spliced, coded=coded
    )
    read = inputs.read(source.path, source.raw, segment, device=source.video.device)
    pictures = [*entry.before_input, *read]
    limit = None if source.whole else source.frames
    frames = segment.frames if segment else source.frames
    reach = segment.start + frames if segment else frames
    sizes, wall_s = packets_of(
        argv.encode(tool.path, pictures, limit, options, output, segment, video=source.video),
        output.parent, frames, what, source,
        deadline_s(source.width * source.height, reach), cancel,
    )  # fmt: skip
    if not output.is_file():
        raise ToolFailure(f"{what}: {len(sizes)} packets for {frames} frames, and no file")
    return Encoded(output, sizes, wall_s * 1000)


def packets_of(
    command: Sequence[str],
    folder: Path,
    frames: int,
    what: str,
    source: Source,
    deadline: float,
    cancel: threading.Event | None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.int64], float]:
    """Run an encode of so many frames in ``folder``: its packets' bytes, and seconds.

    It is run again where ffmpeg ends well and makes no packet at all (see `argv.encode`).
    Raises ToolFailure where it fails, complains, or makes another number of packets.
    """
    log = folder / argv.PACKET_LOG
    for _ in range(_TRIES):
        finished = run(
            command, cwd=folder, deadline_s=deadline, cancel=cancel,
            on_poll=on_progress and (lambda: on_progress(argv.count_lines(log))),
        )  # fmt: skip
        check(finished, what, source)
        if len(sizes := packet_sizes(log)):
            break
    require_packets(sizes, frames, what, source)
    return sizes, finished.wall_s


def require_packets(sizes: Sized, frames: int, what: str, source: Source) -> None:
    """Raise ToolFailure unless an encode has a packet a frame.

    Doubted, where not all of ``source``'s frames were decoded.
    """
    if len(sizes) != frames:
        source.judge(f"{len(sizes)} packets for {frames} frames")
        raise ToolFailure(f"{what}: {len(sizes)} packets for {frames} frames")


def packet_sizes(log: Path) -> NDArray[np.int64]:
    """Bytes of each packet that ``log`` holds, by the times at which they are shown."""
    lines = log.read_text().splitlines() if log.is_file() else []
    rows = [fields for line in lines if len(fields := line.split()) == 2]
    size, shown = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return np.asarray(size[np.argsort(shown, kind="stable")])


def score(
    reference: Source,
    distorted: Path,
    tool: Tool,
    *,
    depth: int,
    distorted_video: inputs.Video | None = None,
    segment: Segment | None = None,
    size: tuple[int, int] | None = None,
    known: bool = False,
    every: int = 1,
    threads: int = 1,
    itself: bool = False,
    overlap: Overlap | None = None,
    also: Sequence[str] = (),
    vmaf: bool = True,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Scores:
    """Per-frame VMAF and features of ``distorted`` against ``reference``.

    Film grain that the decoder of ``distorted`` would draw is left out. ``depth`` is the deeper bit
    depth of the two. Of a ``segment``, ``distorted`` holds its frames alone. Both sides are scaled
    to ``size`` (width, height); None: to none. ``every`` scores frames 0, every, 2 every, ..., with
    the values that they have among all. ``known``: the distorted side was probed, too, and may be
    as damaged as was found; ``itself``: it is the reference. Of an ``overlap`` only the frames that
    both have are paired. ``also`` names metrics beside VMAF v0.6.1; without ``vmaf`` they are all,
    and of filters. ``on_progress`` is told the frames compared so far. Raises ToolFailure unless
    every planned frame was decoded on both sides and scored, InputError for a size that can't be.
    """
    what = f"{distorted.name} against {reference.name}"
    width, height = check_size(reference, size, also)
    if also:
        beside.require_width(also, width, depth)
    if reference.damage is not None and not (known or itself):
        _require_whole(distorted, tool, what)
    frames = overlap.frames if overlap else segment.frames if segment else reference.frames
    starts = (overlap.distorted, overlap.reference) if overlap else None
    raw = reference.raw if itself else None
    own = distorted_video or (reference.video if itself else inputs.PLAIN)
    graph = argv.score_filter(
        depth, frames, size=size, span=segment, starts=starts, every=every, threads=threads,
        sides=(own.of(0), reference.video.of(1)), also=also, vmaf=vmaf,
        rate=reference.fps if also else None,
    )  # fmt: skip
    pictures = inputs.read(distorted.absolute(), raw, grain=itself, device=own.device)
    pristine = inputs.read(reference.path, reference.raw, segment, device=reference.video.device)
    with scratch() as name:
        folder, seen = Path(name), Path(name) / argv.DISTORTED_COUNT_LOG
        finished = run(
            argv.score(tool.path, pictures, pristine, argv.on_cuda(graph) if tool.cuda else graph),
            cwd=folder, cancel=cancel,
            deadline_s=deadline_s(width * height, segment.start + frames if segment else frames),
            on_poll=on_progress and (lambda: on_progress(argv.count_lines(seen))),
        )  # fmt: skip
        if not (known and finished.returncode == 0):
            check(finished, what, reference)
        check_counts(folder, frames, what, reference)
        columns = read_logs(folder, frames, what, every=every, also=also, vmaf=vmaf)
    return Scores(columns=columns, width=width, height=height)


def check_size(
    source: Source, size: tuple[int, int] | None, also: Sequence[str] = ()
) -> tuple[int, int]:
    """The size at which ``source`` is scored. Raises InputError for one that can't be."""
    width, height = size or (source.width, source.height)
    if min(width, height) < MIN_SIDE or width % 2 or height % 2:
        raise InputError(
            f"{width}x{height} can't be a size to score at",
            hint=f"use even sides of at least {MIN_SIDE}",
        )
    if VMAF_V1.name in also and (min(width, height) < _V1_SHORT or max(width, height) < _V1_LONG):
        raise InputError(
            f"{width}x{height} is too small for VMAF v1, which needs sides of at "
            f"least {_V1_LONG} and {_V1_SHORT}",
            path=source.path,
            hint="leave VMAF v1 out: corpus build --no-v1, tune and encode --metric vmaf",
        )
    return width, height


def read_logs(
    folder: Path,
    frames: int,
    what: str,
    *,
    every: int,
    also: Sequence[str],
    vmaf: bool = True,
    seen: tuple[int, int] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The columns of libvmaf's log, unless without ``vmaf``, and of those that filters wrote.

    ``seen``: how many frames libvmaf was given, and every which it scored; None: all, each
    ``every``-th. Raises ToolFailure for a log that is not whole.
    """
    if not vmaf:
        return logs.read(folder, frames, also, what=what, every=every)
    log = folder / argv.VMAF_LOG
    if not log.is_file():
        raise ToolFailure(f"{what}: libvmaf wrote no log")
    metrics = dict(VMAF.logged)
    for metric in named(also) if also else ():
        metrics |= metric.logged if metric.model else {}
    given, each = seen or (frames, every)
    columns = parse_log(read_regular(log), given, metrics, what=what, every=each)
    return columns | (logs.read(folder, frames, also, what=what, every=every) if also else {})


def check_counts(folder: Path, frames: int, what: str, source: Source) -> None:
    """Raise MediaError unless a score in ``folder`` saw ``frames`` frames on both sides.

    Doubted, where ``source`` is the side that did not, and its frames were not all decoded.
    """
    counts = (
        argv.count_lines(folder / argv.DISTORTED_COUNT_LOG),
        argv.count_lines(folder / argv.REFERENCE_COUNT_LOG),
    )
    if counts[1] != frames:
        source.judge(f"{counts[1]} frames for {frames} packets")
    if counts != (frames, frames):
        raise MediaError(
            f"{what}: {counts[0]} and {counts[1]} frames decoded, {frames} planned on both sides"
        )


def _require_whole(made: Path, tool: Tool, what: str) -> None:
    """Raise ToolFailure unless what was made decodes without a complaint."""
    try:
        decode_made(made, tool)
    except MediaError as error:
        raise ToolFailure(f"{what}: what was made can't be decoded: {error.message}") from error


def parse_log(
    log: bytes, frames: int, metrics: dict[str, str], *, what: str, every: int = 1
) -> dict[str, NDArray[np.float64]]:
    """The columns of a libvmaf JSON log of ``frames`` frames, each ``every``-th of them scored.

    Raises ToolFailure for a log that is cut, misses a frame or a metric, or
    holds anything that is not a finite number.
    """
    try:
        document = jsontext.parse(log, where=f"libvmaf's log of {what}")
        entries = document["frames"]
        if [entry["frameNum"] for entry in entries] != list(range(0, frames, every)):
            raise ToolFailure(f"{what}: libvmaf's log holds {len(entries)} of {frames} frames")
        columns: dict[str, NDArray[np.float64]] = {}
        for column, metric in metrics.items():
            values = [entry["metrics"][metric] for entry in entries]
            if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
                raise ToolFailure(f"{what}: libvmaf gave no finite {metric} for some frame")
            columns[column] = np.array(values, dtype=np.float64)
        return columns
    except (KeyError, TypeError, OverflowError, DocumentError) as error:
        raise ToolFailure(f"{what}: libvmaf's log is not complete: {error}") from error
