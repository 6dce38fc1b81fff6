"""Real processes: killed at random times, or many at once on one folder.

A child is a fork of this process, so that what was fitted and measured once
need not be made again; commands of their own are killed too.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vqcast
from attacks import builds
from attacks.count import Count, scratch
from attacks.editions import FEATURES, editions, houses, leftovers, old_registry, speaks, which
from vqcast.corpus import execute
from vqcast.corpus.build import cells_folder
from vqcast.durable import disk
from vqcast.durable.disk import Disk
from vqcast.errors import Busy, VqcastError
from vqcast.measured.measurement import Measurement, measure

NAMES = ("old", "new")
BUSY = 75
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(vqcast.__file__).parents[1])}


def forked(work: Callable[[], object]) -> int:
    """Start a child that does ``work`` and ends: 0, BUSY, or 1 with its error on standard error."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except Busy:
        code = BUSY
    except BaseException as error:
        os.write(2, f"child: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def end_of(child: int) -> int:
    """Its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_after(child: int, delay_s: float) -> None:
    """Let it run for a while, then SIGKILL."""
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _promote_in_turn(registry: Path, rounds: int) -> Callable[[], None]:
    def work() -> None:
        for number in range(rounds):
            editions()[1 - number % 2].install(registry)

    return work


def promotions(n: int, rng: random.Random) -> Count:
    """SIGKILL at a random moment of a loop of promotions."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        for number in range(n):
            child = forked(_promote_in_turn(registry, 10_000))
            killed_after(child, rng.uniform(0.0, 0.12))
            state = which(registry)
            if state not in NAMES:
                count.fail(f"kill {number}: {state}")
                break
            count.note(state)
        for edition in (*editions(), *editions()):
            edition.install(registry)
        if leftovers(registry) or not speaks(registry):
            count.fail(f"after the last promotion: {leftovers(registry)}")
    return count


def promote_commands(n: int, rng: random.Random) -> Count:
    """``vqcast promote`` itself, training included, killed in the later part of its work."""
    count = Count()
    second = houses()[1]
    words = ["promote", second.run_dir, "--corpus", second.corpus_path, "--registry"]
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        began = time.monotonic()
        process = _command(*words, registry)
        _, said = process.communicate()
        usual_s = time.monotonic() - began
        if process.returncode or which(registry) != "new":
            count.fail(f"not killed, it ended with {process.returncode}: {said.decode()[-200:]}")
        for _ in range(n):
            editions()[0].install(registry)
            process = _command(*words, registry)
            time.sleep(usual_s * rng.uniform(0.6, 1.05))
            process.kill()
            process.communicate()
            state = which(registry)
            if state in NAMES and process.returncode in (0, -signal.SIGKILL):
                count.note(state)
            else:
                count.fail(f"{state}, it ended with {process.returncode}")
    return count


def _command(*words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "vqcast.cli.main", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip


def promoters_at_once(n: int, rng: random.Random) -> Count:
    """Two processes promote into one folder, one of them by a link to it."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        link = folder / "other name"
        link.symlink_to(registry)
        rounds = 6
        while count.attempts < n:
            children = [forked(_promote_in_turn(name, rounds)) for name in (registry, link)]
            ends = [end_of(child) for child in children]
            state = which(registry)
            for end in ends:
                for _ in range(rounds):
                    if end == 0 and state == "old":  # each ends with the second of its two
                        count.note("promoted in turn")
                    else:
                        count.fail(f"promoters ended with {ends}, the registry is {state}")
        link.unlink()
        if leftovers(registry) or not speaks(registry):
            count.fail(f"promoters left {leftovers(registry)}")
    return count


def readers(n: int, rng: random.Random) -> Count:
    """Loads in a loop while another process promotes all the time."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        scores = {}
        for name, edition in zip(NAMES, editions(), strict=True):
            edition.install(registry)
            scores[_score(registry)] = name
        child = forked(_promote_in_turn(registry, 10**9))
        try:
            while count.attempts < n:
                try:
                    count.note(scores[_score(registry)])
                except (VqcastError, KeyError) as error:
                    count.fail(f"a reader met {error}")
        finally:
            killed_after(child, 0.0)
    return count


def _score(registry: Path) -> float:
    predictor = vqcast.load(registry=registry)
    return float(predictor.predict(FEATURES, encoder="libx264", cq=28).pooled_mean)


def _timeless(corpus: Path) -> list[dict[str, Any]]:
    return [json.loads(line) | {"enc_time_ms": 0} for line in corpus.read_bytes().splitlines()]


@contextmanager
def _journalled(log: Path) -> Iterator[None]:
    """Each real measurement adds a line to ``log`` as it begins."""

    def noting(*arguments: Any) -> Measurement:
        with log.open("a") as stream:
            stream.write("begun\n")
        return measure(*arguments)

    with patch.object(execute, "measure", noting):
        yield


def real_builds(n: int, rng: random.Random) -> Count:
    """A build that really encodes, killed at random moments until nothing is left to do."""
    count = Count()
    whole = [json.loads(line) | {"enc_time_ms": 0} for line in builds.whole("c.jsonl").splitlines()]
    while count.attempts < n:
        with scratch() as folder, _journalled(folder / "log"):
            _one_real_build(count, folder, whole, n, rng)
    return count


def _one_real_build(
    count: Count, folder: Path, whole: list[dict[str, Any]], n: int, rng: random.Random
) -> None:
    out = folder / "c.jsonl"
    kills = 0

    def work() -> None:
        tempfile.tempdir = str(folder)
        builds.run(out)

    while not out.exists() and count.attempts + kills < n:
        before = _finished_cells(out)
        child = forked(work)
        killed_after(child, rng.uniform(0.05, 0.9))
        kills += 1
        after = _finished_cells(out)
        if any(after.get(name) != data for name, data in before.items()):
            count.fail("a kill changed a finished cell")
        if not _gone(str(folder)):
            count.fail("ffmpeg outlived the build that was killed")
    if end_of(forked(work)) != 0 or _timeless(out) != whole:
        count.fail("the resumed corpus is another")
    repeated = len((folder / "log").read_text().split()) - len(builds.grid())
    for _ in range(kills):
        if repeated > builds.JOBS * kills:
            count.fail(f"{repeated} cells were measured twice after {kills} kills")
        else:
            count.note("resumed")


def _finished_cells(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cells_folder(out).glob("*.json")}


def _gone(word: str) -> bool:
    """Whether no process names ``word`` on its command line, within a few seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not any(word.encode() in _words_of(entry) for entry in Path("/proc").glob("[0-9]*")):
            return True
        time.sleep(0.02)
    return False


def _words_of(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def builders_at_once(n: int, rng: random.Random) -> Count:
    """Eight builds of one corpus at once: each is done or told to wait, and the corpus is whole."""
    count = Count()
    whole = builds.whole("c.jsonl")
    with builds.measuring_again([]):
        while count.attempts < n:
            with scratch() as folder:
                out = folder / "c.jsonl"
                ends = [end_of(c) for c in [forked(lambda out=out: _build(out)) for _ in range(8)]]
                right = 0 in ends and set(ends) <= {0, BUSY} and out.read_bytes() == whole
                for end in ends:
                    if right:
                        count.note("built" if end == 0 else "told to wait")
                    else:
                        count.fail(f"builders ended with {ends}")
    return count


def _build(out: Path) -> None:
    slow = Disk.sync

    def sync(self: Disk, descriptor: int) -> None:
        time.sleep(0.01)  # a disk of some age: the builds meet
        slow(self, descriptor)

    Disk.sync = sync  # type: ignore[method-assign]  # in this child alone
    disk.current = Disk()
    builds.run(out)
