"""Films of every kind: what is asked for is in the delivered file, or its loss was told.

HDR10, HLG, HDR10+, Dolby Vision, interlaced, telecined, turned: drawn ones, and each file of the
folders that VQCAST_FILMS names. Read with PyAV, plain ffmpeg and, where it is installed, mediainfo.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
from hdr_kit import hdr10_plus, hdr_words, rpu, with_units

from attacks.clips import drawn_clip, ffmpeg, tool
from attacks.commands import inside, vqcast
from attacks.count import Count, scratch

REAL = "VQCAST_FILMS"
"""The environment's name of folders of films, as PATH has them."""
FILMS = {
    *(".mkv", ".mp4", ".mov", ".ts", ".h265", ".m4v", ".webm", ".mxf"),
    *(".avi", ".3gp", ".vob", ".wmv", ".rm"),
}
ENCODERS = {
    "libx265": ("--preset", "ultrafast", "--min-crf", 30, "--max-crf", 32),
    "libsvtav1": ("--preset", "13", "--min-crf", 45, "--max-crf", 47),
    "libx264": ("--preset", "ultrafast", "--min-crf", 30, "--max-crf", 32),
}
FRAMES = 24
_TIMES_US = 2100
_COMBED = 0.2
"""Share of frames that idet takes for interlaced, from which on a film is."""
_HDR = ("PQ", "HLG")


@dataclass(frozen=True)
class Trip:
    """One film, and what is asked of it."""

    name: str
    film: Callable[[], Path]
    encoder: str
    suffix: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, self.encoder, self.suffix, *self.words))


def _picture(graph: str, name: str, *options: object, frames: int = FRAMES) -> Path:
    return drawn_clip(graph, frames, name, tuple(map(str, options)))


@cache
def _hdr(transfer: str) -> Path:
    return _picture("testsrc2=s=320x240:r=24", f"{transfer}.mkv", *hdr_words(transfer))


@cache
def _with(kind: str) -> Path:
    words = (*hdr_words(), "-f", "hevc")
    plain = _picture("testsrc2=s=320x240:r=24", f"{kind}.h265", *words)
    units = [hdr10_plus(1000 + n) for n in range(FRAMES)]
    return with_units(plain, before=units) if kind == "plus" else with_units(plain, after=rpu(8))


@cache
def _woven(order: str) -> Path:
    woven = f"tinterlace=interleave_{'top' if order == 'tff' else 'bottom'},setfield={order}"
    options = ("-c:v", "mpeg2video", "-q:v", 2, "-flags", "+ildct+ilme")
    return _picture(
        f"testsrc2=s=320x240:r=50,scroll=h=0.02:v=0.01,{woven}", f"{order}.ts", *options
    )


@cache
def _telecined() -> Path:
    graph = "testsrc2=s=320x240:r=24000/1001,scroll=h=0.02:v=0.01,telecine=first_field=top"
    return _picture(graph, "telecined.mkv", "-c:v", "ffv1", frames=30)


@cache
def _phone() -> Path:
    """Turned, and at a rate that varies."""
    graph = "testsrc2=s=320x240:r=30,select='mod(n,5)',setpts='PTS+mod(N,3)/(90*TB)'"
    plain = _picture(graph, "varies.mp4", "-c:v", "libx264", "-fps_mode", "vfr", "-crf", 12)
    words = ("-display_rotation", 90, "-i", plain, "-c", "copy")
    return ffmpeg(*words, output=plain.with_name("phone.mp4"))


@cache
def _bars() -> Path:
    graph = "testsrc2=s=320x176:r=24,pad=320:240:0:32"
    return _picture(graph, "bars.mkv", "-c:v", "libx264", "-crf", 8, "-pix_fmt", "yuv420p")


def drawn_trips() -> list[Trip]:
    """Of films that ffmpeg draws."""
    hdr10, hlg = partial(_hdr, "PQ"), partial(_hdr, "HLG")
    plus, vision = partial(_with, "plus"), partial(_with, "vision")
    made = []
    for encoder in ("libx265", "libsvtav1"):
        for suffix in ("mkv", "mp4"):
            made += [
                Trip("HDR10", hdr10, encoder, suffix),
                Trip("HLG", hlg, encoder, suffix),
                Trip("HDR10+", plus, encoder, suffix),
                Trip("Dolby Vision", vision, encoder, suffix),
                Trip("Dolby Vision", vision, encoder, suffix, ("--dolby-vision", "keep")),
            ]
    for encoder, suffix in (("libx264", "mp4"), ("libsvtav1", "mkv"), ("libx265", "mkv")):
        made += [
            *(Trip(f"interlaced {order}", partial(_woven, order), encoder, suffix,
                   ("--deinterlace", "auto")) for order in ("tff", "bff")),
            Trip("telecined", _telecined, encoder, suffix, ("--detelecine",)),
            Trip("phone", _phone, encoder, suffix),
            Trip("bars", _bars, encoder, suffix, ("--crop", "auto", "--depth", "10")),
            Trip("HDR10", hdr10, encoder, suffix, ("--tonemap", "--allow-larger")),
        ]  # fmt: skip
    return made


