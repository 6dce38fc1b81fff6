"""The simulated disk itself: what it may forget, and that it would notice a missing sync."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest
from attacks import builds, promotions
from attacks.disk import Fault, FaultyDisk, Journal, Killed, below, materialise, using

from vqcast.durable import folder as durable_folder
from vqcast.durable.disk import Disk
from vqcast.durable.files import write_atomic


def trees(journal: Journal, cut: int) -> list[dict[str, bytes]]:
    return [journal.tree(cut, fates) for fates in journal.choices(cut, random.Random(1))]


def test_what_is_synced_is_certain_and_what_is_not_may_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with using(journal) as disk:
        descriptor = disk.create(tmp_path / "a")
        disk.write(descriptor, memoryview(b"1234"))
    found = [tree.get("a") for tree in trees(journal, len(journal.steps))]
    assert {None, b"", b"12", b"1234", bytes(4)} == set(found)
    with using(journal) as disk:
        disk.sync(descriptor)
        assert {tree.get("a") for tree in trees(journal, len(journal.steps))} == {None, b"1234"}
        disk.sync_folder(tmp_path)
        disk.close(descriptor)
    assert trees(journal, len(journal.steps)) == [{"a": b"1234"}]


def test_renames_may_be_lost_in_any_order(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())
    journal = Journal(tmp_path)
    with using(journal) as disk:
        disk.rename(tmp_path / "a", tmp_path / "x")
        disk.rename(tmp_path / "b", tmp_path / "y")
        disk.exchange(tmp_path / "x", tmp_path / "c")
    found = trees(journal, 3)
    assert {"a": b"a", "b": b"b", "c": b"c"} in found  # all lost
    assert {"x": b"c", "y": b"b", "c": b"a"} in found  # none lost
    assert {"x": b"a", "b": b"b", "c": b"c"} in found  # the first alone kept
    assert len({str(sorted(tree.items())) for tree in found}) >= 6


@pytest.mark.parametrize("kind", ["tree", "journal"])
def test_the_journal_s_last_tree_is_the_real_one(tmp_path: Path, kind: str) -> None:
    base = tmp_path / "disk"
    base.mkdir()
    journal = Journal(base)
    with using(journal):
        durable_folder.replace_folder(base / "r", {"a": b"1", "e/b": b"2"})
        durable_folder.replace_folder(base / "r", {"a": b"3", "f/g/c": b"4"})
        write_atomic(base / "deep" / "er" / "file", b"5")
        durable_folder.remove_folder(base / "r" / "f")
    tree = journal.tree(len(journal.steps), {})
    if kind == "journal":
        materialise(tree, tmp_path / "again")
        base = tmp_path / "again"
    real = {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*") if p.is_file()}
    assert real == {name: data for name, data in tree.items() if not name.endswith("/")}
    assert below(tree, "r") == {"a": b"3"}


def forgets(method: str) -> Disk:
    class Careless(Journal):
        """A journal under a program that leaves one kind of sync out."""

    setattr(Careless, f"_note_{method}", lambda self, *_: None)
    return Careless


@pytest.mark.parametrize("method", ["sync", "sync_folder"])
@pytest.mark.parametrize("module", [promotions, builds], ids=lambda module: module.__name__)
def test_a_program_without_that_sync_would_be_caught(
    module: ModuleType, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Journal", forgets(method))
    assert module.power_cuts(4_000, random.Random(2)).wrong


@pytest.mark.parametrize("careful", [True, False])
def test_an_old_folder_is_not_taken_apart_before_its_successor_is_certain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, careful: bool
) -> None:
    """A kill between swap and sync, the next promotion's sweep, then a power cut."""

    def hasty(parent: Path, prefix: str) -> None:
        for left in parent.glob(f"{prefix}*"):
            durable_folder._take_apart(left)

    if not careful:
        monkeypatch.setattr(durable_folder, "_sweep", hasty)
    editions = [dict.fromkeys("abc", bytes([number])) for number in range(3)]
    durable_folder.replace_folder(tmp_path / "r", editions[0])
    journal = Journal(tmp_path)
    with using(journal):
        with using(FaultyDisk()) as counted:
            durable_folder.replace_folder(tmp_path / "elsewhere", editions[0])
        journal.arm(counted.seen.index("rename") + 1, Fault("kill"))
        with pytest.raises(Killed):
            durable_folder.replace_folder(tmp_path / "r", editions[1])
        journal.disarm()
        durable_folder.replace_folder(tmp_path / "r", editions[2])
    torn = [
        tree
        for cut in range(1, len(journal.steps) + 1)
        for tree in trees(journal, cut)
        if below(tree, "r") not in editions
    ]
    assert bool(torn) is not careful


def test_a_dead_process_changes_nothing_more(tmp_path: Path) -> None:
    dead = FaultyDisk(2, Fault("kill"))
    with using(dead), pytest.raises(Killed):
        write_atomic(tmp_path / "a", b"1")
    names = sorted(path.name for path in tmp_path.iterdir())
    with using(dead), pytest.raises(Killed):
        write_atomic(tmp_path / "b", b"1")
    assert sorted(path.name for path in tmp_path.iterdir()) == names and "a" not in names
