"""ffmpeg's command lines as values: what they must always hold."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from vqcast.errors import InputError
from vqcast.media import argv, inputs
from vqcast.media.inputs import RawFormat, Segment

RAW = RawFormat(128, 96, "yuv420p10le", Fraction(30000, 1001))


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


def test_every_input_is_a_file_url_behind_both_lists() -> None:
    arguments = inputs.read(Path("/x/-i concat:a,b.mkv"))
    assert arguments[-2:] == ["-i", "file:/x/-i concat:a,b.mkv"]
    assert _value(arguments, "-protocol_whitelist") == "file"
    assert _value(arguments, "-format_whitelist") == inputs.FORMATS


def test_no_playlist_is_among_the_formats() -> None:
    formats = set(inputs.FORMATS.split(","))
    assert not formats & {"hls", "concat", "concatf", "dash", "image2", "lavfi", "tee", "sdp"}
    assert {"matroska", "mp4", "yuv4mpegpipe", "rawvideo"} <= formats


def test_raw_input_is_told_its_four_facts_before_the_file() -> None:
    arguments = inputs.read(Path("/x.yuv"), RAW)
    assert _value(arguments, "-f") == "rawvideo"
    assert _value(arguments, "-video_size") == "128x96"
    assert _value(arguments, "-pixel_format") == "yuv420p10le"
    assert _value(arguments, "-framerate") == "30000/1001"
    assert arguments[-1] == "file:/x.yuv"


@pytest.mark.parametrize(
    ("pix_fmt", "size"),
    [
        ("yuv420p", 128 * 96 * 3 // 2),
        ("yuv422p", 128 * 96 * 2),
        ("yuv444p", 128 * 96 * 3),
        ("gray", 128 * 96),
        ("yuv420p10le", 128 * 96 * 3),
        ("yuv422p12le", 128 * 96 * 4),
        ("yuv444p16le", 128 * 96 * 6),
        ("gray10le", 128 * 96 * 2),
    ],
)
def test_raw_frame_bytes(pix_fmt: str, size: int) -> None:
    assert inputs.raw_frame_bytes(128, 96, pix_fmt) == size


@pytest.mark.parametrize("pix_fmt", ["", "rgb24", "nv12", "yuv420p10be", "yuv420p;", "yuv420p9le"])
def test_other_raw_formats_are_refused_with_the_known_ones(pix_fmt: str) -> None:
    with pytest.raises(InputError) as refused:
        inputs.raw_frame_bytes(128, 96, pix_fmt)
    assert "yuv420p" in str(refused.value.hint)


def test_encode_names_the_output_once_and_last() -> None:
    arguments = argv.encode(
        Path("/ffmpeg"), inputs.read(Path("/in.mkv")), 7, ["-c:v", "libx264"], Path("/out -y.mp4")
    )
    assert arguments[0] == "/ffmpeg"
    assert arguments[-1] == "file:/out -y.mp4"
    assert _value(arguments, "-frames:v") == "7"
    assert arguments.index("libx264") < len(arguments) - 1


def test_score_filter_rebuilds_both_clocks_and_repeats_no_frame() -> None:
    graph = argv.score_filter(8, 7)
    assert graph.count("settb=expr=1/25,setpts=N,format=yuv420p,") == 2
    assert "trim=end_frame=7" in graph
    assert "repeatlast=0" in graph
    assert "eof_action=pass" in graph
    assert f"log_path={argv.VMAF_LOG}:" in graph
    assert "vmaf_v1" not in graph


def test_score_filter_names_two_models_apart_and_scores_10_bit_deep() -> None:
    graph = argv.score_filter(10, 7, also=("vmaf-v1",))
    assert "name=vmaf|" in graph
    assert "name=vmaf_v1'" in graph
    assert graph.count("format=yuv420p10le") == 2


def test_the_plain_score_filter_is_the_one_that_measured_corpora_are_keyed_by() -> None:
    assert argv.keyed(argv.score_filter(8, 7, also=("vmaf-v1",))) == (
        "[0:v:0]settb=expr=1/25,setpts=N,format=yuv420p,split[d][dn];"
        "[1:v:0]trim=end_frame=7,settb=expr=1/25,setpts=N,format=yuv420p,split[r][rn];"
        "[d][r]libvmaf=model='version=vmaf_v0.6.1\\:name=vmaf|"
        "version=vmaf_v1.0.16_3d0h\\:name=vmaf_v1':log_fmt=json:log_path=vmaf.json"
        ":n_threads=1:eof_action=pass:repeatlast=0[s]"
    )


def test_a_scoring_size_scales_both_sides_alike() -> None:
    graph = argv.score_filter(8, 7, size=(64, 48))
    assert graph.count("setpts=N,scale=64:48:flags=bicubic+accurate_rnd,format=yuv420p,") == 2


def test_a_span_is_entered_at_its_seek_point_and_cut_by_time() -> None:
    part = Segment(start=9, frames=7, seek_us=1_000_000, start_us=1_500_000, end_us=2_000_000)
    arguments = inputs.read(Path("/in.mkv"), span=part)
    assert (_value(arguments, "-ss"), _value(arguments, "-t")) == ("1000000us", "1000000us")
    assert arguments.index("-ss") < arguments.index("-i")
    assert "[1:v:0]trim=start=500000us,trim=end_frame=7," in argv.score_filter(8, 7, span=part)
    encode = argv.encode(Path("/ffmpeg"), arguments, None, ["-c:v", "x"], Path("/o.mp4"), part)
    assert encode[encode.index("-i") + 1 :].count("-ss") == 1
    assert "500000us" in encode


def test_a_span_of_the_whole_file_adds_nothing() -> None:
    whole = Segment(start=0, frames=7, seek_us=0, start_us=None, end_us=None)
    assert inputs.read(Path("/in.mkv"), span=whole) == inputs.read(Path("/in.mkv"))
    assert argv.score_filter(8, 7, span=whole) == argv.score_filter(8, 7)


def test_count_lines_of_an_absent_log_is_none_at_all(tmp_path: Path) -> None:
    assert argv.count_lines(tmp_path / "absent") == 0
    (tmp_path / "log").write_text("0\n1\n2\n")
    assert argv.count_lines(tmp_path / "log") == 3
