"""One process that encodes, decodes and scores gives what two give."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vqcast.media.encoders import encoder
from vqcast.media.inputs import RawFormat
from vqcast.media.measure import encode, score
from vqcast.media.segment import find
from vqcast.media.source import Source, probe
from vqcast.media.threads import Threads
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
SIX = {
    "libx264": ("ultrafast", 30),
    "libx265": ("ultrafast", 30),
    "libsvtav1": ("13", 40),
    "libaom-av1": ("8", 40),
    "libvpx-vp9": ("8", 40),
    "libvvenc": ("faster", 35),
}


@pytest.fixture(scope="module")
def moving(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory, tool: Tool) -> Source:
    """72 frames whose encodes have frames of several kinds."""
    graph = "testsrc2=s=128x96:r=25:d=2.88,noise=alls=8:all_seed=1,format=yuv420p"
    path = tmp_path_factory.mktemp("moving") / "moving.mkv"
    return probe(ffmpeg("-f", "lavfi", "-i", graph, "-c:v", "ffv1", path), tool)


@pytest.mark.parametrize("name", SIX)
def test_one_process_gives_the_numbers_of_two(
    name: str, moving: Source, tool: Tool, tmp_path: Path
) -> None:
    preset, cq = SIX[name]
    encoded = encode(moving, name, preset, cq, tool, tmp_path / "encoded.mp4")
    depth = encoder(name).scoring_depth(moving.depth)
    apart = score(moving, encoded.path, tool, depth=depth)
    trial = encode_and_score(moving, name, preset, cq, tool)
    assert trial.sizes.sum() == encoded.video_bytes and len(trial.sizes) == moving.frames
    for column, values in apart.columns.items():
        assert np.array_equal(trial.scores.columns[column], values), column


def test_a_segment_s_numbers_are_those_of_two_processes(
    moving: Source, tool: Tool, tmp_path: Path
) -> None:
    segment = find(moving, 20, 16, tool)
    encoded = encode(
        moving, "libx264", "ultrafast", 30, tool, tmp_path / "part.mp4", segment=segment
    )
    how = {"also": ("vmaf-v1",), "segment": segment, "size": (320, 240)}
    apart = score(moving, encoded.path, tool, depth=8, **how)
    trial = encode_and_score(moving, "libx264", "ultrafast", 30, tool, **how)
    assert trial.sizes.sum() == encoded.video_bytes
    for column, values in apart.columns.items():
        assert np.array_equal(trial.scores.columns[column], values), column


def test_every_third_frame_has_the_value_that_it_has_among_all(moving: Source, tool: Tool) -> None:
    """And neither that nor the threads of decoder and libvmaf change a digit."""
    whole = encode_and_score(moving, "libx264", "ultrafast", 34, tool)
    third = encode_and_score(
        moving, "libx264", "ultrafast", 34, tool, every=3,
        threads=Threads(at_once=1, encoder=1, score=2, decoder=2),
    )  # fmt: skip
    assert np.array_equal(third.sizes, whole.sizes)
    for column, values in whole.scores.columns.items():
        assert np.array_equal(third.scores.columns[column], values[::3]), column


@pytest.mark.parametrize(
    ("name", "preset", "cq"), [("libx264", "veryfast", 30), ("libsvtav1", "13", 40)]
)
def test_an_encoder_starts_anew_where_looks_were_joined(
    name: str, preset: str, cq: float, ffmpeg: Ffmpeg, tool: Tool, tmp_path: Path
) -> None:
    """By itself, or because it is told to; and the numbers are those of all frames."""
    other = "mandelbrot=s=128x96:r=25:end_pts=40"
    path = ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=128x96:r=25:d=2", "-f", "lavfi", "-i", other),
        *("-filter_complex", "[0:v]trim=end_frame=48[a];[1:v]trim=end_frame=48[b];[a][b]concat"),
        *("-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-f", "rawvideo", tmp_path / "joined.yuv"),
    )
    joined = probe(path, tool, raw=RawFormat(128, 96, "yuv420p", Fraction(25)))
    assert joined.frames == 96
    options = encoder(name).options(cq, preset, 8, spliced=48)
    made = ffmpeg(
        *("-f", "rawvideo", "-video_size", "128x96", "-framerate", "25", "-i", path, *options),
        tmp_path / "made.mkv",
    )
    with av.open(str(made)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert [number for number, key in enumerate(keys) if key] == [0, 48]
    trial = encode_and_score(joined, name, preset, cq, tool, spliced=48)
    assert len(trial.sizes) == 96 and trial.sizes[48] > 2 * np.median(trial.sizes)


@pytest.mark.timeout(100)
def test_a_fast_title_never_stands_still(
    ffmpeg: Callable[..., Path], tool: Tool, tmp_path: Path
) -> None:
    """With a score's clock slower than the title's, one run in five waits for ever."""
    drawn = ("-f", "lavfi", "-i", "testsrc2=s=66x50:r=60", "-frames:v", 82, "-c:v", "ffv1")
    fast = probe(ffmpeg(*drawn, "-pix_fmt", "yuv420p", tmp_path / "fast.mkv"), tool)
    for crf in range(20, 40):
        assert encode_and_score(fast, "libx264", "ultrafast", crf, tool).scores.frames == 82
