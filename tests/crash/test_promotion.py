"""Kill and fail a promotion everywhere: the registry is the old one or the new one, whole.

``install`` is what a promotion does to the disk once its networks are fitted;
it is driven here with networks fitted once, so that thousands of faults fit
into seconds.
"""

from __future__ import annotations

import errno
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "registry"))

from registry_kit import PREFIX, House, build_house, contents, evidence_run, rows, write_corpus

import vqcast
from vqcast.durable import folder as durable_folder
from vqcast.errors import InputError, VqcastError
from vqcast.export.package import Package
from vqcast.registry import law
from vqcast.registry.promote import install, promote
from vqcast.serve.folder import CHECKSUMS_NAME, REGISTRY_NAME, Folder

KILLS = 12
MOST_KILLS = 60
FEATURES = [[0.9, 0.7, 0.8, 0.85, 0.9, 3.0]]


class Edition:
    """One promotion as ``install`` gets it, and the folder that it makes."""

    def __init__(self, registry: Path) -> None:
        self.files = contents(registry)
        rest = dict(self.files)
        models = Folder(registry).registry().models
        for name in (REGISTRY_NAME, CHECKSUMS_NAME, "registry.schema.json"):
            del rest[name]
        self.package = Package(files=rest, rows=models)

    def install(self, registry: Path) -> None:
        install(registry, self.package, {})


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, House]:
    """Two promotions of the same models on different corpora."""
    first = build_house(tmp_path_factory.mktemp("first"))
    folder = tmp_path_factory.mktemp("second")
    path = write_corpus(folder / "corpus.jsonl", rows(seed=8, frames=11))
    second = House(path, folder / "run", folder / "registry")
    assert evidence_run(path, second.run_dir) == "PROMOTE"
    promote(second.run_dir, second.corpus, second.registry)
    return first, second


@pytest.fixture(scope="module")
def editions(houses: tuple[House, House]) -> tuple[Edition, Edition]:
    old, new = (Edition(house.registry) for house in houses)
    assert set(old.files) == set(new.files) and old.files != new.files
    return old, new


@pytest.fixture
def registry(houses: tuple[House, House], tmp_path: Path) -> Path:
    """A registry that holds the old edition."""
    return Path(shutil.copytree(houses[0].registry, tmp_path / "registry"))


def which(registry: Path, editions: tuple[Edition, Edition]) -> str:
    """``old`` or ``new``; anything else fails the test."""
    there = contents(registry)
    assert law.verify(registry) == []
    assert vqcast.load(registry=registry).predict(FEATURES, encoder="libx264", cq=28).mean.all()
    names = [name for name, edition in zip(("old", "new"), editions, strict=True)
             if there == edition.files]  # fmt: skip
    assert len(names) == 1
    return names[0]


def leftovers(registry: Path) -> list[str]:
    known = {registry.name, f".{registry.name}.lock", f".{registry.name}.history"}
    history = registry.parent / f".{registry.name}.history"
    beside = {path.name for path in registry.parent.iterdir()} - known
    return sorted(beside | {path.name for path in history.glob(".*staged*")})


