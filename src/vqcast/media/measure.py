"""Encode and score: the two real measurements, each checked on what it produced.

Success is an exit status of 0, an empty error log, the planned number of
frames on both sides, and a complete, finite libvmaf log. Anything less is a
ToolFailure that quotes ffmpeg.
"""

from __future__ import annotations

import math
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import jsontext
from vqcast.durable.files import read_regular
from vqcast.errors import DocumentError, InputError, MediaError, ToolFailure
from vqcast.media import argv
from vqcast.media.complaint import cause, ending
from vqcast.media.encoders import Encoder, encoder
from vqcast.media.run import Finished, run
from vqcast.media.segment import Segment
from vqcast.media.source import MIN_SIDE, Source
from vqcast.media.tool import Tool
from vqcast.vocab import FEATURES

V1_METRICS: dict[str, str] = {
    "vmaf_v1": "vmaf_v1",
    "v1_adm3": "integer_adm3_csf_2_dlmw_0.7_egl_1_min_0.5_nw_0.02",
    "v1_motion3": "integer_motion3_mmxv_18",
    "v1_cambi": "cambi_hrs_1080_cmxv_17_vlt_0.06",
    "v1_speed_chroma_uv": "speed_chroma_uv_mxv_45_nnf_0.1_snn_0.19_wvm_5",
}
"""Corpus column -> libvmaf's name, for VMAF v1 and the four features it reads."""

V06_METRICS: dict[str, str] = {"vmaf": "vmaf", **{name: f"integer_{name}" for name in FEATURES}}

_TRIES = 8
"""Encodes tried where ffmpeg ends well and wrote no packet at all (see `argv.encode`)."""

_DEADLINE_BASE_S = 120.0
_DEADLINE_S_PER_MEGAPIXEL = 30.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encode that was checked: the file, its video bytes, its wall time.

    ``video_bytes`` are the packets as the encoder gave them: MP4 drops two bytes
    a frame of AV1, and writes some start codes of H.26x one byte longer.
    """

    path: Path
    video_bytes: int
    wall_ms: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-frame columns, each float64 ``[frames]``, keyed as the corpus keys them."""

    columns: dict[str, NDArray[np.float64]]
    width: int
    height: int

    @property
    def frames(self) -> int:
        """How many frames were scored."""
        return len(self.columns["vmaf"])

    def features(self) -> NDArray[np.float64]:
        """Canonical-6, float64 ``[frames, 6]``."""
        return np.column_stack([self.columns[name] for name in FEATURES])


def deadline_s(pixels: int, frames: int) -> float:
    """Seconds after which encoding or scoring ``frames`` pictures is given up."""
    megapixels = pixels * frames / 1e6
    return _DEADLINE_BASE_S + _DEADLINE_S_PER_MEGAPIXEL * megapixels


def check(finished: Finished, what: str) -> None:
    """Raise ToolFailure, quoting ffmpeg, where it failed or complained."""
    if finished.returncode or finished.stderr.strip():
        raise ToolFailure(
            f"{what}: ffmpeg {ending(finished.returncode)} and said: {cause(finished.stderr)}"
        )


def encoder_options(
    source: Source,
    entry: Encoder,
    cq: float,
    preset: str | None,
    *,
    threads: int = 1,
    unbroken: bool = False,
) -> list[str]:
    """The encoder's part of a command line for ``source``, whatever it is encoded for.

    Raises InputError for a quality, preset or source that ``entry`` can't take.
    """
    options = entry.options(cq, preset, source.depth, threads, unbroken=unbroken)
    if source.steady:
        return options
    if not entry.variable:
        raise InputError(
            f"{source.path}: has a variable frame rate, whose times {entry.name} loses",
            hint="use another encoder, or make the rate constant first with ffmpeg -vf fps",
        )
    # Else times are rounded to the rate that ffmpeg takes the file for.
    return ["-enc_time_base", "demux", *options]


