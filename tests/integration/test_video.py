"""The commands that touch video, on clips that ffmpeg draws, with the real encoders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_kit import Refusal, Vqcast
from registry_kit import House

FFmpeg = Callable[..., Path]


@pytest.fixture(scope="module")
def encoded(ffmpeg: FFmpeg, clips: Path, pattern: Path) -> Path:
    """``pattern`` through libx264 at CRF 30."""
    words = ("-i", pattern, "-c:v", "libx264", "-crf", 30, "-preset", "medium")
    return ffmpeg(*words, clips / "integration_x264.mkv")


def test_a_corpus_is_built_checked_and_found_finished(
    vqcast: Vqcast, pattern: Path, fractal: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    words = ("corpus", "build", pattern, fractal, "--encoder", "libx264,libsvtav1", "--cq", "25,45",
             "--preset", "libx264:ultrafast", "--preset", "libsvtav1:12", "--frames", 4,
             "--no-v1", "--out", out)  # fmt: skip
    first = json.loads(vqcast(*words, "--json").stdout)
    assert (first["cells"], first["measured"], first["rows"]) == (8, 8, 32)
    assert first["failed"] == []
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["src"] for row in made} == {"pattern", "fractal"}
    for row in made:
        assert 0 <= row["vmaf"] <= 100 and row["enc_bytes"] > 0
        assert (row["score_width"], row["score_height"]) == (128, 96)
    before = out.read_bytes()
    again = json.loads(vqcast(*words, "--json").stdout)
    assert (again["measured"], again["reused"]) == (0, 8) and out.read_bytes() == before


def test_a_cell_that_fails_is_reported_and_the_rest_is_written(
    vqcast: Vqcast, ffmpeg: FFmpeg, pattern: Path, tmp_path: Path
) -> None:
    """libsvtav1 takes no picture wider than 16384; the other one goes on."""
    graph = "testsrc2=s=16400x18:r=25"
    words = ("-f", "lavfi", "-i", graph, "-frames:v", 3, "-pix_fmt", "yuv420p", "-c:v", "ffv1")
    wide = ffmpeg(*words, tmp_path / "wide.mkv")
    out = tmp_path / "c.jsonl"
    done = vqcast(
        "corpus", "build", wide, pattern, "--encoder", "libsvtav1", "--cq", 40, "--frames", 3,
        "--no-v1", "--out", out, "--json", code=1,
    )  # fmt: skip
    plain = json.loads(done.stdout)
    assert (plain["cells"], plain["measured"], len(plain["failed"])) == (2, 1, 1)
    assert plain["failed"][0]["cell"].startswith("wide libsvtav1")
    assert "ffmpeg" in plain["failed"][0]["reason"] and "wide" in done.stderr
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["src"] for row in made] == ["pattern"] * 3


def test_a_prediction_stands_beside_the_measurement(
    vqcast: Vqcast, chain: House, pattern: Path, encoded: Path
) -> None:
    words = ("predict", pattern, encoded, "--registry", chain.registry)
    about = ("--encoder", "libx264", "--cq", 30, "--preset", "medium")
    plain = json.loads(vqcast(*words, *about, "--json").stdout)
    assert {"model", "pooled", "frames", "warnings", "slot", "slot_rows"} <= set(plain)
    assert [frame["frame_index"] for frame in plain["frames"]] == list(range(8))
    for entry in (plain["pooled"], *plain["frames"]):
        assert 0 <= entry["predicted"] <= 100 and 0 <= entry["measured"] <= 100
    mean = sum(frame["measured"] for frame in plain["frames"]) / 8
    assert plain["pooled"]["measured"] == pytest.approx(mean)
    assert plain["warnings"] == [] and plain["slot"] == "libx264"
    table = vqcast(*words, *about, "--per-frame").stdout
    assert "mean of 8 frames" in table and "frame 7" in table


def test_the_shipped_models_predict_without_a_registry_named(
    vqcast: Vqcast, pattern: Path, encoded: Path
) -> None:
    plain = json.loads(
        vqcast("predict", pattern, encoded, "--encoder", "libx264", "--cq", 30, "--json").stdout
    )
    assert plain["model"] == "fr_regressor_v2_ensemble_v1"
    assert abs(plain["pooled"]["predicted"] - plain["pooled"]["measured"]) < 25


def test_the_shipped_ensemble_says_how_sure_a_clip_is_to_reach_a_target(
    vqcast: Vqcast, refusal: Refusal, pattern: Path, encoded: Path
) -> None:
    """The interval inverted: sure below it, not sure above it, rising all the way."""
    words = ("predict", pattern, encoded, "--encoder", "libx264", "--cq", 30, "--json")

    def asked(target: float, confidence: float, code: int) -> dict[str, float]:
        more = ("--target", target, "--quality-confidence", confidence)
        return json.loads(vqcast(*words, *more, code=code).stdout)

    plain = json.loads(vqcast(*words).stdout)
    level, pooled = plain["level"], plain["pooled"]
    assert not {"target", "confidence", "probability", "reached"} & plain.keys()
    sure = asked(round(pooled["lower"] - 0.01, 4), level, 0)
    assert sure["reached"] is True and sure["probability"] >= level
    even = asked(round(pooled["predicted"], 4), level, 3)
    assert even["reached"] is False and even["probability"] < level
    above = asked(min(pooled["upper"] + 1, 100), 0.5, 3)
    assert above["probability"] <= even["probability"] <= sure["probability"]
    del above["reached"], above["probability"], above["target"], above["confidence"]
    assert above == plain
    told = vqcast(*words[:-1], "--target", 1, "--quality-confidence", 0.9).stdout
    assert "VMAF 1 or more: at least" in told and "reached" in told
    assert "target" in refusal(*words, "--target", 101)
    assert "confidence" in refusal(*words, "--target", 50, "--quality-confidence", 1.5)
    assert "groups" in refusal(*words, "--target", 50, "--quality-confidence", 0.999)
    assert "no calibrated" in refusal(*words, "--target", 50, "--model", "fr_regressor_v2")


def test_thin_ground_is_said_aloud(
    vqcast: Vqcast, chain: House, pattern: Path, encoded: Path
) -> None:
    words = ("predict", pattern, encoded, "--registry", chain.registry)
    done = vqcast(*words, "--encoder", "mpeg2video", "--cq", 99)
    assert "'mpeg2video'" in done.stderr and "outside the trained range" in done.stderr


def broken(kind: str, tmp_path: Path, ffmpeg: FFmpeg, pattern: Path, encoded: Path) -> Path:
    path = tmp_path / "dist.mkv"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not a video\n" * 99)
    elif kind == "truncated":
        data = encoded.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
    elif kind == "smaller":
        ffmpeg("-i", pattern, "-vf", "scale=64:48", "-c:v", "ffv1", path)
    elif kind == "shorter":
        ffmpeg("-i", pattern, "-frames:v", 5, "-c:v", "ffv1", path)
    return path


KINDS = ["absent", "folder", "empty", "text", "truncated", "smaller", "shorter"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_that_can_not_be_scored_gets_no_score(
    refusal: Refusal,
    chain: House,
    ffmpeg: FFmpeg,
    pattern: Path,
    encoded: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    path = broken(kind, tmp_path, ffmpeg, pattern, encoded)
    words = ("--registry", chain.registry, "--encoder", "libx264", "--cq", 30)
    sentence = refusal("predict", pattern, path, *words)
    assert "dist.mkv" in sentence or "frames" in sentence or "64x48" in sentence
    if kind not in ("smaller", "shorter"):
        refusal("predict", path, pattern, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--encoder", "libx266", "--cq", "30"], "libx266"),
        (["--encoder", "libx264", "--cq", "99"], "99"),
        (["--encoder", "libx264", "--cq", "-2"], "-2"),
        (["--encoder", "libx264", "--cq", "nan"], "nan"),
        (["--encoder", "libx264", "--cq", "low"], "low"),
        (["--encoder", "libx264", "--cq", "30", "--preset", "warp"], "warp"),
        (["--encoder", "libx264", "--cq", "libx265:30"], "libx265"),
    ],
)
def test_a_grid_that_no_encoder_takes(
    refusal: Refusal, pattern: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    out = tmp_path / "c.jsonl"
    assert said in refusal("corpus", "build", pattern, *words, "--out", out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["absent", "folder", "empty", "text", "truncated"])
def test_a_source_that_is_no_video(
    refusal: Refusal,
    ffmpeg: FFmpeg,
    pattern: Path,
    encoded: Path,
    tmp_path: Path,
    kind: str,
) -> None:
    path = broken(kind, tmp_path, ffmpeg, pattern, encoded)
    out = tmp_path / "c.jsonl"
    words = ("--encoder", "libx264", "--cq", 30, "--out", out)
    assert "dist.mkv" in refusal("corpus", "build", path, *words)
    assert not out.exists()


def test_doctor_tries_every_encoder_and_model(vqcast: Vqcast) -> None:
    facts = json.loads(vqcast("doctor", "--json").stdout)
    assert facts["ready"] is True and len(facts["ffmpeg"]["sha256"]) == 64
    works = {each["name"] for each in facts["encoders"] if each["works"]}
    assert {"libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc"} <= works
    assert "vmaf_v0.6.1" in {each["name"] for each in facts["vmaf_models"] if each["works"]}
