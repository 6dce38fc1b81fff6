"""What a file holds beside its pictures, and how another container is given it.

`inventory` reads a file; `carry` is a pure plan: each stream is copied, written
again as another kind of text subtitle, named as left out, or the whole is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcast.errors import InputError, MediaError
from vqcast.extras import needed
from vqcast.media import argv
from vqcast.media.encoders import Codec

_MKV_HINT = "name the output .mkv, which holds it"
_STATISTICS = re.compile(r"(BPS|DURATION|NUMBER_OF_(FRAMES|BYTES)|_STATISTICS_\w+)(-\w+)?", re.I)
"""Tags that Matroska writers put on a stream, true of the bytes that they wrote."""

_TEXT = frozenset({"subrip", "ass", "ssa", "mov_text", "webvtt", "text"})
_AUDIO_ISO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac"})


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a file."""

    index: int
    kind: str
    """video, audio, subtitle, data or attachment."""
    codec: str
    """FFmpeg's name of the codec; empty where it has none."""
    cover: bool = False
    """A still picture attached to the file, not a video."""
    tags: tuple[str, ...] = ()
    """Names of its metadata."""

    def __str__(self) -> str:
        return f"stream {self.index} ({' '.join(word for word in (self.codec, self.kind) if word)})"


@dataclass(frozen=True, slots=True)
class Container:
    """A container that is written, and what it holds as FFmpeg writes it."""

    muxer: str
    audio: frozenset[str] | None
    """None: whatever FFmpeg can copy."""
    subtitle: str
    """The text subtitle that others are written as."""
    subtitles: frozenset[str]
    """Subtitles that are copied."""
    fonts: bool = False
    """Whether attachments are copied."""
    options: tuple[str, ...] = ()


_ISO = ("-movflags", "+faststart")
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"})
_MKV_SUBTITLES = frozenset(
    {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
)
_MOV_TEXT = frozenset({"mov_text"})

CONTAINERS = {
    ".mkv": Container("matroska", None, "subrip", _MKV_SUBTITLES, fonts=True),
    ".mp4": Container("mp4", _AUDIO_ISO | {"flac", "opus"}, "mov_text", _MOV_TEXT, options=_ISO),
    ".mov": Container("mov", _AUDIO_ISO | _PCM, "mov_text", _MOV_TEXT, options=_ISO),
    ".webm": Container("webm", frozenset({"opus", "vorbis"}), "webvtt", frozenset({"webvtt"})),
}
"""Suffix of the output -> container. Narrower than FFmpeg's own tables: players are."""


def container(output: Path) -> Container:
    """The container that a file's name asks for. Raises InputError for another suffix."""
    if output.suffix.lower() not in CONTAINERS:
        raise InputError(
            f"{output.suffix or 'no suffix'} is no container that is written",
            path=output,
            hint=f"name the output one of {', '.join(CONTAINERS)}",
        )
    return CONTAINERS[output.suffix.lower()]


def inventory(path: Path) -> list[Stream]:
    """Every stream of a file, in its order. Raises MediaError where it can't be read."""
    with needed("av", "reading videos"):
        import av
    options = {"protocol_whitelist": "file", "format_whitelist": argv.FORMATS}
    try:
        with av.open(f"file:{path}", options=options) as opened:
            return [
                Stream(
                    index=stream.index,
                    kind=stream.type or "data",
                    codec=stream.codec_context.codec.canonical_name if stream.codec_context else "",
                    cover=bool(stream.disposition & av.stream.Disposition.attached_pic),
                    tags=tuple(stream.metadata),
                )
                for stream in opened.streams
            ]
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"not a video that ffmpeg can read: {words}", path=path) from error


def carry(
    streams: Sequence[Stream], target: Container, *, codec: Codec, encoder: str
) -> tuple[list[str], list[Stream], list[Stream]]:
    """ffmpeg's arguments after the encoder's, the streams carried, and those left out.

    ``codec`` is what ``encoder`` makes of the first video stream, which is mapped first.
    Raises InputError for what ``target`` can't hold.
    """
    name = target.muxer
    if name not in codec.muxers:
        raise InputError(
            f"{name} does not hold {codec.name}, which {encoder} makes", hint=_MKV_HINT
        )
    videos = [stream for stream in streams if stream.kind == "video" and not stream.cover]
    if len(videos) > 1:
        raise InputError(
            f"there are {len(videos)} video streams, and one is encoded",
            hint="keep one first: ffmpeg -i FILE -map 0:v:0 -map 0:a? -map 0:s? -c copy OUT.mkv",
        )
    words: list[str] = []
    for tag in videos[0].tags if videos else ():
        if _STATISTICS.fullmatch(tag):
            words += ["-metadata:s:v:0", f"{tag}="]
    if codec.iso_tag and name in ("mp4", "mov"):
        words += ["-tag:v:0", codec.iso_tag]
    carried: list[Stream] = []
    left: list[Stream] = []
    for stream in streams:
        how = _how(stream, target)
        if how is None:
            left += [] if stream in videos else [stream]
            continue
        words += ["-map", f"0:{stream.index}", f"-c:{len(carried) + 1}", how]
        carried.append(stream)
    return [*words, *target.options], carried, left


def _how(stream: Stream, target: Container) -> str | None:
    """The codec that a stream is written with; None: it is not written."""
    if stream.kind == "audio" and (target.audio is None or stream.codec in target.audio):
        return "copy"
    if stream.kind == "subtitle" and stream.codec in target.subtitles:
        return "copy"
    if stream.kind == "subtitle" and stream.codec in _TEXT:
        return target.subtitle
    if stream.kind == "attachment" and target.fonts:
        return "copy"
    if stream.kind in ("audio", "subtitle"):
        without = f"-map 0 -map -0:{stream.index} -c copy"
        take_out = f"take it out first: ffmpeg -i FILE {without} OUT.mkv"
        raise InputError(
            f"{target.muxer} does not hold {stream}",
            hint=take_out if target.muxer == "matroska" else _MKV_HINT,
        )
    return None
