"""Sources as local files: where they lie, or fetched from a URL and digest checked."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vqcast.corpus import remote
from vqcast.durable.files import remove, sha256_file
from vqcast.errors import InputError

_KEPT = 8
"""Copies that stay when nobody uses them. Plans go source by source, so few are enough."""


@dataclass(slots=True)
class _Copy:
    fetching: threading.Lock = field(default_factory=threading.Lock)
    path: Path | None = None
    sha256: str = ""
    users: int = 0


class Copies:
    """Private local copies of remote sources, shared by the threads of a process.

    fsspec's own ``filecache`` does less: users at once each fetch, sources of one name share a
    file or lose the name, and nothing goes before the process.

    A ``file:`` URL is used where it lies. The folder goes with the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: dict[str, _Copy] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made = 0

    @contextmanager
    def use(self, url: str, sha256: str | None = None) -> Iterator[Path]:
        """A local file with the bytes of ``url``, under its own name.

        Raises InputError where they can't be had, or have another digest than ``sha256``.
        """
        with self._lock:
            copy = self._copies.pop(url, None) or _Copy()
            self._copies[url] = copy  # now the most recent
            copy.users += 1
        try:
            with copy.fetching:
                if copy.path is None:
                    copy.path = self._local(url)
                    copy.sha256 = sha256_file(copy.path)
            if sha256 is not None and copy.sha256 != sha256:
                raise InputError(
                    "differs from the source that was planned",
                    path=url,
                    hint="every worker must see the same files; then build again",
                )
            yield copy.path
        finally:
            with self._lock:
                copy.users -= 1
                self._drop_unused()

    def _local(self, url: str) -> Path:
        path = remote.local_path(url)
        if path is not None:
            return path
        name = remote.name_of(url)
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="vqcast-sources-")
            self._made += 1
            copy = Path(self._folder.name) / str(self._made) / name
        copy.parent.mkdir()
        remote.fetch(url, copy)
        return copy

    def _drop_unused(self) -> None:
        idle = [url for url, copy in self._copies.items() if copy.users == 0]
        for url in idle[: max(0, len(idle) - _KEPT)]:
            copy = self._copies.pop(url)
            if copy.path is not None and remote.local_path(url) is None:
                remove(copy.path)
