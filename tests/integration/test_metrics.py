"""Every metric as a target: tuned, delivered, measured, and what ffmpeg itself says of the file."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_kit import Refusal, Vqcast

from vqcast.media.tool import Tool


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> Path:
    """Forty frames of something that moves and is not easy."""
    return ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=256x192:rate=25:end_pts=300",
        "-frames:v", "40", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path_factory.mktemp("film") / "film.mkv",
    )  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> Path:
    """Ten frames, which take no long time at 1080 lines."""
    return ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=128x96:rate=25:end_pts=300",
        "-frames:v", "10", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path_factory.mktemp("small") / "small.mkv",
    )  # fmt: skip


SUMMARY = {
    "xpsnr": r"XPSNR  y: (\S+)  u: (\S+)  v: (\S+)",
    "psnr": r"PSNR .*average:(\S+)",
    "ssim": r"SSIM .*All:(\S+)",
}


@pytest.mark.parametrize(
    ("metric", "target"),
    [("xpsnr", 34.0), ("psnr", 36.0), ("ssim", 0.95), ("vmaf-neg", 80), ("vmaf-phone", 95)],
)
def test_a_target_is_met_and_the_file_has_it(
    metric: str, target: float, vqcast: Vqcast, film: Path, tmp_path: Path, tool: Tool
) -> None:
    out = tmp_path / "out.mkv"
    asked = ("--encoder", "libx264", "--preset", "veryfast", "--metric", metric)
    done = vqcast("encode", film, "-o", out, *asked, "--target", target, "--no-cache", "--json")
    start, *_, result, made = map(json.loads, done.stdout.splitlines())
    assert start["metric"] == result["metric"] == made["metric"] == metric
    assert result["basis"] == "verified" and result["forecaster"]["sha256"] is None
    assert made["met"] and made["score"] >= target
    assert made["score"] == pytest.approx(result["score"], rel=1e-4)
    if metric in SUMMARY:
        read = ["-i", str(film), "-i", str(out)]
        graph = f"[0]settb=1/25,setpts=N[a];[1]settb=1/25,setpts=N[b];[a][b]{metric}"
        said = subprocess.run(
            [str(tool.path), "-nostdin", *read, "-lavfi", graph, "-f", "null", "-"],
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
        found = re.search(SUMMARY[metric], said)
        assert found is not None
        planes = [float(each) for each in found.groups()]
        score = planes[0] if len(planes) == 1 else (4 * planes[0] + planes[1] + planes[2]) / 6
        assert made["score"] == pytest.approx(score, abs=2e-4)


def test_a_measurement_is_found_again_by_its_metric(
    vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    asked = ("tune", film, "--encoder", "libx264", "--preset", "ultrafast")
    asked += ("--cache", tmp_path / "cache", "--json")

    def probes(*more: object) -> list[bool]:
        lines = map(json.loads, vqcast(*asked, *more).stdout.splitlines())
        return [line["probe"]["reused"] for line in lines if line["event"] == "probe"]

    assert not any(probes("--metric", "xpsnr", "--target", 34))
    assert all(probes("--metric", "xpsnr", "--target", 34))
    assert not all(probes("--metric", "ssim", "--target", 0.95))


def test_a_filter_s_metric_is_probed_without_vmaf(
    vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    """Which no forecaster of it asks for; of VMAF's models all are scored in one go."""
    asked = ("tune", film, "--encoder", "libx264", "--preset", "ultrafast", "--cache", tmp_path)

    def probed(*more: object) -> set[str]:
        before = set(tmp_path.glob("*.json"))
        vqcast(*asked, *more)
        made = [json.loads(each.read_text()) for each in set(tmp_path.glob("*.json")) - before]
        assert made
        return {name for each in made for name in each["columns"]}

    planes = {"xpsnr", "xpsnr_y", "xpsnr_u", "xpsnr_v"}
    assert probed("--metric", "xpsnr", "--target", 34) == planes
    assert not (tmp_path / "titles").exists(), "no features that another forecast could use"
    assert probed("--metric", "vmaf-neg", "--target", 80) > {"vmaf_neg", "vmaf", "motion2"}


def test_scores_are_said_with_the_digits_that_matter(vqcast: Vqcast, film: Path) -> None:
    asked = ("tune", film, "--encoder", "libx264", "--preset", "ultrafast", "--no-cache")
    said = vqcast(*asked, "--metric", "ssim", "--target", 0.95, "--curve").stdout
    assert re.search(r"^  ssim 0\.9[5-9]\d\d \(measured\)$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--metric", "ssim", "--target", 93), "target: 93 is not between 0 and 1 of SSIM"),
        (("--metric", "xpsnr", "--target", 120), "target: 120 is not between 0 and 70 dB"),
        (("--metric", "xpsnr", "--target", 40, "--pool", "harmonic"), "harmonic mean is for"),
        (("--metric", "xpsnrr", "--target", 40), "xpsnrr' is not known"),
    ],
)
def test_what_can_not_be_is_refused_in_a_sentence(
    words: tuple[object, ...], told: str, refusal: Refusal, film: Path
) -> None:
    assert told in refusal("tune", film, "--encoder", "libx264", "--no-cache", *words)


