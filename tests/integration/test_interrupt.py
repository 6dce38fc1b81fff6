"""Ctrl-C: exit code 130, nobody left behind, and the same command goes on from there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registry_kit import House

COMMAND = (sys.executable, "-m", "vqcast.cli.main")


def interrupted(
    words: tuple[object, ...],
    when: Callable[[], bool],
    environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> str:
    """Run until ``when``, press Ctrl-C, and return what was said on standard error."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
        # A test run in the background ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )  # fmt: skip
    until = time.monotonic() + 90
    while not when():
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.005)
    family = children(process.pid)
    family += [grandchild for child in family for grandchild in children(child)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "interrupted: " in errors
    assert all(ends(pid) for pid in family)
    return errors


def test_training_goes_on_where_it_was_stopped(
    vqcast: Any,
    chain: House,
    tmp_path: Path,
    python_environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> None:
    def words(out: Path) -> tuple[object, ...]:
        shared = ("--corpus", chain.corpus_path, "--seeds", "0,1", "--epochs", 1500)
        return ("train", *shared, "--workers", 1, "--out-dir", out)

    cut, whole = tmp_path / "cut", tmp_path / "whole"
    interrupted(
        words(cut), lambda: bool(list(cut.glob(".folds/*.f32"))),
        python_environment, children, ends,
    )  # fmt: skip
    kept = {path.name: path.read_bytes() for path in cut.glob(".folds/*.f32")}
    assert kept and not (cut / "loso_seed1.json").exists()
    assert not list(cut.rglob(".vqcast-*"))
    vqcast(*words(cut))
    vqcast(*words(whole))
    for seed in (0, 1):
        one, two = (
            json.loads((folder / f"loso_seed{seed}.json").read_bytes()) | {"wall_time_s": 0}
            for folder in (cut, whole)
        )
        assert one == two
    assert not (cut / ".folds").exists()


def test_a_corpus_build_goes_on_where_it_was_stopped(
    vqcast: Any,
    pattern: Path,
    fractal: Path,
    tmp_path: Path,
    python_environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> None:
    qualities = ",".join(map(str, range(20, 50, 3)))

    def words(out: Path) -> tuple[object, ...]:
        return (
            "corpus", "build", pattern, fractal, "--encoder", "libx264", "--cq", qualities,
            "--no-v1", "--jobs", 2, "--out", out,
        )  # fmt: skip

    cut, whole = tmp_path / "cut.jsonl", tmp_path / "whole.jsonl"
    cells = tmp_path / "cut.jsonl.cells"
    interrupted(
        words(cut), lambda: len(list(cells.glob("*.json"))) >= 2,
        python_environment, children, ends,
    )  # fmt: skip
    assert not cut.exists()
    finished = {path.name: path.read_bytes() for path in cells.glob("*.json")}
    assert 2 <= len(finished) < 20
    done = json.loads(vqcast(*words(cut), "--json").stdout)
    assert (done["reused"], done["measured"]) == (len(finished), 20 - len(finished))
    vqcast(*words(whole))

    def timeless(path: Path) -> list[dict[str, object]]:
        return [json.loads(line) | {"enc_time_ms": 0} for line in path.read_text().splitlines()]

    assert timeless(cut) == timeless(whole)
    assert {p.name: p.read_bytes() for p in cells.glob("*.json")}.items() >= finished.items()


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL])
def test_an_encode_of_a_long_title_goes_on_from_its_finished_parts(
    way: signal.Signals,
    vqcast: Any,
    ffmpeg: Callable[..., Path],
    tmp_path: Path,
    python_environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> None:
    film, cache = tmp_path / "film.mkv", tmp_path / "cache"
    drawn = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=104,format=yuv420p")
    sound = ("-f", "lavfi", "-i", "sine=d=104")
    ffmpeg(*drawn, *sound, "-c:v", "libx264", "-g", "25", "-crf", "8", "-c:a", "aac", film)

    def words(name: str) -> tuple[object, ...]:
        asked = ("--encoder", "libx264", "--preset", "veryslow", "--target", "60", "--threads", 2)
        crf = ("--min-crf", 30, "--max-crf", 31, "--confidence", 0.5)
        return ("encode", film, "-o", tmp_path / name, *asked, *crf, "--cache", cache)

    def finished() -> list[Path]:
        return list((cache / "parts").glob("*.json"))

    if way == signal.SIGINT:
        interrupted(words("cut.mkv"), lambda: len(finished()) >= 2,
                    python_environment, children, ends)  # fmt: skip
        assert not list(tmp_path.glob(".vqcast-*"))
    else:
        process = subprocess.Popen(
            [*COMMAND, *map(str, words("cut.mkv"))], env=python_environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while len(finished()) < 2:
            assert process.poll() is None
            time.sleep(0.005)
        family = children(process.pid)
        process.kill()
        process.wait()
        assert all(ends(pid) for pid in family)
    assert not (tmp_path / "cut.mkv").exists()
    kept = len(finished())
    done = json.loads(vqcast(*words("cut.mkv"), "--json").stdout.splitlines()[-1])
    assert 2 <= kept <= done["parts_reused"] < done["parts"]
    assert not list((cache / "parts").iterdir())
    vqcast(*words("whole.mkv"))
    assert (tmp_path / "cut.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
