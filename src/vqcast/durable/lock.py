"""One writer at a time: a lock file beside the thing that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vqcast.durable.files import make_folders
from vqcast.errors import Busy, InputError


@contextmanager
def locked(
    path: Path, *, what: str, timeout_s: float = 0.0, passing: bool = False
) -> Iterator[None]:
    """Hold the lock ``.NAME.lock`` beside ``path``; it goes with the process.

    ``passing``: its file is removed at the end. A process that opened it just before then may hold
    it beside a third one, so that is for locks which only spare work.
    Raises Busy where another process holds it for longer than ``timeout_s``,
    InputError where the lock file can't be made.
    """
    lock_path = path.parent / f".{path.name}.lock"
    try:
        make_folders(lock_path.parent)
        lock = FileLock(lock_path, timeout=timeout_s)
        lock.acquire()
    except Timeout as error:
        raise Busy(
            f"another process is {what} it",
            path=path,
            hint="wait for it to end, then run this again",
        ) from error
    except OSError as error:
        raise InputError(f"can't write: {error.strerror}", path=lock_path) from error
    try:
        yield
    finally:
        if passing:
            with suppress(OSError):
                lock_path.unlink()
        lock.release()
