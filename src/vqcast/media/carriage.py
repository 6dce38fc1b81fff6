"""How a container is given what a source holds beside its pictures.

`carry` is a pure plan: each stream is copied, written in another form, left out with a reason, or
the whole is refused with the option that would help.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqcast.documents.source import Fate, StreamFate
from vqcast.errors import InputError
from vqcast.media.encoders import Codec
from vqcast.media.language import written
from vqcast.media.streams import Stream, StreamChoice, pictures

_MKV_HINT = "name the output .mkv, which holds it"
_STATISTICS = re.compile(r"(BPS|DURATION|NUMBER_OF_(FRAMES|BYTES)|_STATISTICS_\w+)(-\w+)?", re.I)
"""Tags that Matroska writers put on a stream, true of the bytes that they wrote."""

TEXT = frozenset({"subrip", "ass", "ssa", "mov_text", "webvtt", "text"})
_AUDIO_ISO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac"})
_AUDIO_ENCODERS = {"aac": "aac", "opus": "libopus"}
_OPUS_LAYOUTS = "aformat=channel_layouts=7.1|6.1|5.1|5.0|quad|3.0|stereo|mono"
"""Those that libopus takes; ffmpeg picks the nearest."""
_IMAGES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}


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
    """Whether attachments are copied, and covers attached."""
    covers: bool = False
    """Whether cover pictures are streams of it."""
    data: bool = False
    """Whether it may hold data: what of it, its muxer tells."""
    videos: frozenset[str] | None = frozenset()
    """Other videos that are copied beside the one that is encoded; None: any."""
    options: tuple[str, ...] = ()


_ISO = ("-movflags", "+faststart")
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"})
_NO_GAPS = "aresample=async=1:min_hard_comp=0.01"
"""Silence where QuickTime, which gives no sample of PCM a time, would play on at once."""
_MKV_SUBTITLES = frozenset(
    {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
)
_FROM_THE_START = (
    r"noise=drop=lte(pts+duration\,0),"
    r"setts=pts=max(PTS\,0):dts=max(DTS\,0):duration=DURATION+min(PTS\,0)"
)
"""Text from before the film begins is cut off: ffmpeg shows what follows it too early."""
_MOV_TEXT = frozenset({"mov_text"})
_VIDEO_ISO = frozenset({"h264", "hevc", "av1", "mpeg4", "vp9"})
_VIDEO_MOV = frozenset({"h264", "hevc", "mpeg4", "prores", "mjpeg", "dvvideo"})

CONTAINERS = {
    ".mkv": Container("matroska", None, "subrip", _MKV_SUBTITLES, fonts=True, videos=None),
    ".mp4": Container(
        *("mp4", _AUDIO_ISO | {"flac", "opus"}, "mov_text", _MOV_TEXT),
        covers=True, data=True, videos=_VIDEO_ISO, options=_ISO,
    ),
    ".mov": Container(
        *("mov", _AUDIO_ISO | _PCM, "mov_text", _MOV_TEXT),
        data=True, videos=_VIDEO_MOV, options=_ISO,
    ),
    ".webm": Container(
        *("webm", frozenset({"opus", "vorbis"}), "webvtt", frozenset({"webvtt"})),
        videos=frozenset({"av1", "vp8", "vp9"}),
    ),
}  # fmt: skip
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


@dataclass(slots=True)
class Carriage:
    """What goes with the pictures."""

    pictures: list[str] = field(default_factory=list)
    """ffmpeg's arguments after the encoder's, for the pictures."""
    words: list[str] = field(default_factory=list)
    """ffmpeg's arguments after those, for all that goes with them."""
    carried: list[Stream] = field(default_factory=list)
    """Streams of the output after its pictures, in their order; attached covers come after."""
    covers: list[Stream] = field(default_factory=list)
    """Cover pictures that are attached as files."""
    fates: list[StreamFate] = field(default_factory=list)
    """What becomes of every stream of the source."""

    told: list[str] = field(default_factory=list)
    """What else is left out, in words."""

    @property
    def keeps_dolby_vision(self) -> bool:
        """Whether its metadata goes with the pictures."""
        return "-dolbyvision:v:0" in self.pictures

    def notes(self) -> list[str]:
        """What is left out or converted, in words."""
        told = list(self.told)
        for each in self.fates:
            if each.fate in ("left out", "converted"):
                name = " ".join(word for word in (each.codec, each.kind) if word)
                form = f" to {each.written_as}" if each.fate == "converted" else ""
                reason = f": {each.reason}" if each.reason else ""
                told.append(f"stream {each.index} ({name}) is {each.fate}{form}{reason}")
        return told


