"""Films drawn at random: a container, its streams, and what people's tools leave in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from attacks.clips import drawn_clip, ffmpeg

SECONDS = 1.2
RATE = 25
_MPEG4 = ("-c:v", "mpeg4", "-q:v", 2, "-bf", 2)
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 8, "-g", 12, "-bf", 2)
_PRORES = ("-c:v", "prores_ks", "-profile:v", 3, "-pix_fmt", "yuv422p10le")
_VP8 = ("-c:v", "libvpx", "-b:v", "4M", "-deadline", "realtime", "-cpu-used", 8)
_VP9 = ("-c:v", "libvpx-vp9", "-b:v", "4M", "-deadline", "realtime", "-cpu-used", 8)
_MJPEG = ("-c:v", "mjpeg", "-q:v", 3)
_MPEG2 = ("-c:v", "mpeg2video", "-q:v", 2, "-bf", 2)

VIDEOS: dict[str, tuple[tuple[object, ...], ...]] = {
    "mkv": (_X264, _MPEG4, _MPEG2, _PRORES, ("-c:v", "ffv1")),
    "mp4": (_X264, _MPEG4),
    "mov": (_X264, _PRORES, _MJPEG),
    "ts": (_X264, _MPEG2),
    "webm": (_VP8, _VP9),
    "avi": (_MPEG4, _MJPEG, _X264[:-2]),
}
SOUNDS: dict[str, tuple[str, ...]] = {
    "mkv": ("aac", "libopus", "flac", "ac3", "pcm_s16le", "libmp3lame", "libvorbis"),
    "mp4": ("aac", "ac3", "libmp3lame", "libopus", "flac", "alac"),
    "mov": ("aac", "pcm_s16le", "pcm_s24be", "alac"),
    "ts": ("aac", "mp2", "ac3"),
    "webm": ("libopus", "libvorbis"),
    "avi": ("libmp3lame", "pcm_s16le", "ac3", "mp2"),
}
TEXTS: dict[str, tuple[str, ...]] = {
    "mkv": ("subrip", "ass", "webvtt"), "mp4": ("mov_text",), "mov": ("mov_text",),
    "webm": ("webvtt",), "ts": (), "avi": (),
}  # fmt: skip
TITLES = ("A film; part #1 = \\ 'quoted'", "Über 映画 🎬", " ", "two\nlines", "x" * 120)
LANGUAGES = ("eng", "ger", "jpn", "und", "ita", "fre", "ces", "hrv", "de")
_SUBTITLE = "1\n00:00:00,100 --> 00:00:00,600\nOne\n\n2\n00:00:00,700 --> 00:00:01,100\nTwo\n"
_PICTURES: dict[str, tuple[str, tuple[object, ...]]] = {
    "of odd sides": ("crop=127:95,format=yuv444p", ("-c:v", "ffv1")),
    "with alpha": ("format=rgba", ("-c:v", "ffv1")),
    "HDR": (
        "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084"
        ":colorspace=bt2020nc",
        ("-c:v", "ffv1"),
    ),
    "interlaced": (
        "tinterlace=interleave_top,setfield=tff", (*_X264, "-x264-params", "tff=1")
    ),
    "of a narrow side": ("crop=128:16", ("-c:v", "ffv1")),
}  # fmt: skip


@dataclass
class Film:
    """What is drawn of a film: ffmpeg's words for it, and their meaning in words."""

    suffix: str
    inputs: list[object] = field(default_factory=list)
    options: list[object] = field(default_factory=list)
    maps: list[object] = field(default_factory=list)
    files: int = 1
    """Inputs so far: the picture is the first."""
    about: list[str] = field(default_factory=list)
    late_s: float = 0
    """When its streams begin."""

    def add(self, *words: object, maps: str | None = "0") -> int:
        """One more input; its number."""
        self.inputs += words
        if maps is not None:
            self.maps += ["-map", f"{self.files}:{maps}"]
        self.files += 1
        return self.files - 1

    def __str__(self) -> str:
        return f"{self.suffix} {', '.join(self.about)}"


