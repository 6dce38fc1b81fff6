"""Damaged videos: no score unless every planned frame was decoded."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from attacks.clips import FFV1, drawn_clip, ffmpeg, tool
from attacks.commands import inside, vqcast
from attacks.count import Count, drawn, scratch
from attacks.editions import houses

FRAMES = 64
GRAPH = "testsrc2=s=128x96"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-pix_fmt", "yuv420p", "-g", "24")
CODINGS = {
    "x264.mp4": X264,
    "faststart.mp4": (*X264, "-movflags", "+faststart"),
    "fragments.mp4": (*X264, "-movflags", "+frag_keyframe+empty_moov"),
    "x264.ts": X264,
    "x264.h264": X264,
    "av1.mp4": ("-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuv420p"),
    "ffv1.mkv": FFV1,
    "raw.y4m": ("-pix_fmt", "yuv420p"),
}  # fmt: skip

Damage = Callable[[bytes, random.Random], bytes]


def _cut(share: float) -> Damage:
    return lambda data, _: data[: int(len(data) * share)]


def _zeroed(start: float, size: int) -> Damage:
    def damage(data: bytes, _: random.Random) -> bytes:
        at = int(len(data) * start)
        return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]

    return damage


def _flipped(bits: int) -> Damage:
    def damage(data: bytes, rng: random.Random) -> bytes:
        changed = bytearray(data)
        for _ in range(bits):
            at = rng.randrange(len(data) // 10, len(data) * 9 // 10)
            changed[at] ^= 1 << rng.randrange(8)
        return bytes(changed)

    return damage


def _overwritten(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) // 5, len(data) // 2)
    return data[:at] + rng.randbytes(1024) + data[at + 1024 :]


def _hole(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) // 4, len(data) // 2)
    return data[:at] + data[at + 700 :]


def _stutter(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) // 4, len(data) // 2)
    return data[:at] + data[at - 700 : at] + data[at:]


def _swapped(data: bytes, _: random.Random) -> bytes:
    third = len(data) // 3
    return data[:third] + data[2 * third :] + data[third : 2 * third]


DAMAGES: dict[str, Damage] = {
    **{f"cut at {share:.1%}": _cut(share) for share in (0.03, 0.2, 0.5, 0.8, 0.95, 0.995)},
    "less its last byte": lambda data, _: data[:-1],
    "less its start": lambda data, _: data[200:],
    "zeros at the start": _zeroed(0.0, 64),
    "zeros in the middle": _zeroed(0.5, 2000),
    "zeros to the end": _zeroed(0.6, 1 << 30),
    "one bit flipped": _flipped(1),
    "8 bits flipped": _flipped(8),
    "200 bits flipped": _flipped(200),
    "1 KiB of noise": _overwritten,
    "a hole": _hole,
    "a piece twice": _stutter,
    "pieces in another order": _swapped,
    "garbage behind": lambda data, rng: data + rng.randbytes(3000),
    "itself behind": lambda data, _: data + data,
}


@cache
def reference() -> Path:
    """64 frames of the test pattern, lossless."""
    return drawn_clip(GRAPH, FRAMES, "damage_reference.mkv")


@cache
def coded(name: str) -> bytes:
    """The pattern in one of CODINGS."""
    return drawn_clip(GRAPH, FRAMES, f"damage_{name}", CODINGS[name]).read_bytes()


Maker = Callable[[Path], Path]


def _made(suffix: str, *words: object) -> Maker:
    return lambda folder: ffmpeg(*words, output=folder / f"made{suffix}")


def _pattern(frames: int, suffix: str, *words: object, size: str = "128x96") -> Maker:
    given = ("-f", "lavfi", "-i", f"testsrc2=s={size}", "-frames:v", frames, *words)
    return _made(suffix, *given)


def _text(name: str, text: str | bytes) -> Maker:
    def make(folder: Path) -> Path:
        (folder / "beside.mkv").write_bytes(reference().read_bytes())
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def _changing_size(*suffixes: str) -> Maker:
    def make(folder: Path) -> Path:
        pieces = b""
        for size in ("128x96", "160x112"):
            part = _pattern(32, suffixes[0], *X264, size=size)(folder)
            pieces += part.read_bytes()
        path = folder / f"changing{suffixes[-1]}"
        path.write_bytes(pieces)
        return path

    return make


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.56,\nbeside.mkv\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile beside.mkv\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
DASH = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>'
SMIL = '<smil><body><video src="beside.mkv"/></body></smil>'
SCRIPTS = {"HLS": HLS, "concat": CONCAT, "SDP": SDP, "DASH": DASH, "SMIL": SMIL}

SPECIAL: dict[str, Maker] = {
    **{
        f"{what} as {suffix}": _text(f"a{suffix}", text)
        for what, text in SCRIPTS.items()
        for suffix in (".mp4", ".mkv", ".m3u8")
    },
    "concat by its own name": _text("a.ffconcat", CONCAT),
    "an empty file": _text("a.mp4", b""),
    "zeros": _text("a.mp4", bytes(100_000)),
    "text": _text("a.mkv", "hello world\n" * 100),
    "a picture": _pattern(1, ".png"),
    "a GIF": _pattern(8, ".gif"),
    "sound alone": _made(".mp4", "-f", "lavfi", "-i", "sine=d=1"),
    "no frames": _made(".mkv", "-f", "lavfi", "-i", GRAPH, "-frames:v", 0, *FFV1),
    "a frame too few": _pattern(FRAMES - 1, ".mp4", *X264),
    "a frame too many": _pattern(FRAMES + 1, ".mp4", *X264),
    "half the frames": _pattern(FRAMES // 2, ".webm", "-c:v", "libvpx-vp9", "-cpu-used", 8),
    "another size": _pattern(FRAMES, ".mp4", *X264, size="160x112"),
    "another size half way, H.264": _changing_size(".h264"),
    "another size half way, MPEG-TS": _changing_size(".ts"),
    "MP4 behind an MP4": _changing_size(".mp4"),
    "moov alone": lambda folder: _only(folder, b"moov"),
    "mdat alone": lambda folder: _only(folder, b"mdat"),
}


def _only(folder: Path, kind: bytes) -> Path:
    """An MP4 of one of its boxes, and its type."""
    data, kept, at = coded("x264.mp4"), b"", 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in (b"ftyp", kind):
            kept += data[at : at + size]
        at += size
    path = folder / "only.mp4"
    path.write_bytes(kept)
    return path


@dataclass(frozen=True)
class Case:
    """One damaged file and what it is given as."""

    what: str
    make: Callable[[Path, random.Random], Path]
    as_source: bool


def _damaged(coding: str, damage: str) -> Callable[[Path, random.Random], Path]:
    def make(folder: Path, rng: random.Random) -> Path:
        path = folder / f"damaged{Path(coding).suffix}"
        path.write_bytes(DAMAGES[damage](coded(coding), rng))
        return path

    return make


def cases() -> list[Case]:
    """The special ones; every coding with every damage as encode, a quarter as source too."""
    found = [
        Case(f"{coding}, {damage}", _damaged(coding, damage), as_source)
        for coding in CODINGS
        for number, damage in enumerate(DAMAGES)
        for as_source in ((False, True) if number % 4 == 2 else (False,))
    ]
    special = [
        Case(what, lambda folder, _, make=make: make(folder), False)
        for what, make in SPECIAL.items()
    ]
    return special + found


def damaged(n: int, rng: random.Random) -> Count:
    """Each damaged file once: refused in one sentence, or every planned frame was there."""
    count = Count()
    every = cases()
    for case in drawn(every, min(n, len(every)), rng):
        with scratch() as folder, inside(folder):
            path = case.make(folder, rng)
            said = vqcast(*(_source(path) if case.as_source else _encode(path)))
            if said.refused:
                count.note("refused")
            elif said.code == 0 and _all_there(path, at_least=case.as_source):
                count.note("scored, every planned frame decoded")
            else:
                count.fail(f"{case.what}: exit {said.code}, {said.err.strip()[-200:]!r}")
    return count


def _encode(path: Path) -> tuple[object, ...]:
    words = ("predict", "--encoder", "libx264", "--cq", 30, "--registry", houses()[0].registry)
    return (*words, "--json", "--", reference(), path)


def _source(path: Path) -> tuple[object, ...]:
    words = ("corpus", "build", "--encoder", "libx264", "--preset", "ultrafast", "--cq", 40)
    return (*words, "--frames", FRAMES, "--no-v1", "--out", "c.jsonl", "--json", "--", path)


def _all_there(path: Path, *, at_least: bool) -> bool:
    """By another way than vqcast's: a digest of every frame, and not one complaint."""
    words = [str(tool().path), "-v", "error", "-i", f"file:{path}", "-map", "0:v:0"]
    words += ["-frames:v", str(FRAMES)] if at_least else []
    words += ["-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-f", "framemd5", "-"]
    done = subprocess.run(words, capture_output=True, timeout=120)
    frames = sum(not line.startswith(b"#") for line in done.stdout.splitlines())
    return frames == FRAMES and done.returncode == 0 and not done.stderr.strip()
