"""A batch of films that is killed at random, again and again, and then left to end.

Nothing may differ from a batch that nobody killed: the outputs, the sources, and the folders that
hold nothing else.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from attacks.child import ENVIRONMENT
from attacks.clips import drawn_clip
from attacks.count import Count, scratch
from attacks.kills import gone
from vqcast.durable.files import sha256_file

KILLS = 10
_FILMS = ("testsrc2=s=160x120:r=25", "mandelbrot=s=160x120:r=25")
_CODED = ("-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p")
_ASKED = ("--encoder", "libx264", "--preset", "medium", "--target", "85")
_ENDED = (0, 3)
_CODEC = ".h264"
"""What the name of an output has more than its source's."""

Files = dict[str, str]


def _home(folder: Path) -> Path:
    """A folder with films, in which a batch has all that it writes."""
    for name in ("films", "out", "tmp", "cache"):
        (folder / name).mkdir(parents=True)
    for number, graph in enumerate(_FILMS):
        film = drawn_clip(graph, 25, f"batch{number}.mkv", _CODED)
        (folder / "films" / film.name).write_bytes(film.read_bytes())
    return folder


def _begin(home: Path, *, replace: bool) -> subprocess.Popen[bytes]:
    where = ("--replace", "--keep-original") if replace else ("--out-dir",)
    words = ("encode", home / "films", *_ASKED, *where, home / "out", "--cache", home / "cache")
    return subprocess.Popen(
        [sys.executable, "-m", "vqcast.cli.main", *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=ENVIRONMENT | {"TMPDIR": str(home / "tmp")},
    )  # fmt: skip


def _files(home: Path) -> Files:
    """Digests of all that lies in the folders, but for the cache."""
    kept = [path for name in ("films", "out", "tmp") for path in (home / name).rglob("*")]
    kept = [path for path in kept if path.name != ".ses"]  # ONNX Runtime's own
    return {
        str(path.relative_to(home)): sha256_file(path) if path.is_file() else "a folder"
        for path in sorted(kept)
    }


@cache
def _undisturbed(*, replace: bool) -> tuple[Files, Files, float]:
    """What is there before and after a batch that nobody kills, and how long it takes."""
    with scratch() as folder:
        home = _home(folder / "home")
        before, began = _files(home), time.monotonic()
        code = _begin(home, replace=replace).wait()
        took = time.monotonic() - began
        if code not in _ENDED:
            raise RuntimeError(f"a batch that nobody killed ended with {code}")
        return before, _files(home), took


def killed_batches(n: int, rng: random.Random) -> Count:
    """Batches beside their sources and in place of them by turns, each killed ten times."""
    count, replace = Count(), False
    while count.attempts < n:
        with scratch() as folder:
            _one_batch(count, _home(folder / "home"), rng, replace=replace)
        replace = not replace
    return count


def _one_batch(count: Count, home: Path, rng: random.Random, *, replace: bool) -> None:
    before, whole, took = _undisturbed(replace=replace)
    kills, wrong = 0, ""
    while kills < KILLS and not wrong:
        batch = _begin(home, replace=replace)
        try:
            batch.wait(rng.uniform(0.1, 0.9) * took)
        except subprocess.TimeoutExpired:
            batch.send_signal(signal.SIGKILL)
            batch.wait()
            wrong = _torn(home, before, whole)
        else:  # nothing was left to do
            wrong = _after(home, whole, batch.returncode)
            home = _home(home.with_name(f"{home.name}+"))
            continue
        kills += 1
    batch = _begin(home, replace=replace)
    wrong = wrong or _after(home, whole, batch.wait())
    for _ in range(kills):
        if wrong:
            count.fail(wrong)
        else:
            count.note("in place" if replace else "beside")


def _torn(home: Path, before: Files, whole: Files) -> str:
    """What a kill left under a name of a film that is neither the old nor the new file.

    A result that is finished and not yet in its source's place waits beside it, whole.
    """
    if not gone(str(home)):
        return "ffmpeg outlived the batch that was killed"
    for name, digest in _files(home).items():
        known = (before.get(name), whole.get(name), whole.get(name.replace(_CODEC, "")))
        unfinished = name.startswith("tmp") or "/.vqcast-" in name
        if digest not in known and not unfinished:
            return f"a kill left another {name}"
    return ""


def _after(home: Path, whole: Files, code: int) -> str:
    left = _files(home)
    if code in _ENDED and left == whole:
        return ""
    odd = {name for name in left.keys() | whole.keys() if left.get(name) != whole.get(name)}
    return f"the batch ended with {code}, and differs in {sorted(odd)}"