class Faults:
    """Counts the disk operations of ``replace_folder`` and fails the chosen one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fail_at: int | None = None
        self.code = errno.EIO
        self.seen: list[str] = []
        self._patch = monkeypatch
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # power loss is no fault of here
        for name in ("fsync", "rename", "open", "replace"):
            self._wrap(os, name)
        for name in ("_write_synced", "_exchange", "sync_folder"):
            self._wrap(durable_folder, name)
        self._wrap(durable_folder.tempfile, "mkdtemp")
        for name in ("chmod", "mkdir", "open", "rename"):
            self._wrap(Path, name)
        self.active = False

    def _wrap(self, owner: object, name: str) -> None:
        real = getattr(owner, name)

        def guarded(*arguments, **options):
            if self.active:
                self.seen.append(name)
                if len(self.seen) - 1 == self.fail_at:
                    raise OSError(self.code, os.strerror(self.code))
            return real(*arguments, **options)

        self._patch.setattr(owner, name, guarded)

    def run(self, fail_at: int | None, work: Callable[[], None]) -> None:
        """Do the work, failing its operation number ``fail_at``."""
        self.fail_at, self.seen, self.active = fail_at, [], True
        try:
            work()
        finally:
            self.active = False


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    yield Faults(monkeypatch)


OLD = {"registry.json": b"old", "a.onnx": b"A", "evidence/m/loso.json": b"{}"}
NEW = {"registry.json": b"new", "b.onnx": b"B" * 70000, "evidence/m/loso.json": b"[]"}


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_an_error_at_any_operation_leaves_the_old_or_the_new_whole(
    tmp_path: Path, faults: Faults, code: int
) -> None:
    target = tmp_path / "registry"
    durable_folder.replace_folder(target, OLD)
    faults.code = code
    faults.run(None, lambda: durable_folder.replace_folder(target, NEW))
    operations = len(faults.seen)
    assert {"_exchange", "fsync", "mkdtemp", "mkdir", "_write_synced"} <= set(faults.seen)
    for at in range(operations):
        durable_folder.replace_folder(target, OLD)
        assert leftovers(target) == []
        try:
            faults.run(at, lambda: durable_folder.replace_folder(target, NEW))
        except InputError as error:
            assert os.strerror(code) in error.message and error.hint
        else:  # what fails after the swap is the removal of the old folder, no more
            assert "_exchange" in faults.seen[:at]
        swapped = "_exchange" in faults.seen[:at]
        assert contents(target) == (NEW if swapped else OLD), faults.seen[at]
        assert swapped or leftovers(target) == []


def test_an_error_while_a_first_registry_is_made_leaves_none_or_a_whole_one(
    tmp_path: Path, faults: Faults
) -> None:
    target = tmp_path / "deep" / "registry"
    faults.run(None, lambda: durable_folder.replace_folder(target, NEW))
    refused = 0
    for at in range(len(faults.seen)):
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)
        try:
            faults.run(at, lambda: durable_folder.replace_folder(target, NEW))
        except InputError:
            refused += 1
        assert not target.exists() or contents(target) == NEW
    assert refused > 10


def test_a_whole_promotion_fails_cleanly_too(
    houses: tuple[House, House],
    registry: Path,
    editions: tuple[Edition, Edition],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(durable_folder, "_write_synced", full)
        with pytest.raises(InputError, match="No space left"):
            promote(houses[1].run_dir, houses[1].corpus, registry)
    assert which(registry, editions) == "old" and leftovers(registry) == []
    promote(houses[1].run_dir, houses[1].corpus, registry)
    assert which(registry, editions) == "new"


CHILD = """
import os, pickle, sys
from pathlib import Path
os.fsync = lambda descriptor: None  # a kill loses nothing that the kernel has
from vqcast.registry.promote import install
registry, made = Path(sys.argv[1]), pickle.loads(Path(sys.argv[2]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    install(registry, made[number % 2], {})
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, editions: tuple[Edition, Edition]) -> Path:
    """New, old, new, …: what a promoting child installs in turn."""
    path = tmp_path_factory.mktemp("packages") / "packages"
    path.write_bytes(pickle.dumps([editions[1].package, editions[0].package]))
    return path


class Child:
    """A process that installs editions in turn, from a signal on."""

    def __init__(
        self, registry: Path, packages: Path, rounds: int, environment: dict[str, str]
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(registry), str(packages), str(rounds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        assert self.process.stdout and self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL

    def end(self) -> None:
        output, errors = self.process.communicate(timeout=120)
        assert (self.process.returncode, output) == (0, "done\n"), errors


def test_a_kill_at_any_time_leaves_the_old_or_the_new_whole(
    registry: Path,
    editions: tuple[Edition, Edition],
    packages: Path,
    python_environment: dict[str, str],
) -> None:
    generator = random.Random(5)
    found: list[str] = []
    littered = 0
    while len(found) < KILLS or len(set(found)) < 2 or not littered:
        assert len(found) < MOST_KILLS
        child = Child(registry, packages, 10_000, python_environment)
        child.go()
        time.sleep(generator.uniform(0.0, 0.15))
        child.kill()
        found.append(which(registry, editions))
        littered += leftovers(registry) != []
    for edition in editions:  # the next promotions sweep what the killed ones left
        edition.install(registry)
    assert leftovers(registry) == [] and which(registry, editions) == "new"


def test_sweeping_leaves_the_staging_of_other_registries_alone(
    tmp_path: Path, editions: tuple[Edition, Edition]
) -> None:
    target = tmp_path / "reg[a-z]*"
    others = [tmp_path / ".rega.staged-1", tmp_path / ".regax.staged-1"]
    mine = tmp_path / f".{target.name}.staged-1"
    for each in (*others, mine):
        each.mkdir()
    editions[0].install(target)
    assert all(each.is_dir() for each in others) and not mine.exists()


def test_promoters_at_once_end_with_one_whole_registry(
    registry: Path,
    editions: tuple[Edition, Edition],
    packages: Path,
    python_environment: dict[str, str],
) -> None:
    children = [Child(registry, packages, 6, python_environment) for _ in range(3)]
    for child in children:
        child.go()
    for child in children:
        child.end()
    assert which(registry, editions) == "old"  # each ends with the second of its two
    assert leftovers(registry) == []


def test_a_promoter_by_another_name_of_the_folder_waits_its_turn(
    registry: Path,
    tmp_path: Path,
    editions: tuple[Edition, Edition],
    packages: Path,
    python_environment: dict[str, str],
) -> None:
    link = tmp_path / "link"
    link.symlink_to(registry)
    children = [Child(name, packages, 8, python_environment) for name in (registry, link)]
    for child in children:
        child.go()
    for child in children:
        child.end()
    link.unlink()
    assert which(registry, editions) == "old" and leftovers(registry) == []


def test_readers_in_a_loop_never_see_a_torn_registry(
    registry: Path,
    editions: tuple[Edition, Edition],
    packages: Path,
    python_environment: dict[str, str],
) -> None:
    """Every ``load`` during forty promotions gives the one answer or the other."""
    scores = set()
    for edition in editions:
        edition.install(registry)
        scores.add(float(vqcast.load(registry=registry).predict(
            FEATURES, encoder="libx264", cq=28).pooled_mean))  # fmt: skip
    assert len(scores) == 2
    seen: set[float] = set()
    loads = 0
    wrong: list[str] = []
    stop = threading.Event()

    def read() -> None:
        nonlocal loads
        while not stop.is_set():
            try:
                predictor = vqcast.load(registry=registry)
            except VqcastError as error:
                wrong.append(error.message)
                continue
            seen.add(float(predictor.predict(FEATURES, encoder="libx264", cq=28).pooled_mean))
            loads += 1

    child = Child(registry, packages, 40, python_environment)
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    child.go()
    child.end()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == [] and seen <= scores and loads > 10


def test_a_reader_that_holds_the_folder_open_is_given_the_new_one(
    registry: Path, editions: tuple[Edition, Edition], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion in the middle of a reading: the reading starts again."""
    real = Folder._read
    pending = [lambda: editions[1].install(registry)]

    def promoting(self: Folder, descriptor: int, name: str) -> bytes:
        if name.startswith(PREFIX) and pending:
            pending.pop()()
        return real(self, descriptor, name)

    monkeypatch.setattr(Folder, "_read", promoting)
    folder = Folder(registry)
    assert folder.problems == [] and folder.files == editions[1].files


def test_a_swap_before_the_listing_is_noticed_though_nothing_fails(
    registry: Path, editions: tuple[Edition, Edition], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is swapped and removed between opening and listing it."""
    real = Folder._walk
    pending = [lambda: editions[1].install(registry)]

    def promoting(self: Folder, descriptor: int, prefix: str, depth: int = 0) -> Iterator[str]:
        if pending:
            pending.pop()()
        return real(self, descriptor, prefix, depth)

    monkeypatch.setattr(Folder, "_walk", promoting)
    assert Folder(registry).files == editions[1].files