def real_trips(folder: Path) -> Iterator[Trip]:
    """Of the films of a folder: two encoders and containers for HDR, one for the others."""
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.suffix.lower() not in FILMS:
            continue
        facts = _facts(path)
        trip = partial(Trip, path.name, lambda path=path: path)
        if facts is None or facts["transfer"] not in _HDR:
            words = ("--allow-larger", "--drop", "unknown")
            yield trip("libx264", ("mkv", "mp4")[number % 2], words)
            continue
        words = ("--allow-larger", "--drop", "unknown")
        for encoder, suffix in (("libx265", "mkv"), ("libsvtav1", "mp4")):
            yield trip(encoder, suffix, words)
            if facts["Dolby Vision"]:
                yield trip(encoder, suffix, (*words, "--dolby-vision", "keep"))
        if number % 3 == 0:
            yield trip("libsvtav1", "mkv", (*words, "--tonemap"))


_TRANSFERS = {16: "PQ", 18: "HLG"}


def _facts(path: Path) -> dict[str, Any] | None:
    """What a file says, read with PyAV and plain ffmpeg; None where that can't."""
    times = _times(path)
    if not times:
        return None
    said: dict[str, Any] = {"HDR10+": 0, "Dolby Vision": False}
    with av.open(str(path)) as opened:
        video = next(each for each in opened.streams.video if not _is_cover(each))
        for number, frame in enumerate(opened.decode(video)):
            try:
                beside = {data.type.name: bytes(data) for data in frame.side_data}
            except ValueError:  # of several views
                beside = {}
            said["HDR10+"] += "DYNAMIC_HDR_PLUS" in beside
            if number == 0:
                said["Dolby Vision"] = any("DOVI" in name for name in beside)
                said["mastering"] = _mastering(beside.get("MASTERING_DISPLAY_METADATA"))
                level = beside.get("CONTENT_LIGHT_LEVEL")
                said["level"] = level if level and any(level) else None  # 0: not known
                said["colours"] = (frame.color_primaries, frame.color_trc, frame.colorspace)
                said["transfer"] = _TRANSFERS.get(int(frame.color_trc or 0), "SDR")
                said["bits"] = frame.format.components[0].bits
                said["size"] = (frame.width, frame.height)
                said["turned"] = frame.rotation % 360
    return said | {"times": times, "combed": _combed(path)}


