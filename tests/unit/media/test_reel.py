"""Looks that were gathered are the frames of the whole, in whatever way they were reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import MediaError
from vqcast.media.reel import (
    Reel,
    decoded_by_seeking,
    frame_rate,
    gather_by_seeking,
    gather_through,
)
from vqcast.media.segment import find
from vqcast.media.source import Intake, Source, probe
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
FRAMES = 60
GRAPH = ("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={FRAMES / 25}")
LONG_GOP = ("-c:v", "libx264", "-g", "400", "-bf", "3", "-crf", "20", "-pix_fmt", "yuv420p")
OPEN_GOP = ("-c:v", "libx264", "-x264-params", "keyint=8:open-gop=1:bframes=3", "-crf", "20")
VARIABLE = ("-vf", "setpts=(N+0.4*sin(N))*2/25/TB", "-fps_mode", "vfr", "-video_track_timescale")
MAKERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "long GOP": ("a.mp4", LONG_GOP),
    "open GOP": ("a.mkv", (*OPEN_GOP, "-pix_fmt", "yuv420p")),
    "open GOP in a transport stream": ("a.ts", (*OPEN_GOP, "-pix_fmt", "yuv420p")),
    "variable frame rate": ("a.mp4", (*VARIABLE, "90000", *LONG_GOP)),
    "a start at 7 s": ("a.mkv", ("-output_ts_offset", "7", *LONG_GOP)),
    "full range": ("a.mkv", (*OPEN_GOP, "-pix_fmt", "yuvj420p")),
    "4:4:4": ("a.mkv", ("-c:v", "ffv1", "-g", "5", "-pix_fmt", "yuv444p")),
    "10 bits": ("a.mkv", ("-c:v", "ffv1", "-g", "5", "-pix_fmt", "yuv420p10le")),
    "12 bits": ("a.mkv", ("-c:v", "ffv1", "-g", "5", "-pix_fmt", "yuv422p12le")),
}
STARTS, LENGTH = (0, 17, 41, FRAMES - 5), 5


@pytest.mark.parametrize("decode_all", [True, False])
@pytest.mark.parametrize("case", MAKERS)
def test_looks_are_the_frames_of_the_whole(
    case: str, decode_all: bool, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    name, options = MAKERS[case]
    path = ffmpeg(*GRAPH, *options, tmp_path / name)
    source = probe(path, tool, intake=Intake(decode_all=decode_all))
    assert source.frames == FRAMES
    ways = [Reel(source, STARTS, LENGTH, tmp_path / f"{way}.yuv") for way in ("seek", "whole")]
    gather_by_seeking(ways[0], tool)
    other = Reel(source, (9, 30), LENGTH, tmp_path / "other.yuv")
    gather_through([ways[1], other], tool, threads=2)
    exact = ffmpeg(
        *("-i", path, "-fps_mode", "passthrough", "-pix_fmt", ways[0].pix_fmt, "-f", "rawvideo"),
        tmp_path / "exact.yuv",
    ).read_bytes()
    size = len(exact) // FRAMES
    for reel in (*ways, other):
        wanted = [exact[start * size : (start + LENGTH) * size] for start in reel.starts]
        assert reel.path.read_bytes() == b"".join(wanted)
        assert reel.bytes == reel.path.stat().st_size
    assert sorted(each.name for each in tmp_path.glob("*.piece")) == []


def test_one_decode_takes_hundreds_of_looks(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    """As a long title of small pictures asks for: ffmpeg takes no sum of 100 terms in a row."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=32x32:rate=25", "-frames:v", 900)
    source = probe(ffmpeg(*picture, "-c:v", "ffv1", tmp_path / "long.mkv"), tool)
    starts = range(0, 900, 3)
    reels = [Reel(source, tuple(starts[n::20]), 1, tmp_path / f"{n}.yuv") for n in range(20)]
    gather_through(reels, tool)
    looks = [reel.path.read_bytes() for reel in reels]
    size = 32 * 32 * 3 // 2
    assert sum(map(len, looks)) == 300 * size and len(set(looks)) == 20


def test_a_look_is_encoded_and_scored_as_its_segment_is(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    """In full range, where a conversion on the way would show."""
    name, options = MAKERS["full range"]
    source = probe(ffmpeg(*GRAPH, *options, tmp_path / name), tool)
    reel = Reel(source, (17,), 12, tmp_path / "looks.yuv")
    gather_by_seeking(reel, tool)
    of_reel = encode_and_score(reel.video, "libx264", "ultrafast", 35, tool)
    of_segment = encode_and_score(
        source, "libx264", "ultrafast", 35, tool, segment=find(source, 17, 12, tool)
    )
    assert np.array_equal(of_reel.scores.columns["vmaf"], of_segment.scores.columns["vmaf"])
    # The stream says its range and time base, and codes the same pictures.
    assert np.abs(of_reel.sizes - of_segment.sizes).max() <= 8


def test_a_reel_is_told_apart_by_what_was_looked_at(pattern_source: Source) -> None:
    reel = Reel(pattern_source, (0, 4), 3, Path("/a.yuv"))
    moved = dataclasses.replace(reel, path=Path("/b.yuv"))
    assert reel.video.identity == moved.video.identity
    others = [
        dataclasses.replace(reel, starts=(0, 5)),
        dataclasses.replace(reel, length=4),
        dataclasses.replace(reel, source=dataclasses.replace(pattern_source, sha256="b" * 64)),
    ]
    assert len({each.video.identity for each in (reel, *others)}) == 4
    assert reel.video.frames == 6


def test_frames_that_are_not_at_their_times_are_refused(
    pattern_source: Source, tool: Tool, tmp_path: Path
) -> None:
    index = pattern_source.index
    assert index is not None
    late = dataclasses.replace(index, times_us=index.times_us + np.arange(8) ** 2 * 2000)
    source = dataclasses.replace(pattern_source, index=late)
    with pytest.raises(MediaError, match="can't be reached by their times"):
        gather_through([Reel(source, (3,), 4, tmp_path / "a.yuv")], tool)


def test_what_seeking_costs_is_known_from_the_key_frames(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    options = ("-c:v", "libx264", "-g", "20", "-sc_threshold", "0", "-pix_fmt", "yuv420p")
    source = probe(ffmpeg(*GRAPH, *options, tmp_path / "a.mp4"), tool)
    reels = [Reel(source, (0, 25), 4, tmp_path), Reel(source, (39,), 4, tmp_path)]
    assert decoded_by_seeking(reels) == (0 + 5 + 19) + 3 * 4
    assert (
        decoded_by_seeking([Reel(dataclasses.replace(source, packets=None), (0,), 4, tmp_path)])
        is None
    )


def test_a_variable_rate_s_looks_run_at_its_average(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    name, options = MAKERS["variable frame rate"]
    source = probe(ffmpeg(*GRAPH, *options, tmp_path / name), tool)
    assert not source.steady
    assert float(frame_rate(source)) == pytest.approx(12.5, rel=0.03)
    assert frame_rate(dataclasses.replace(source, steady=True, rate=Fraction(24))) == 24
