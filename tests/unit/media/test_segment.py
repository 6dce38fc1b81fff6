"""Segments: the frames of a part are those of the whole, however the file is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import InputError, MediaError
from vqcast.media.measure import encode, score
from vqcast.media.segment import find
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
FRAMES = 40
GRAPH = ("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={FRAMES / 25},format=yuv420p")
LONG_GOP = ("-c:v", "libx264", "-g", "400", "-bf", "3", "-crf", "20")
OPEN_GOP = ("-c:v", "libx264", "-x264-params", "keyint=8:open-gop=1:bframes=3", "-crf", "20")
VARIABLE = ("-vf", "setpts=(N+0.4*sin(N))*2/25/TB", "-fps_mode", "vfr", "-video_track_timescale")

MAKERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "long GOP": ("a.mp4", LONG_GOP),
    "open GOP": ("a.mkv", OPEN_GOP),
    "open GOP in a transport stream": ("a.ts", OPEN_GOP),
    "short GOP in a transport stream": ("a.ts", ("-c:v", "libx264", "-g", "5")),
    "variable frame rate": ("a.mp4", (*VARIABLE, "90000", *LONG_GOP)),
    "a start at 7 s": ("a.mkv", ("-output_ts_offset", "7", *LONG_GOP)),
    "a start at 7 s in a transport stream": ("a.ts", ("-output_ts_offset", "7", *OPEN_GOP)),
    "VP9 with hidden frames": ("a.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "12")),
    "no container": ("a.h264", LONG_GOP),
    "y4m": ("a.y4m", ()),
}


@pytest.mark.parametrize("case", MAKERS)
def test_a_segment_s_pictures_are_those_of_the_whole(
    case: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    """Scored against a lossless encode of its frames, cut by number out of a whole decode."""
    name, options = MAKERS[case]
    source = probe(ffmpeg(*GRAPH, *options, tmp_path / name), tool)
    assert source.frames == FRAMES
    for start, frames in ((0, 5), (17, 6), (FRAMES - 4, 4)):
        cut = f"trim=start_frame={start}:end_frame={start + frames},setpts=N/25/TB"
        exact = ffmpeg("-i", source.path, "-vf", cut, "-c:v", "ffv1", tmp_path / "exact.nut")
        segment = find(source, start, frames, tool)
        assert (segment.start, segment.frames) == (start, frames)
        of_segment = score(source, exact, tool, depth=8, segment=segment)
        itself = score(probe(exact, tool), exact, tool, depth=8)
        for column, values in itself.columns.items():
            assert np.array_equal(of_segment.columns[column], values), column


def test_an_encode_of_a_segment_is_that_of_its_frames(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    source = probe(ffmpeg(*GRAPH, *LONG_GOP, tmp_path / "a.mp4"), tool)
    cut = "trim=start_frame=21:end_frame=30,setpts=N/25/TB"
    options = ("-c:v", "ffv1", "-video_track_timescale", "12800")
    exact = ffmpeg("-i", source.path, "-vf", cut, *options, tmp_path / "exact.mov")
    segment = find(source, 21, 9, tool)
    of_segment = encode(
        source, "libx264", "ultrafast", 35, tool, tmp_path / "s.mp4", segment=segment
    )
    of_cut = encode(probe(exact, tool), "libx264", "ultrafast", 35, tool, tmp_path / "c.mp4")
    assert of_segment.video_bytes == of_cut.video_bytes
    digests = [probe(encoded.path, tool).index for encoded in (of_segment, of_cut)]
    assert np.array_equal(digests[0].digests, digests[1].digests)  # type: ignore[union-attr]


@pytest.mark.parametrize(("start", "frames"), [(-1, 3), (0, 0), (0, 9), (8, 1), (5, 4)])
def test_frames_that_a_source_lacks_are_refused(
    start: int, frames: int, pattern_source: Source, tool: Tool
) -> None:
    with pytest.raises(InputError, match="has 8 frames"):
        find(pattern_source, start, frames, tool)


def test_a_source_probed_in_part_has_no_segments(pattern: Path, tool: Tool) -> None:
    with pytest.raises(InputError, match="needs the whole"):
        find(probe(pattern, tool, frames=5), 1, 2, tool)


def test_pictures_that_are_not_the_whole_s_are_refused(pattern_source: Source, tool: Tool) -> None:
    """Were a demuxer to land elsewhere, its pictures would have other digests."""
    index = pattern_source.index
    assert index is not None
    other = dataclasses.replace(index, digests=np.roll(index.digests, 1))
    with pytest.raises(MediaError, match="frames 2 to 5 can't be reached"):
        find(dataclasses.replace(pattern_source, index=other), 2, 3, tool)


def test_frames_of_one_time_can_t_be_told_apart(pattern_source: Source, tool: Tool) -> None:
    index = pattern_source.index
    assert index is not None
    times = index.times_us.copy()
    times[4] = times[3]
    twins = dataclasses.replace(pattern_source, index=dataclasses.replace(index, times_us=times))
    with pytest.raises(MediaError, match="frame 4 does not come later"):
        find(twins, 4, 2, tool)
    assert find(twins, 3, 2, tool).frames == 2
