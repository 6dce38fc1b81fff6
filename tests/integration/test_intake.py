"""Films as people have them, by the command line: encoded whole, or refused with a way round."""

from __future__ import annotations

import json
import os
import random
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

Ffmpeg = Callable[..., Path]
Vqcast = Callable[..., subprocess.CompletedProcess[str]]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p")
QUICK = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 85, "--verify")
CHAPTER = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=one\n"


def _drawn(size: str = "320x240", rate: float = 25, seconds: float = 2) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def base(ffmpeg: Ffmpeg, folder: Path) -> Path:
    sound = ("-f", "lavfi", "-i", "sine=d=2")
    return ffmpeg(*_drawn(), *sound, *X264, "-c:a", "aac", folder / "base.mkv")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def encoded(vqcast: Vqcast, cache: Path) -> Callable[..., dict[str, Any]]:
    """``encoded(source, output, *words, code=0)``: the last JSON line of an encode."""

    def run(source: Path, output: Path, *words: object, code: int = 0) -> dict[str, Any]:
        asked = words if "--target" in words else (*QUICK, *words)
        done = vqcast("encode", source, "-o", output, *asked, "--cache", cache, "--json", code=code)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[-1] | {"start": lines[0], "tuned": lines[-2], "said": done.stderr}

    return run


def _frames(path: Path) -> int:
    with av.open(str(path)) as opened:
        return sum(1 for _ in opened.decode(video=0))


def test_a_film_with_chapters_is_delivered_with_them(
    encoded: Callable[..., dict[str, Any]], vqcast: Vqcast, ffmpeg: Ffmpeg, base: Path,
    tmp_path: Path, cache: Path,
) -> None:  # fmt: skip
    (tmp_path / "chapters.txt").write_text(CHAPTER)
    words = ("-i", tmp_path / "chapters.txt", "-map", "0", "-map_metadata", "1", "-c", "copy")
    film = ffmpeg("-i", base, *words, tmp_path / "film.mkv")
    for output in (tmp_path / "o.mkv", tmp_path / "o.mp4"):
        assert encoded(film, output)["frames"] == 50
        with av.open(str(output)) as opened:
            assert [each["metadata"]["title"] for each in opened.chapters()] == ["one"]
    track_gone = ffmpeg("-i", film, "-map", "0:v:0", "-c", "copy", tmp_path / "film.mp4")
    vqcast("tune", track_gone, *QUICK, "--cache", cache)


