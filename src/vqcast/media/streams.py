"""What a file holds beside its pictures: its streams, and those that are chosen of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_doc import Doc

from vqcast.errors import InputError
from vqcast.media.header import has, is_cover, opened

Audio = Literal["copy", "aac", "opus", "none"]
Subtitles = Literal["convert", "copy", "none"]
DolbyVision = Literal["base", "keep"]
_KINDS = {"v": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}
_WORDS = {"audio": Audio, "subtitles": Subtitles, "dolby_vision": DolbyVision}
_SPECIFIER = re.compile(r"(-?)(?:0:)?(?:(?P<kind>[vasdt])(?::(?P<nth>\d+))?|(?P<index>\d+))\??")


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
    file_name: str = ""
    """Of an attachment."""
    chapter_track: bool = False
    """Whether it is the titles of the chapters, which go with the chapters."""
    default: bool = False
    """Whether players choose it by themselves."""
    forced: bool = False
    """Whether players show it where no subtitles are asked for."""
    language: str = ""
    """As its metadata names it; empty where they do not."""

    @property
    def what(self) -> str:
        """Its kind, a cover picture apart from videos."""
        return "cover" if self.cover else self.kind

    def __str__(self) -> str:
        return f"stream {self.index} ({' '.join(word for word in (self.codec, self.what) if word)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChoice:
    """Which streams are delivered, and as what. Raises InputError for a word that is none."""

    map: Annotated[
        str | None,
        Doc(
            "Streams to keep, by ffmpeg's specifiers: 0:v:0,0:a:1,0:s keeps those, -0:d leaves "
            "data out. Default: all."
        ),
    ] = None
    audio: Annotated[Audio, Doc("Audio: copy, aac, opus or none.")] = "copy"
    audio_bitrate: Annotated[
        str | None,
        Doc("Bitrate of each audio stream that is encoded, such as 128k. Default: the encoder's."),
    ] = None
    downmix: Annotated[
        int | None, Doc("Channels of audio that is encoded, such as 2. Default: the source's.")
    ] = None
    subtitles: Annotated[
        Subtitles,
        Doc("convert: change those that the container holds in another form; copy alone; or none."),
    ] = "convert"
    drop: Annotated[
        str | None,
        Doc("unknown: leave out what the container can't hold or ffmpeg can't name."),
    ] = None

    dolby_vision: Annotated[
        DolbyVision, Doc("base: encode the base layer alone; keep: carry its metadata over, too.")
    ] = "base"

    def __post_init__(self) -> None:
        for field, words in _WORDS.items():
            known = get_args(words)
            if getattr(self, field) not in known:
                raise _refused(field, getattr(self, field), f"use one of: {', '.join(known)}")
        if self.drop not in (None, "", "unknown"):
            raise _refused("drop", self.drop, "use: unknown")
        if self.audio_bitrate and not re.fullmatch(r"\d{1,4}k|\d{4,7}", self.audio_bitrate):
            raise _refused("audio_bitrate", self.audio_bitrate, "give bits a second, such as 128k")
        if self.downmix is not None and not 1 <= self.downmix <= 8:
            raise _refused("downmix", self.downmix, "give 1 to 8 channels")
        for word in self.words:
            if not _SPECIFIER.fullmatch(word):
                raise _refused("map", word, "use specifiers such as 0:v:0, 0:a, 2 or -0:s")

    @property
    def words(self) -> list[str]:
        """The specifiers of ``map``."""
        return [word.strip() for word in (self.map or "").split(",") if word.strip()]

    def select(self, streams: Sequence[Stream]) -> list[Stream]:
        """The streams that are kept, in their order.

        Raises InputError for a specifier that names none, unless it ends in ``?``.
        """
        keep = all(word.startswith("-") for word in self.words)
        chosen = {stream.index for stream in streams} if keep else set()
        for word in self.words:
            named = {stream.index for stream in _named(word, streams)}
            if not named and not word.endswith("?"):
                raise InputError(f"--map {word}: there is no such stream in the source")
            chosen = chosen - named if word.startswith("-") else chosen | named
        return [stream for stream in streams if stream.index in chosen]


def _named(word: str, streams: Sequence[Stream]) -> list[Stream]:
    found = _SPECIFIER.fullmatch(word)
    assert found is not None
    if found["index"] is not None:
        return [stream for stream in streams if stream.index == int(found["index"])]
    of_kind = [stream for stream in streams if stream.kind == _KINDS[found["kind"]]]
    return of_kind if found["nth"] is None else of_kind[int(found["nth"]) :][:1]


def _refused(field: str, value: object, hint: str) -> InputError:
    return InputError(f"{value!r} is not known", hint=hint, field=field)


def inventory(path: Path) -> list[Stream]:
    """Every stream of a file, in its order. Raises MediaError where it can't be read."""
    with opened(path) as container:
        titled = bool(container.chapters())
        return [
            Stream(
                index=stream.index,
                kind=stream.type or "data",
                codec=stream.codec_context.codec.canonical_name if stream.codec_context else "",
                cover=is_cover(stream),
                tags=tuple(stream.metadata),
                file_name=stream.metadata.get("filename", ""),
                default=has(stream, "default"),
                forced=has(stream, "forced"),
                chapter_track=titled and stream.type == "data" and _is_skipped(stream),
                language=stream.metadata.get("language", "").replace("und", ""),
            )
            for stream in container.streams
        ]


def _is_skipped(stream: Any) -> bool:
    """Whether FFmpeg discards a stream by itself, as it does a track of chapters' titles."""
    return getattr(getattr(stream, "discard", None), "name", "") == "all"


def chapters(path: Path) -> tuple[int, int]:
    """How many chapters a file has, and how many others that end before its streams begin."""
    with opened(path) as container:
        start = Fraction(container.start_time or 0, 1_000_000)
        every = container.chapters()
        kept = sum(each["end"] * each["time_base"] >= start for each in every)
        return kept, len(every) - kept


def pictures(streams: Sequence[Stream]) -> Stream | None:
    """The stream that is encoded: the first video that is no cover; None: there is none."""
    return next((each for each in streams if each.kind == "video" and not each.cover), None)


def picture_of(path: Path, index: int) -> bytes:
    """The bytes of a cover picture."""
    with opened(path) as container:
        for packet in container.demux(container.streams[index]):
            if packet.size:
                return bytes(packet)
    return b""
