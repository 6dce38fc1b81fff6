"""Where finished cells are kept: a folder (a path or ``file:`` URL), or objects under a URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vqcast.corpus.remote import filesystem_of, first_line, in_our_words, local_path
from vqcast.errors import InputError
from vqcast.measured.store import FolderStore, Store

_BATCH = 256
"""Objects asked for side by side."""


class ObjectStore:
    """Cell files as objects under one URL, each written in a single request.

    An object store shows an object whole or not at all. Where a filesystem gives no
    such promise, a torn object is found out by its reader.
    """

    def __init__(self, url: str) -> None:
        self.where = url
        with in_our_words(url):
            self._filesystem, root = filesystem_of(url.rstrip("/"))
        self._root = root.rstrip("/")

    def names(self) -> set[str]:
        """See `Store.names`."""
        with in_our_words(self.where):
            try:
                found = self._filesystem.ls(self._root, detail=False)
            except FileNotFoundError:
                return set()
        return {path.rstrip("/").rpartition("/")[2] for path in found}

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """See `Store.read`."""
        for start in range(0, len(names), _BATCH):
            paths = [f"{self._root}/{name}" for name in names[start : start + _BATCH]]
            with in_our_words(self.where):
                found = self._filesystem.cat(paths, on_error="return")
            for value in map(found.get, paths):
                if not isinstance(value, bytes | FileNotFoundError):
                    raise InputError(f"can't be read: {first_line(value)}", path=self.where)
                yield value if isinstance(value, bytes) else None

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        with in_our_words(self.where):
            self._filesystem.pipe_file(f"{self._root}/{name}", data)


def open_store(where: str) -> Store:
    """The store at a path or URL."""
    folder = local_path(where)
    return ObjectStore(where) if folder is None else FolderStore(folder)
