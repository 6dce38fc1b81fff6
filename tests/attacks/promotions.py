"""Faults in a promotion: the registry is the old one or the new one, whole, and the next heals.

One attempt is one injected fault: an error, a kill or a power cut at an
operation on the disk, of a real promotion with networks that were fitted once.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attacks.count import Count, drawn, scratch
from attacks.disk import FAULTS, FaultyDisk, Journal, Killed, Tree, below, materialise, using
from attacks.editions import Edition, editions, leftovers, old_registry, speaks, which
from vqcast.errors import VqcastError
from vqcast.registry.seal import KEPT_STATES

KILL = next(fault for fault in FAULTS if fault.name == "kill")
NAMES = ("old", "new")
HEALED_EVERY = 10
RESUME_EVERY = 250
"""Power cuts after which the promotion is really tried again, one in that many."""


def _operations(work: Callable[[], None]) -> list[str]:
    with using(FaultyDisk()) as counted:
        work()
    return counted.seen


def _ends(work: Callable[[], None]) -> str:
    """``done``, ``refused``, ``killed``, or the name of an exception that is not ours."""
    try:
        work()
    except VqcastError as error:
        return "refused" if error.message and "\n" not in error.message else "refused at length"
    except Killed:
        return "killed"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def errors_and_kills(n: int, rng: random.Random) -> Count:
    """Every (operation, fault) of a promotion once, the rest at random."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        for edition in editions()[::-1] * (KEPT_STATES // 2 + 1):
            edition.install(registry)  # from here on the history is full, and gives up its oldest
        seen = _operations(lambda: editions()[1].install(registry))
        cases = [(at, fault) for at in range(len(seen)) for fault in FAULTS]
        state = which(registry)
        for at, fault in drawn(cases, n, rng):
            wanted = NAMES[1 - NAMES.index(state)]
            edition = editions()[NAMES.index(wanted)]
            with using(FaultyDisk(at, fault)):
                end = _ends(lambda edition=edition: edition.install(registry))
            what = f"{fault.name} at operation {at} ({seen[at]})"
            state = which(registry)
            if state not in NAMES:
                count.fail(f"{what}: {state}")
                return count  # nothing after this would mean anything
            if end not in ("done", "refused", "killed"):
                count.fail(f"{what}: {end}")
            elif end == "done" and state != wanted:
                count.fail(f"{what}: said done, and the {state} one stands")
            elif end == "refused" and state != wanted and not fault.lasting and leftovers(registry):
                count.fail(f"{what}: left {leftovers(registry)}")
            else:
                count.note("new" if state == wanted else "old")
            if leftovers(registry):
                if not _healed(registry, edition):
                    count.fail(f"{what}: the next promotions leave {leftovers(registry)}")
                    return count
                state = wanted
        if not speaks(registry):
            count.fail("the registry at the end does not load")
    return count


def _healed(registry: Path, edition: Edition) -> bool:
    """Promote again: what a killed one left is gone once the next has changed anything."""
    others = [each for each in editions() if each is not edition]
    for following in (edition, *others, edition):
        following.install(registry)
        if which(registry) != NAMES[editions().index(following)]:
            return False
        if following is edition and not leftovers(registry):
            return True
    return False


def first_promotion(n: int, rng: random.Random) -> Count:
    """The same where no registry is there yet: none at all or a whole one."""
    count = Count()
    with scratch() as folder:
        registry = folder / "deep" / "er" / "registry"
        seen = _operations(lambda: editions()[0].install(registry))
        cases = [(at, fault) for at in range(len(seen)) for fault in FAULTS]
        for at, fault in drawn(cases, n, rng):
            shutil.rmtree(folder / "deep", ignore_errors=True)
            with using(FaultyDisk(at, fault)):
                end = _ends(lambda: editions()[0].install(registry))
            what = f"{fault.name} at operation {at} ({seen[at]})"
            state = which(registry) if registry.exists() else "none"
            if end not in ("done", "refused", "killed") or state not in ("none", "old"):
                count.fail(f"{what}: {end}, {state}")
            elif end == "done" and state != "old":
                count.fail(f"{what}: said done, and {state} stands")
            else:
                count.note("none" if state == "none" else "new")
            if count.attempts % HEALED_EVERY == 0 and not _healed(registry, editions()[0]):
                count.fail(f"{what}: the next promotions leave {leftovers(registry)}")
    return count


