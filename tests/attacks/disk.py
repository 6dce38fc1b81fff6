"""Disks that fail: at an operation of one's choice, or by forgetting what was not synced.

`FaultyDisk` is the real disk with a fault at one operation. `Journal` also
keeps what was done, and gives the trees that may be found after a power cut:
an entry of a folder is certain once that folder was synced, the bytes of a
file once the file was; all that is newer may be there or not, in any order,
and unsynced bytes may also be cut or zeros.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vqcast.durable import disk
from vqcast.durable.disk import Disk

OPERATIONS = (
    "create", "write", "set_mode", "sync", "close", "make_folder", "sync_folder", "rename",
    "exchange", "unlink", "remove_folder",
)  # fmt: skip


class Killed(BaseException):
    """The process ends here: nothing that it does later reaches the disk."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at an operation."""

    name: str
    code: int = 0
    """The errno; 0: the process dies."""
    lasting: bool = False
    """Every later operation fails too."""
    late: bool = False
    """The operation is done all the same, and then reported as failed."""
    partial: bool = False
    """Half of a write is done first; no other operation is touched."""


FAULTS = (
    Fault("EIO", errno.EIO),
    Fault("ENOSPC", errno.ENOSPC),
    Fault("EROFS", errno.EROFS),
    Fault("EINTR", errno.EINTR),
    Fault("EIO though done", errno.EIO, late=True),
    Fault("ENOSPC for good", errno.ENOSPC, lasting=True),
    Fault("EROFS for good", errno.EROFS, lasting=True),
    Fault("short write", partial=True, code=-1),
    Fault("short write, then ENOSPC for good", errno.ENOSPC, lasting=True, partial=True),
    Fault("kill"),
    Fault("kill within a write", partial=True),
)


