"""The only place that starts a process.

A child gets a process group that ends with us (`vqcast.media.platform`), no
standard input and a deadline. What it says on standard error is kept;
whether it did its work is for the caller to check on what it produced.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from vqcast.errors import ToolFailure, ToolUnavailable
from vqcast.media.platform import group

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


def run(
    argv: Sequence[str],
    *,
    deadline_s: float,
    cwd: Path | None = None,
    cancel: threading.Event | None = None,
    on_poll: Callable[[], None] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Finished:
    """Run ``argv`` to its end, without a shell, and call ``on_poll`` ten times a second till then.

    ``environment`` is added to this process's own, in which encoders are told to be quiet.
    Raises ToolUnavailable where it can't be started, ToolFailure past
    ``deadline_s`` seconds, Cancelled once ``cancel`` is set. The whole process
    group is gone when this returns or raises.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled
    start = time.monotonic()
    with ExitStack() as stack:
        try:
            process = stack.enter_context(
                group(
                    list(argv),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **_QUIET, **environment},
                )
            )
        except OSError as error:
            raise ToolUnavailable(f"{argv[0]}: can't start: {error.strerror}") from error
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
        wall_s = time.monotonic() - start
    return Finished(
        returncode=process.returncode,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
        wall_s=wall_s,
    )
