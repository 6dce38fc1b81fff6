"""Where finished cells are kept: a folder (a path or ``file:`` URL), or objects under a URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vqcast.corpus import remote
from vqcast.measured.store import FolderStore, Store

_BATCH = 256
"""Objects asked for side by side."""


class ObjectStore:
    """Cell files as objects behind a URL."""

    def __init__(self, url: str) -> None:
        self._objects = remote.Objects(url)
        self.where = url

    def names(self) -> set[str]:
        """See `Store.names`."""
        return self._objects.names()

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
