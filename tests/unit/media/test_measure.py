"""Encoding and scoring with the real encoders and the real libvmaf."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vqcast.errors import InputError, MediaError, ToolFailure
from vqcast.media.encoders import encoder
from vqcast.media.inputs import RawFormat
from vqcast.media.measure import Scores, encode, score
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool
from vqcast.metric import VMAF_V1
from vqcast.vocab import FEATURES

pytestmark = pytest.mark.usefixtures("private_tmp")

LOW_AND_HIGH = {
    "libx264": ("ultrafast", 12, 45, "h264"),
    "libx265": ("ultrafast", 12, 45, "hevc"),
    "libsvtav1": ("13", 10, 60, "av1"),
    "libaom-av1": ("8", 10, 60, "av1"),
    "libvpx-vp9": ("8", 10, 60, "vp9"),
    "libvvenc": ("faster", 15, 50, "vvc"),
}
AV1_DELIMITER_BYTES = 2
"""AV1 in MP4 goes without the temporal delimiter that the encoder puts before each frame."""
NAL_SLACK_BYTES = 16
"""Start codes of three bytes become lengths of four in MP4, now and then."""
AS_IS = ("-fps_mode", "passthrough")
X264_LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")


def _scored(reference: Source, distorted: Path, tool: Tool, **options: object) -> Scores:
    return score(reference, distorted, tool, **({"depth": 8} | options))  # type: ignore[arg-type]


def _stream(path: Path) -> tuple[str, str, list[int]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
        return stream.codec_context.name, str(stream.codec_context.pix_fmt), sizes


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("name", LOW_AND_HIGH)
def test_each_encoder_encodes_and_scores(
    name: str, depth: int, pattern: Path, pattern10: Path, tool: Tool, tmp_path: Path
) -> None:
    preset, best, worst, codec = LOW_AND_HIGH[name]
    source = probe(pattern if depth == 8 else pattern10, tool)
    assert source.depth == depth
    pix_fmt = encoder(name).pix_fmt(depth)
    vmaf, sizes = [], []
    for cq in (best, worst):
        encoded = encode(source, name, preset, cq, tool, tmp_path / f"{cq}.mp4")
        assert encoded.path == tmp_path / f"{cq}.mp4"
        assert encoded.wall_ms > 0
        decoder, encoded_pix_fmt, packets = _stream(encoded.path)
        assert codec in decoder or decoder == "libdav1d"
        assert encoded_pix_fmt == pix_fmt
        assert len(packets) == source.frames
        delimiters = AV1_DELIMITER_BYTES * len(packets) if codec == "av1" else 0
        assert abs(encoded.video_bytes - delimiters - sum(packets)) <= NAL_SLACK_BYTES
        scores = _scored(source, encoded.path, tool, depth=10 if "10" in pix_fmt else 8)
        assert scores.frames == source.frames == 8
        assert scores.features().shape == (8, 6)
        assert (scores.width, scores.height) == (128, 96)
        vmaf.append(scores.columns["vmaf"].mean())
        sizes.append(encoded.video_bytes)
    assert 100 >= vmaf[0] > 93
    assert vmaf[0] - vmaf[1] > 8
    assert sizes[0] > 2 * sizes[1]


def test_vmaf_and_size_fall_as_the_quality_number_rises(
    fractal_source: Source, tool: Tool, tmp_path: Path
) -> None:
    vmaf, sizes = [], []
    for cq in (10, 20, 30, 40, 50):
        encoded = encode(fractal_source, "libx264", "veryfast", cq, tool, tmp_path / "e.mp4")
        vmaf.append(float(_scored(fractal_source, encoded.path, tool).columns["vmaf"].mean()))
        sizes.append(encoded.video_bytes)
    assert all(np.diff(vmaf) < 0)
    assert all(np.diff(sizes) < 0)


@pytest.mark.parametrize("name", LOW_AND_HIGH)
def test_the_same_encode_gives_the_same_bytes(
    name: str, fractal_source: Source, tool: Tool, tmp_path: Path
) -> None:
    preset, best, _, _ = LOW_AND_HIGH[name]
    first, second = (
        encode(fractal_source, name, preset, best, tool, tmp_path / f"{n}.mp4").path.read_bytes()
        for n in (1, 2)
    )
    assert first == second


def test_the_same_score_gives_the_same_numbers(
    pattern_source: Source, blurred: Path, tool: Tool
) -> None:
    first, second = (_scored(pattern_source, blurred, tool) for _ in range(2))
    assert list(first.columns) == ["vmaf", *FEATURES]
    for name, values in first.columns.items():
        assert np.array_equal(values, second.columns[name])


GOLDEN = (
    (39.975132, 0.740411, 0.202575, 0.742571, 0.884789, 0.96181, 0.0),
    (42.44144, 0.747015, 0.205124, 0.74048, 0.885742, 0.961131, 1.329046),
    (42.57973, 0.746856, 0.204041, 0.744283, 0.888797, 0.962343, 1.329046),
    (41.7526, 0.742284, 0.20783, 0.742145, 0.887951, 0.963132, 1.324906),
    (41.862864, 0.743268, 0.209865, 0.740193, 0.885971, 0.96309, 1.324906),
    (41.347815, 0.734315, 0.202684, 0.742975, 0.887707, 0.965751, 2.193629),
    (41.300149, 0.738124, 0.20204, 0.739191, 0.884792, 0.963614, 1.641459),
    (41.457592, 0.738977, 0.200262, 0.737224, 0.886902, 0.962179, 1.641459),
)
"""vmaf and the six features of each frame of ``blurred`` against ``pattern``."""


def test_golden_pair(pattern_source: Source, blurred: Path, tool: Tool) -> None:
    """A test pattern against its box blur: libvmaf 3.2's numbers for every frame."""
    scores = _scored(pattern_source, blurred, tool)
    table = np.column_stack([scores.columns["vmaf"], scores.features()])
    assert np.allclose(table, GOLDEN, rtol=0, atol=1e-3)


