"""ffmpeg's command lines as pure values.

Every path is an absolute ``file:`` URL, protocols and formats are on a list,
and nothing that a user typed reaches a filter string.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from vqcast.errors import InputError

FORMATS = (
    "matroska,webm,mov,mp4,m4a,3gp,avi,yuv4mpegpipe,rawvideo,ivf,h264,hevc,vvc,obu,"
    "mpegts,mpeg,flv,nut,ogg,asf,mxf"
)
"""Demuxers that open one file and no other; playlists are not among them."""

COUNT_LOG = "frames.txt"
PACKET_LOG = "packets.txt"
REFERENCE_COUNT_LOG = "reference_frames.txt"
DISTORTED_COUNT_LOG = "distorted_frames.txt"
VMAF_LOG = "vmaf.json"
TEACHER = "vmaf_v0.6.1"
TEACHER_V1 = "vmaf_v1.0.16_3d0h"

_DISCARD = ("-fps_mode", "passthrough", "-enc_time_base", "filter", "-f", "null", "-")
"""Every frame once, on the filter's own clock, to nowhere."""

_RAW_SAMPLES_PER_PIXEL = {"yuv420p": 1.5, "yuv422p": 2.0, "yuv444p": 3.0, "gray": 1.0}


class RawLike(Protocol):
    """The four facts that a headerless file lacks."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def pix_fmt(self) -> str: ...
    @property
    def fps(self) -> object: ...


def raw_frame_bytes(width: int, height: int, pix_fmt: str) -> int:
    """Bytes of one frame of planar YUV. Raises InputError for other formats."""
    match = re.fullmatch(r"(yuv4(?:20|22|44)p|gray)(10le|12le|16le)?", pix_fmt)
    if match is None:
        raise InputError(
            f"pixel format {pix_fmt!r} is not one that raw files are read in",
            hint="use yuv420p, yuv422p, yuv444p or gray, with 10le, 12le or 16le for more bits",
        )
    samples = _RAW_SAMPLES_PER_PIXEL[match[1]] * width * height
    return int(samples) * (2 if match[2] else 1)


def read(path: Path, raw: RawLike | None = None) -> list[str]:
    """Open one input: one decoder thread, no rotation, no other file."""
    options = ["-threads", "1", "-noautorotate", "-protocol_whitelist", "file"]
    options += ["-format_whitelist", FORMATS]
    if raw is not None:
        options += ["-f", "rawvideo", "-video_size", f"{raw.width}x{raw.height}"]
        options += ["-pixel_format", raw.pix_fmt, "-framerate", str(raw.fps)]
    return [*options, "-i", f"file:{path}"]


def _start(ffmpeg: Path) -> list[str]:
    return [str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]


def _null(pad: str, log: str) -> list[str]:
    return ["-map", pad, "-stats_enc_pre", log, "-stats_enc_pre_fmt", "{n}", *_DISCARD]


def count(ffmpeg: Path, source: Sequence[str], frames: int | None) -> list[str]:
    """Decode the first video stream and write a line a frame to COUNT_LOG.

    The clock is rebuilt: timestamps closer than the declared rate are no damage.
    """
    limit = ["-frames:v", str(frames)] if frames is not None else []
    clock = ["-vf", "settb=expr=1/25,setpts=N"]
    return [*_start(ffmpeg), *source, *limit, *clock, *_null("0:v:0", COUNT_LOG)]


def test_clip(ffmpeg: Path, output: Path, frames: int) -> list[str]:
    """Make a lossless moving test picture, large enough for every VMAF model."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]
    made = ["-frames:v", str(frames), "-c:v", "ffv1", "-pix_fmt", "yuv420p"]
    return [*_start(ffmpeg), *picture, *made, "-f", "matroska", f"file:{output}"]


def encode(
    ffmpeg: Path, source: Sequence[str], frames: int | None, options: Sequence[str], output: Path
) -> list[str]:
    """Encode the first ``frames`` frames (None: all) to MP4, each packet's size to PACKET_LOG.

    Nothing cuts a stream that is used whole: where ffmpeg 9 is told the last frame, it at times
    drops all that libvvenc still holds (48-frame clips at high QPs: status 0, no packet).
    """
    limit = [] if frames is None else ["-frames:v", str(frames)]
    return [
        *_start(ffmpeg),
        *source,
        *("-map", "0:v:0", *limit, "-map_metadata", "-1"),
        *("-fps_mode", "passthrough"),
        *options,
        *("-stats_mux_pre", PACKET_LOG, "-stats_mux_pre_fmt", "{size}"),
        *("-fflags", "+bitexact", "-f", "mp4", f"file:{output}"),
    ]


def score_filter(depth: int, frames: int, *, v1: bool) -> str:
    """Pair frame n with frame n and score each pair.

    Both clocks are rebuilt from frame numbers, a side that ends early is not
    repeated, and both are brought to one format: the deeper of the two.
    """
    pix_fmt = "yuv420p" if depth == 8 else "yuv420p10le"
    clock = f"settb=expr=1/25,setpts=N,format={pix_fmt}"
    models = [f"version={TEACHER}\\:name=vmaf"]
    if v1:
        models.append(f"version={TEACHER_V1}\\:name=vmaf_v1")
    return (
        f"[0:v:0]{clock},split[d][dn];"
        f"[1:v:0]trim=end_frame={frames},{clock},split[r][rn];"
        f"[d][r]libvmaf=model='{'|'.join(models)}':log_fmt=json:log_path={VMAF_LOG}"
        ":n_threads=1:eof_action=pass:repeatlast=0[s]"
    )


def score(
    ffmpeg: Path,
    distorted: Sequence[str],
    reference: Sequence[str],
    graph: str,
) -> list[str]:
    """Score ``distorted`` against ``reference``, counting the frames of both."""
    return [
        *_start(ffmpeg),
        *distorted,
        *reference,
        *("-filter_complex_threads", "1", "-filter_complex", graph),
        *("-map", "[s]", *_DISCARD),
        *_null("[dn]", DISTORTED_COUNT_LOG),
        *_null("[rn]", REFERENCE_COUNT_LOG),
    ]


def count_lines(log: Path) -> int:
    """Lines of a log that ffmpeg wrote, one a frame or packet."""
    return len(log.read_text().split()) if log.is_file() else 0


def last_words(stderr: str) -> str:
    """The last two lines a tool said, on one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return " / ".join(lines[-2:]) if lines else "it said nothing"