def carry(
    streams: Sequence[Stream],
    target: Container,
    *,
    codec: Codec,
    encoder: str,
    choice: StreamChoice | None = None,
    refused: Mapping[int, str] | None = None,
) -> Carriage:
    """What becomes of each of ``streams``; the first video that is chosen is encoded.

    ``codec`` is what ``encoder`` makes of it, ``refused`` are streams that the muxer was seen not
    to take, and its words. Raises InputError for what ``target`` can't hold and nobody asked to
    leave out.
    """
    choice = choice or StreamChoice()
    name = target.muxer
    if name not in codec.muxers:
        raise InputError(
            f"{name} does not hold {codec.name}, which {encoder} makes", hint=_MKV_HINT
        )
    chosen = choice.select(streams)
    main = pictures(chosen)
    plan = Carriage()
    for tag in main.tags if main else ():
        if _STATISTICS.fullmatch(tag):
            plan.pictures += ["-metadata:s:v:0", f"{tag}="]
    if main is not None:  # as it is; untold, ffmpeg makes the first sound and subtitle default
        plan.pictures += ["-disposition:v:0", f"{'+' if main.default else '-'}default"]
    if codec.iso_tag and name in ("mp4", "mov"):
        plan.pictures += ["-tag:v:0", codec.iso_tag]
    timecode = main is not None and "timecode" in {tag.lower() for tag in main.tags}
    if timecode and name in ("mp4", "mov"):
        plan.pictures += ["-metadata", "timecode="]  # it would be every cover's, too
    for stream in streams:
        if stream is main:
            plan.fates.append(_fate(stream, "encoded", codec.name))
        elif stream not in chosen:
            plan.fates.append(_fate(stream, "left out", None, "--map does not keep it"))
        else:
            said = (refused or {}).get(stream.index)
            _add(plan, stream, target, choice, timecode=timecode, said=said)
    _name_languages(plan, main, name)
    _attach(plan)
    plan.words += target.options
    return plan


def _name_languages(plan: Carriage, main: Stream | None, muxer: str) -> None:
    """Have each language written by a code that the muxer keeps; tell what it does not keep."""
    for number, stream in enumerate([main, *plan.carried]):
        if stream is None:
            continue
        if stream.forced and muxer == "mov":
            plan.told.append(
                f"that stream {stream.index} is forced is left out: mov has no flag for it"
            )
        if not stream.language:
            continue
        kept = written(stream.language, muxer)
        if kept is None:
            plan.told.append(
                f"the language of stream {stream.index}, {stream.language}, is left out: "
                f"{muxer} has no code for it"
            )
        elif kept != stream.language:
            plan.words += [f"-metadata:s:{number}", f"language={kept}"]


def _fate(
    stream: Stream, fate: Fate, written_as: str | None, reason: str | None = None
) -> StreamFate:
    return StreamFate(
        index=stream.index, kind=stream.what, codec=stream.codec, fate=fate,
        written_as=written_as, reason=reason,
    )  # fmt: skip


def _add(
    plan: Carriage,
    stream: Stream,
    target: Container,
    choice: StreamChoice,
    *,
    timecode: bool,
    said: str | None,
) -> None:
    """Settle one stream's fate, and say it to ffmpeg."""
    if stream.kind == "data" and timecode and "timecode" in {tag.lower() for tag in stream.tags}:
        plan.fates.append(
            _fate(stream, "converted", "timecode", "kept as the video's timecode, from its tag")
        )
        return
    if stream.chapter_track:
        plan.fates.append(_fate(stream, "copied", "chapters"))
        return
    if stream.cover and target.fonts and stream.codec in _IMAGES:
        plan.covers.append(stream)
        plan.fates.append(_fate(stream, "copied", stream.codec))
        return
    how, reason = _how(stream, target, choice)
    if said is not None and how is not None:
        watched = stream.kind in ("audio", "subtitle", "video") and not stream.cover
        hint = f"leave it out with --map -0:{stream.index} or --drop unknown"
        if stream.kind == "audio":
            hint = f"convert it with --audio aac; {hint}"
        how, reason = _refuse(stream, target, choice, hint, said) if watched else (None, said)
    if how is None:
        plan.fates.append(_fate(stream, "left out", None, reason))
        return
    number = len(plan.carried) + 1
    plan.words += ["-map", f"0:{stream.index}", f"-c:{number}", how]
    if stream.cover:
        plan.words += [f"-disposition:{number}", "attached_pic"]
    same = how == "copy" or how in _PCM
    if stream.codec == "mov_text" and how == "copy":
        plan.words += [f"-bsf:{number}", _FROM_THE_START]
    if how in _PCM:
        plan.words += [f"-filter:{number}", _NO_GAPS]
    elif stream.kind == "audio" and not same:
        plan.words += _sound(number, how, choice)
    plan.carried.append(stream)
    form = stream.codec if same else how.removeprefix("lib")
    plan.fates.append(_fate(stream, "copied" if same else "converted", form, reason))