def test_a_video_against_itself(pattern_source: Source, pattern: Path, tool: Tool) -> None:
    scores = _scored(pattern_source, pattern, tool)
    motion2 = [row[-1] for row in GOLDEN]
    vmaf = [97.428607, 99.268306, 99.26832, 99.262633, 99.262618, 100.0, 99.696907, 99.696905]
    assert np.allclose(scores.features()[:, :5], 1.0, rtol=0, atol=1e-3)
    assert np.allclose(scores.columns["motion2"], motion2, rtol=0, atol=1e-3)
    assert np.allclose(scores.columns["vmaf"], vmaf, rtol=0, atol=1e-3)


def test_v1_adds_its_score_and_its_four_features(
    tmp_path: Path, tool: Tool, ffmpeg: Callable[..., Path]
) -> None:
    reference = ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-frames:v", "4"),
        *("-pix_fmt", "yuv420p", "-c:v", "ffv1", tmp_path / "r.mkv"),
    )
    blurred = ffmpeg("-i", reference, "-vf", "boxblur=2:1", "-c:v", "ffv1", tmp_path / "d.mkv")
    source = probe(reference, tool)
    both, alone = (_scored(source, blurred, tool, also=also) for also in (("vmaf-v1",), ()))
    assert list(both.columns) == ["vmaf", *FEATURES, *VMAF_V1.logged]
    assert all(len(values) == 4 for values in both.columns.values())
    assert not np.array_equal(both.columns["vmaf_v1"], both.columns["vmaf"])
    for name, values in alone.columns.items():
        assert np.array_equal(values, both.columns[name])


@pytest.fixture(scope="module")
def aligned(pattern_source: Source, blurred: Path, tool: Tool) -> Scores:
    """The score of the pair whose frames and clocks agree."""
    return _scored(pattern_source, blurred, tool)


