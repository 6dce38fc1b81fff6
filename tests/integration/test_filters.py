"""Filters end to end: what was asked for is in the delivered file, read by another reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command_kit import Refusal, Vqcast
from hdr_kit import hdr_words

from vqcast.corpus.table import load

Ffmpeg = Callable[..., Path]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p")
QUICK = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 80, "--max-crf", 30)
MOVES = "testsrc=s=320x180"


@pytest.fixture
def delivered(vqcast: Vqcast, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Encodes a film: what was said of it, and of the file by PyAV."""

    def run(film: Path, *words: object) -> dict[str, Any]:
        out = tmp_path / "out.mkv"
        done = vqcast("encode", film, "-o", out, *QUICK, *words, "--no-cache", "--overwrite",
                      "--json")  # fmt: skip
        start, *_, made = map(json.loads, done.stdout.splitlines())
        with av.open(str(out)) as opened:
            video = opened.streams.video[0]
            frames = list(opened.decode(video))
        assert made["frames"] == start["source"]["frames"] == len(frames)
        assert not any(frame.interlaced_frame for frame in frames)
        assert video.codec_context.field_order in (0, 1)
        return start | {
            "made": made, "video": video, "frames": frames, "said": " ".join(start["notes"]),
            "size": (video.width, video.height), "rate": video.average_rate,
        }  # fmt: skip

    return run


@pytest.mark.parametrize("words", [(), ("--deinterlace", "auto"), ("--deinterlace", "bwdif")])
@pytest.mark.parametrize("order", ["tff", "bff"])
def test_interlaced_film_comes_out_progressive(
    order: str, words: tuple[str, ...], delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg,
    tmp_path: Path,
) -> None:  # fmt: skip
    weave = ("-vf", f"interlace=scan={order}:lowpass=0,setfield={order}")
    coded = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "3M", "-pix_fmt", "yuv420p")
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=50", "-t", "2", *weave, *coded,
                  tmp_path / "film.ts")  # fmt: skip
    made = delivered(film, *words)
    assert f"{'top' if order == 'tff' else 'bottom'} field first: deinterlaced" in made["said"]
    assert f"parity={order}" in made["source"]["chain"]
    assert (made["size"], len(made["frames"]), made["rate"]) == ((320, 180), 50, 25)


@pytest.mark.parametrize("coded", [
    ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "3M", "-pix_fmt", "yuv420p"),
    (*X264, "-x264-params", "tff=1"),
])  # fmt: skip
def test_each_field_becomes_a_frame_at_its_time(
    coded: tuple[str, ...], delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg,
    tmp_path: Path,
) -> None:  # fmt: skip
    weave = ("-vf", "interlace=scan=tff:lowpass=0,setfield=tff")
    drawn = ("-f", "lavfi", "-i", f"{MOVES}:r=50", "-t", "2")
    made = delivered(ffmpeg(*drawn, *weave, *coded, tmp_path / "f.ts"), "--deinterlace", "fields")
    assert "a frame for each field" in made["said"]
    assert made["filters"] == "--deinterlace fields"
    assert (len(made["frames"]), made["rate"], made["source"]["duration_s"]) == (100, 50, 2)
    times = [float(frame.pts * frame.time_base) for frame in made["frames"]]
    assert np.diff(times) == pytest.approx(0.02, abs=0.0011)
    with av.open(str(ffmpeg(*drawn, "-c:v", "ffv1", tmp_path / "moments.mkv"))) as opened:
        moments = [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)]
    pictures = [frame.to_ndarray(format="gray").astype(int) for frame in made["frames"]]
    for first in (20, 21):  # the first fields, then the second ones
        before, own, after = (
            sum(np.abs(pictures[at] - moments[at + by]).mean() for at in range(first, 80, 2))
            for by in (-1, 0, 1)
        )
        assert own < min(before, after)


