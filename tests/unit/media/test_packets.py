"""Packet tables: what MP4's and Matroska's headers tell is what a demuxer finds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import MediaError
from vqcast.media import isobmff, matroska, source
from vqcast.media.identity import identify
from vqcast.media.packets import _demuxed, read_packets
from vqcast.media.segment import find
from vqcast.media.source import Doubted, Intake, probe, reread
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
FRAMES = 120
GRAPH = ("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={FRAMES / 25},format=yuv420p")
B_FRAMES = ("-c:v", "libx264", "-g", "30", "-bf", "3")
SOUND = ("-f", "lavfi", "-i", f"sine=d={FRAMES / 25}", "-map", "0", "-map", "1", "-c:a", "aac")
UNEVEN = ("-vf", "settb=1/90000,setpts=(N+0.4*sin(N*N))/25/TB", "-fps_mode", "passthrough")

MAKERS: dict[str, tuple[str, tuple[object, ...]]] = {
    "mp4": ("a.mp4", (*SOUND, *B_FRAMES)),
    "faststart": ("a.mp4", (*B_FRAMES, "-movflags", "+faststart")),
    "mov": ("a.mov", (*B_FRAMES, "-video_track_timescale", 24000)),
    "mkv": ("a.mkv", (*SOUND, *B_FRAMES)),
    "webm": ("a.webm", ("-c:v", "libvpx-vp9", "-cpu-used", 8, "-g", 30)),
    "uneven mp4": ("a.mp4", (*UNEVEN, "-enc_time_base", "1:90000", *B_FRAMES)),
    "late start": ("a.mkv", (*B_FRAMES, "-output_ts_offset", 7)),
    "ts": ("a.ts", B_FRAMES),
}
FORMS = {".mp4": "mov,mp4", ".mov": "mov,mp4", ".mkv": "matroska", ".webm": "matroska", ".ts": ""}


@pytest.fixture
def made(ffmpeg: Ffmpeg, tmp_path: Path) -> Callable[[str], Path]:
    """``made(case)``: the file of a case."""

    def make(case: str) -> Path:
        name, options = MAKERS[case]
        return ffmpeg(*GRAPH, *options, tmp_path / name)

    return make


@pytest.mark.parametrize("case", MAKERS)
def test_headers_tell_what_a_demuxer_finds(case: str, made: Callable[[str], Path]) -> None:
    path = made(case)
    ours, theirs = read_packets(path, 0, FORMS[path.suffix]), _demuxed(path, 0)
    assert ours is not None and theirs is not None and ours.sound
    assert len(ours.times_us) == FRAMES
    assert np.abs(ours.times_us - theirs.times_us).max() <= 1
    assert np.array_equal(ours.sizes, theirs.sizes) and np.array_equal(ours.keys, theirs.keys)


@pytest.mark.parametrize("case", ["mp4", "mov", "mkv", "webm", "uneven mp4", "late start", "ts"])
def test_a_source_by_its_packets_is_that_of_a_whole_decode(
    case: str, made: Callable[[str], Path], tool: Tool
) -> None:
    path = made(case)
    fast = probe(path, tool, intake=Intake(decode_all=False))
    whole = probe(path, tool, intake=Intake(decode_all=True))
    assert whole.decoded and not fast.decoded
    assert fast.index is not None and whole.index is not None
    assert (fast.frames, fast.width, fast.steady) == (whole.frames, whole.width, whole.steady)
    assert np.abs(fast.index.times_us - whole.index.times_us).max() <= 1500
    part, same = find(fast, 50, 20, tool), find(whole, 50, 20, tool)
    assert (part.start, part.frames) == (same.start, same.frames) == (50, 20)


def test_what_headers_can_t_tell_is_left_to_the_demuxer(
    ffmpeg: Ffmpeg, made: Callable[[str], Path], tmp_path: Path
) -> None:
    fragments = ("-movflags", "+frag_keyframe+empty_moov")
    fragmented = ffmpeg(*GRAPH, *B_FRAMES, *fragments, tmp_path / "f.mp4")
    assert isobmff.read_samples(fragmented, 0) is None
    cut = ffmpeg("-ss", "1.5", "-i", made("mp4"), "-c", "copy", tmp_path / "cut.mp4")
    assert isobmff.read_samples(cut, 0) is None
    assert matroska.read_blocks(cut, 0) is None
    whole = made("mkv").read_bytes()
    (tmp_path / "short.mkv").write_bytes(whole[: len(whole) // 2])
    assert matroska.read_blocks(tmp_path / "short.mkv", 0) is None


def test_a_file_that_is_not_what_its_packets_say_is_doubted_and_decoded_whole(
    made: Callable[[str], Path], tool: Tool
) -> None:
    """Its middle is overwritten, and neither its table nor its ends show that."""
    path = made("mp4")
    data = bytearray(path.read_bytes())
    table = isobmff.read_samples(path, 0)
    assert table is not None
    middle = len(data) * 2 // 5
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    fast = probe(path, tool, intake=Intake(decode_all=False))
    assert not fast.decoded and fast.damage is None
    with pytest.raises(Doubted):
        find(fast, 45, 40, tool)
    whole = reread(fast, tool)
    assert whole.decoded and whole.damage is not None
    assert isinstance(Doubted("x"), MediaError)


def test_a_large_file_is_told_apart_without_reading_it_whole(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made("mkv")
    packets = read_packets(path, 0, "matroska")
    assert packets is not None
    plain = identify(path, packets, whole=True)
    assert plain[0] == plain[1]
    monkeypatch.setattr("vqcast.media.identity.WHOLE_BYTES", 1000)
    first = identify(path, packets, whole=False)
    assert first[0] is None and first == identify(path, packets, whole=False)
    moved = path.rename(path.with_name("moved.mkv"))
    assert identify(moved, packets, whole=False) == first
    told = moved.stat()
    data = bytearray(moved.read_bytes())
    data[len(data) // 2] ^= 1
    moved.write_bytes(data)
    assert identify(moved, packets, whole=False) != first
    os.utime(moved, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert identify(moved, packets, whole=False)[0] is None
    assert source.MIN_SIDE == 18
