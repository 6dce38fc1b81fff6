"""One process that encodes, decodes and scores gives what two give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import encoder
from vqcast.media.measure import encode, score
from vqcast.media.segment import find
from vqcast.media.source import RawFormat, Source, probe
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
    apart = score(moving, encoded.path, tool, depth=depth, v1=False)
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
    apart = score(moving, encoded.path, tool, depth=8, v1=True, segment=segment, size=(320, 240))
    trial = encode_and_score(
        moving, "libx264", "ultrafast", 30, tool, segment=segment, v1=True, size=(320, 240)
    )
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


@pytest.mark.parametrize("name", [name for name in SIX if encoder(name).at_cuts is not None])
def test_an_encoder_starts_anew_at_every_cut(
    name: str, moving: Source, ffmpeg: Ffmpeg, tool: Tool, tmp_path: Path
) -> None:
    """A frame after a cut is the same, whatever came before the cut."""
    preset, cq = SIX[name]
    same, cut = "trim=start_frame=30:end_frame=54", 24
    sizes = []
    for first in ("trim=end_frame=24", "trim=start_frame=40:end_frame=64"):
        graph = f"[0:v]{first},setpts=N/25/TB[a];[1:v]{same},setpts=N/25/TB[b];[a][b]concat=n=2:v=1"
        path = ffmpeg(
            *("-i", moving.path, "-i", moving.path, "-filter_complex", graph),
            *("-c:v", "rawvideo", "-f", "rawvideo", tmp_path / f"{len(sizes)}.yuv"),
        )
        spliced = probe(path, tool, raw=RawFormat(128, 96, "yuv420p", Fraction(25)))
        assert spliced.frames == 2 * cut
        sizes.append(encode_and_score(spliced, name, preset, cq, tool, cuts=(cut,)).sizes)
    before, after = (np.array([each[:cut], each[cut:]]) for each in sizes)
    assert not np.array_equal(before[0], after[0])
    # Rate control may move a frame by a few bytes; a missing key frame moves it by far more.
    assert np.abs(before[1] / after[1] - 1).max() < 0.1
    assert before[1][0] > 3 * np.median(before[1])


@pytest.mark.parametrize("name", ["libx264", "libvvenc"])
def test_what_can_not_be_cut_is_refused(name: str, moving: Source, tool: Tool) -> None:
    preset, cq = SIX[name]
    raw = dataclasses.replace(moving, raw=RawFormat(128, 96, "yuv420p", Fraction(25)))
    with pytest.raises(InputError, match="can't be made to start anew"):
        encode_and_score(moving if name == "libx264" else raw, name, preset, cq, tool, cuts=(8,))