def encode(
    source: Source,
    encoder_name: str,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    segment: Segment | None = None,
    cancel: threading.Event | None = None,
) -> Encoded:
    """Encode every planned frame of ``source``, or those of ``segment``, to ``output`` (MP4).

    Raises ToolFailure where ffmpeg fails, complains, or writes another number
    of packets than frames were planned.
    """
    words = (source.name, encoder_name, preset, f"{cq:g}")
    what = " ".join(word for word in words if word is not None)
    output = output.absolute()
    entry = encoder(encoder_name)
    options = encoder_options(source, entry, cq, preset)
    pictures = [*entry.before_input, *argv.read(source.path, source.raw, segment)]
    limit = None if source.whole else source.frames
    frames = segment.frames if segment else source.frames
    reach = segment.start + frames if segment else frames
    for _ in range(_TRIES):
        finished = run(
            argv.encode(tool.path, pictures, limit, options, output, segment),
            cwd=output.parent,
            deadline_s=deadline_s(source.width * source.height, reach),
            cancel=cancel,
        )
        check(finished, what)
        log = output.parent / argv.PACKET_LOG
        sizes = [int(size) for size in log.read_text().split()] if log.is_file() else []
        if sizes:
            break
    if len(sizes) != frames or not output.is_file():
        raise ToolFailure(f"{what}: {len(sizes)} packets for {frames} frames")
    return Encoded(path=output, video_bytes=sum(sizes), wall_ms=finished.wall_s * 1000)


def score(
    reference: Source,
    distorted: Path,
    tool: Tool,
    *,
    depth: int,
    v1: bool,
    distorted_raw: argv.RawLike | None = None,
    segment: Segment | None = None,
    size: tuple[int, int] | None = None,
    cancel: threading.Event | None = None,
) -> Scores:
    """Per-frame VMAF and features of ``distorted`` against ``reference``.

    ``depth`` is the deeper bit depth of the two. With a ``segment``, ``distorted`` holds the
    frames of that part of ``reference`` alone. ``size`` (width, height) is what both sides are
    scaled to for scoring; None: both are of one size and stay so. Raises ToolFailure unless
    every planned frame was decoded on both sides and scored, InputError for a size that
    can't be.
    """
    what = f"{distorted.name} against {reference.name}"
    width, height = check_size(reference, size)
    frames = segment.frames if segment else reference.frames
    with tempfile.TemporaryDirectory(prefix="vqcast-") as name:
        folder = Path(name)
        finished = run(
            argv.score(
                tool.path,
                argv.read(distorted.absolute(), distorted_raw),
                argv.read(reference.path, reference.raw, segment),
                argv.score_filter(depth, frames, v1=v1, size=size, span=segment),
            ),
            cwd=folder,
            deadline_s=deadline_s(width * height, segment.start + frames if segment else frames),
            cancel=cancel,
        )
        check(finished, what)
        check_counts(folder, frames, what)
        if not (folder / argv.VMAF_LOG).is_file():
            raise ToolFailure(f"{what}: libvmaf wrote no log")
        log = read_regular(folder / argv.VMAF_LOG)
    columns = parse_log(log, frames, V06_METRICS | (V1_METRICS if v1 else {}), what=what)
    return Scores(columns=columns, width=width, height=height)


def check_size(source: Source, size: tuple[int, int] | None) -> tuple[int, int]:
    """The size at which ``source`` is scored. Raises InputError for one that can't be."""
    width, height = size or (source.width, source.height)
    if min(width, height) < MIN_SIDE or width % 2 or height % 2:
        raise InputError(
            f"{width}x{height} can't be a size to score at",
            hint=f"use even sides of at least {MIN_SIDE}",
        )
    return width, height


def check_counts(folder: Path, frames: int, what: str) -> None:
    """Raise MediaError unless a score in ``folder`` saw ``frames`` frames on both sides."""
    counts = (
        argv.count_lines(folder / argv.DISTORTED_COUNT_LOG),
        argv.count_lines(folder / argv.REFERENCE_COUNT_LOG),
    )
    if counts != (frames, frames):
        raise MediaError(
            f"{what}: {counts[0]} and {counts[1]} frames decoded, {frames} planned on both sides"
        )


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
