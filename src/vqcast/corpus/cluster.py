"""The cells of a build on a Dask cluster that is already there.

    executor = DaskCluster("tcp://scheduler:8786", amounts={"NVENC": 1})

Workers take a source by its URL and write the cell's file to the store, so
nothing that a worker or the scheduler knows has to survive it. A lost worker's
cells run again elsewhere. After a lost scheduler the store is asked what is
finished, and the rest is given to the next scheduler at the same address.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from vqcast.corpus.copies import Copies
from vqcast.corpus.execute import Ended, Task, perform
from vqcast.corpus.pictures import Pictures
from vqcast.corpus.store import open_store
from vqcast.errors import InputError, ToolUnavailable, VqcastError
from vqcast.extras import needed
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import read
from vqcast.measured.store import Store
from vqcast.media.encoders import ENCODERS
from vqcast.media.tool import Tool, find_ffmpeg

_WINDOW = 2_000
"""Cells that the scheduler holds at a time, so that its memory does not grow with the grid."""
_POLL_S = 0.5
_PATIENCE_S = 300.0
"""How long a scheduler that was there may be away."""
_FIRST_ANSWER_S = 10.0
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")


class _Lost(Exception):
    """The scheduler went away with cells in work."""


def device_of(encoder_name: str) -> str | None:
    """The worker resource that a hardware encoder takes, such as NVENC; None for software."""
    if encoder_name not in ENCODERS or ENCODERS[encoder_name].device is None:
        return None
    return encoder_name.rpartition("_")[2].upper()


def resources_of(cell: Cell, amounts: Mapping[str, float]) -> dict[str, float]:
    """What a worker must have free for ``cell``.

    A hardware encoder asks for 1 of its device, or as much as ``amounts`` says; any
    other name in ``amounts`` is asked for by every cell.
    """
    devices = {device_of(name) for name in _hardware()}
    asked = {name: amount for name, amount in amounts.items() if name not in devices}
    device = device_of(cell.encoder)
    return asked if device is None else asked | {device: amounts.get(device, 1.0)}


@cache
def _hardware() -> tuple[str, ...]:
    return tuple(name for name, entry in ENCODERS.items() if entry.device is not None)


@cache
def _copies() -> Copies:
    """One set of fetched sources a worker process."""
    return Copies()


@cache
def _pictures() -> Pictures:
    return Pictures()


@cache
def _store(where: str) -> Store:
    return open_store(where)


def measure_remotely(task: Task, wanted: Tool, where: str) -> None:
    """The cell on a worker, unless its file is there: Dask repeats what a lost worker did."""
    tool = find_ffmpeg(wanted.path if wanted.path.is_file() else None)
    store = _store(where)
    if tool.sha256 != wanted.sha256:
        raise ToolUnavailable(f"{task.cell}: a worker has another ffmpeg ({tool.version})")
    (data,) = store.read([task.name])
    if read(data, task.cell, where=task.name) is None:
        perform(task, tool, store, _copies(), _pictures())


def _distributed() -> Any:
    with needed("distributed", "--scheduler"):
        import dask

        # What becomes of a connection is ours to say, in one sentence.
        with dask.config.set({"logging": dict.fromkeys(_LOGGERS, "critical")}):
            import distributed
    return distributed


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """The workers of the scheduler at ``address``, such as tcp://HOST:8786."""

    address: str
    amounts: Mapping[str, float] = field(default_factory=dict)
    """Worker resources; see `resources_of`."""
    patience_s: float = _PATIENCE_S

    def run(self, tasks: Sequence[Task], tool: Tool, store: Store) -> Ended:
        """See `Executor.run`. Closing it withdraws what no worker has begun.

        Raises MissingDependency without Dask, ToolUnavailable where no scheduler
        answers, InputError where no worker has what a cell asks for.
        """
        dask = _distributed()
        todo = {task.name: replace(task, origin=self._origin(task)) for task in tasks}
        wait_s, rejoin_s = _FIRST_ANSWER_S, 0.0
        while todo:
            client = self._connect(dask, wait_s)
            try:
                self._require(client, list(todo.values()), rejoin_s)
                yield from self._round(client, todo, tool, store)
            except _Lost:
                yield from self._found(todo, store)
            finally:
                client.close(timeout=_POLL_S)
            wait_s = rejoin_s = self.patience_s

    def client(self) -> Any:
        """A Dask client of the scheduler, which has a worker. Raises ToolUnavailable without."""
        return self._connect(_distributed(), _FIRST_ANSWER_S)

    @staticmethod
    def _origin(task: Task) -> str:
        return task.origin or task.cell.source.path.absolute().as_uri()

    def _connect(self, dask: Any, wait_s: float) -> Any:
        until = time.monotonic() + wait_s
        while True:
            try:
                client = dask.Client(self.address, timeout=_FIRST_ANSWER_S, set_as_default=False)
                break
            except (OSError, ValueError) as error:  # a timeout is an OSError
                if isinstance(error, ValueError) or time.monotonic() > until:
                    raise ToolUnavailable(
                        f"{self.address}: no Dask scheduler answers",
                        hint="start one with: dask scheduler; finished cells are kept, "
                        "the same command resumes",
                    ) from error
                time.sleep(_POLL_S)
        try:
            client.wait_for_workers(1, timeout=self.patience_s)
        except OSError as error:
            client.close(timeout=_POLL_S)
            raise ToolUnavailable(
                f"{self.address}: the scheduler has no worker",
                hint=f"start some with: dask worker {self.address}",
            ) from error
        return client

    def _require(self, client: Any, tasks: Sequence[Task], wait_s: float) -> None:
        """Refuse cells that would wait forever: after ``wait_s``, nobody has what they ask for."""
        needed: dict[str, float] = {}
        for task in tasks:
            for name, amount in resources_of(task.cell, self.amounts).items():
                needed[name] = max(amount, needed.get(name, 0.0))
        until = time.monotonic() + wait_s
        while lacking := [name for name in needed if self._most(client, name) < needed[name]]:
            if time.monotonic() >= until:
                name = lacking[0]
                raise InputError(
                    f"{self.address}: no worker has {name}={needed[name]:g}",
                    hint=f'start workers with: dask worker {self.address} --resources "{name}=1"',
                )
            time.sleep(_POLL_S)

    @staticmethod
    def _most(client: Any, name: str) -> float:
        """The most of a resource that any worker has."""
        try:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
        except OSError as error:
            raise _Lost from error
        return max((float(worker["resources"].get(name, 0.0)) for worker in workers), default=0.0)

    def _round(self, client: Any, todo: dict[str, Task], tool: Tool, store: Store) -> Ended:
        """Perform ``todo`` on one connection, taking from it what has ended."""
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        waiting = iter(list(todo.values()))
        running: dict[str, tuple[Task, Any]] = {}

        def submit() -> bool:
            task = next(waiting, None)
            if task is not None:
                future = client.submit(
                    measure_remotely,
                    task,
                    tool,
                    store.where,
                    # The same cell asked for by two builds at once is measured once.
                    key=f"vqcast-{task.name}",
                    resources=resources_of(task.cell, self.amounts),
                )
                running[future.key] = task, future
                future.add_done_callback(ended.put)
            return task is not None

        while len(running) < _WINDOW and submit():
            pass
        while running:
            try:
                future = ended.get(timeout=_POLL_S)
            except queue.Empty:
                if client.status not in ("running", "connecting"):
                    raise _Lost from None
                continue
            reason = _reason(future)
            task, _ = running.pop(future.key)
            del todo[task.name]
            submit()
            yield task, reason

    @staticmethod
    def _found(todo: dict[str, Task], store: Store) -> Ended:
        """What workers finished while nobody could hear them say so."""
        names = list(todo)
        for name, data in zip(names, store.read(names), strict=True):
            if read(data, todo[name].cell, where=name) is not None:
                yield todo.pop(name), None


def _reason(future: Any) -> str | None:
    """Why a task failed, or None. Raises _Lost where nobody knows any more."""
    if future.status == "finished":
        return None
    if future.status != "error":
        raise _Lost
    error = future.exception()
    if isinstance(error, VqcastError):
        return error.message
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
