"""``vqcast tune`` and ``vqcast encode`` as a user runs them: real encodes, real scores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from command_kit import Refusal, Vqcast

import vqcast as package
from vqcast.documents.tune import EncodeResult, TuneProbed, TuneResult, TuneStart
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import measure as measured
from vqcast.measured.probe import Prober
from vqcast.media.source import probe
from vqcast.media.tool import Tool
from vqcast.tuning import shares
from vqcast.tuning.session import NEAR

QUICK = ("--encoder", "libx264", "--preset", "ultrafast")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> Path:
    """A second of something that moves and is not easy, with sound."""
    return ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=320x240:rate=24,noise=alls=6:allf=t:all_seed=1",
        "-f", "lavfi", "-i", "sine=frequency=440", "-t", "1", "-c:v", "ffv1", "-pix_fmt",
        "yuv420p", "-c:a", "aac", tmp_path_factory.mktemp("film") / "film.mkv",
    )  # fmt: skip


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_answer_reaches_the_target(vqcast: Vqcast, film: Path, cache: Path, tool: Tool) -> None:
    """Against a whole-title encode at the answer, and one step further that need not reach it."""
    done = vqcast("tune", film, *QUICK, "--target", 85, "--cache", cache, "--json", "--verify")
    start, *probes, last = lines_of(done)
    assert msgspec.convert(start, TuneStart).encoder == "libx264"
    assert [msgspec.convert(line, TuneProbed).probe.whole for line in probes]
    result = msgspec.convert(last, TuneResult)
    assert result.status == "met" and result.basis == "verified" and result.probability == 1
    assert [line["probe"] for line in probes] == last["probes"]
    truth = measured(Cell(probe(film, tool), "libx264", "ultrafast", result.crf), tool)
    assert truth.column("vmaf").mean() == pytest.approx(result.score, abs=0.01)
    assert truth.enc_bytes == result.bytes and result.score >= 85
    curve = {point.crf: point for point in result.curve}
    assert result.score - curve[result.crf + 2].score > 0


def test_with_each_an_answer_is_as_sure_as_was_asked(
    vqcast: Vqcast, film: Path, cache: Path
) -> None:
    """A share of titles asks less of one title, so its answer is no lower a CRF."""
    words = ("tune", film, *QUICK, "--target", 85, "--confidence", 0.9, "--cache", cache, "--json")
    share, each = (
        msgspec.convert(lines_of(vqcast(*words, *more))[-1], TuneResult)
        for more in ((), ("--each",))
    )
    assert each.each and each.probability >= 0.9 and each.confidence == share.confidence == 0.9
    assert not share.each and share.crf >= each.crf
    assert share.probability >= shares.least_probability(0.9, share.forecaster.sha256)


def test_the_second_run_encodes_nothing_even_under_another_name(
    vqcast: Vqcast, film: Path, tmp_path: Path, cache: Path
) -> None:
    words = (*QUICK, "--target", 85, "--cache", cache, "--json")
    first = lines_of(vqcast("tune", film, *words))[-1]
    renamed = tmp_path / "other name.mkv"
    renamed.write_bytes(film.read_bytes())
    again = lines_of(vqcast("tune", renamed, *words))[-1]
    assert all(line["reused"] for line in again["probes"])
    assert again["crf"] == first["crf"] and again["score"] == first["score"]


def test_a_changed_source_and_a_damaged_entry_are_measured_again(
    film: Path, tmp_path: Path, tool: Tool, ffmpeg: Callable[..., Path]
) -> None:
    changed = ffmpeg("-i", film, "-an", "-c:v", "copy", tmp_path / "film.mkv")
    cache = tmp_path / "cache"
    keys = set()
    for path in (film, changed):
        prober = Prober(Cell(probe(path, tool), "libx264", "ultrafast", 0), tool, cache)
        keys.add(prober.at(40).key(tool.sha256))
        assert not prober.measure(40)[1] and prober.measure(40)[1]
    assert len(keys) == 2
    entry = cache / prober.at(40).file_name(tool.sha256)
    whole = entry.read_bytes()
    for damage in (b"", whole[:-40], whole.replace(b'"vmaf":[', b'"vmaf":[1e999,'), b"[]"):
        entry.write_bytes(damage)
        assert not prober.measure(40)[1]
        assert entry.read_bytes().startswith(b'{"schema_version":1,"enc_bytes"')


def test_out_of_reach_is_the_best_effort(vqcast: Vqcast, film: Path, cache: Path) -> None:
    done = vqcast(
        "tune", film, *QUICK, "--target", 99.9, "--min-crf", 40, "--max-crf", 46,
        "--cache", cache, "--json", code=3,
    )  # fmt: skip
    result = lines_of(done)[-1]
    assert result["status"] == "best_effort" and result["crf"] == 40
    assert "out of reach" in str(result["reason"])


def test_the_size_cap_is_told(vqcast: Vqcast, film: Path, cache: Path) -> None:
    words = ("tune", film, *QUICK, "--target", 85, "--cache", cache)
    done = vqcast(*words, "--max-size-percent", 2, "--json", code=4)
    result = lines_of(done)[-1]
    assert result["status"] == "size_cap"
    assert result["bytes"] <= 0.02 * film.stat().st_size
    assert "size cap" in vqcast(*words, "--max-size-percent", 2, code=4).stdout


def test_words_and_curve_for_people(vqcast: Vqcast, film: Path, cache: Path) -> None:
    done = vqcast("tune", film, *QUICK, "--target", 85, "--cache", cache, "--curve")
    assert "CRF" in done.stdout and "% of the source" in done.stdout
    assert done.stdout.count("..") > 40  # an interval a row


def test_the_file_is_encoded_and_measured(
    vqcast: Vqcast, film: Path, tmp_path: Path, cache: Path, tool: Tool
) -> None:
    import av

    out = tmp_path / "out.mp4"
    words = ("encode", film, "-o", out, *QUICK, "--target", 85, "--cache", cache, "--json")
    *_, found, made = lines_of(vqcast(*words))
    encoded = msgspec.convert(made, EncodeResult)
    assert encoded.met and encoded.score >= 85 and encoded.crf == found["crf"]
    assert encoded.score == pytest.approx(found["score"], abs=1.5)
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    assert probe(out, tool).frames == 24
    before = out.read_bytes()
    assert "already exists" in vqcast(*words, code=2).stderr
    assert out.read_bytes() == before


def test_looks_stand_for_a_title(
    vqcast: Vqcast, tmp_path: Path, cache: Path, tool: Tool, ffmpeg: Callable[..., Path]
) -> None:
    long = ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=128x96:rate=25,noise=alls=6:allf=t:all_seed=1",
        "-t", "100", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12",
        "-pix_fmt", "yuv420p", tmp_path / "long.mkv",
    )  # fmt: skip
    words = (
        "tune",
        long,
        "--encoder",
        "libx264",
        "--preset",
        "veryfast",
        "--target",
        85,
        "--tolerance",
        20,
        "--cache",
        cache,
        "--json",
    )
    result = msgspec.convert(lines_of(vqcast(*words, "--threads", 2))[-1], TuneResult)
    assert result.status == "met" and result.basis == "forecast"
    assert all(not each.whole and each.frames <= 1020 for each in result.probes)
    assert result.probes[0].looks == 60 and result.probes[0].deviation > 0
    # However much waste is allowed, an answer is looked at: this is no curve that others have.
    assert min(abs(each.score - result.score) for each in result.probes) <= NEAR
    # The whole title at that CRF and at the others of the curve has what the intervals say.
    truth = Prober(Cell(probe(long, tool), "libx264", "veryfast", 0), tool, None)
    curve = {point.crf: point for point in result.curve}
    for crf in (result.crf, result.probes[0].crf, result.crf + 3):
        measured = truth.measure(crf)[0].column("vmaf").mean()
        point = curve[crf]
        assert point.lower <= measured <= point.upper, crf
        assert point.upper - point.lower < 8, crf


def test_a_sample_of_a_finished_encode_tells_the_score_of_all(
    vqcast: Vqcast, tmp_path: Path, cache: Path, ffmpeg: Callable[..., Path]
) -> None:
    long = ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=25,noise=alls=6:allf=t:all_seed=1",
        "-t", "100", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12",
        "-pix_fmt", "yuv420p", tmp_path / "long.mkv",
    )  # fmt: skip
    words = ("encode", long, *QUICK, "--target", 85, "--cache", cache, "--overwrite", "--json")
    made = {}
    for measure in ("sample", "whole", None):
        how = () if measure is None else ("--measure", measure)
        line = lines_of(vqcast(*words, "-o", tmp_path / f"{measure}.mkv", *how))[-1]
        made[measure] = msgspec.convert(line, EncodeResult)
    sample, whole = made["sample"], made["whole"]
    assert (whole.measured, whole.scored, whole.score_half_width) == ("whole", 2500, 0)
    assert (sample.measured, sample.frames) == ("sample", 2500) and sample.scored < 500
    assert 0 < sample.score_half_width <= 0.2
    assert sample.score == pytest.approx(whole.score, abs=2 * sample.score_half_width)
    assert sample.sha256 == whole.sha256
    assert made[None].measured == "sample"  # a long title, and nothing was asked for
    refused = vqcast(*words[:-2], "-o", tmp_path / "no.mkv", "--measure", "sample", "--pool", "p1",
                     code=2)  # fmt: skip
    assert "--measure whole" in refused.stderr


def test_an_answer_on_steps_that_no_curve_tells_of_is_measured(
    vqcast: Vqcast, film: Path, cache: Path
) -> None:
    words = ("tune", film, *QUICK, "--target", 85, "--cache", cache, "--json")
    (*_, usual), (start, *_, finer) = (
        lines_of(vqcast(*words, *more)) for more in ((), ("--crf-step", 0.1))
    )
    assert usual["basis"] == "forecast" and finer["basis"] == "verified"
    assert "no curve tells of steps of 0.1: the answer is measured" in start["notes"]  # type: ignore[operator]


def test_a_title_too_short_for_segments_is_probed_whole(
    vqcast: Vqcast, film: Path, cache: Path
) -> None:
    words = ("tune", film, *QUICK, "--target", 85, "--cache", cache, "--json")
    sampled, whole = (lines_of(vqcast(*words, how))[-1] for how in ("--sample", "--whole"))
    assert all(line["whole"] for line in sampled["probes"])
    assert sampled["crf"] == whole["crf"] and sampled["score"] == whole["score"]


@pytest.mark.parametrize(
    "words",
    [
        ("--target", 0),
        ("--target", 101),
        ("--target", 90, "--confidence", 1.2),
        ("--target", 90, "--metric", "psnr"),
        ("--target", 90, "--pool", "median"),
        ("--target", 90, "--score-size", "big"),
        ("--target", 90, "--min-crf", 40, "--max-crf", 20),
        ("--target", 90, "--max-size-percent", -1),
        ("--target", 90, "--preset", "warp"),
        ("--target", 90, "--plot", "curve.jpg"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refusal: Refusal, film: Path, words: tuple[object, ...]
) -> None:
    refusal("tune", film, "--encoder", "libx264", *words)


def test_an_input_that_is_no_video_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    text = tmp_path / "notes.mkv"
    text.write_text("not a video")
    assert "notes.mkv" in refusal("tune", text, *QUICK, "--target", 90)
    assert "no such file" in refusal("tune", tmp_path / "absent.mkv", *QUICK, "--target", 90)


def test_a_killed_tuning_goes_on_from_its_probes(
    vqcast: Vqcast, film: Path, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    cache = tmp_path / "cache"
    words = ["tune", str(film), *QUICK, "--target", "85", "--cache", str(cache), "--json",
             "--tolerance", "0.5"]  # fmt: skip
    running = subprocess.Popen(
        [sys.executable, "-m", "vqcast.cli.main", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=python_environment,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(cache.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = len(list(cache.glob("*.json")))
    assert kept >= 1
    result = lines_of(vqcast(*words))[-1]
    assert sum(line["reused"] for line in result["probes"]) == kept


def test_tuning_from_python(film: Path, cache: Path) -> None:
    told: list[str] = []
    asked = package.TuneRequest(encoder="libx264", preset="ultrafast", target=85)
    result = package.tune(film, asked, cache=cache, on_event=lambda event: told.append(event.event))
    assert result.status == "met" and told[0] == "start" and told[-1] == "result"


def test_a_damaged_forecaster_is_refused(
    refusal: Refusal, film: Path, cache: Path, tmp_path: Path
) -> None:
    from vqcast.serve.folder import packaged_registry

    root = Path(shutil.copytree(packaged_registry("forecast"), tmp_path / "forecast"))
    words = ("tune", film, *QUICK, "--target", 85, "--cache", cache)
    assert "signature" in refusal(*words, "--registry", root, "--require-signature")
    table = root / "crf_forecast_v1.json"
    table.write_bytes(table.read_bytes().replace(b"0.5", b"0.6", 1))
    assert "crf_forecast_v1.json" in refusal(*words, "--registry", root)


@pytest.mark.parametrize("what", ["absent", "empty", "file"])
def test_a_named_registry_that_is_none_is_refused(
    refusal: Refusal, film: Path, tmp_path: Path, what: str
) -> None:
    """A mistyped name is no reason to answer from the generic prior."""
    named = tmp_path / what
    if what == "empty":
        named.mkdir()
    elif what == "file":
        named.write_text("{}")
    assert str(named) in refusal("tune", film, *QUICK, "--target", 85, "--registry", named)
