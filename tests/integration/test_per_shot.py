"""``vqcast encode --per-shot`` as a user runs it: one film, its sound, and after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from vqcast.documents.shots import ShotMade, ShotsResult, ShotsStart
from vqcast.media.measure import score
from vqcast.media.source import probe
from vqcast.media.tool import Tool

COMMAND = (sys.executable, "-m", "vqcast.cli.main")
ASKED = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 90, "--threads", 2)


@pytest.fixture(scope="module")
def film(ffmpeg: Callable[..., Path], clips: Path) -> Path:
    """150 frames of four pictures, with sound."""
    drawn = "testsrc2=s=128x96:r=25"
    pictures = (drawn, "mandelbrot=s=128x96:r=25", f"{drawn},negate,vflip", f"{drawn},hue=h=90")
    cut = [f"{each},format=yuv420p,trim=end_frame={n},setpts=N/25/TB[p{i}]"
           for i, (each, n) in enumerate(zip(pictures, (38, 31, 45, 36), strict=True))]  # fmt: skip
    graph = ";".join([*cut, "[p0][p1][p2][p3]concat=n=4[v]"])
    return ffmpeg(
        "-f", "lavfi", "-i", "sine=d=6", "-filter_complex", graph, "-map", "[v]", "-map", "0:a",
        "-c:v", "libx264", "-qp", "4", "-g", "250", "-c:a", "aac", clips / "per_shot.mkv",
    )  # fmt: skip


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_film_is_encoded_shot_by_shot(
    film: Path, vqcast: Any, tmp_path: Path, tool: Tool
) -> None:
    output = tmp_path / "out.mp4"
    done = vqcast("encode", film, "-o", output, "--per-shot", *ASKED, "--json",
                  "--cache", tmp_path / "cache")  # fmt: skip
    first, *shots, last = lines(done.stdout)
    start = msgspec.convert(first, ShotsStart)
    made = [msgspec.convert(each, ShotMade) for each in shots]
    result = msgspec.convert(last, ShotsResult)
    assert (start.shots, start.objective) == (4, "pooled")
    assert [each.start for each in result.shots if each.selected] == [0, 38, 69, 114]
    assert {each.encode.shot for each in made} == set(range(4))
    assert result.output.met and result.output.measured == "whole"
    source, encoded = probe(film, tool), probe(output, tool)
    whole = score(source, output, tool, depth=8, known=True).columns["vmaf"]
    assert encoded.frames == source.frames == 150
    assert result.mean == pytest.approx(whole.mean(), abs=1e-3)
    with av.open(str(output)) as opened:
        assert opened.streams.audio[0].codec_context.name == "aac"
        keys = [packet.pts for packet in opened.demux(video=0) if packet.is_keyframe]
        assert len(keys) >= 4
    _require_seeking(output, [each.start_s for each in result.shots if each.selected])
    assert not list((tmp_path / "cache").rglob("*.mp4"))


def _require_seeking(path: Path, starts_s: list[float]) -> None:
    """A player that is sent to a shot shows its first picture, and no other."""
    with av.open(str(path)) as opened:
        video = opened.streams.video[0]
        whole = {frame.pts: frame.to_ndarray() for frame in opened.decode(video)}
    times = sorted(whole)
    with av.open(str(path)) as opened:
        video = opened.streams.video[0]
        for start in starts_s[1:]:
            wanted = min(times, key=lambda pts: abs(float(pts * video.time_base) - start))
            opened.seek(wanted, stream=video)
            frame = next(opened.decode(video))
            assert frame.pts == wanted
            assert np.array_equal(frame.to_ndarray(), whole[wanted])


def test_a_killed_encode_goes_on_from_its_shots(
    film: Path, vqcast: Any, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    output, cache = tmp_path / "out.mkv", tmp_path / "cache"
    words = ("encode", film, "-o", output, "--per-shot", *ASKED, "--json", "--cache", cache,
             "--objective", "worst")  # fmt: skip
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=python_environment,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(cache.rglob("parts/*.json")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not output.exists()
    result = msgspec.convert(lines(vqcast(*words).stdout)[-1], ShotsResult)
    assert any(each.reused for each in result.shots)
    assert result.output.met and result.worst_second >= 90
    assert result.frames_encoded < result.encodes_a_frame * 150


def test_runs_of_one_film_and_cache_do_not_meet(
    film: Path, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    cache = tmp_path / "cache"
    outputs = [tmp_path / f"out{number}.mkv" for number in range(3)]
    running = [
        subprocess.Popen(
            [*COMMAND, *map(str, ("encode", film, "-o", output, "--per-shot", *ASKED,
                                  "--cache", cache))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_environment, text=True,
        )
        for output in outputs
    ]  # fmt: skip
    for process in running:
        said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert all(output.stat().st_size > 1000 for output in outputs)
    assert not list(cache.rglob("*.mp4"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--encoder", "libx264", "--fps", 20), "filters that see several pictures"),
        (("--encoder", "libvvenc"), "can't be joined"),
        (("--encoder", "libx264", "--metric", "psnr"), "not with psnr"),
        (("--encoder", "libx264", "--pool", "p1"), "--objective"),
        (("--encoder", "libx264", "--no-parts"), "encodes in parts"),
        (("--encoder", "libx264", "--measure", "whole"), "measures each shot"),
        (("--encoder", "libx264", "--max-size-percent", 50), "no cap"),
    ],
)
def test_what_shots_can_not_do_is_refused_before_the_work(
    words: tuple[object, ...], said: str, film: Path, refusal: Any, tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    assert said in refusal("encode", film, "-o", output, "--per-shot", "--target", 45, *words)
    assert not output.exists()


def test_an_objective_without_shots_is_refused(film: Path, refusal: Any) -> None:
    assert "is of shots" in refusal("encode", film, *ASKED, "--objective", "even")
