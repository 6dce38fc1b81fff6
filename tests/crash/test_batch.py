"""A batch that is killed at random, ten times, ends with the files of one that was not."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Ffmpeg = Callable[..., Path]
KILLS = 10
QUICK = ("--encoder", "libx264", "--preset", "medium", "--target", "85")


def _films(ffmpeg: Ffmpeg, folder: Path) -> Path:
    folder.mkdir()
    for number, graph in enumerate(("testsrc2=s=160x120", "mandelbrot=s=160x120", "rgbtestsrc")):
        drawn = ("-f", "lavfi", "-i", f"{graph}{':' if '=' in graph else '='}r=25", "-t", "1")
        code = ("-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p")
        ffmpeg(*drawn, *code, folder / f"{number}.mkv")
    return folder


def _digests(*folders: Path) -> dict[str, str]:
    return {
        f"{folder.name}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("replace", [False, True], ids=["beside", "in place"])
def test_a_batch_killed_ten_times_ends_with_the_same_files(
    replace: bool, ffmpeg: Ffmpeg, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    def command(home: Path) -> list[str]:
        words = ("--cache", str(home / "cache"))
        where = ("--out-dir", str(home / "out"))
        if replace:
            where = ("--replace", "--keep-original", str(home / "out"))
        base = [sys.executable, "-m", "vqcast.cli.main", "encode", str(home / "films")]
        return [*base, *QUICK, *where, *words]

    def folders(home: Path) -> tuple[Path, Path]:
        return home / "films", home / "out"

    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for home in (quiet, killed):
        home.mkdir()
        _films(ffmpeg, home / "films")
    start = time.monotonic()
    ended = subprocess.run(command(quiet), env=python_environment, capture_output=True, text=True)
    took = time.monotonic() - start
    assert ended.returncode in (0, 3), ended.stderr
    rng, kills = random.Random(replace), 0
    for _ in range(KILLS):
        child = subprocess.Popen(
            command(killed), env=python_environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            child.wait(rng.uniform(0.2, 0.6) * took)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
    assert kills
    last = subprocess.run(command(killed), env=python_environment, capture_output=True, text=True)
    assert last.returncode in (0, 3), last.stderr
    assert _digests(*folders(killed)) == _digests(*folders(quiet))
