"""Probing: what a file holds, counted by decoding it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from vqcast.durable.files import sha256_file
from vqcast.errors import InputError, MediaError
from vqcast.media.decode import decode
from vqcast.media.inputs import RawFormat
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")


def _packet_bytes(path: Path) -> int:
    with av.open(str(path)) as opened:
        return sum(packet.size for packet in opened.demux(video=0))


def test_probe_says_what_the_file_holds(pattern: Path, tool: Tool) -> None:
    assert probe(pattern, tool, group="drawn") == Source(
        path=pattern,
        name="pattern",
        sha256=sha256_file(pattern),
        width=128,
        height=96,
        depth=8,
        frames=8,
        raw=None,
        group="drawn",
        rate=Fraction(25),
        video_bytes=_packet_bytes(pattern),
        codec="ffv1",
        pix_fmt="yuv420p",
        unusual=("has 8 frames",),
    )


def test_a_relative_path_becomes_absolute(
    pattern: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pattern.parent)
    assert probe(Path("pattern.mkv"), tool).path == pattern


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.y4m", ()),
        ("a.mp4", ("-c:v", "libx264", "-qp", "0")),
        ("a.avi", ("-c:v", "ffv1")),
        ("a.ts", ("-c:v", "libx264", "-qp", "0")),
        ("a.webm", ("-c:v", "libvpx-vp9", "-lossless", "1", "-cpu-used", "8")),
        ("a.h265", ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=error")),
        ("a.nut", ("-c:v", "rawvideo")),
    ],
)
def test_any_container_is_read(
    name: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    pattern: Path,
    tool: Tool,
    ffmpeg: Callable[..., Path],
) -> None:
    form = {"a.h265": ("-f", "hevc")}.get(name, ())
    path = ffmpeg("-i", pattern, "-pix_fmt", "yuv420p", *arguments, *form, tmp_path / name)
    source = probe(path, tool)
    assert (source.width, source.height, source.depth, source.frames) == (128, 96, 8, 8)


@pytest.mark.parametrize(
    ("pix_fmt", "depth"),
    [
        ("yuv420p", 8),
        ("yuv422p", 8),
        ("yuvj420p", 8),
        ("gray", 8),
        ("rgb24", 8),
        ("yuv420p10le", 10),
        ("yuv444p12le", 10),
        ("yuv422p16le", 10),
        ("gray10le", 10),
        ("gbrp10le", 10),
        ("rgb48le", 10),
    ],
)
def test_depth_is_that_of_the_samples(
    pix_fmt: str,
    depth: int,
    tmp_path: Path,
    pattern: Path,
    tool: Tool,
    ffmpeg: Callable[..., Path],
) -> None:
    path = ffmpeg(
        *("-i", pattern, "-frames:v", "2", "-c:v", "rawvideo", "-pix_fmt", pix_fmt),
        tmp_path / "a.nut",
    )
    assert probe(path, tool).depth == depth


def test_only_the_frames_asked_for_are_counted(pattern: Path, tool: Tool) -> None:
    assert probe(pattern, tool, frames=3).frames == 3
    assert probe(pattern, tool, frames=8).frames == 8
    assert len(decode(pattern, tool).index.times_us) == 8
    assert len(decode(pattern, tool, frames=100).index.times_us) == 8


def test_too_few_frames_are_refused(pattern: Path, tool: Tool) -> None:
    with pytest.raises(MediaError, match="holds 8 frames, 9 are needed"):
        probe(pattern, tool, frames=9)


@pytest.mark.parametrize("frames", [0, -1])
def test_a_count_below_one_is_refused(pattern: Path, tool: Tool, frames: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        probe(pattern, tool, frames=frames)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p", "gray"])
def test_raw_video_is_read_as_it_is_told(
    pix_fmt: str, tmp_path: Path, pattern: Path, tool: Tool, ffmpeg: Callable[..., Path]
) -> None:
    path = ffmpeg("-i", pattern, "-pix_fmt", pix_fmt, "-f", "rawvideo", tmp_path / "a.yuv")
    raw = RawFormat(128, 96, pix_fmt, Fraction(24000, 1001))
    source = probe(path, tool, raw=raw)
    assert (source.width, source.height, source.frames, source.raw) == (128, 96, 8, raw)
    assert source.depth == (10 if "10" in pix_fmt else 8)


@pytest.fixture(scope="module")
def raw_file(clips: Path, pattern: Path, ffmpeg: Callable[..., Path]) -> Path:
    """``pattern`` without a header."""
    return ffmpeg("-i", pattern, "-f", "rawvideo", clips / "pattern.yuv")


@pytest.mark.parametrize(
    ("width", "height", "pix_fmt", "fps", "error"),
    [
        (128, 98, "yuv420p", 25, MediaError),
        (126, 96, "yuv420p", 25, MediaError),
        (0, 96, "yuv420p", 25, InputError),
        (128, -96, "yuv420p", 25, InputError),
        (128, 96, "yuv420p", 0, InputError),
        (128, 96, "yuv420p", -25, InputError),
        (128, 96, "rgb24", 25, InputError),
        (10**9, 10**9, "yuv420p", 25, MediaError),
    ],
)
def test_raw_video_of_another_length_or_an_impossible_form_is_refused(
    width: int,
    height: int,
    pix_fmt: str,
    fps: int,
    error: type[Exception],
    raw_file: Path,
    tool: Tool,
) -> None:
    with pytest.raises(InputError) as refused:
        probe(raw_file, tool, raw=RawFormat(width, height, pix_fmt, Fraction(fps)))
    assert type(refused.value) is error


def test_raw_video_cut_inside_a_frame_is_refused(
    raw_file: Path, tool: Tool, tmp_path: Path
) -> None:
    path = tmp_path / "cut.yuv"
    path.write_bytes(raw_file.read_bytes()[:-1])
    with pytest.raises(MediaError, match="not whole frames of 128x96 yuv420p") as refused:
        probe(path, tool, raw=RawFormat(128, 96, "yuv420p", Fraction(25)))
    assert "--width" in str(refused.value.hint)
