"""Sources as local files: where they lie, or fetched from a URL and digest checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from vqcast.corpus import remote
from vqcast.corpus.lent import Lent
from vqcast.durable.files import remove, sha256_file
from vqcast.durable.scratch import scratch
from vqcast.errors import InputError

_KEPT = 8
"""Copies that stay when nobody uses them. Plans go source by source, so few are enough."""


class _Copy(NamedTuple):
    path: Path
    sha256: str
    fetched: bool


class Copies:
    """Private local copies of remote sources, shared by the threads of a process.

    fsspec's own ``filecache`` does less: users at once each fetch, sources of one name share a
    file or lose the name, and nothing goes before the process.

    A ``file:`` URL is used where it lies. The folder goes with the process.
    """

    def __init__(self) -> None:
        self._lent = Lent[_Copy](lambda copy: remove(copy.path) if copy.fetched else None, _KEPT)

    @contextmanager
    def use(self, url: str, sha256: str | None = None) -> Iterator[Path]:
        """A local file with the bytes of ``url``, under its own name.

        Raises InputError where they can't be had, or have another digest than ``sha256``.
        """
        with self._lent.use(url, lambda: self._copy(url)) as copy:
            if sha256 is not None and copy.sha256 != sha256:
                raise InputError(
                    "differs from the source that was planned",
                    path=url,
                    hint="every worker must see the same files; then build again",
                )
            yield copy.path

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return scratch()

    def _copy(self, url: str) -> _Copy:
        path = remote.local_path(url)
        if path is not None:
            return _Copy(path, sha256_file(path), fetched=False)
        name = remote.name_of(url)
        path = Path(tempfile.mkdtemp(dir=self._folder.name)) / name
        remote.fetch(url, path)
        return _Copy(path, sha256_file(path), fetched=True)
