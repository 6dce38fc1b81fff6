"""Where measurements are kept: one file a cell, named by its content address.

A measurement is there whole or it is not there, so nothing else needs to
remember what is done. A damaged file counts as none, and is measured again::

    measurement, reused = measure_once(cell, tool, FolderStore(Path("cells")))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from vqcast.documents import codec
from vqcast.durable.files import confirm, read_regular, write_atomic
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement, measure, read
from vqcast.media.tool import Tool


class Store(Protocol):
    """Reads and writes measurements' files by name."""

    where: str
    """Path or URL, absolute: what another process opens the same store by."""

    def names(self) -> set[str]:
        """The names of all that is kept."""
        ...

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """Each name's bytes in order; None where it is absent or no regular file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name`` in one step."""
        ...


class FolderStore:
    """Files in a folder, each written atomically and synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = folder.absolute().as_uri()

    def names(self) -> set[str]:
        """See `Store.names`."""
        confirm(self._folder)  # a writer killed before its sync left a name that may yet vanish
        return {path.name for path in self._folder.glob("*") if path.is_file()}

    def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """See `Store.read`."""
        confirm(self._folder)
        for name in names:
            path = self._folder / name
            try:
                yield read_regular(path) if path.is_file() else None
            except InputError:
                yield None

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`."""
        write_atomic(self._folder / name, data)


def measure_once(
    cell: Cell,
    tool: Tool,
    store: Store | None,
    cancel: threading.Event | None = None,
    *,
    timed: bool = False,
    prepare: Callable[[], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Measurement, bool]:
    """The cell's measurement, and whether an earlier run's was found in ``store``.

    It is encoded and scored in one process where ffmpeg can, unless the encode is to be ``timed``.
    ``prepare`` is called first where none was found, ``on_progress`` is told the frames encoded so
    far. Raises ToolFailure or MediaError as
    `vqcast.media.measure` does.
    """
    name = cell.file_name(tool.sha256)
    if store is not None:
        (data,) = store.read([name])
        if (found := read(data, cell, where=name, timed=timed)) is not None:
            return found, True
    if prepare is not None:
        prepare()
    made = measure(cell, tool, cancel, together=not timed, on_progress=on_progress)
    if store is not None:
        store.write(name, codec.to_line(made))
    return made, False
