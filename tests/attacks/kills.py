"""Real processes: killed at random times, or many at once on one folder.

A child is a fork of this process, so that what was fitted once need not be made again,
or a process of its own.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vqcast
from attacks import builds
from attacks.child import BUSY, ENVIRONMENT, begun, ending
from attacks.count import Count, scratch
from attacks.editions import FEATURES, editions, houses, leftovers, old_registry, speaks, which
from vqcast.corpus import execute
from vqcast.corpus.build import cells_folder
from vqcast.durable import disk
from vqcast.durable.disk import Disk
from vqcast.errors import VqcastError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement, measure

NAMES = ("old", "new")


def forked(work: Callable[[], object]) -> int:
    """Start a fork that does ``work``, in which no Polars is, and ends like `attacks.child`."""
    child = os.fork()
    if not child:
        os._exit(ending(work))
    return child


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


def _encoding(out: Path, cells: Sequence[Cell]) -> None:
    """Build ``out``; each real measurement adds a line to a log beside it as it begins."""

    def noting(*arguments: Any) -> Measurement:
        with (out.parent / "log").open("a") as stream:
            stream.write("begun\n")
        return measure(*arguments)

    tempfile.tempdir = str(out.parent)
    with patch.object(execute, "measure", noting):
        builds.run(out, cells)


def real_builds(n: int, rng: random.Random) -> Count:
    """A build that really encodes, killed at random moments until nothing is left to do."""
    count = Count()
    whole = [json.loads(line) | {"enc_time_ms": 0} for line in builds.whole("c.jsonl").splitlines()]
    while count.attempts < n:
        with scratch() as folder:
            _one_real_build(count, folder / "c.jsonl", whole, n, rng)
    return count


def _one_real_build(
    count: Count, out: Path, whole: list[dict[str, Any]], n: int, rng: random.Random
) -> None:
    kills = 0
    while not out.exists() and count.attempts + kills < n:
        before = _finished_cells(out)
        child = begun(_encoding, out, builds.grid())
        time.sleep(rng.uniform(0.05, 0.9))
        child.kill()
        child.wait()
        kills += 1
        after = _finished_cells(out)
        if any(after.get(name) != data for name, data in before.items()):
            count.fail("a kill changed a finished cell")
        if not gone(str(out.parent)):
            count.fail("ffmpeg outlived the build that was killed")
    if begun(_encoding, out, builds.grid()).wait() != 0 or _timeless(out) != whole:
        count.fail("the resumed corpus is another")
    repeated = len((out.parent / "log").read_text().split()) - len(builds.grid())
    for _ in range(kills):
        if repeated > builds.JOBS * kills:
            count.fail(f"{repeated} cells were measured twice after {kills} kills")
        else:
            count.note("resumed")


def _finished_cells(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cells_folder(out).glob("*.json")}


def gone(word: str) -> bool:
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
    while count.attempts < n:
        with scratch() as folder:
            out = folder / "c.jsonl"
            given = (out, builds.grid(), builds.measured())
            ends = [child.wait() for child in [begun(_build_slowly, *given) for _ in range(8)]]
            right = 0 in ends and set(ends) <= {0, BUSY} and out.read_bytes() == whole
            for end in ends:
                if right:
                    count.note("built" if end == 0 else "told to wait")
                else:
                    count.fail(f"builders ended with {ends}")
    return count


def _build_slowly(out: Path, cells: Sequence[Cell], measured: Mapping[str, Measurement]) -> None:
    class Slow(Disk):
        def sync(self, descriptor: int) -> None:
            time.sleep(0.05)  # a disk of some age: the builds meet
            super().sync(descriptor)

    disk.current = Slow()
    with builds.measuring_again([], measured):
        builds.run(out, cells)
