"""Who measures the cells of a build: the seam, and the pool of this machine.

An executor takes the cells that are missing and yields each as it ends. What a
cell costs and gives is the same everywhere, since `perform` is the one cell
function; `vqcast.corpus.cluster` runs it on a Dask cluster.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from vqcast.corpus.copies import Copies
from vqcast.corpus.pictures import Pictures
from vqcast.documents import codec
from vqcast.errors import VqcastError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import measure
from vqcast.measured.store import Store
from vqcast.media.run import Cancelled
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Task:
    """A cell to measure, the name of its file, and where its source is had."""

    cell: Cell
    name: str
    origin: str | None = None
    """URL of the source; None: the cell's own path."""
    shared: bool = False
    """Whether other cells of the build read the same source."""


Ended = Generator[tuple[Task, str | None], None, None]
"""Each task once, as it ends, with the reason where it failed."""


class Executor(Protocol):
    """Measures tasks and keeps their results in a store."""

    def run(self, tasks: Sequence[Task], tool: Tool, store: Store) -> Ended:
        """Perform ``tasks``; closing the generator stops what can be stopped."""
        ...


def perform(
    task: Task,
    tool: Tool,
    store: Store,
    copies: Copies,
    pictures: Pictures,
    cancel: threading.Event | None = None,
) -> None:
    """Measure one cell and keep its numbers: the same on every executor."""
    with ExitStack() as stack:
        source = task.cell.source
        if task.origin is not None:
            path = stack.enter_context(copies.use(task.origin, source.sha256))
            source = replace(source, path=path.absolute())
        if task.shared:
            source = replace(source, path=stack.enter_context(pictures.use(source, tool, cancel)))
        measured = measure(replace(task.cell, source=source), tool, cancel)
    store.write(task.name, codec.to_line(measured))


@dataclass(frozen=True, slots=True)
class LocalPool:
    """Threads on this machine, each running one ffmpeg at a time."""

    jobs: int | None = None
    """Cells at a time. None: one a core."""
    copies: Copies = field(default_factory=Copies)

    def run(self, tasks: Sequence[Task], tool: Tool, store: Store) -> Ended:
        """See `Executor.run`. Closing it kills the running encodes."""
        cancel = threading.Event()
        if not tasks:
            return

        def work(task: Task) -> None:
            if cancel.is_set():
                raise Cancelled
            perform(task, tool, store, self.copies, pictures, cancel)

        with (
            closing(Pictures()) as pictures,
            ThreadPoolExecutor(max_workers=self.jobs or os.cpu_count() or 1) as pool,
        ):
            pending: dict[Future[None], Task] = {}
            try:
                for task in tasks:
                    pending[pool.submit(work, task)] = task
                while pending:
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        task = pending.pop(future)
                        error = future.exception()
                        if error is not None and not isinstance(error, VqcastError):
                            raise error
                        yield task, error.message if error else None
            except BaseException:
                cancel.set()
                for future in pending:
                    future.cancel()
                raise