@cache
def _video(words: tuple[object, ...], graph: str, suffix: str) -> Path:
    """The drawn pictures in one coding, in a container of its kind."""
    named = f"film_{abs(hash((words, graph)))}.{suffix}"
    source = f"testsrc2=s=128x96:r={RATE}:d={SECONDS},{graph}"
    given = ("-pix_fmt", "yuv420p") if "format" not in graph and "-pix_fmt" not in words else ()
    frames = int(RATE * SECONDS) if "tinterlace" not in graph else int(RATE * SECONDS) // 2
    return drawn_clip(source, frames, named, (*map(str, words), *given))


@cache
def _sound(codec: str, channels: int) -> Path:
    graph = f"sine=d={SECONDS}:r=48000"
    suffix = "mov" if codec.startswith("pcm") else "mka"
    name = Path(_video(VIDEOS["mkv"][0], "null", "mkv")).parent / f"{codec}{channels}.{suffix}"
    strict = ("-strict", -2)
    return ffmpeg("-f", "lavfi", "-i", graph, "-ac", channels, "-c:a", codec, *strict, output=name)


@cache
def _cover(suffix: str) -> Path:
    graph = ("-f", "lavfi", "-i", "color=red:s=40x60", "-frames:v", 1)
    return ffmpeg(*graph, output=_sound("flac", 1).parent / f"cover.{suffix}")


def draw(suffix: str, rng: random.Random) -> Film:
    """A film of that container."""
    film = Film(suffix)
    _draw_pictures(film, rng)
    _draw_streams(film, rng)
    _draw_tags(film, rng)
    _draw_times(film, rng)
    return film


def _draw_pictures(film: Film, rng: random.Random) -> None:
    words, graph = rng.choice(VIDEOS[film.suffix]), "null"
    if film.suffix == "mkv" and rng.random() < 0.35:
        kind = rng.choice(sorted(_PICTURES))
        graph, words = _PICTURES[kind]
        film.about.append(kind)
    elif rng.random() < 0.2 and film.suffix in ("mkv", "mp4", "mov"):
        graph = rng.choice(("setsar=4/3", "setparams=color_primaries=bt709:colorspace=bt709"))
        film.about.append(graph.partition("=")[0])
    film.about.append(str(words[1]))
    if film.suffix in ("mp4", "mov", "mkv") and rng.random() < 0.25:
        turn = rng.choice((90, 180, 270))
        film.inputs += ["-display_rotation", turn]
        film.about.append(f"turned by {turn}")
    if film.suffix in ("mp4", "mov", "mkv") and rng.random() < 0.2:
        film.inputs += ["-ss", 0.3]  # copied from there: an edit list, or a cut inside a GOP
        film.about.append("edited")
    container = "mkv" if film.suffix in ("ts", "webm") else film.suffix
    film.inputs += ["-i", _video(words, graph, container)]
    film.maps += ["-map", "0:v:0"]


def _draw_streams(film: Film, rng: random.Random) -> None:
    for number in range(rng.choice((0, 1, 1, 1, 2, 3))):
        codec = rng.choice(SOUNDS[film.suffix])
        if rng.random() < 0.25:
            film.inputs += ["-itsoffset", 0.2]
        film.add("-i", _sound(codec, rng.choice((1, 2))))
        film.options += [f"-metadata:s:a:{number}", f"language={rng.choice(LANGUAGES)}"]
        if rng.random() < 0.3:
            film.options += [f"-disposition:a:{number}", rng.choice(("default", "comment", "0"))]
        film.about.append(codec)
    for number in range(rng.choice((0, 0, 1, 2)) if TEXTS[film.suffix] else 0):
        codec = rng.choice(TEXTS[film.suffix])
        film.add("-f", "srt", "-i", "subtitle.srt")
        film.options += [f"-c:s:{number}", codec]
        film.options += [f"-metadata:s:s:{number}", f"language={rng.choice(LANGUAGES)}"]
        film.options += [f"-disposition:s:{number}", rng.choice(("default", "forced", "0"))]
        film.about.append(codec)
    _draw_beside(film, rng)


