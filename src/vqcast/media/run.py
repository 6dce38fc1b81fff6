"""The only place that starts a process.

A child gets its own process group, no standard input, a deadline, and the
kernel's word that it dies with us. What it says on standard error is kept;
whether it did its work is for the caller to check on what it produced.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcast.errors import ToolFailure, ToolUnavailable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_POLL_S = 0.1
_QUIET = {"SVT_LOG": "1", "AV_LOG_FORCE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}


class Cancelled(Exception):
    """The caller asked running children to stop."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a child left behind."""

    returncode: int
    stdout: str
    stderr: str
    wall_s: float


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    argv: Sequence[str],
    *,
    deadline_s: float,
    cwd: Path | None = None,
    cancel: threading.Event | None = None,
    on_poll: Callable[[], None] | None = None,
) -> Finished:
    """Run ``argv`` to its end, without a shell, and call ``on_poll`` ten times a second till then.

    Raises ToolUnavailable where it can't be started, ToolFailure past
    ``deadline_s`` seconds, Cancelled once ``cancel`` is set. The whole process
    group is gone when this returns or raises.
    """
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | _QUIET,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    except OSError as error:
        raise ToolUnavailable(f"{argv[0]}: can't start: {error.strerror}") from error
    try:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=_POLL_S)
                break
            except subprocess.TimeoutExpired:
                if cancel is not None and cancel.is_set():
                    raise Cancelled from None
                if on_poll is not None:
                    on_poll()
                if time.monotonic() - start > deadline_s:
                    raise ToolFailure(
                        f"{Path(argv[0]).name}: killed after its deadline of {deadline_s:.0f} s",
                    ) from None
    except BaseException:
        _kill_group(process)
        raise
    return Finished(
        returncode=process.returncode,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
        wall_s=time.monotonic() - start,
    )
