"""A promotion and its readers: the registry is the old one or the new one, whole.

The counted faults are in ``attacks``; here are the moments that need arranging.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacks.disk import Fault, FaultyDisk, using
from attacks.editions import editions, houses, leftovers, old_registry, speaks, which

from vqcast.durable.folder import replace_folder
from vqcast.errors import InputError
from vqcast.serve.folder import Folder
from vqcast.workflow.steps import promote


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry that holds the old edition."""
    return old_registry(tmp_path / "registry")


def test_a_whole_promotion_fails_cleanly_too(registry: Path) -> None:
    second = houses()[1]
    full = FaultyDisk(40, Fault("ENOSPC for good", errno.ENOSPC, lasting=True))
    with using(full), pytest.raises(InputError, match="No space left") as refused:
        promote(second.run_dir, [second.corpus_path], registry)
    assert refused.value.hint and which(registry) == "old"
    promote(second.run_dir, [second.corpus_path], registry)
    assert which(registry) == "new" and leftovers(registry) == [] and speaks(registry)


def test_a_swap_that_the_disk_does_not_confirm_is_said_to_be_one(tmp_path: Path) -> None:
    target = tmp_path / "registry"
    replace_folder(target, {"a": b"old"})
    with using(FaultyDisk()) as counted:
        replace_folder(target, {"a": b"old"})
    last = len(counted.seen) - counted.seen[::-1].index("sync_folder") - 1
    assert counted.seen[last - 1] == "exchange"
    failing = FaultyDisk(last, Fault("EIO", errno.EIO))
    with using(failing), pytest.raises(InputError, match="the disk did not confirm it"):
        replace_folder(target, {"a": b"new"})
    assert (target / "a").read_bytes() == b"new"
    (kept,) = tmp_path.glob(".registry.staged-*")  # its old name may come back in a power cut
    assert (kept / "a").read_bytes() == b"old"
    replace_folder(target, {"a": b"newer"})
    assert [path.name for path in tmp_path.iterdir()] == ["registry"]


def test_sweeping_leaves_the_staging_of_other_registries_alone(tmp_path: Path) -> None:
    target = tmp_path / "reg[a-z]*"
    others = [tmp_path / ".rega.staged-1", tmp_path / ".regax.staged-1"]
    mine = tmp_path / f".{target.name}.staged-1"
    for each in (*others, mine):
        each.mkdir()
    editions()[0].install(target)
    assert all(each.is_dir() for each in others) and not mine.exists()


def test_a_reader_that_holds_the_folder_open_is_given_the_new_one(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion in the middle of a reading: the reading starts again."""
    real = Folder._read
    pending = [lambda: editions()[1].install(registry)]

    def promoting(self: Folder, descriptor: int, name: str) -> bytes:
        if name.startswith("evidence/") and pending:
            pending.pop()()
        return real(self, descriptor, name)

    monkeypatch.setattr(Folder, "_read", promoting)
    folder = Folder(registry)
    assert folder.problems == [] and folder.files == editions()[1].files


def test_a_swap_before_the_listing_is_noticed_though_nothing_fails(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is swapped and removed between opening and listing it."""
    real = Folder._walk
    pending: list[Callable[[], None]] = [lambda: editions()[1].install(registry)]

    def promoting(self: Folder, descriptor: int, prefix: str, depth: int = 0) -> Iterator[str]:
        if pending:
            pending.pop()()
        return real(self, descriptor, prefix, depth)

    monkeypatch.setattr(Folder, "_walk", promoting)
    assert Folder(registry).files == editions()[1].files