def test_unflagged_fields_are_seen_where_that_is_asked_for(
    delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    graph = f"{MOVES}:r=50,interlace=scan=bff:lowpass=0,setfield=prog"
    film = ffmpeg("-f", "lavfi", "-i", graph, "-t", "2", *X264, tmp_path / "film.mkv")
    assert delivered(film)["source"]["chain"] is None
    made = delivered(film, "--deinterlace", "auto")
    assert "bottom field first" in made["said"] and made["filters"] == "--deinterlace auto"
    plain = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25", "-t", "2", *X264, tmp_path / "plain.mkv")
    assert delivered(plain, "--deinterlace", "auto")["source"]["chain"] is None


def test_pulldown_is_told_and_undone(
    delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    graph = f"{MOVES}:r=24000/1001,telecine,setfield=tff"
    film = ffmpeg("-f", "lavfi", "-i", graph, "-t", "4", *X264, "-x264-params", "tff=1",
                  tmp_path / "film.mkv")  # fmt: skip
    assert "--detelecine" in delivered(film)["said"]
    made = delivered(film, "--detelecine")
    assert (len(made["frames"]), float(made["rate"])) == (96, pytest.approx(23.976, abs=0.01))
    apart = [
        float(np.abs(after.astype(int) - before).mean())
        for before, after in zip(
            *(map(lambda f: f.to_ndarray(format="gray"), made["frames"][at:]) for at in (0, 1)),
            strict=False,
        )
    ]
    assert min(apart) > 0.05, "no frame repeats the one before"


def test_bars_are_cropped_and_the_rest_is_scaled(
    delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25,pad=320:240:0:30", "-t", "2", *X264,
                  tmp_path / "film.mkv")  # fmt: skip
    made = delivered(film, "--crop", "auto")
    assert made["size"] == (320, 180) and "320x240 to 320x180 at 0,30" in made["said"]
    assert delivered(film, "--crop", "300:160:10:40")["size"] == (300, 160)
    made = delivered(film, "--crop", "auto", "--scale", "-2:90", "--fps", "12.5")
    assert (made["size"], made["rate"], len(made["frames"])) == ((160, 90), 12.5, 25)
    assert made["filters"] == "--crop auto --scale -2:90 --fps 12.5"


def test_a_filter_of_one_s_own_is_in_the_file(
    delivered: Callable[..., dict[str, Any]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25", "-t", "1", *X264, tmp_path / "film.mkv")
    turned = delivered(film, "--vf", "hflip")["frames"][0].to_ndarray(format="gray")
    plain = delivered(film)["frames"][0].to_ndarray(format="gray")
    assert np.abs(turned[:, ::-1].astype(int) - plain).mean() < 2
    assert np.abs(turned.astype(int) - plain).mean() > 10


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("encoder", [("libx265", "ultrafast"), ("libsvtav1", "12")])
def test_hdr_comes_out_as_sdr_and_nothing_of_hdr_is_left(
    encoder: tuple[str, str], suffix: str, vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    graph = ("-f", "lavfi", "-i", "testsrc2=s=128x96:r=24", "-frames:v", 12)
    plain = ffmpeg(*graph, *hdr_words("PQ"), tmp_path / "plain.mp4")
    film = ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", tmp_path / "film.mp4")
    words = ("--encoder", encoder[0], "--preset", encoder[1], "--target", 60, "--max-crf", 30)
    out = tmp_path / f"out{suffix}"
    done = vqcast("encode", film, "-o", out, *words, "--no-cache", "--tonemap", "--allow-larger",
                  "--json")  # fmt: skip
    start, *_, made = map(json.loads, done.stdout.splitlines())
    assert "PQ is mapped to SDR" in start["notes"][0]
    assert not made["indicative"] and made["hdr"] is None
    with av.open(str(out)) as opened:
        video = opened.streams.video[0]
        frame = next(opened.decode(video))
        kinds = {data.type.name for data in frame.side_data}
    assert frame.format.name == "yuv420p"
    assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)
    assert not {kind for kind in kinds if re.search("MASTERING|LIGHT|AMBIENT|DYNAMIC|DOVI", kind)}
    assert "DISPLAYMATRIX" in kinds, "it is still turned"
    deep = json.loads(vqcast("tune", film, *words, "--no-cache", "--tonemap", "--depth", 10,
                             "--json").stdout.splitlines()[0])  # fmt: skip
    assert "yuv420p10le" in deep["source"]["chain"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--vf", "unsharp=luma_amont=1"), "did you mean luma_amount"),
        (("--vf", "unsharp=luma_amount=900"), "out of range"),
        (("--vf", "movie=a.mkv"), "something beside the video"),
        (("--crop", "400:200:0:0"), "beyond its 320x180"),
        (("--tonemap",), "is SDR"),
        (("--detelecine",), "25 frames a second"),
        (("--detelecine", "--progressive"), "no picture is interlaced"),
        (("--scale", "16:16"), "no side may be shorter"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(
    words: tuple[str, ...], told: str, refusal: Refusal, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25", "-t", "1", *X264, tmp_path / "film.mkv")
    assert told in refusal("tune", film, *QUICK, *words)
    assert told in refusal("encode", film, "-o", tmp_path / "o.mkv", *QUICK, *words)


def test_other_filters_are_another_measurement(
    vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25", "-t", "1", *X264, tmp_path / "film.mkv")
    asked = ("tune", film, *QUICK, "--cache", tmp_path / "cache", "--json")

    def probes(*more: str) -> list[bool]:
        lines = map(json.loads, vqcast(*asked, *more).stdout.splitlines())
        return [line["probe"]["reused"] for line in lines if line["event"] == "probe"]

    assert not any(probes("--vf", "hflip"))
    assert all(probes("--vf", "hflip"))
    assert not any(probes("--vf", "vflip"))
    assert not any(probes())


def test_corpora_and_predictions_are_of_the_filtered_source(
    vqcast: Vqcast, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES}:r=25,pad=320:240:0:30", "-t", "2", *X264,
                  tmp_path / "film.mkv")  # fmt: skip
    out, words = tmp_path / "corpus.jsonl", ("--crop", "auto")
    asked = ("corpus", "build", film, "--encoder", "libx264", "--preset", "ultrafast", "--cq", "30")
    asked += ("--no-v1", "--out", out)
    vqcast(*asked, *words)
    corpus = load(out, min_rows=1)
    rows = list(corpus.frame.rows())
    assert {(row["options"], row["score_height"]) for row in rows} == {("--crop auto", 180)}
    vqcast(*asked, *words, "--vf", "hflip")
    assert [cell[-1] for cell in load(out, min_rows=1).cells()[0]] == [
        "--crop auto", "--crop auto --vf hflip"
    ]  # fmt: skip
    part = (*asked[:8], "30,40", "--no-v1", "--out", tmp_path / "part.jsonl", "--frames", 10)
    vqcast(*part, "--fps", "12.5", "--deinterlace", "auto")
    assert len(load(tmp_path / "part.jsonl", min_rows=1).frame) == 20
    made = ffmpeg("-i", film, "-vf", "crop=320:180:0:30", "-c:v", "libx264", "-preset", "ultrafast",
                  "-crf", "30", "-pix_fmt", "yuv420p", tmp_path / "made.mkv")  # fmt: skip
    encode = ("predict", film, made, "--encoder", "libx264", "--cq", "30", "--json")
    found = json.loads(vqcast(*encode, *words).stdout)
    assert found["filters"] == "--crop auto" and len(found["frames"]) == 50
    mean = float(np.mean([row["vmaf"] for row in rows]))
    assert found["pooled"]["measured"] == pytest.approx(mean, abs=0.5)
    assert "--score-size" in vqcast(*encode, code=2).stderr