def _same(one: Scores, other: Scores) -> None:
    for name, values in one.columns.items():
        assert np.array_equal(values, other.columns[name]), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("24.mkv", ("-vf", "settb=1/24,setpts=N", *AS_IS, "-c:v", "ffv1")),
        ("30.mkv", ("-vf", "settb=1/30,setpts=N", *AS_IS, "-c:v", "ffv1")),
        ("60.mp4", ("-vf", "settb=1/60,setpts=N", *AS_IS, *X264_LOSSLESS)),
        ("23.976.mp4", ("-vf", "settb=1001/24000,setpts=N", *AS_IS, *X264_LOSSLESS)),
        ("timescale.mp4", (*X264_LOSSLESS, "-video_track_timescale", "90001")),
        ("late.mkv", ("-c:v", "ffv1", "-output_ts_offset", "7.3")),
        ("late.ts", (*X264_LOSSLESS, "-output_ts_offset", "100")),
        ("late.mp4", (*X264_LOSSLESS, "-output_ts_offset", "2")),
        (
            "variable.mkv",
            ("-vf", "setpts=(N+mod(N\\,3)/2)/25/TB", *AS_IS, "-c:v", "ffv1"),
        ),
        ("plain.y4m", ()),
        ("b-frames.mp4", ("-c:v", "libx264", "-qp", "0", "-bf", "3", "-preset", "slow")),
    ],
)
def test_frame_n_is_scored_against_frame_n_whatever_the_clock(
    name: str,
    options: tuple[str, ...],
    tmp_path: Path,
    pattern_source: Source,
    blurred: Path,
    aligned: Scores,
    tool: Tool,
    ffmpeg: Callable[..., Path],
) -> None:
    other = ffmpeg("-i", blurred, *options, tmp_path / name)
    _same(_scored(pattern_source, other, tool), aligned)


def test_a_reference_of_another_clock_gives_the_same_score(
    tmp_path: Path,
    pattern: Path,
    blurred: Path,
    aligned: Scores,
    tool: Tool,
    ffmpeg: Callable[..., Path],
) -> None:
    slow = ffmpeg(
        *("-i", pattern, "-vf", "settb=1/60,setpts=N", *AS_IS),
        *("-c:v", "ffv1", "-output_ts_offset", "3", tmp_path / "slow.mkv"),
    )
    _same(_scored(probe(slow, tool), blurred, tool), aligned)


def test_raw_video_on_either_side_gives_the_same_score(
    tmp_path: Path,
    pattern: Path,
    pattern_source: Source,
    blurred: Path,
    aligned: Scores,
    tool: Tool,
    ffmpeg: Callable[..., Path],
) -> None:
    raw = RawFormat(128, 96, "yuv420p", Fraction(50))
    reference = ffmpeg("-i", pattern, "-f", "rawvideo", tmp_path / "reference.yuv")
    _same(_scored(probe(reference, tool, raw=raw), blurred, tool), aligned)


def test_raw_video_is_encoded(
    tmp_path: Path, pattern10: Path, tool: Tool, ffmpeg: Callable[..., Path]
) -> None:
    raw = RawFormat(128, 96, "yuv420p10le", Fraction(25))
    source = probe(ffmpeg("-i", pattern10, "-f", "rawvideo", tmp_path / "a.yuv"), tool, raw=raw)
    encoded = encode(source, "libx265", "ultrafast", 20, tool, tmp_path / "e.mp4")
    of_raw = _scored(source, encoded.path, tool, depth=10)
    of_mkv = _scored(probe(pattern10, tool), encoded.path, tool, depth=10)
    _same(of_raw, of_mkv)


def test_only_the_planned_frames_are_encoded_and_scored(
    pattern: Path, aligned: Scores, tool: Tool, tmp_path: Path, ffmpeg: Callable[..., Path]
) -> None:
    source = probe(pattern, tool, frames=5)
    encoded = encode(source, "libx264", "ultrafast", 30, tool, tmp_path / "e.mp4")
    assert len(_stream(encoded.path)[2]) == 5
    assert _scored(source, encoded.path, tool).frames == 5


@pytest.mark.parametrize("frames", [1, 7, 9, 16])
def test_clips_of_different_lengths_are_refused(
    frames: int, pattern_source: Source, tool: Tool, tmp_path: Path, ffmpeg: Callable[..., Path]
) -> None:
    other = ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=128x96:r=25", "-frames:v", frames),
        *("-pix_fmt", "yuv420p", "-c:v", "ffv1", tmp_path / "other.mkv"),
    )
    with pytest.raises(MediaError, match=f"{frames} and 8 frames decoded, 8 planned"):
        _scored(pattern_source, other, tool)


def test_clips_of_different_sizes_are_refused(
    pattern_source: Source, pattern: Path, tool: Tool, tmp_path: Path, ffmpeg: Callable[..., Path]
) -> None:
    other = ffmpeg("-i", pattern, "-vf", "scale=160:96", "-c:v", "ffv1", tmp_path / "other.mkv")
    with pytest.raises((MediaError, ToolFailure), match=r"other\.mkv against pattern"):
        _scored(pattern_source, other, tool)


