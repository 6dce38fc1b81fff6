"""Videos that are easy to get wrong: each is delivered right, or refused in one sentence.

What is right is told by frames that ffmpeg cut or converted by itself, and by
reading back what was delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vqcast.errors import InputError, MediaError
from vqcast.media.deliver import Delivered, deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS, encoder
from vqcast.media.filters import Filters
from vqcast.media.measure import converted, encode, score
from vqcast.media.options import EncoderOptions
from vqcast.media.source import Intake, Source, probe
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.64,format=yuv420p")
LARGE = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=50:d=0.32,format=yuv420p")
FRAMES = 16
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")
UNEVEN = ("-vf", "settb=1/90000,setpts=(N+0.4*sin(N*N))/25/TB", "-fps_mode", "passthrough")
UNEVEN_TIMES = (*UNEVEN, "-enc_time_base", "1:90000")


def _deliver(
    source: Source, encoder: str, preset: str, cq: float, tool: Tool, output: Path
) -> Delivered:
    return deliver(source, plan(source, ENCODERS[encoder], output, tool), preset, cq, tool)


Case = tuple[str, tuple[str, ...]]
RIGHT: dict[str, Case] = {
    "constant rate": ("a.mp4", X264),
    "variable frame rate": ("a.mp4", (*UNEVEN_TIMES, *X264)),
    "variable frame rate in milliseconds": ("a.mkv", (*UNEVEN_TIMES, *X264)),
    "a start at 7 s": ("a.mkv", ("-output_ts_offset", "7", *X264)),
    "a start at 7 s in a transport stream": ("a.ts", ("-output_ts_offset", "7", *X264)),
    "B-frames without times": ("a.avi", ("-c:v", "libx264", "-bf", "3")),
    "no times at all": ("a.h264", ("-c:v", "libx264", "-bf", "3")),
    "23.976 in milliseconds": ("a.mkv", ("-r", "24000/1001", *X264)),
    "anamorphic": ("a.mkv", ("-vf", "setsar=16/11", *X264)),
    "full range": ("a.mkv", ("-vf", "scale=out_range=full", "-pix_fmt", "yuvj420p", *X264)),
    "10 bit": ("a.mkv", ("-pix_fmt", "yuv420p10le", "-c:v", "ffv1")),
    "4:4:4": ("a.mkv", ("-pix_fmt", "yuv444p", "-c:v", "ffv1")),
    "4:2:2 in 10 bit": ("a.mkv", ("-pix_fmt", "yuv422p10le", "-c:v", "ffv1")),
    "12 bit": ("a.mkv", ("-pix_fmt", "yuv444p12le", "-c:v", "ffv1")),
    "RGB": ("a.mkv", ("-pix_fmt", "rgb24", "-c:v", "rawvideo", "-f", "nut")),
    "grey": ("a.mkv", ("-pix_fmt", "gray", "-c:v", "ffv1")),
}


def _source(case: Case, folder: Path, ffmpeg: Ffmpeg, tool: Tool) -> Source:
    name, options = case
    return probe(ffmpeg(*PICTURE, *options, folder / name), tool)


def _facts(path: Path) -> dict[str, object]:
    """What a player is told of the first video stream's pictures."""
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        frame = next(opened.decode(stream))
        return {
            "size": (frame.width, frame.height),
            "sar": stream.sample_aspect_ratio or Fraction(1),
            "rotation": frame.rotation,
            "range": 2 if frame.color_range == 2 else 1,
            "colour": (frame.color_primaries, frame.color_trc, frame.colorspace),
        }


