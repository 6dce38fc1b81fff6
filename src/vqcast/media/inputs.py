"""The input side of ffmpeg's command lines: a file, a stretch of it, and its pictures' filters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vqcast.errors import InputError

FORMATS = (
    "matroska,webm,mov,mp4,m4a,3gp,avi,yuv4mpegpipe,rawvideo,ivf,h264,hevc,vvc,obu,"
    "mpegts,mpeg,flv,nut,ogg,asf,mxf,rm,dv,mpegvideo,m4v,vc1,mjpeg,h263,wtv,gxf,nsv"
)
"""Demuxers that open one file and no other; playlists are not among them."""

VIDEO = "v:0"
"""The first video stream."""

WITHOUT_GRAIN = ("-export_side_data", "film_grain")
"""A decoder's options by which it hands the recipe of film grain on, and draws none."""
_RAW_SAMPLES_PER_PIXEL = {"yuv420p": 1.5, "yuv422p": 2.0, "yuv444p": 3.0, "gray": 1.0}


@dataclass(frozen=True, slots=True)
class Video:
    """The pictures that a command works on: a video stream, and the filters that they go through.

    ``str(Video("v:0", "crop=640:360:0:60"))`` is the stream.
    """

    stream: str = VIDEO
    """As ffmpeg is told it."""
    chain: str = ""
    """Filters of ffmpeg, joined by commas; empty: none."""
    reach: int | None = 0
    """How many pictures before and after one decide what the chain makes of it; None: all before
    it, so that it is only ever read from its beginning."""

    def __str__(self) -> str:
        return self.stream

    @property
    def first(self) -> str:
        """The chain as the beginning of a longer one."""
        return f"{self.chain}," if self.chain else ""

    def of(self, number: int) -> str:
        """The beginning of a filter graph that reads it from input ``number``."""
        return f"[{number}:{self.stream}]{self.first}"


PLAIN = Video()
"""The first video stream as it is."""


class RawLike(Protocol):
    """The four facts that a headerless file lacks."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def pix_fmt(self) -> str:
        """By ffmpeg's name."""

    @property
    def fps(self) -> object:
        """Frames a second, as a fraction ffmpeg reads."""


class Span(Protocol):
    """A stretch of a file on its own clock, in microseconds."""

    @property
    def seek_us(self) -> int:
        """Where reading begins."""

    @property
    def start_us(self) -> int | None:
        """The first frame's time; None keeps all after the seek."""

    @property
    def end_us(self) -> int | None:
        """The time behind the last frame; None reads to the end."""

    @property
    def until_us(self) -> int | None:
        """Where reading ends: there, or later where filters look ahead; None: at the end."""


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


def is_deep(pix_fmt: str) -> bool:
    """Whether a pixel format of ffmpeg has more than 8 bits a sample."""
    return re.search("1[0-6](le|be)", pix_fmt) is not None


def read(
    path: Path,
    raw: RawLike | None = None,
    span: Span | None = None,
    threads: int = 1,
    *,
    steady: bool = True,
    grain: bool = True,
) -> list[str]:
    """Open one input: ``threads`` decoder threads, no rotation, no other file, no end at damage.

    A ``span`` is entered at its seek point and left at its end; what lies before
    its start is dropped by `_span_start`. ``steady`` filters are not made again where a
    frame has other tags than the one before. Without ``grain`` the decoder draws none.
    """
    options = ["-threads", str(threads), "-noautorotate", "-protocol_whitelist", "file"]
    options += ["-max_error_rate", "1"]
    if steady:
        options += ["-reinit_filter", "0"]
    if not grain:
        options += WITHOUT_GRAIN
    options += ["-format_whitelist", FORMATS]
    if raw is not None:
        options += ["-f", "rawvideo", "-video_size", f"{raw.width}x{raw.height}"]
        options += ["-pixel_format", raw.pix_fmt, "-framerate", str(raw.fps)]
    if span is not None and span.seek_us:
        options += ["-ss", f"{span.seek_us}us"]
    if span is not None and span.until_us is not None:
        options += ["-t", f"{span.until_us - span.seek_us}us"]
    return [*options, "-i", f"file:{path}"]


def _span_start(span: Span | None) -> str | None:
    """When a span's first frame comes, on the clock that a read of it starts; None: at once."""
    if span is None or span.start_us is None:
        return None
    return f"{span.start_us - span.seek_us}us"


def _span_end(span: Span | None) -> str | None:
    """When a span ends, on that clock; None: where reading ends."""
    if span is None or span.end_us is None or span.end_us == span.until_us:
        return None
    return f"{span.end_us - span.seek_us}us"


def drop(span: Span | None) -> str:
    """The filter that keeps a span of what is read for it, behind other filters."""
    words = [f"start={start}"] if (start := _span_start(span)) else []
    words += [f"end={end}"] if (end := _span_end(span)) else []
    return f"trim={':'.join(words)}," if words else ""


def cut(span: Span | None) -> list[str]:
    """The same for an encode, but for the end, which is `through`'s."""
    return [] if (start := _span_start(span)) is None else ["-ss", start]


def through(video: Video, span: Span | None) -> str:
    """The filters of an encode of ``span``: those of ``video``, and its end.

    An encoder that is told a duration rounds times to its frame rate first.
    """
    end = _span_end(span)
    return video.chain if end is None else f"{video.first}trim=end={end}"


def filtered(options: Sequence[str], graph: str) -> list[str]:
    """``options`` with filters before those that they have."""
    if not graph:
        return list(options)
    if "-vf" not in options:
        return ["-vf", graph, *options]
    at = options.index("-vf") + 1
    return [*options[:at], f"{graph},{options[at]}", *options[at + 1 :]]