def test_an_encode_goes_to_a_relative_path(
    pattern_source: Source, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    encoded = encode(pattern_source, "libx264", "ultrafast", 30, tool, Path("folder/e.mp4"))
    assert encoded.path == tmp_path / "folder" / "e.mp4"
    assert encoded.path.is_file()


def test_a_bad_quality_is_refused_before_anything_runs(
    pattern_source: Source, tmp_path: Path
) -> None:
    absent = Tool(path=tmp_path / "absent", version="", sha256="")
    with pytest.raises(InputError, match=r"outside 0\.\.51"):
        encode(pattern_source, "libx264", "medium", 52, absent, tmp_path / "e.mp4")


def test_ffmpeg_s_own_words_are_quoted(pattern_source: Source, tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "e.mp4").mkdir()
    with pytest.raises(ToolFailure, match=r"pattern libx264 medium 30: .*Is a directory"):
        encode(pattern_source, "libx264", "medium", 30, tool, tmp_path / "e.mp4")


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Tool]:
    """A tool that does not do its work, yet ends with status 0: the real one can't be told to."""

    def make(script: str) -> Tool:
        path = tmp_path / "fake-ffmpeg"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return Tool(path=path, version="fake", sha256="")

    return make


PACKETS = "seq {} | while read n; do echo $n $n; done > packets.txt"
FRAMES_8 = "seq 8 > reference_frames.txt; seq 8 > distorted_frames.txt"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "0 and 0 frames"),
        (FRAMES_8, "no log"),
        (f"{FRAMES_8}; : > vmaf.json", "not complete"),
        (f"{FRAMES_8}; echo '{{}}' > vmaf.json", "not complete"),
        (f"{FRAMES_8}; echo oops >&2", "oops"),
        (f"{FRAMES_8}; exit 9", "status 9"),
    ],
)
def test_status_0_is_not_taken_for_a_score(
    script: str, words: str, fake: Callable[[str], Tool], pattern_source: Source, blurred: Path
) -> None:
    with pytest.raises((MediaError, ToolFailure), match=words):
        _scored(pattern_source, blurred, fake(script))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "0 packets for 8 frames"),
        (f"{PACKETS.format(7)}; : > e.mp4", "7 packets for 8 frames"),
        (PACKETS.format(8), "8 packets"),
        (f"{PACKETS.format(8)}; : > e.mp4; echo oops >&2", "oops"),
        (f"{PACKETS.format(8)}; : > e.mp4; exit 1", "status 1"),
    ],
)
def test_status_0_is_not_taken_for_an_encode(
    script: str,
    words: str,
    fake: Callable[[str], Tool],
    pattern_source: Source,
    tmp_path: Path,
) -> None:
    with pytest.raises(ToolFailure, match=words):
        encode(pattern_source, "libx264", "medium", 30, fake(script), tmp_path / "e.mp4")


def test_a_scoring_size_scales_both_sides_and_nothing_else(
    pattern_source: Source,
    blurred: Path,
    tool: Tool,
    tmp_path: Path,
    ffmpeg: Callable[..., Path],
) -> None:
    scale = ("-vf", "scale=192:144:flags=bicubic+accurate_rnd", "-c:v", "rawvideo")
    small = [
        ffmpeg("-i", side, *scale, tmp_path / f"{side.stem}.nut")
        for side in (pattern_source.path, blurred)
    ]
    by_hand = _scored(probe(small[0], tool), small[1], tool)
    scaled = _scored(pattern_source, blurred, tool, size=(192, 144))
    assert (scaled.width, scaled.height, scaled.frames) == (192, 144, 8)
    for column, values in by_hand.columns.items():
        assert np.array_equal(scaled.columns[column], values), column
    plain = _scored(pattern_source, blurred, tool)
    same = _scored(pattern_source, blurred, tool, size=(128, 96))
    assert np.array_equal(plain.columns["vmaf"], same.columns["vmaf"])
    assert abs(scaled.columns["vmaf"].mean() - plain.columns["vmaf"].mean()) > 0.5


@pytest.mark.parametrize("size", [(0, 0), (-2, 96), (14, 96), (127, 96), (128, 95)])
def test_a_scoring_size_that_can_t_be_is_refused(
    size: tuple[int, int], pattern_source: Source, blurred: Path, tool: Tool
) -> None:
    with pytest.raises(InputError, match="can't be a size to score at"):
        _scored(pattern_source, blurred, tool, size=size)