def _draw_beside(film: Film, rng: random.Random) -> None:
    """Covers, attachments, fonts, data and timecode, where the container has a place for them."""
    covers = rng.choice((0, 0, 1, 2)) if film.suffix in ("mkv", "mp4") else 0
    for number in range(covers):
        picture = _cover(rng.choice(("jpg", "png")))
        film.about.append(f"{picture.suffix[1:]} cover")
        if film.suffix == "mp4":
            film.add("-i", picture)
            film.options += [f"-disposition:v:{number + 1}", "attached_pic"]
        else:
            _attach(film, picture, f"image/{'jpeg' if picture.suffix == '.jpg' else 'png'}", number)
    if film.suffix == "mkv":
        for number in range(rng.choice((0, 0, 1, 2))):
            kind = rng.choice(("font/ttf", "application/x-truetype-font", "text/plain"))
            _attach(film, Path("font.ttf"), kind, covers + number)
            film.about.append(kind)
    if film.suffix == "ts" and rng.random() < 0.4:
        film.add("-f", "data", "-i", "font.ttf")
        film.about.append("data")
    if film.suffix in ("mov", "mp4") and rng.random() < 0.35:
        film.options += ["-timecode", "01:00:00:00"]
        film.about.append("timecode")


def _attach(film: Film, path: Path, kind: str, number: int) -> None:
    name = f"filename={number}{path.suffix}"
    film.options += ["-attach", path, f"-metadata:s:t:{number}", f"mimetype={kind}"]
    film.options += [f"-metadata:s:t:{number}", name]


def _draw_tags(film: Film, rng: random.Random) -> None:
    if film.suffix in ("mkv", "mp4", "mov", "webm") and rng.random() < 0.5:
        chapters = film.add("-i", "chapters.txt", maps=None)
        film.options += ["-map_chapters", chapters]
        film.about.append("chapters")
    else:
        film.options += ["-map_chapters", -1]
    if rng.random() < 0.5:
        film.options += ["-metadata", f"title={rng.choice(TITLES)}", "-metadata", "odd key=1"]
        film.options += ["-metadata:s:v:0", f"handler_name={rng.choice(TITLES)}"]
        film.about.append("odd tags")


def _draw_times(film: Film, rng: random.Random) -> None:
    if film.suffix != "avi" and rng.random() < 0.3:
        film.late_s = rng.choice((0.04, 5, 3600))
        if film.suffix in ("mp4", "mov") and {"mov_text", "chapters"} & set(film.about):
            film.late_s = min(film.late_s, 5)  # ffmpeg's ticks of text tracks overflow at an hour
        film.options += ["-output_ts_offset", film.late_s]
        film.about.append("late start")
    if film.suffix in ("mp4", "mov"):
        layout = rng.choice(("", "+faststart", "+frag_keyframe+empty_moov", "+use_metadata_tags"))
        if "empty_moov" in layout and "ac3" in film.about:
            layout += "+delay_moov"  # of AC-3 it is not known before its packets are
        film.options += ["-movflags", layout] if layout else []
        film.about += [layout] if layout else []
    if film.suffix in ("mkv", "webm") and rng.random() < 0.2:
        film.options += ["-live", 1]
        film.about.append("live")


def made(film: Film, folder: Path) -> Path:
    """The film, in ``folder``."""
    (folder / "subtitle.srt").write_text(_SUBTITLE)
    (folder / "font.ttf").write_bytes(random.Random(1).randbytes(3000))
    (folder / "chapters.txt").write_text(_chapters(round(1000 * film.late_s)))
    words: Sequence[object] = (*film.inputs, *film.maps, "-c", "copy", "-map_metadata", 0)
    given = (*words, *film.options, "-strict", -2)
    return ffmpeg(*given, output=folder / f"film.{film.suffix}")


def _chapters(late_ms: int) -> str:
    ends = ((0, 400, "one"), (400, 800, "zwei; ü"), (800, 1200, ""))
    lines = [";FFMETADATA1"]
    for start, end, title in ends:
        escaped = title.replace(";", "\\;")
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={start + late_ms}",
            f"END={end + late_ms}",
        ]
        lines.append(f"title={escaped}")
    return "\n".join(lines) + "\n"
