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

from vqcast.durable import jsontext
from vqcast.durable.files import read_regular
from vqcast.errors import DocumentError, MediaError, ToolFailure
from vqcast.media import argv
from vqcast.media.encoders import encoder
from vqcast.media.run import Finished, run
from vqcast.media.source import Source
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


def _deadline_s(source: Source, frames: int) -> float:
    megapixels = source.width * source.height * frames / 1e6
    return _DEADLINE_BASE_S + _DEADLINE_S_PER_MEGAPIXEL * megapixels


def _check(finished: Finished, what: str) -> None:
    if finished.returncode or finished.stderr.strip():
        raise ToolFailure(
            f"{what}: ffmpeg ended with status {finished.returncode} and said: "
            f"{argv.last_words(finished.stderr)}"
        )


def encode(
    source: Source,
    encoder_name: str,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    cancel: threading.Event | None = None,
) -> Encoded:
    """Encode every planned frame of ``source`` to ``output`` (MP4).

    Raises ToolFailure where ffmpeg fails, complains, or writes another number
    of packets than frames were planned.
    """
    words = (source.name, encoder_name, preset, f"{cq:g}")
    what = " ".join(word for word in words if word is not None)
    output = output.absolute()
    entry = encoder(encoder_name)
    options = entry.options(cq, preset, source.depth)
    pictures = [*entry.before_input, *argv.read(source.path, source.raw)]
    limit = None if source.whole else source.frames
    for _ in range(_TRIES):
        finished = run(
            argv.encode(tool.path, pictures, limit, options, output),
            cwd=output.parent,
            deadline_s=_deadline_s(source, source.frames),
            cancel=cancel,
        )
        _check(finished, what)
        log = output.parent / argv.PACKET_LOG
        sizes = [int(size) for size in log.read_text().split()] if log.is_file() else []
        if sizes:
            break
    if len(sizes) != source.frames or not output.is_file():
        raise ToolFailure(f"{what}: {len(sizes)} packets for {source.frames} frames")
    return Encoded(path=output, video_bytes=sum(sizes), wall_ms=finished.wall_s * 1000)


def score(
    reference: Source,
    distorted: Path,
    tool: Tool,
    *,
    depth: int,
    v1: bool,
    distorted_raw: argv.RawLike | None = None,
    cancel: threading.Event | None = None,
) -> Scores:
    """Per-frame VMAF and features of ``distorted`` against ``reference``.

    ``depth`` is the deeper bit depth of the two. Raises ToolFailure unless
    every planned frame was decoded on both sides and scored.
    """
    what = f"{distorted.name} against {reference.name}"
    with tempfile.TemporaryDirectory(prefix="vqcast-") as name:
        folder = Path(name)
        finished = run(
            argv.score(
                tool.path,
                argv.read(distorted.absolute(), distorted_raw),
                argv.read(reference.path, reference.raw),
                argv.score_filter(depth, reference.frames, v1=v1),
            ),
            cwd=folder,
            deadline_s=_deadline_s(reference, reference.frames),
            cancel=cancel,
        )
        _check(finished, what)
        counts = (
            argv.count_lines(folder / argv.DISTORTED_COUNT_LOG),
            argv.count_lines(folder / argv.REFERENCE_COUNT_LOG),
        )
        if counts != (reference.frames, reference.frames):
            raise MediaError(
                f"{what}: {counts[0]} and {counts[1]} frames decoded, "
                f"{reference.frames} planned on both sides"
            )
        if not (folder / argv.VMAF_LOG).is_file():
            raise ToolFailure(f"{what}: libvmaf wrote no log")
        log = read_regular(folder / argv.VMAF_LOG)
    columns = parse_log(log, reference.frames, V06_METRICS | (V1_METRICS if v1 else {}), what=what)
    return Scores(columns=columns, width=reference.width, height=reference.height)


def parse_log(
    log: bytes, frames: int, metrics: dict[str, str], *, what: str
) -> dict[str, NDArray[np.float64]]:
    """The columns of a libvmaf JSON log.

    Raises ToolFailure for a log that is cut, misses a frame or a metric, or
    holds anything that is not a finite number.
    """
    try:
        document = jsontext.parse(log, where=f"libvmaf's log of {what}")
        entries = document["frames"]
        if [entry["frameNum"] for entry in entries] != list(range(frames)):
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