def test_auto_scales_to_the_model_s_own_size_and_measures(vqcast: Vqcast, small: Path) -> None:
    asked = ("--encoder", "libx264", "--preset", "ultrafast", "--no-cache", "--json")
    done = vqcast("tune", small, *asked, "--target", 80, "--score-size", "auto")
    start, *_, result = map(json.loads, done.stdout.splitlines())
    assert (start["source"]["score_width"], start["source"]["score_height"]) == (1440, 1080)
    assert result["basis"] == "verified" and result["forecaster"]["sha256"] is None
    own = json.loads(vqcast("tune", small, *asked, "--target", 80).stdout.splitlines()[0])
    same = vqcast("tune", small, *asked, "--target", 80, "--score-size", "source")
    assert json.loads(same.stdout.splitlines()[0]) == own
    assert own["source"]["score_width"] == 128 and own["forecaster"]["sha256"]


def test_auto_of_a_metric_without_a_screen_is_refused(refusal: Refusal, small: Path) -> None:
    asked = ("tune", small, "--encoder", "libx264", "--metric", "xpsnr", "--target", 40)
    assert "xpsnr has none" in refusal(*asked, "--score-size", "auto")
    assert "WIDTHxHEIGHT" in refusal(*asked, "--score-size", "automatic")


def test_a_corpus_has_the_metrics_as_columns(
    vqcast: Vqcast, refusal: Refusal, small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    asked = ("corpus", "build", small, "--encoder", "libx264", "--preset", "ultrafast", "--no-v1")
    more = ("--metric", "xpsnr,vmaf-neg", "--metric", "ssim")
    vqcast(*asked, "--cq", "20,40", "--out", out, *more, "--score-size", "256x192")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    columns = {"xpsnr", "xpsnr_y", "xpsnr_u", "xpsnr_v", "ssim", "vmaf_neg", "vmaf"}
    assert all(columns <= row.keys() for row in rows)
    assert {(row["score_width"], row["score_height"]) for row in rows} == {(256, 192)}
    assert {(row["source_width"], row["source_height"]) for row in rows} == {(128, 96)}
    better, worse = (next(row for row in rows if row["cq"] == cq) for cq in (20, 40))
    assert better["xpsnr"] > worse["xpsnr"] and better["ssim"] > worse["ssim"]
    provenance = json.loads((tmp_path / "c.provenance.json").read_text())
    assert provenance["models"] == ["vmaf_v0.6.1", "vmaf-neg", "xpsnr", "ssim"]
    said = refusal(*asked, "--cq", "30", "--out", out)
    assert "scored at 256x192" in said
    plain = tmp_path / "plain.jsonl"
    vqcast(*asked, "--cq", "20", "--out", plain)
    columns |= {"source_width", "source_height"}
    assert not columns - {"vmaf"} & json.loads(plain.read_text().splitlines()[0]).keys()


def test_predict_measures_them_beside(vqcast: Vqcast, small: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.mp4"
    encoded = ("--encoder", "libx264", "--preset", "ultrafast")
    vqcast("encode", small, "-o", made, *encoded, "--target", 80, "--no-cache")
    asked = ("predict", small, made, *encoded, "--cq", 30)
    sized = ("--metric", "xpsnr,ssim", "--score-size", "auto")
    found = json.loads(vqcast(*asked, *sized, "--json").stdout)
    assert found["metrics"].keys() == {"xpsnr", "ssim"} and 20 < found["metrics"]["xpsnr"] < 60
    assert (found["score_width"], found["score_height"]) == (1440, 1080)
    assert re.search(r"^ssim 0\.9\d{3} \(measured\)$", vqcast(*asked, *sized).stdout, re.MULTILINE)


def test_4k_pictures_say_which_screen_the_model_is_for(
    vqcast: Vqcast, ffmpeg: Callable[..., Path], tmp_path: Path
) -> None:
    large = ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=2576x1456:rate=25", "-frames:v", "2",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", tmp_path / "large.mkv",
    )  # fmt: skip
    asked = ("corpus", "build", large, "--encoder", "libx264", "--preset", "ultrafast", "--no-v1")
    asked += ("--cq", "40", "--metric", "vmaf-4k", "--out")
    said = vqcast(*asked, tmp_path / "own.jsonl").stderr
    assert "vmaf is a model for screens of 1080 lines, the pictures are scored at 2576x1456" in said
    assert "vmaf-4k is a model for screens of 2160 lines" in said
    scaled = vqcast(*asked, tmp_path / "scaled.jsonl", "--score-size", "640x360").stderr
    assert "1080 lines" not in scaled