class FaultyDisk(Disk):
    """The real disk; operation number ``at`` fails as ``fault`` says."""

    def __init__(self, at: int | None = None, fault: Fault = FAULTS[0]) -> None:
        self.at, self.fault = at, fault
        self.seen: list[str] = []
        self._after = False
        self._guard = threading.RLock()

    @property
    def is_dead(self) -> bool:
        """Whether the process that writes here has been killed."""
        return self._after and not self.fault.code

    def _operate(self, name: str, arguments: tuple[Any, ...]) -> Any:
        with self._guard:
            number = len(self.seen)
            self.seen.append(name)
            hit = number == self.at and (name == "write" or not self.fault.partial)
            if not hit and not self._after:
                return self._do(name, arguments)
            if name == "close":  # a descriptor is gone whatever close says, and after a kill too
                self._do(name, arguments)
            if self._after:
                raise self._error()
            if self.fault.partial:
                descriptor, data = arguments
                written = self._do("write", (descriptor, data[: max(1, len(data) // 2)]))
                if self.fault.code == -1:
                    return written
            self._after = self.fault.lasting or not self.fault.code
            if self.fault.late and name != "close":
                self._do(name, arguments)
            raise self._error()

    def _error(self) -> BaseException:
        if not self.fault.code:
            return Killed()
        return OSError(self.fault.code, os.strerror(self.fault.code))

    def _do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return getattr(super(), name)(*arguments)


def _guarded(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._operate(name, arguments)


for _name in OPERATIONS:
    setattr(FaultyDisk, _name, _guarded(_name))


AnyDisk = TypeVar("AnyDisk", bound=Disk)


@contextmanager
def using(other: AnyDisk) -> Iterator[AnyDisk]:
    """Write to ``other`` for a while."""
    before, disk.current = disk.current, other
    try:
        yield other
    finally:
        disk.current = before


Tree = dict[str, bytes]
"""Relative names to bytes of every file; a folder without files is a name that ends in ``/``."""


@dataclass(frozen=True)
class Step:
    """One entry of the journal: new entries of folders, new bytes of a file, a sync, a promise."""

    kind: str
    entries: tuple[tuple[int, str, int | None], ...] = ()
    """(folder, name, node or None): what these names mean from now on."""
    node: int = 0
    data: bytes = b""
    promise: str = ""


ROOT = 0


class Journal(FaultyDisk):
    """A disk that remembers each change below ``base``, to be cut off later at any of them."""

    def __init__(self, base: Path) -> None:
        super().__init__()
        self.base = Path(os.path.realpath(base))
        self.steps: list[Step] = []
        self._folders: dict[int, dict[str, int]] = {ROOT: {}}
        self._files: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._count = 0
        for path in sorted(self.base.rglob("*")):
            folder, name = self._entry(path)
            self._folders[folder][name] = node = self._new(path.is_dir())
            if path.is_file():
                self._files[node] = path.read_bytes()
        self._start = {node: dict(names) for node, names in self._folders.items()}
        self._start_files = dict(self._files)

    def arm(self, at: int, fault: Fault) -> None:
        """Fail at the operation that is ``at`` operations from now."""
        self.at, self.fault, self._after = len(self.seen) + at, fault, False

    def disarm(self) -> None:
        """Be a whole disk again, as after the next start of the process."""
        self.at, self._after = None, False

    def promise(self, what: str) -> None:
        """From here on the program has told its user that ``what`` is done."""
        with self._guard:
            self.steps.append(Step("promise", promise=what))

    def _new(self, is_folder: bool) -> int:
        self._count += 1
        if is_folder:
            self._folders[self._count] = {}
        return self._count

    def _entry(self, path: Path) -> tuple[int, str]:
        node = ROOT
        relative = Path(os.path.abspath(path)).relative_to(self.base)
        for part in relative.parts[:-1]:
            node = self._folders[node][part]
        return node, relative.name

    def _node(self, path: Path) -> int:
        if Path(os.path.abspath(path)) == self.base:
            return ROOT
        folder, name = self._entry(path)
        return self._folders[folder][name]

    def _link(self, *entries: tuple[int, str, int | None]) -> None:
        for folder, name, node in entries:
            if node is None:
                self._folders[folder].pop(name, None)
            else:
                self._folders[folder][name] = node
        self.steps.append(Step("entries", entries))

    def _do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        result = super()._do(name, arguments)
        note = getattr(self, f"_note_{name}", None)
        first = arguments[0]
        inside = isinstance(first, int) or Path(os.path.abspath(first)).is_relative_to(self.base)
        if note is not None and inside:
            note(result, *arguments)
        return result

    def _note_create(self, descriptor: int, path: Path) -> None:
        node = self._open[descriptor] = self._new(False)
        self._link((*self._entry(path), node))

    def _note_write(self, written: int, descriptor: int, data: memoryview) -> None:
        step = Step("bytes", node=self._open[descriptor], data=bytes(data[:written]))
        self.steps.append(step)

    def _note_sync(self, _: None, descriptor: int) -> None:
        if descriptor in self._open:  # else a file that another program wrote
            self.steps.append(Step("sync", node=self._open[descriptor]))

    def _note_close(self, _: None, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def _note_make_folder(self, _: None, path: Path) -> None:
        self._link((*self._entry(path), self._new(True)))

    def _note_sync_folder(self, _: None, folder: Path) -> None:
        self.steps.append(Step("sync folder", node=self._node(folder)))

    def _note_rename(self, _: None, source: Path, target: Path) -> None:
        self._link((*self._entry(target), self._node(source)), (*self._entry(source), None))

    def _note_exchange(self, _: None, a: Path, b: Path) -> None:
        node_a, node_b = self._node(a), self._node(b)
        self._link((*self._entry(a), node_b), (*self._entry(b), node_a))

    def _note_unlink(self, _: None, path: Path) -> None:
        self._link((*self._entry(path), None))

    _note_remove_folder = _note_unlink

    def pending(self, cut: int) -> list[int]:
        """Steps before ``cut`` that a power cut there may still undo."""
        synced: dict[tuple[str, int], int] = {}
        for number, step in enumerate(self.steps[:cut]):
            if step.kind.startswith("sync"):
                synced[step.kind, step.node] = number
        uncertain = []
        for number, step in enumerate(self.steps[:cut]):
            if step.kind == "entries":
                last = max(synced.get(("sync folder", entry[0]), -1) for entry in step.entries)
            elif step.kind == "bytes":
                last = synced.get(("sync", step.node), -1)
            else:
                continue
            if last < number:
                uncertain.append(number)
        return uncertain

    def choices(self, cut: int, rng: random.Random, extra: int = 4) -> list[dict[int, str]]:
        """Fates of what is pending at ``cut``: none, all, all but one, one alone, some at random.

        A fate is ``kept`` or ``lost``, of bytes also ``torn`` or ``zeros``.
        """
        uncertain = self.pending(cut)
        fates = {number: ("kept", "lost") for number in uncertain}
        for number in uncertain:
            if self.steps[number].kind == "bytes":
                fates[number] = ("kept", "lost", "torn", "zeros")
        found = [dict.fromkeys(uncertain, "kept"), dict.fromkeys(uncertain, "lost")]
        for number in uncertain:
            found += [found[0] | {number: fate} for fate in fates[number][1:]]
            found.append(found[1] | {number: "kept"})
        found += [
            {number: rng.choice(fates[number]) for number in uncertain}
            for _ in range(extra if len(uncertain) > 1 else 0)
        ]
        distinct = {tuple(sorted(choice.items())): choice for choice in found}
        return list(distinct.values())

    def tree(self, cut: int, fates: dict[int, str]) -> Tree:
        """What the disk holds after a power cut before step ``cut``."""
        folders = {node: dict(names) for node, names in self._start.items()}
        files = dict(self._start_files)
        for number, step in enumerate(self.steps[:cut]):
            fate = fates.get(number, "kept")
            if step.kind == "bytes":
                half = step.data[: len(step.data) // 2]
                data = {"kept": step.data, "torn": half, "zeros": bytes(len(step.data))}
                files[step.node] = files.get(step.node, b"") + data.get(fate, b"")
            elif step.kind == "entries" and fate == "kept":
                for folder, name, node in step.entries:
                    names = folders.setdefault(folder, {})
                    if node is None:
                        names.pop(name, None)
                    else:
                        names[name] = node
        return dict(self._walk(ROOT, "", folders, files))

    def _walk(
        self, node: int, prefix: str, folders: dict[int, dict[str, int]], files: dict[int, bytes]
    ) -> Iterator[tuple[str, bytes]]:
        for name, inner in folders.get(node, {}).items():
            if inner in self._folders:
                yield f"{prefix}{name}/", b""
                yield from self._walk(inner, f"{prefix}{name}/", folders, files)
            else:
                yield f"{prefix}{name}", files.get(inner, b"")

    def promises(self, cut: int) -> list[str]:
        """What had been told to the user before step ``cut``."""
        return [step.promise for step in self.steps[:cut] if step.kind == "promise"]


def below(tree: Tree, folder: str) -> Tree:
    """The files in ``folder``, by names relative to it."""
    start = f"{folder}/"
    return {
        name.removeprefix(start): data
        for name, data in tree.items()
        if name.startswith(start) and not name.endswith("/")
    }


def materialise(tree: Tree, base: Path) -> None:
    """Make the tree on the real disk."""
    for name, data in tree.items():
        path = base / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
