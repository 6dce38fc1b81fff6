"""Where finished cells are kept: one file a cell, named by its content address.

A folder (a path or ``file:`` URL) or objects under any other URL. A cell is
there whole or it is not there, so nothing else needs to remember what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vqcast.corpus import remote
from vqcast.durable.files import confirm, read_regular, write_atomic
from vqcast.errors import InputError

_BATCH = 256
"""Objects asked for side by side."""


class Store(Protocol):
    """Reads and writes cell files by name."""

    where: str
    """Path or URL, absolute: what another process opens the same store by."""

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """Each name's bytes in order; None where it is absent or no regular file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name`` in one step."""
        ...


class FolderStore:
    """Cell files in a folder, each written atomically and synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = folder.absolute().as_uri()

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """See `Store.read`."""
        confirm(self._folder)  # a writer killed before its sync left a name that may yet vanish
        for name in names:
            path = self._folder / name
            try:
                yield read_regular(path) if path.is_file() else None
            except InputError:
                yield None

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        write_atomic(self._folder / name, data)


class ObjectStore:
    """Cell files as objects behind a URL."""

    def __init__(self, url: str) -> None:
        self._objects = remote.Objects(url)
        self.where = url

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """See `Store.read`."""
        for start in range(0, len(names), _BATCH):
            yield from self._objects.read(names[start : start + _BATCH])

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        self._objects.write(name, data)


def open_store(where: str) -> Store:
    """The store at a path or URL."""
    folder = remote.local_path(where)
    return ObjectStore(where) if folder is None else FolderStore(folder)
