"""Several films in one command: names, a table, what is finished, what is swapped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

Ffmpeg = Callable[..., Path]
Vqcast = Callable[..., subprocess.CompletedProcess[str]]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p")
QUICK = ("--encoder", "libx264", "--preset", "ultrafast", "--target", 80, "--verify")


def _draw(ffmpeg: Ffmpeg, path: Path, size: str = "96x64", *more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=0.6")
    sound = ("-f", "lavfi", "-i", "sine=d=0.6")
    return ffmpeg(*drawn, *sound, *X264, "-c:a", "aac", *more, path)


@pytest.fixture
def season(ffmpeg: Ffmpeg, tmp_path: Path) -> Path:
    folder = tmp_path / "season"
    _draw(ffmpeg, folder / "a.mkv")
    _draw(ffmpeg, folder / "more" / "b.mp4", "80x64")
    (folder / "notes.txt").write_text("no film")
    return folder


@pytest.fixture
def batch(vqcast: Vqcast, tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """``batch(*words, code=0)``: the lines of ``encode --json``, by the films' names."""

    def run(*words: object, code: int = 0) -> dict[str, dict[str, Any]]:
        asked = (*QUICK, "--cache", tmp_path / "cache", "--json")
        done = vqcast("encode", *words, *asked, code=code)
        *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
        assert last["event"] == "batch" and last["films"] == len(lines)
        return {Path(line["source"]).name: line for line in lines}

    return run


def test_a_folder_is_encoded_and_what_is_finished_is_skipped(
    batch: Callable[..., dict[str, dict[str, Any]]], season: Path, tmp_path: Path
) -> None:
    out = tmp_path / "encoded"
    lines = batch(season, "--out-dir", out)
    assert {name: line["status"] for name, line in lines.items()} == {
        "a.mkv": "encoded", "b.mp4": "encoded"
    }  # fmt: skip
    made = sorted(path.relative_to(out) for path in out.rglob("*.*"))
    assert made == [Path("a.h264.mkv"), Path("more/b.h264.mkv")]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mkv")}
    (out / "a.h264.mkv").unlink()
    lines = batch(season, "--out-dir", out)
    assert [line["status"] for line in lines.values()] == ["encoded", "finished"]
    kept = out / "more" / "b.h264.mkv"
    assert kept.stat().st_mtime_ns == before[kept]


def test_a_failure_stops_no_other_film_and_the_table_tells(
    vqcast: Vqcast, season: Path, tmp_path: Path
) -> None:
    (season / "0.avi").write_bytes(b"no film" * 100)
    words = (*QUICK, "--out-dir", tmp_path / "out", "--cache", tmp_path / "cache")
    done = vqcast("encode", season, *words, code=1)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows[1:4]] == [
        ["0.avi", "failed"], ["a.mkv", "encoded"], ["b.mp4", "encoded"]
    ]  # fmt: skip
    assert "3 films: 1 failed, 2 encoded" in done.stdout
    assert "0.avi: not a video" in done.stderr


def test_an_output_s_name_follows_from_the_film_s(
    vqcast: Vqcast, refusal: Callable[..., str], ffmpeg: Ffmpeg, season: Path, tmp_path: Path
) -> None:
    words = (*QUICK, "--cache", tmp_path / "cache")
    vqcast("encode", season / "a.mkv", *words)
    assert (season / "a.h264.mkv").is_file()
    vqcast("encode", season / "a.mkv", *words, "--name", "{stem}-{encoder}-{target}.mp4")
    assert (season / "a-libx264-80.mp4").is_file()
    twin = _draw(ffmpeg, tmp_path / "other" / "a.mkv")
    said = refusal("encode", season / "a.mkv", twin, *words, "--out-dir", tmp_path / "out")
    assert "would be written for" in said
    assert "names one file" in refusal("encode", season, "-o", tmp_path / "o.mkv", *words)
    for pattern, why in (("{crf}.mkv", "crf"), ("a/{stem}.mkv", "folder"), ("{stem}.avi", ".avi")):
        assert why in refusal("encode", season / "a.mkv", *words, "--name", pattern)


def test_sources_are_swapped_for_checked_results_and_kept_where_asked(
    batch: Callable[..., dict[str, dict[str, Any]]], season: Path, tmp_path: Path
) -> None:
    originals = {path.name: path.read_bytes() for path in season.rglob("*.m*")}
    kept = tmp_path / "kept"
    lines = batch(season, "--replace", "--keep-original", kept)
    assert all(line["replaced"] and line["status"] == "encoded" for line in lines.values())
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == originals
    assert sorted(path.name for path in season.rglob("*.m*")) == ["a.mkv", "b.mkv"]
    assert (season / "a.mkv").stat().st_size < len(originals["a.mkv"])
    with av.open(str(season / "a.mkv")) as opened:
        assert len(opened.streams) == 2 and sum(1 for _ in opened.decode(video=0)) == 15
    again = batch(season, "--replace", "--keep-original", kept)
    assert all(line["status"] == "finished" for line in again.values())


def test_a_source_is_kept_where_a_stream_would_be_lost(
    batch: Callable[..., dict[str, dict[str, Any]]], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    font = tmp_path / "font.ttf"
    font.write_bytes(bytes(100))
    attach = ("-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font")
    film = _draw(ffmpeg, tmp_path / "films" / "a.mkv", "96x64", *attach)
    before = film.read_bytes()
    (line,) = batch(film, "--replace", "--name", "{stem}.{codec}.mp4", code=3).values()
    assert line["status"] == "kept" and "stream 2 (attachment)" in line["reason"]
    assert film.read_bytes() == before and (tmp_path / "films" / "a.h264.mp4").is_file()


def test_one_film_a_task_on_a_cluster(
    batch: Callable[..., dict[str, dict[str, Any]]], season: Path, tmp_path: Path,
    python_environment: dict[str, str],
) -> None:  # fmt: skip
    pytest.importorskip("distributed")
    address = tmp_path / "scheduler.json"
    options = ("--scheduler-file", str(address))
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options, "--port", "0"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", *options, "--nthreads", "1"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    quiet |= {"env": python_environment | {"DASK_DISTRIBUTED__DASHBOARD__LINK": ""}}
    children = [
        subprocess.Popen([*command, "--no-dashboard"], cwd=tmp_path, **quiet),
        subprocess.Popen([*worker, "--no-dashboard", "--no-nanny"], cwd=tmp_path, **quiet),
    ]
    try:
        for _ in range(600):
            if address.is_file() and address.stat().st_size:
                break
            children[0].poll()
            os.sched_yield()
            subprocess.run(["sleep", "0.1"], check=True)
        where = json.loads(address.read_text())["address"]
        lines = batch(season, "--out-dir", tmp_path / "out", "--scheduler", where)
        assert sorted(line["status"] for line in lines.values()) == ["encoded", "encoded"]
        assert (tmp_path / "out" / "more" / "b.h264.mkv").is_file()
    finally:
        for child in children:
            child.kill()
            child.wait()