def _sound(number: int, encoder: str, choice: StreamChoice) -> list[str]:
    words = [f"-b:{number}", choice.audio_bitrate] if choice.audio_bitrate else []
    if choice.downmix:
        words += [f"-ac:{number}", str(choice.downmix)]
    if encoder == "libopus":
        words += [f"-filter:{number}", _OPUS_LAYOUTS]
    return words


def _attach(plan: Carriage) -> None:
    """Words for the covers that are attached, which ffmpeg numbers after copied attachments."""
    number = sum(stream.kind == "attachment" for stream in plan.carried)
    for at, stream in enumerate(plan.covers):
        suffix, kind = _IMAGES[stream.codec]
        title = "cover" if at == 0 else f"cover_{at + 1}"
        plan.words += ["-attach", cover_name(stream)]
        plan.words += [f"-metadata:s:t:{number + at}", f"mimetype={kind}"]
        plan.words += [
            f"-metadata:s:t:{number + at}",
            f"filename={stream.file_name or f'{title}.{suffix}'}",
        ]


def cover_name(stream: Stream) -> str:
    """The file that a cover is attached from, in ffmpeg's working folder."""
    return f"cover-{stream.index}.{_IMAGES[stream.codec][0]}"


def _how(stream: Stream, target: Container, choice: StreamChoice) -> tuple[str | None, str | None]:
    """The codec that a stream is written with (None: it is not), and why not as it is."""
    if stream.kind == "audio":
        return _audio(stream, target, choice)
    if stream.kind == "subtitle":
        return _subtitle(stream, target, choice)
    if stream.cover:
        kept = target.covers and stream.codec in _IMAGES
        return ("copy", None) if kept else (None, f"{target.muxer} holds no such cover picture")
    if stream.kind == "video":
        if target.videos is None or stream.codec in target.videos:
            return "copy", None
        return _refuse(stream, target, choice, f"leave it out with --map -0:{stream.index}")
    if stream.kind == "attachment":
        return ("copy", None) if target.fonts else (None, f"{target.muxer} holds no attachments")
    return ("copy", None) if target.data else (None, f"{target.muxer} holds no such data")


def _audio(
    stream: Stream, target: Container, choice: StreamChoice
) -> tuple[str | None, str | None]:
    if choice.audio == "none":
        return None, "--audio none"
    if choice.audio != "copy":
        if target.audio is None or choice.audio in target.audio:
            return _AUDIO_ENCODERS[choice.audio], f"--audio {choice.audio}"
        raise InputError(
            f"{target.muxer} does not hold {choice.audio} sound",
            hint="name the output .mkv, or use the other of --audio aac and opus",
        )
    if stream.codec and (target.audio is None or stream.codec in target.audio):
        return (stream.codec if target.muxer == "mov" and stream.codec in _PCM else "copy"), None
    form = "opus" if target.muxer == "webm" else "aac"
    return _refuse(stream, target, choice, f"convert it with --audio {form}")


def _subtitle(
    stream: Stream, target: Container, choice: StreamChoice
) -> tuple[str | None, str | None]:
    if choice.subtitles == "none":
        return None, "--subtitles none"
    if stream.codec in target.subtitles:
        return "copy", None
    if stream.codec in TEXT and choice.subtitles == "convert":
        return target.subtitle, f"{target.muxer} holds text as {target.subtitle}"
    if stream.codec in TEXT:
        return _refuse(stream, target, choice, "convert it with --subtitles convert")
    return _refuse(stream, target, choice, "leave it out with --subtitles none")


def _refuse(
    stream: Stream, target: Container, choice: StreamChoice, hint: str, said: str = ""
) -> tuple[None, str]:
    """Why a stream is left out, where that was asked for; else InputError."""
    reason = f"{target.muxer} does not hold it" + (f" ({said})" if said else "")
    if choice.drop == "unknown":
        return None, f"{reason}; --drop unknown"
    other = "" if target.muxer == "matroska" else ", or " + _MKV_HINT
    raise InputError(
        f"{target.muxer} does not hold {stream}" + (f": {said}" if said else ""),
        hint=(hint if "--drop" in hint else f"{hint}, or --drop unknown") + other,
    )