def _times(path: Path) -> list[int]:
    """Of the frames that plain ffmpeg decodes, microseconds; empty where it can't."""
    words = [str(tool().path), "-v", "error", "-i", f"file:{path}", "-map", "0:V:0"]
    words += ["-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-f", "framemd5", "-"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return [] if done.returncode else [int(row[2]) for row in rows]


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _mastering(data: bytes | None) -> tuple[float, ...] | None:
    """The numbers of FFmpeg's structure, as far as AV1 tells them apart; None: not all are said."""
    parts = memoryview(data or b"").cast("i").tolist()
    if not all(parts[20:22]):
        return None
    pairs = zip(parts[:20:2], parts[1:20:2], strict=True)
    values = [above / (below or 1) for above, below in pairs]
    return tuple(round(value, 2) if value > 1 else round(value, 3) for value in values) or None


def _fits_x265(path: Path) -> bool:
    """Whether x265's file has a place for a frame's HDR10+: it has none for bright pixels."""
    words = [str(tool().path), "-hide_banner", "-nostdin", "-i", f"file:{path}", "-map", "0:V:0"]
    words += ["-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    bright = re.search(r"fraction_bright_pixels: ([\d.]+)", done.stderr)
    return bright is not None and float(bright[1]) == 0


def _combed(path: Path) -> bool:
    """Whether ffmpeg's idet takes pictures for interlaced."""
    words = [str(tool().path), "-hide_banner", "-nostdin", "-i", f"file:{path}", "-map", "0:V:0"]
    words += ["-frames:v", "60", "-vf", "idet", "-f", "null", "-"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    seen = re.findall(
        r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Prog.*?: *(\d+)", done.stderr
    )
    top, bottom, progressive = map(int, seen[-1])
    return top + bottom > _COMBED * (top + bottom + progressive + 1)


def _mediainfo(path: Path) -> dict[str, str]:
    program = shutil.which("mediainfo")
    if program is None:
        return {}
    done = subprocess.run([program, "--Output=JSON", str(path)], capture_output=True, check=True)
    tracks: list[dict[str, str]] = json.loads(done.stdout)["media"]["track"]
    return next(each for each in tracks if each["@type"] == "Video")


def wrong(trip: Trip, source: dict[str, Any], output: Path, said: str) -> str:
    """What was asked for and is neither in the output nor told as lost; empty: nothing."""
    got = _facts(output)
    if got is None:
        return "it does not decode"
    frames = len(source["times"]) * 4 // 5 if "--detelecine" in trip.words else len(source["times"])
    if abs(len(got["times"]) - frames) > ("--detelecine" in trip.words):
        return f"{len(got['times'])} frames, {frames} wanted"
    if "--detelecine" not in trip.words:
        moved = [a - b for a, b in zip(got["times"], source["times"], strict=True)]
        middle = sorted(moved)[len(moved) // 2]
        if max(abs(each - middle) for each in moved) > _TIMES_US:
            return "frames are not at their times"
    if trip.name.startswith(("interlaced", "telecined")) and not source["combed"]:
        return "the source does not show that it is interlaced"
    if got["combed"] and ("deinterlaced" in said or not source["combed"]):
        return "its pictures are interlaced"
    if got["turned"] != source["turned"]:
        return f"turned by {got['turned']}, not {source['turned']}"
    if "--crop" in trip.words and got["size"] != (320, 176):
        return f"cropped to {got['size']}"
    if "--depth" in trip.words and got["bits"] != 10:
        return f"{got['bits']} bits"
    if "--tonemap" in trip.words:
        return _not_sdr(got, output)
    return _not_lit_alike(trip, source, got, output, said) if source["transfer"] in _HDR else ""


def _not_sdr(got: dict[str, Any], output: Path) -> str:
    seen = _mediainfo(output)
    if got["colours"] != (1, 1, 1) or got["bits"] != 8 or got["mastering"] or got["level"]:
        return f"not SDR: {got['colours']}, {got['bits']} bits"
    return f"mediainfo calls it {seen['HDR_Format']}" if "HDR_Format" in seen else ""


def _not_lit_alike(
    trip: Trip, source: dict[str, Any], got: dict[str, Any], output: Path, said: str
) -> str:
    for name in ("colours", "mastering", "level"):
        if got[name] != source[name]:
            return f"{name} {got[name]}, in the source {source[name]}"
    if got["bits"] != 10:
        return f"{got['bits']} bits"
    keeps = "keep" in trip.words
    if got["Dolby Vision"] != (source["Dolby Vision"] and keeps):
        return "Dolby Vision is lost" if keeps else "Dolby Vision is there unasked"
    if source["Dolby Vision"] and not keeps and "Dolby Vision" not in said:
        return "the loss of Dolby Vision is not told"
    told = re.search(r"HDR10\+ .*is lost", said) is not None
    if got["HDR10+"] != (0 if told else source["HDR10+"]):
        return f"HDR10+ on {got['HDR10+']} frames of {source['HDR10+']}"
    if source["HDR10+"] and told == (trip.encoder == "libx265" and _fits_x265(trip.film())):
        return "the loss of HDR10+ is told wrongly"
    seen = _mediainfo(output)
    wanted = [source["transfer"]] if seen else []
    wanted += ["HDR10"] * bool(seen and source["mastering"] and trip.encoder == "libx265")
    wanted += ["2094 App 4"] * bool(seen and got["HDR10+"]) + ["Dolby Vision"] * bool(
        seen and keeps
    )
    words = [seen.get(key, "") for key in ("transfer_characteristics", "HDR_Format",
                                           "HDR_Format_Compatibility")]  # fmt: skip
    missing = [each for each in wanted if each not in " ".join(words)]
    return f"mediainfo does not see {missing}: {words}" if missing else ""


def became(trip: Trip) -> str:
    """What became of one; begins with ``wrong`` where it should not have."""
    film = trip.film()
    source = _facts(film)
    if source is None:
        return "not transcoded by plain ffmpeg either"
    with scratch() as folder, inside(folder):
        output = folder / f"made.{trip.suffix}"
        asked = ("--encoder", trip.encoder, *ENCODERS[trip.encoder], "--target", 50, "--no-cache")
        done = vqcast("encode", film, "-o", output, *asked, *trip.words, "--json")
        if done.code in (0, 3):
            fault = wrong(trip, source, output, done.err + done.out)
            return f"wrong: {fault}" if fault else "delivered as asked"
        one = [line for line in done.err.splitlines() if line.startswith("error: ")]
        if done.code not in (2, 4) or len(one) != 1 or output.exists():
            return f"wrong: exit {done.code}: {done.err.strip()[-300:]!r}"
        return f"refused: {one[0]}"


def there_and_back(n: int, rng: random.Random) -> Count:
    """``n`` of them at most, and of real films all."""
    trips, count = drawn_trips(), Count()
    chosen = trips if n >= len(trips) else rng.sample(trips, n)
    for real in filter(None, os.environ.get(REAL, "").split(os.pathsep)):
        chosen += real_trips(Path(real))
    for trip in chosen:
        said = became(trip)
        if said.startswith("wrong"):
            count.fail(f"{trip}: {said}")
        else:
            count.note(said if len(said) < 40 else "refused")
            if said.startswith("refused"):
                print(f"        {trip}: {said}")
    return count
