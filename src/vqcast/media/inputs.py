"""The input side of ffmpeg's command lines: a file, a stretch of it, and its pictures' filters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vqcast.errors import InputError

FORMATS = (
    "matroska,webm,mov,mp4,m4a,3gp,avi,yuv4mpegpipe,rawvideo,ivf,h264,hevc,vvc,obu,"
    "mpegts,mpeg,flv,nut,ogg,asf,mxf,rm,dv,mpegvideo,m4v,vc1,mjpeg,h263,wtv,gxf,nsv"
)
"""Demuxers that open one file and no other; playlists are not among them."""

VIDEO = "v:0"
"""The first video stream."""

HW_METHODS = ("cuda", "vaapi", "qsv", "videotoolbox")
"""Of ffmpeg's ``-hwaccel``, in the order in which they are tried."""
WITHOUT_GRAIN = ("-export_side_data", "film_grain")
"""A decoder's options by which it hands the recipe of film grain on, and draws none."""
_RAW_SAMPLES_PER_PIXEL = {"yuv420p": 1.5, "yuv422p": 2.0, "yuv444p": 3.0, "gray": 1.0}


@dataclass(frozen=True, slots=True)
class HwDecoder:
    """How a device decodes: ffmpeg's words before the input, and what follows the decoder."""

    method: str
    """As ``-hwaccel`` is told it."""
    words: tuple[str, ...]
    download: str
    """Filters that bring its pictures to memory, in the format of a decoder in software."""


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
    device: HwDecoder | None = None
    """What decodes it; None: software."""

    def __str__(self) -> str:
        return self.stream

    @property
    def method(self) -> str | None:
        """Of ``-hwaccel``, that decodes it; None: software."""
        return self.device.method if self.device else None

    @property
    def graph(self) -> str:
        """All filters behind the decoder; empty: none."""
        fetched = self.device.download if self.device else ""
        return ",".join(filter(None, (fetched, self.chain)))

    @property
    def first(self) -> str:
        """The same as the beginning of a longer one."""
        return f"{self.graph}," if self.graph else ""

    def of(self, number: int) -> str:
        """The beginning of a filter graph that reads it from input ``number``."""
        return f"[{number}:{self.stream}]{self.first}"


PLAIN = Video()
"""The first video stream as it is."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the bytes of a headerless YUV file are to be read."""

    width: int
    height: int
    pix_fmt: str
    fps: Fraction


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``start`` to ``start + frames`` of a source, and a way in that was checked.

    Times are microseconds on the clock that ffmpeg gives the whole file.
    """

    start: int
    frames: int
    seek_us: int
    """Where the demuxer is sent; 0: the file is read from its beginning."""
    start_us: int | None
    """Between the frame before and the first; None: the first frame is the file's."""
    end_us: int | None
    """Between the last frame and the next; None: the last frame is the file's."""
    ahead_us: int = 0
    """How much later reading ends, for filters that look ahead; -1: at the end of the file."""

    @property
    def until_us(self) -> int | None:
        """Where reading ends; None: at the end of the file."""
        return None if self.end_us is None or self.ahead_us < 0 else self.end_us + self.ahead_us


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
    raw: RawFormat | None = None,
    span: Segment | None = None,
    threads: int = 1,
    *,
    steady: bool = True,
    grain: bool = True,
    device: HwDecoder | None = None,
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
    if device is not None:
        options += device.words
    options += ["-format_whitelist", FORMATS]
    if raw is not None:
        options += ["-f", "rawvideo", "-video_size", f"{raw.width}x{raw.height}"]
        options += ["-pixel_format", raw.pix_fmt, "-framerate", str(raw.fps)]
    if span is not None and span.seek_us:
        options += ["-ss", f"{span.seek_us}us"]
    if span is not None and span.until_us is not None:
        options += ["-t", f"{span.until_us - span.seek_us}us"]
    return [*options, "-i", f"file:{path}"]


def _span_start(span: Segment | None) -> str | None:
    """When a span's first frame comes, on the clock that a read of it starts; None: at once."""
    if span is None or span.start_us is None:
        return None
    return f"{span.start_us - span.seek_us}us"


def _span_end(span: Segment | None) -> str | None:
    """When a span ends, on that clock; None: where reading ends."""
    if span is None or span.end_us is None or span.end_us == span.until_us:
        return None
    return f"{span.end_us - span.seek_us}us"


def drop(span: Segment | None) -> str:
    """The filter that keeps a span of what is read for it, behind other filters."""
    words = [f"start={start}"] if (start := _span_start(span)) else []
    words += [f"end={end}"] if (end := _span_end(span)) else []
    return f"trim={':'.join(words)}," if words else ""


def cut(span: Segment | None) -> list[str]:
    """The same for an encode, but for the end, which is `through`'s."""
    return [] if (start := _span_start(span)) is None else ["-ss", start]


def through(video: Video, span: Segment | None) -> str:
    """The filters of an encode of ``span``: those of ``video``, and its end.

    An encoder that is told a duration rounds times to its frame rate first.
    """
    end = _span_end(span)
    return video.graph if end is None else f"{video.first}trim=end={end}"


def filtered(options: Sequence[str], graph: str) -> list[str]:
    """``options`` with filters before those that they have."""
    if not graph:
        return list(options)
    if "-vf" not in options:
        return ["-vf", graph, *options]
    at = options.index("-vf") + 1
    return [*options[:at], f"{graph},{options[at]}", *options[at + 1 :]]