def power_cuts(n: int, rng: random.Random) -> Count:
    """Power cuts in promotions, each after one that was killed: every operation, every fate.

    The first promotions of a round are not killed, so that what they changed is certain.
    """
    count = Count()
    while count.attempts < n and not count.wrong:
        with scratch() as folder:
            base = folder / "disk"
            registry = old_registry(base / "registry")
            disk = Journal(base)
            with using(disk):
                start = _two_promotions(disk, registry, rng)
            _cut_everywhere(count, disk, start, n, rng)
    return count


def _two_promotions(disk: Journal, registry: Path, rng: random.Random) -> int:
    """One that is killed somewhere, and one after it. The step at which the second begins."""
    old, new = editions()
    disk.arm(rng.randrange(420), KILL)
    killed = _ends(lambda: new.install(registry)) == "killed"
    disk.disarm()
    start = 0 if not killed else len(disk.steps)
    following = old if which(registry) == "new" else new
    following.install(registry)
    disk.promise(NAMES[editions().index(following)])
    return min(start, len(disk.steps) - 1)


def _cut_everywhere(count: Count, disk: Journal, start: int, n: int, rng: random.Random) -> None:
    cuts = list(range(1, len(disk.steps) + 1))
    rng.shuffle(cuts)
    for cut in [len(disk.steps), *cuts]:
        for fates in disk.choices(cut, rng):
            if count.attempts >= n:
                return
            tree = disk.tree(cut, fates)
            wrong = _torn(tree, disk.promises(cut))
            if not wrong and count.attempts % RESUME_EVERY == 0:
                wrong = _not_resumed(tree)
            if wrong:
                lost = [disk.steps[number].kind for number in fates if fates[number] != "kept"]
                count.fail(f"power cut at step {cut} of {len(disk.steps)}, lost {lost}: {wrong}")
                return
            count.note(NAMES[_state(tree)])


def _state(tree: Tree) -> int:
    there = below(tree, "registry")
    return next((n for n, each in enumerate(editions()) if each.files == there), -1)


def _torn(tree: Tree, promised: list[str]) -> str:
    """What is wrong with the disk's tree, in words; empty where nothing is."""
    state = _state(tree)
    if state < 0:
        return f"the registry holds {len(below(tree, 'registry'))} files of neither edition"
    if promised and NAMES[state] != promised[-1]:
        return f"the {promised[-1]} edition was promoted, and the {NAMES[state]} one stands"
    history = below(tree, ".registry.history")
    for name in {name.partition("/")[0] for name in history if name[0].isdigit()}:
        if all(each.files != below(history, name) for each in editions()):
            return f"the state {name} that a rollback would return to is torn"
    return ""


def _not_resumed(tree: Tree) -> str:
    """What is wrong after the next two promotions on that disk; empty where nothing is."""
    with scratch() as folder:
        materialise(tree, folder / "disk")
        registry = folder / "disk" / "registry"
        following = editions()[1 - NAMES.index(which(registry))]
        following.install(registry)
        state = which(registry)
        if editions()[NAMES.index(state)] is not following:
            return f"the next promotion left {state}"
        if leftovers(registry):
            return f"the next promotion left {leftovers(registry)}"
    return ""


@contextmanager
def _file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond ``limit`` bytes: a real short write, then EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_disk(n: int, rng: random.Random) -> Count:
    """The kernel itself refuses to write on, at a size drawn at random."""
    count = Count()
    largest = max(map(len, editions()[1].files.values()))
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        for _ in range(n):
            limit = rng.randrange(largest)
            with _file_size_limit(limit):
                end = _ends(lambda: editions()[1].install(registry))
            state = which(registry)
            if (end, state, leftovers(registry)) == ("refused", "old", []):
                count.note("old")
            else:
                count.fail(f"files of at most {limit} bytes: {end}, {state}")
    return count


@contextmanager
def _without_rights(folder: Path) -> Iterator[None]:
    """``folder`` can't be written, by root neither: for a while this process is somebody else."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def read_only(n: int, rng: random.Random) -> Count:
    """A folder without rights to write: refused, and readable all the while."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        editions()  # before the rights are gone
        for _ in range(n):
            with _without_rights(folder):
                end = _ends(lambda: editions()[1].install(registry))
                state = which(registry)
            if (end, state, leftovers(registry)) == ("refused", "old", []):
                count.note("old")
            else:
                count.fail(f"read-only: {end}, {state}, {leftovers(registry)}")
    return count
