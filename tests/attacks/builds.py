"""Faults in a corpus build: no finished cell is lost, and the corpus comes out the same.

Encoding is real but done once: the cells' measured numbers are given again to
the real executor, store and writer, so that thousands of faults fit into seconds.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from unittest.mock import patch

from attacks.clips import drawn_clip, tool
from attacks.count import Count, drawn, scratch
from attacks.disk import FAULTS, FaultyDisk, Journal, Killed, Tree, materialise, using
from vqcast.corpus import execute, pictures
from vqcast.corpus.build import Built, build, cells_folder
from vqcast.corpus.execute import LocalPool
from vqcast.corpus.plan import plan
from vqcast.durable import disk
from vqcast.errors import VqcastError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement, measure
from vqcast.media.source import probe
from vqcast.media.tool import Tool

JOBS = 2
KILL = next(fault for fault in FAULTS if fault.name == "kill")


@cache
def grid() -> tuple[Cell, ...]:
    """Two sources at four qualities."""
    graphs = ("testsrc2=s=128x96", "mandelbrot=s=128x96:start_scale=0.4")
    sources = [
        probe(drawn_clip(graph, 4, f"{graph.partition('=')[0]}.mkv"), tool()) for graph in graphs
    ]
    cells = plan(sources, {"libx264": [20, 26, 32, 38]}, {"libx264": "ultrafast"})
    return tuple(cells)


@cache
def measured() -> dict[str, Measurement]:
    """Every cell of the grid, really encoded and scored, by its file's name."""
    return {cell_name(cell): measure(cell, tool()) for cell in grid()}


@contextmanager
def measuring_again(
    started: list[Cell], numbers: Mapping[str, Measurement] | None = None
) -> Iterator[None]:
    """Cells are given the numbers that they were measured with, and counted."""

    def again(cell: Cell, _: Tool, __: threading.Event | None = None) -> Measurement:
        if isinstance(disk.current, FaultyDisk) and disk.current.is_dead:
            raise Killed
        started.append(cell)
        return (numbers or measured())[cell_name(cell)]

    with (
        patch.object(execute, "measure", again),
        patch.object(pictures, "MAX_BYTES", 0),  # no encode reads the source
    ):
        yield


@cache
def whole(name: str) -> bytes:
    """The corpus's bytes when nothing goes wrong."""
    measured()
    with scratch() as folder, measuring_again([]):
        run(folder / name)
        return (folder / name).read_bytes()


def run(
    out: Path, cells: Sequence[Cell] = (), jobs: int = JOBS, **told: Callable[..., None]
) -> Built:
    """Build the grid, or ``cells``, into ``out``; ``told`` are ``on_cell`` and ``on_failure``."""
    return build(cells or grid(), out, tool(), executor=LocalPool(jobs), **told)


def cell_name(cell: Cell) -> str:
    """Name of the file that a finished cell is kept in."""
    return cell.file_name(tool().sha256)


def errors_and_kills(n: int, rng: random.Random) -> Count:
    """Every (operation, fault) of a build once, the rest at random; then the build goes on."""
    count = Count()
    whole("c.jsonl")
    with scratch() as folder, using(FaultyDisk()) as whole_disk, measuring_again([]):
        run(folder / "c.jsonl")
        operations = len(whole_disk.seen)
    for at, fault in drawn([(a, f) for a in range(operations) for f in FAULTS], n, rng):
        with scratch() as folder:
            wrong = _one_fault(folder / "c.jsonl", FaultyDisk(at, fault))
        if wrong:
            count.fail(f"{fault.name} at operation {at}: {wrong}")
        else:
            count.note("resumed")
    return count


def _one_fault(out: Path, faulty: FaultyDisk) -> str:
    """What is wrong after a build with one fault and its resumption; empty where nothing is."""
    told: list[Cell] = []
    failed: list[Cell] = []
    started: list[Cell] = []
    with measuring_again(started):
        try:
            with using(faulty):
                run(
                    out,
                    on_cell=lambda cell, _: told.append(cell),
                    on_failure=lambda cell, _: failed.append(cell),
                )
        except (VqcastError, Killed):
            pass
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        else:
            if not failed and out.read_bytes() != whole(out.name):
                return "said done, and the corpus is another"
        lost = [cell for cell in told if not (cells_folder(out) / cell_name(cell)).is_file()]
        if lost:
            return f"{len(lost)} finished cells are gone"
        again = run(out)
    if again.failures or out.read_bytes() != whole(out.name):
        return "the resumed build gives another corpus"
    repeated = len(started) - len(grid())
    if repeated > max(JOBS, len(failed)):
        return f"{repeated} cells were measured twice by {JOBS} workers, {len(failed)} failed"
    return ""


def power_cuts(n: int, rng: random.Random) -> Count:
    """Power cuts at every operation of a build, some of them resumed from a kill."""
    count = Count()
    while count.attempts < n and not count.wrong:
        name = rng.choice(("c.jsonl", "c.jsonl.gz"))
        whole(name)
        with scratch() as folder, measuring_again([]):
            base = folder / "disk"
            base.mkdir()
            journal = Journal(base)
            out = base / "deep" / name
            with using(journal):
                if count.attempts:  # every round but the first goes on from a kill
                    _killed(journal, out, rng)
                _promising(journal, out)
                journal.promise(name)
        _cut_everywhere(count, journal, name, n, rng)
    return count


def _promising(journal: Journal, out: Path) -> None:
    """Build, and note each cell that was told to the user as promised, reused ones too."""
    run(out, jobs=1, on_cell=lambda cell, reused: journal.promise(cell_name(cell)))


def _killed(journal: Journal, out: Path, rng: random.Random) -> None:
    journal.arm(rng.randrange(60), KILL)
    with suppress(Killed):
        _promising(journal, out)
    journal.disarm()


def _cut_everywhere(count: Count, journal: Journal, name: str, n: int, rng: random.Random) -> None:
    cuts = list(range(1, len(journal.steps) + 1))
    rng.shuffle(cuts)
    for cut in cuts:
        for fates in journal.choices(cut, rng):
            if count.attempts >= n:
                return
            tree = journal.tree(cut, fates)
            wrong = _lost(tree, name, set(journal.promises(cut)))
            if not wrong and count.attempts % 100 == 0:
                wrong = _not_resumed(tree, name)
            if wrong:
                count.fail(f"power cut at step {cut} of {len(journal.steps)}: {wrong}")
                return
            count.note("nothing lost")


def _lost(tree: Tree, name: str, promised: set[str]) -> str:
    """What is wrong with the disk's tree, in words; empty where nothing is."""
    cells = {cell_name(cell): cell for cell in grid()}
    found = {path.rpartition("/")[2]: data for path, data in tree.items() if path.endswith(".json")}
    for cell in promised & cells.keys():
        if cell not in found:
            return "a finished cell is gone"
    for path, data in found.items():
        if path in cells and not data.endswith(b"}\n"):
            return "a cell is there in part"
    corpus = tree.get(f"deep/{name}")
    if corpus not in (None, whole(name)) or (corpus is None and name in promised):
        return "the corpus is not whole"
    return ""


def _not_resumed(tree: Tree, name: str) -> str:
    """What is wrong after the build goes on from that disk; empty where nothing is."""
    with scratch() as folder, measuring_again([]):
        materialise(tree, folder)
        (folder / "deep").mkdir(exist_ok=True)
        run(folder / "deep" / name)
        if (folder / "deep" / name).read_bytes() != whole(name):
            return "the resumed build gives another corpus"
        shutil.rmtree(folder / "deep")
    return ""