@pytest.mark.parametrize("case", RIGHT)
def test_it_is_delivered_with_its_times_and_its_pictures(
    case: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    source = _source(RIGHT[case], tmp_path, ffmpeg, tool)
    assert source.frames == FRAMES
    made = _deliver(source, "libx264", "ultrafast", 30, tool, tmp_path / "made.mp4")
    read_back = probe(made.path, tool)
    assert read_back.depth == source.depth
    assert source.index is not None
    assert read_back.index is not None
    moved = read_back.index.times_us - source.index.times_us
    assert np.ptp(moved) <= 2000
    assert _facts(made.path)["sar"] == _facts(source.path)["sar"]

    probed = encode(source, "libx264", "ultrafast", 30, tool, tmp_path / "probe.mp4")
    whole = probe(probed.path, tool).index
    assert whole is not None
    assert np.array_equal(read_back.index.digests, whole.digests)
    assert made.video_bytes == probed.video_bytes

    # Both sides paired by hand: every frame by number, in 4:2:0, its samples as they are.
    form = "yuv420p" if source.depth == 8 else "yuv420p10le"
    pair = []
    for side in (source.path, made.path):
        clock = ("-vf", f"settb=1/25,setpts=N,format={form}", "-fps_mode", "passthrough")
        name = tmp_path / f"by-hand-{len(pair)}.nut"
        pair.append(ffmpeg("-noautorotate", "-i", side, *clock, "-c:v", "rawvideo", name))
    by_hand = score(probe(pair[0], tool), pair[1], tool, depth=source.depth)
    delivered = measure_delivered(source, made, tool)
    for column, values in by_hand.columns.items():
        assert np.allclose(delivered.columns[column], values, rtol=0, atol=1e-4), column


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_a_rotated_video_keeps_its_rotation(
    suffix: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    plain = ffmpeg(*PICTURE, *X264, tmp_path / "plain.mp4")
    path = ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", tmp_path / "a.mp4")
    assert _facts(path)["rotation"] == 90
    source = probe(path, tool)
    assert (source.width, source.height) == (64, 48)
    made = _deliver(source, "libx264", "ultrafast", 20, tool, tmp_path / f"made{suffix}")
    assert _facts(made.path) == _facts(path)
    assert measure_delivered(source, made, tool).columns["vmaf"].mean() > 80


@pytest.mark.parametrize("spread", ["limited", "full"])
@pytest.mark.parametrize(
    ("encoder", "preset"),
    [("libx264", "ultrafast"), ("libx265", "ultrafast"), ("libsvtav1", "12"), ("libvpx-vp9", "8")],
)
def test_colour_and_shape_are_told_to_players(
    encoder: str, preset: str, spread: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    colour = "setparams=color_primaries=bt470bg:color_trc=bt470bg:colorspace=bt470bg"
    case = ("a.mkv", ("-vf", f"{colour}:range={spread},setsar=12/11", *X264))
    source = _source(case, tmp_path, ffmpeg, tool)
    facts = _facts(source.path)
    assert facts["colour"] == (5, 5, 5)
    assert facts["range"] == (2 if spread == "full" else 1)
    made = _deliver(source, encoder, preset, 40, tool, tmp_path / "made.mkv")
    assert _facts(made.path) == facts


@pytest.mark.parametrize("offset", ["0", "7"])
def test_sound_stays_with_the_picture(
    offset: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    """Sound that starts 0.2 s before the first picture still does, to a millisecond."""
    late = ffmpeg(*PICTURE, *X264, tmp_path / "v.mkv")
    sound = ("-f", "lavfi", "-i", "sine=d=0.84:r=48000")
    path = ffmpeg(
        *("-itsoffset", "0.2", "-i", late, *sound, "-map", "0:v", "-map", "1:a"),
        *("-c:v", "copy", "-c:a", "flac", "-output_ts_offset", offset),
        tmp_path / "a.mkv",
    )
    made = _deliver(probe(path, tool), "libx264", "ultrafast", 30, tool, tmp_path / "made.mkv")
    gaps = []
    for side in (path, made.path):
        with av.open(str(side)) as opened:
            first = {
                kind: min(frame.time for frame in opened.decode(**{kind: 0})) for kind in ("video",)
            }
        with av.open(str(side)) as opened:
            first["audio"] = next(opened.decode(audio=0)).time
        gaps.append(first["video"] - first["audio"])
    assert gaps[0] == pytest.approx(0.2, abs=0.002)
    assert gaps[1] == pytest.approx(gaps[0], abs=0.0011)


def test_what_is_converted_is_said(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    notes = {}
    x265 = ENCODERS["libx265"]
    for case in ("constant rate", "4:4:4", "12 bit", "10 bit"):
        source = _source(RIGHT[case], tmp_path, ffmpeg, tool)
        notes[case] = [*source.notes, *converted(source, x265)]
        if case == "4:4:4":
            kept = converted(source, encoder("libx265", EncoderOptions(pix_fmt="yuv444p")))
        if case == "10 bit":
            cut = converted(source, encoder("libx265", EncoderOptions(depth=8)))
    assert notes["constant rate"] == notes["10 bit"] == []
    assert notes["4:4:4"] == ["yuv444p is encoded and scored as 4:2:0"]
    assert kept == ["yuv444p is scored as 4:2:0"]
    assert cut == ["10 bits a sample are encoded as 8"]
    assert len(notes["12 bit"]) == 2
    assert "12 bits a sample" in notes["12 bit"][0]


def _interlaced_later(folder: Path, ffmpeg: Ffmpeg) -> Path:
    """Progressive for 8 frames, then interlaced: the header and the first frame say nothing."""
    parts = b""
    weave = ("-vf", "tinterlace=interleave_top", "-x264-params", "tff=1")
    for number, options in enumerate((("-x264-params", "bframes=0"), weave)):
        words = (*LARGE, "-frames:v", "8", "-c:v", "libx264", *options, "-f", "h264")
        parts += ffmpeg(*words, folder / f"{number}.h264").read_bytes()
    joined = folder / "joined.h264"
    joined.write_bytes(parts)
    return joined


def _interlaced_by_its_container(folder: Path, ffmpeg: Ffmpeg) -> Path:
    weave = "tinterlace=interleave_top,setfield=tff"
    return ffmpeg(*LARGE, "-vf", weave, "-c:v", "rawvideo", folder / "a.mkv")


def _size_change(folder: Path, ffmpeg: Ffmpeg) -> Path:
    parts = b""
    for size in ("64x48", "80x64"):
        words = ("-vf", f"scale={size.replace('x', ':')}", "-c:v", "libx264", "-f", "h264")
        parts += ffmpeg(*PICTURE, *words, folder / f"{size}.h264").read_bytes()
    joined = folder / "joined.h264"
    joined.write_bytes(parts)
    return joined


def _turned(folder: Path, ffmpeg: Ffmpeg) -> Path:
    """Upright pictures after wide ones: as many bytes each."""
    parts = b""
    for number, turn in enumerate(("null", "transpose")):
        words = ("-vf", turn, "-c:v", "libx264", "-f", "h264")
        parts += ffmpeg(*PICTURE, *words, folder / f"{number}.h264").read_bytes()
    joined = folder / "joined.h264"
    joined.write_bytes(parts)
    return joined


def _alpha(folder: Path, ffmpeg: Ffmpeg) -> Path:
    return ffmpeg(*PICTURE, "-vf", "format=yuva420p", "-c:v", "ffv1", folder / "a.mkv")


def _cover_alone(folder: Path, ffmpeg: Ffmpeg) -> Path:
    picture = ffmpeg(*PICTURE, "-frames:v", "1", "-c:v", "mjpeg", "-f", "mjpeg", folder / "c.jpg")
    sound = ("-f", "lavfi", "-i", "sine=d=0.4")
    words = ("-f", "mjpeg", "-i", picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy")
    return ffmpeg(*sound, *words, "-disposition:v:0", "attached_pic", folder / "a.m4a")


def _odd(folder: Path, ffmpeg: Ffmpeg) -> Path:
    return ffmpeg(*PICTURE, "-vf", "scale=63:47", "-pix_fmt", "yuv444p", *X264, folder / "a.mkv")


REFUSED = {
    "interlaced later": (_interlaced_later, "interlaced"),
    "interlaced by its container": (_interlaced_by_its_container, "interlaced"),
    "size changes": (_size_change, "change"),
    "turned half way": (_turned, "change"),
    "alpha": (_alpha, "alpha channel"),
    "a cover and no video": (_cover_alone, "cover picture"),
    "odd sides": (_odd, "63x47"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_sentence_with_what_to_do(
    case: str, tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    make, words = REFUSED[case]
    with pytest.raises(MediaError, match=words) as refused:
        probe(make(tmp_path, ffmpeg), tool, intake=Intake(filters=Filters(deinterlace="no")))
    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("make", [_interlaced_later, _interlaced_by_its_container])
def test_interlaced_pictures_are_deinterlaced_wherever_their_flags_are(
    make: Callable[[Path, Ffmpeg], Path], tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    source = probe(make(tmp_path, ffmpeg), tool)
    assert "bwdif" in source.video.chain and "deinterlaced" in source.notes[0]
    assert not source.flagged and source.index is not None
    assert not source.index.interlaced.any()


def test_8_bit_encoders_refuse_10_bits(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    source = _source(RIGHT["10 bit"], tmp_path, ffmpeg, tool)
    with pytest.raises(InputError, match="8 bits"):
        encode(source, "h264_nvenc", "p4", 30, tool, tmp_path / "e.mp4")


def test_an_encoder_that_loses_uneven_times_refuses_them(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    source = _source(RIGHT["variable frame rate"], tmp_path, ffmpeg, tool)
    with pytest.raises(InputError, match="variable frame rate"):
        encode(source, "libvvenc", "faster", 40, tool, tmp_path / "e.mp4")


def test_a_second_video_is_not_dropped(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    path = ffmpeg(*PICTURE, *PICTURE, "-map", "0", "-map", "1", *X264, tmp_path / "a.mkv")
    made = _deliver(probe(path, tool), "libx265", "ultrafast", 30, tool, tmp_path / "made.mkv")
    with av.open(str(made.path)) as opened:
        codecs = [stream.codec_context.name for stream in opened.streams.video]
    assert codecs == ["hevc", "h264"]


def test_an_edit_list_is_obeyed(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    """A copy cut between key frames holds more packets than it shows."""
    whole = ffmpeg(*PICTURE, "-c:v", "libx264", "-bf", "0", tmp_path / "whole.mp4")
    path = ffmpeg("-ss", "0.2", "-i", whole, "-c", "copy", tmp_path / "a.mp4")
    with av.open(str(path)) as opened:
        packets = sum(packet.size > 0 for packet in opened.demux(video=0))
    source = probe(path, tool)
    assert (packets, source.frames) == (FRAMES, FRAMES - 5)
    made = _deliver(source, "libx264", "ultrafast", 30, tool, tmp_path / "made.mp4")
    assert made.frames == FRAMES - 5
    assert measure_delivered(source, made, tool).frames == FRAMES - 5


def test_a_length_that_the_header_lies_about(tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool) -> None:
    """A Matroska file says how long it is; the decoder's count is what counts."""
    path = ffmpeg(*PICTURE, *X264, tmp_path / "a.mkv")
    data = bytearray(path.read_bytes())
    where = data.index(b"\x44\x89\x88") + 3  # the Duration element: an 8-byte float
    data[where : where + 8] = np.array([99999.0], dtype=">f8").tobytes()
    path.write_bytes(data)
    source = probe(path, tool)
    assert source.frames == FRAMES
    assert (
        _deliver(source, "libx264", "ultrafast", 40, tool, tmp_path / "made.mkv").frames == FRAMES
    )
