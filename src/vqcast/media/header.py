"""What a file says of its pictures, and its first frame: read with PyAV, nothing else decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vqcast.errors import InputError, MediaError
from vqcast.extras import needed
from vqcast.media import inputs
from vqcast.media.hdr import Light, frame_light
from vqcast.media.inputs import RawFormat

DAMAGE_HINT = (
    "get the file again; ffmpeg -v error -i FILE -f null - shows all that is wrong with it"
)
_FIRST_FIELD_ORDER = 2
"""AVFieldOrder: 0 is unknown, 1 progressive, what follows is interlaced."""
MULTI_VIEW = "3D reference displays"
_FULL_RANGE = 2
"""AVColorRange."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself, and its first frame."""

    stream: int
    """Index of the video stream that is used: the first that is no cover, or as asked for."""
    video: str
    """The same as ffmpeg is told it."""
    width: int
    height: int
    pix_fmt: str
    bits: int
    alpha: bool
    interlaced: bool
    full_range: bool
    one_view: bool
    """Whether it holds several views, of which a plain decoder gives one."""
    light: Light
    """What is said of the light of its pictures."""
    rate: Fraction | None
    """Frames a second that ffmpeg takes it for."""
    codec: str
    container: str
    """FFmpeg's names of the demuxer, such as ``matroska,webm``."""

    @property
    def hdr(self) -> str | None:
        """The transfer that makes its pictures HDR, PQ or HLG; None: they are SDR."""
        return self.light.transfer


@contextmanager
def opened(path: Path, raw: RawFormat | None = None) -> Iterator[Any]:
    """The file in PyAV, from allowed protocols and formats. Raises MediaError where it can't be."""
    with needed("av", "reading videos"):
        import av
    options = {"protocol_whitelist": "file", "format_whitelist": inputs.FORMATS}
    if raw is not None:
        options |= {"video_size": f"{raw.width}x{raw.height}", "pixel_format": raw.pix_fmt}
        options |= {"framerate": str(raw.fps)}
    try:
        with av.open(
            f"file:{path}", format="rawvideo" if raw else None, options=options
        ) as container:
            yield container
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"not a video that ffmpeg can read: {words}", path=path, hint=DAMAGE_HINT
        ) from error


def has(stream: Any, flag: str) -> bool:
    """Whether a stream of PyAV has one of FFmpeg's dispositions, such as ``attached_pic``."""
    import av

    return bool(stream.disposition & av.stream.Disposition[flag])


def is_cover(stream: Any) -> bool:
    """Whether a stream of PyAV is a still picture beside the film."""
    return has(stream, "attached_pic")


def read_header(path: Path, raw: RawFormat | None = None, stream: int | None = None) -> Header:
    """Header and first frame of the first video that is no cover, or of the stream asked for.

    Raises MediaError for a file without such a video or frame, InputError for a stream that is
    none.
    """
    with opened(path, raw) as container:
        video, first = _video(path, container, stream), container.streams.video[0].index
        order = video.codec_context.field_order if video.codec_context else 0
        frame = _first_frame(container, video)
        if frame is None:
            raise MediaError("holds no frame that can be decoded", path=path, hint=DAMAGE_HINT)
        components = frame.format.components
        codec = video.codec_context.codec.canonical_name if video.codec_context else ""
        return Header(
            stream=video.index,
            video=inputs.VIDEO if video.index == first else str(video.index),
            width=frame.width,
            height=frame.height,
            pix_fmt=frame.format.name,
            bits=max(component.bits for component in components),
            alpha=any(component.is_alpha for component in components),
            interlaced=bool(frame.interlaced_frame) or order >= _FIRST_FIELD_ORDER,
            full_range=int(frame.color_range or 0) == _FULL_RANGE,
            one_view=MULTI_VIEW in _beside(frame),
            light=frame_light(frame, codec),
            rate=video.guessed_rate,
            codec=codec,
            container=container.format.name,
        )


def _beside(frame: Any) -> list[str]:
    """Names of the metadata beside a frame. PyAV has none for a multi-view video's displays."""
    try:
        return [data.type.name for data in frame.side_data]
    except ValueError:
        return [MULTI_VIEW]


def _first_frame(container: Any, video: Any) -> Any:
    """The first frame that decodes: packets before it may be damaged, or of a cut GOP."""
    import av

    for packet in container.demux(video):
        try:
            for frame in packet.decode():
                return frame
        except av.FFmpegError:
            continue
    return None


def _video(path: Path, container: Any, wanted: int | None) -> Any:
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    if wanted is not None:
        for stream in videos:
            if stream.index == wanted:
                return stream
        raise InputError(f"stream {wanted} is no video", path=path)
    if videos:
        return videos[0]
    if container.streams.video:
        raise MediaError(
            "its only pictures are a cover picture",
            path=path,
            hint="it is sound with a cover; give a file that holds a video",
        )
    raise MediaError("holds no video stream", path=path, hint="give a file that holds a video")