def _cut_inside_a_gop(ffmpeg: Ffmpeg, folder: Path) -> Path:
    whole = ffmpeg(*_drawn(seconds=4), *X264, "-g", "50", "-bf", "3", folder / "whole.ts")
    data = whole.read_bytes()
    path = folder / "cut.ts"
    path.write_bytes(data[len(data) // 188 // 5 * 188 :])
    return path


def _damaged(path: Path, folder: Path, at: float = 0.5) -> Path:
    data = bytearray(path.read_bytes())
    middle = int(len(data) * at)
    data[middle : middle + 400] = random.Random(1).randbytes(400)
    damaged = folder / f"damaged{path.suffix}"
    damaged.write_bytes(data)
    return damaged


def test_a_recording_cut_inside_a_gop_is_encoded_from_its_first_key_frame(
    encoded: Callable[..., dict[str, Any]], refusal: Callable[..., str], ffmpeg: Ffmpeg,
    tmp_path: Path,
) -> None:  # fmt: skip
    cut = _cut_inside_a_gop(ffmpeg, tmp_path)
    made = encoded(cut, tmp_path / "o.mkv")
    damage = made["start"]["source"]["damage"]
    assert damage["lost"] > 0 and damage["spans"] == []
    assert "packets give no frame" in made["said"]
    assert made["frames"] == 50 == _frames(tmp_path / "o.mkv")
    asked = ("-o", tmp_path / "other.mkv", *QUICK, "--on-damage", "refuse")
    assert "damage is refused" in refusal("encode", cut, *asked)


def test_damage_in_the_middle_is_named_by_frames_and_times(
    encoded: Callable[..., dict[str, Any]], base: Path, tmp_path: Path
) -> None:
    made = encoded(_damaged(base, tmp_path), tmp_path / "o.mkv")
    (span,) = made["start"]["source"]["damage"]["spans"]
    assert 15 < span["first_frame"] < 35 and span["last_frame"] == 49
    assert span["start_s"] == pytest.approx(span["first_frame"] / 25, abs=0.001)
    assert f"frames {span['first_frame']} to 49" in made["said"]
    assert made["tuned"]["basis"] == "verified" and _frames(tmp_path / "o.mkv") == 50


@pytest.mark.parametrize("other", ["tags", "range", "profile"])
def test_joined_parts_of_other_tags_or_parameters_are_one_film(
    other: str, encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    bt709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    second = {
        "tags": ("-vf", "null"),
        "range": ("-color_range", "pc"),
        "profile": ("-profile:v", "high", "-preset", "slow"),
    }[other]
    parts = b""
    for number, words in enumerate((("-vf", bt709), second)):
        part = ffmpeg(*_drawn(seconds=1), *X264, *words, "-f", "h264", tmp_path / f"{number}.h264")
        parts += part.read_bytes()
    (tmp_path / "joined.h264").write_bytes(parts)
    assert encoded(tmp_path / "joined.h264", tmp_path / "o.mkv")["frames"] == 50


def _with_clean_aperture(path: Path) -> None:
    """Append a ``clap`` box of 304x224 to the H.264 sample entry of a QuickTime file."""
    data = bytearray(path.read_bytes())
    at, end, boxes = 0, len(data), []
    names = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    for name, skip in (*((name, 8) for name in names), (b"stsd", 16), (b"avc1", 86)):
        while bytes(data[at + 4 : at + 8]) != name:
            at += struct.unpack_from(">I", data, at)[0]
        boxes.append(at)
        end = at + struct.unpack_from(">I", data, at)[0]
        at += skip
    for box in boxes:
        struct.pack_into(">I", data, box, struct.unpack_from(">I", data, box)[0] + 40)
    data[end:end] = struct.pack(">I4s8I", 40, b"clap", 304, 1, 224, 1, 0, 1, 0, 1)
    path.write_bytes(data)


def test_a_clean_aperture_is_one_size_everywhere(
    encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, base: Path, tmp_path: Path
) -> None:
    film = ffmpeg("-i", base, "-map", "0:v", "-c", "copy", tmp_path / "clap.mov")
    _with_clean_aperture(film)
    made = encoded(film, tmp_path / "o.mkv")
    source = made["start"]["source"]
    assert (source["width"], source["height"], source["score_width"]) == (304, 224, 304)
    assert "crops 320x240 to 304x224" in made["said"]
    with av.open(str(tmp_path / "o.mkv")) as opened:
        assert (opened.streams.video[0].width, opened.streams.video[0].height) == (304, 224)


@pytest.mark.parametrize("size", ["28x16", "32x16", "64x16"])
def test_sides_at_which_libvmaf_crashes_are_refused_before_any_encode(
    size: str, refusal: Callable[..., str], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    words = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    film = ffmpeg(*_drawn(size, seconds=0.4), *words, tmp_path / "small.mkv")
    assert "shorter than 18" in refusal("tune", film, *QUICK)


def test_the_least_size_scores(vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    words = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    film = ffmpeg(*_drawn("64x64", seconds=0.4), "-vf", "crop=18:18", *words, tmp_path / "s.mkv")
    vqcast("tune", film, *QUICK, "--no-cache", code=0)


def test_vmaf_v1_names_its_least_size(
    refusal: Callable[..., str], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    words = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    film = ffmpeg(*_drawn("64x64", seconds=0.4), *words, tmp_path / "small.mkv")
    assert "216 and 160" in refusal("tune", film, *QUICK, "--metric", "vmaf-v1")
    grid = ("--encoder", "libx264", "--cq", 30, "--out", tmp_path / "c.jsonl")
    assert "216 and 160" in refusal("corpus", "build", film, *grid)


def test_more_frames_a_second_than_the_encoder_takes(
    refusal: Callable[..., str], vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg(*_drawn(rate=1000, seconds=0.05), *X264, tmp_path / "fast.mp4")
    words = ("--encoder", "libsvtav1", "--preset", 13, "--target", 85, "--no-cache")
    said = refusal("encode", film, "-o", tmp_path / "o.mkv", *words)
    assert "1000 frames a second" in said and "240" in said
    vqcast("tune", film, *QUICK, "--no-cache")


def test_what_grew_is_not_written_unless_allowed(
    encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    coarse = ("-c:v", "libx264", "-preset", "medium", "-crf", "42", "-pix_fmt", "yuv420p")
    film = ffmpeg(*_drawn(), *coarse, tmp_path / "small.mkv")
    words = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 95)
    refused = encoded(film, tmp_path / "o.mkv", *words, code=4)
    assert refused["event"] == "not_written"
    assert refused["video_bytes"] > refused["source_video_bytes"] > 0
    assert "% of the source's" in refused["said"] and not (tmp_path / "o.mkv").exists()
    made = encoded(film, tmp_path / "o.mkv", *words, "--allow-larger")
    assert made["video_bytes"] > made["source_video_bytes"] == refused["source_video_bytes"]


@pytest.fixture(scope="module")
def cover(ffmpeg: Ffmpeg, folder: Path) -> Path:
    return ffmpeg("-f", "lavfi", "-i", "color=red:s=64x96", "-frames:v", 1, folder / "cover.jpg")


def _covered(kind: str, ffmpeg: Ffmpeg, base: Path, cover: Path, folder: Path) -> Path:
    attached = ("-disposition:v:1", "attached_pic")
    if kind == "attachment":
        tags = ("-metadata:s:t", "mimetype=image/jpeg", "-metadata:s:t", "filename=front.jpg")
        return ffmpeg("-i", base, "-attach", cover, *tags, "-map", 0, "-c", "copy",
                      folder / "film.mkv")  # fmt: skip
    if kind == "picture":
        return ffmpeg("-i", base, "-i", cover, "-map", 0, "-map", 1, "-c", "copy", *attached,
                      folder / "film.mp4")  # fmt: skip
    if kind == "two":
        return ffmpeg("-i", base, "-i", cover, "-i", cover, "-map", 0, "-map", 1, "-map", 2,
                      "-c", "copy", *attached, "-disposition:v:2", "attached_pic",
                      folder / "film.mp4")  # fmt: skip
    assert kind == "first"
    return ffmpeg("-i", cover, "-i", base, "-map", 0, "-map", 1, "-c", "copy",
                  "-disposition:v:0", "attached_pic", folder / "film.mp4")  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "covers"), [("attachment", 1), ("picture", 1), ("two", 2), ("first", 1)]
)
def test_covers_are_kept_or_their_loss_is_named(
    kind: str, covers: int, encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, base: Path,
    cover: Path, tmp_path: Path,
) -> None:  # fmt: skip
    film = _covered(kind, ffmpeg, base, cover, tmp_path)
    for suffix in (".mkv", ".mp4"):
        output = tmp_path / f"o{suffix}"
        made = encoded(film, output)
        assert made["frames"] == 50 and made["left_out"] == []
        with av.open(str(output)) as opened:
            first, *others = opened.streams.video
            pictures = [bytes(next(opened.demux(each))) for each in others]
        assert (first.width, first.height) == (320, 240)
        assert pictures == [cover.read_bytes()] * covers
    made = encoded(film, tmp_path / "o.mov")
    assert len(made["left_out"]) == covers and "cover) is left out" in made["said"]


def test_progressive_pictures_flagged_as_interlaced_are_taken_for_what_they_are(
    encoded: Callable[..., dict[str, Any]], refusal: Callable[..., str], vqcast: Vqcast,
    ffmpeg: Ffmpeg, tmp_path: Path,
) -> None:  # fmt: skip
    flag = ("-vf", "setfield=tff", *X264, "-x264-params", "tff=1")
    made = encoded(ffmpeg(*_drawn(), *flag, tmp_path / "flagged.mkv"), tmp_path / "o.mkv")
    assert "flagged as interlaced" in made["said"]
    with av.open(str(tmp_path / "o.mkv")) as opened:
        assert opened.streams.video[0].codec_context.field_order == 1
        assert not next(opened.decode(video=0)).interlaced_frame
    weave = ("-vf", "tinterlace=interleave_top,setfield=tff", *X264, "-x264-params", "tff=1")
    combed = ffmpeg(*_drawn(rate=50), *weave, tmp_path / "combed.mkv")
    assert "combed" in refusal("tune", combed, *QUICK, "--deinterlace", "no")
    vqcast("tune", combed, *QUICK, "--progressive", "--no-cache")
    assert "deinterlaced" in vqcast("tune", combed, *QUICK, "--no-cache").stderr


@pytest.mark.parametrize("graph", ["smptehdbars=s=320x180:r=25:d=2", "color=black:s=320x240:d=2"])
def test_a_target_above_the_source_s_own_score_is_lowered_to_it(
    graph: str, vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path, cache: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", graph, *X264, tmp_path / "still.mkv")
    words = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 99, "--cache", cache)
    done = vqcast("tune", film, *words, "--json", code=3)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["status"] == "best_effort" and 97 < result["ceiling"] < 98
    assert f"{result['ceiling']:.2f}" in result["reason"]
    assert result["score"] >= result["ceiling"] - 0.1 and result["crf"] > 10


@pytest.mark.parametrize("kind", ["doubled", "one frame", "five frames", "full range"])
def test_what_no_forecast_was_calibrated_on_is_measured(
    kind: str, encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    drawn: tuple[object, ...] = {
        "doubled": (*_drawn(rate=12.5), "-vf", "fps=25"),
        "one frame": (*_drawn(), "-frames:v", 1),
        "five frames": (*_drawn(), "-frames:v", 5),
        "full range": (*_drawn(), "-vf", "scale=out_range=full", "-color_range", "pc"),
    }[kind]
    made = encoded(ffmpeg(*drawn, *X264, tmp_path / "film.mp4"), tmp_path / "o.mkv")
    assert made["tuned"]["basis"] == "verified" and made["met"]
    assert "the answer is measured" in made["said"]


def test_a_full_disk_is_named_and_nothing_is_left(
    base: Path, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60 * 1024, 60 * 1024))

    temporary = tmp_path / "tmp"
    temporary.mkdir()
    words = ("encode", base, "-o", tmp_path / "o.mkv", *QUICK, "--target", 95, "--no-cache")
    done = subprocess.run(
        [sys.executable, "-m", "vqcast.cli.main", *map(str, words)],
        preexec_fn=limit, capture_output=True, text=True, timeout=120,
        env=python_environment | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert done.returncode == 1 and "no space left in" in done.stderr, done.stderr
    assert str(tmp_path) in done.stderr
    left = [name for name in (*os.listdir(temporary), *os.listdir(tmp_path)) if "vqcast" in name]
    assert left == [] and not (tmp_path / "o.mkv").exists()


def _with_unknown_subtitle(ffmpeg: Ffmpeg, base: Path, folder: Path) -> Path:
    (folder / "t.vtt").write_text("WEBVTT\n\n00:00.200 --> 00:01.000\nHello\n")
    words = ("-i", folder / "t.vtt", "-map", 0, "-map", 1, "-c", "copy")
    data = ffmpeg("-i", base, *words, folder / "text.mkv").read_bytes()
    known, strange = b"D_WEBVTT/SUBTITLES", b"S_TEXT/WEBVTT"
    assert known in data
    path = folder / "strange.mkv"
    path.write_bytes(data.replace(known, strange.ljust(len(known), b"\0")))
    return path


def test_subtitles_that_ffmpeg_can_t_name_may_be_left_out(
    encoded: Callable[..., dict[str, Any]], refusal: Callable[..., str], ffmpeg: Ffmpeg,
    base: Path, tmp_path: Path,
) -> None:  # fmt: skip
    film = _with_unknown_subtitle(ffmpeg, base, tmp_path)
    assert "stream 2 (subtitle)" in refusal("encode", film, "-o", tmp_path / "o.mkv", *QUICK)
    made = encoded(film, tmp_path / "o.mkv", "--drop", "unknown")
    assert made["left_out"] == ["stream 2 (subtitle)"]
    assert [each["fate"] for each in made["streams"]] == ["encoded", "copied", "left out"]
    assert "stream 2 (subtitle) is left out" in made["said"]


@pytest.mark.parametrize(
    ("suffix", "words", "codec"),
    [(".mp4", ("--audio", "aac", "--downmix", 1), "aac"), (".mkv", ("--audio", "opus"), "opus"),
     (".mp4", ("--audio", "none"), None)],
)  # fmt: skip
def test_sound_is_converted_or_left_out_when_asked(
    suffix: str, words: tuple[object, ...], codec: str | None,
    encoded: Callable[..., dict[str, Any]], refusal: Callable[..., str], ffmpeg: Ffmpeg,
    tmp_path: Path,
) -> None:  # fmt: skip
    sound = ("-f", "lavfi", "-i", "sine=d=2", "-ac", 2, "-c:a", "dca", "-strict", "-2")
    film = ffmpeg(*_drawn(), *sound, *X264, tmp_path / "film.mkv")
    assert "dts audio" in refusal("encode", film, "-o", tmp_path / "o.mp4", *QUICK)
    made = encoded(film, tmp_path / f"o{suffix}", *words)
    with av.open(str(tmp_path / f"o{suffix}")) as opened:
        found = [(each.codec_context.name, each.channels) for each in opened.streams.audio]
    assert found == ([] if codec is None else [(codec, 1 if "--downmix" in words else 2)])
    assert made["streams"][1]["fate"] == ("left out" if codec is None else "converted")


def test_a_timecode_survives(
    encoded: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, base: Path, tmp_path: Path
) -> None:
    words = ("-map", 0, "-c", "copy", "-timecode", "01:00:00:00")
    film = ffmpeg("-i", base, *words, tmp_path / "film.mov")
    for suffix in (".mov", ".mp4", ".mkv"):
        encoded(film, tmp_path / f"o{suffix}")
        with av.open(str(tmp_path / f"o{suffix}")) as opened:
            tags = {key.lower(): value for key, value in opened.streams.video[0].metadata.items()}
        assert tags["timecode"] == "01:00:00:00"


def test_grain_that_the_decoder_draws_is_told(
    vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path, tool: Any
) -> None:
    from vqcast.media.grain import has_grain

    noisy = ("-vf", "noise=alls=14:allf=t:all_seed=1", "-pix_fmt", "yuv420p")
    words = ("-c:v", "libsvtav1", "-preset", 8, "-crf", 20)
    plain = ffmpeg(*_drawn(seconds=0.4), *noisy, *words, tmp_path / "plain.mkv")
    params = ("-svtav1-params", "film-grain=30:film-grain-denoise=1")
    grainy = ffmpeg(*_drawn(seconds=0.4), *noisy, *words, *params, tmp_path / "grain.mkv")
    assert has_grain(grainy, "av1", tool) and not has_grain(plain, "av1", tool)


@pytest.fixture
def predicted(vqcast: Vqcast) -> Callable[..., dict[str, Any]]:
    """``predicted(reference, encode, *words)``: what ``predict --json`` says."""

    def run(reference: Path, distorted: Path, *words: object) -> dict[str, Any]:
        made = ("--encoder", "libx264", "--cq", 16, "--json")
        return dict(json.loads(vqcast("predict", reference, distorted, *made, *words).stdout))

    return run


def test_a_shift_of_one_frame_at_equal_length_is_named_and_undone_when_asked(
    predicted: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg(*_drawn(rate=7, seconds=3), *X264, tmp_path / "a.mp4")
    shift = "select=gt(n\\,0),setpts=N/7/TB,tpad=stop=1:stop_mode=clone"
    shifted = ffmpeg("-i", film, "-vf", shift, *X264, tmp_path / "s.mp4")
    found = predicted(film, shifted)
    assert found["offset"] == 0 and found["pooled"]["measured"] < 60
    assert any("frame n fits n+1" in note for note in found["notes"])
    found = predicted(film, shifted, "--align", "auto")
    assert found["offset"] == 1 and len(found["frames"]) == 20
    assert found["pooled"]["measured"] > 95
    copied = ffmpeg("-i", film, "-c", "copy", tmp_path / "a.mkv")
    assert predicted(film, copied)["notes"] == []


def test_pairs_that_do_not_match_say_what_differs(
    predicted: Callable[..., dict[str, Any]], refusal: Callable[..., str], ffmpeg: Ffmpeg,
    base: Path, tmp_path: Path,
) -> None:  # fmt: skip
    made = ("--encoder", "libx264", "--cq", 16)
    fast = ffmpeg(*_drawn(rate=60, seconds=1), *X264, tmp_path / "60.mp4")
    slow = ffmpeg("-i", fast, "-vf", "fps=30", *X264, tmp_path / "30.mp4")
    assert "it has 30 frames a second, the reference 60" in refusal("predict", fast, slow, *made)
    again = ffmpeg("-i", fast, "-vf", "fps=30", "-c:v", "ffv1", tmp_path / "ref.mkv")
    assert predicted(again, slow)["pooled"]["measured"] > 95
    cut = ("-vf", "select=gte(n\\,3),setpts=N/25/TB", "-an")
    late = ffmpeg("-i", base, *cut, *X264, tmp_path / "late.mkv")
    assert "fits frame 3 of the reference" in refusal("predict", base, late, *made)
    found = predicted(base, late, "--align", "auto")
    assert found["offset"] == 3 and len(found["frames"]) == 47
    half = ffmpeg("-i", base, "-vf", "scale=160:120", "-an", *X264, tmp_path / "half.mkv")
    assert "160x120" in refusal("predict", base, half, *made)
    assert len(predicted(base, half, "--score-size", "320x240")["frames"]) == 50


def test_what_vmaf_does_not_see_is_warned_of(
    predicted: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    still = ("-f", "lavfi", "-i", "color=0x202020:s=320x240:r=25:d=0.4,format=yuv420p")
    film = ffmpeg(*still, "-c:v", "ffv1", tmp_path / "r.mkv")
    block = ("-vf", "drawbox=100:60:64:64:0x303030:fill", "-c:v", "ffv1")
    spoilt = ffmpeg("-i", film, *block, tmp_path / "d.mkv")
    (note,) = predicted(film, spoilt)["notes"]
    assert "damage that VMAF does not see" in note
