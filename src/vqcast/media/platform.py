"""The operating system's part in running a child: it ends when we do, whatever ends us.

Linux and macOS: a child joins a process group whose leader, a shell, reads from a
pipe that nobody writes to. When this process ends, by SIGKILL too, the kernel closes
the pipe's other end, the read returns, and the shell kills its group. Until the child's
program runs, the child itself holds that end open, so the shell can't act before the child is
in the group. The terminal's Ctrl-C reaches neither of the two.

Windows: not ported. A job object with ``JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`` does there
what the group does here; `group` is all that a port has to write.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

_LEADER = ("/bin/sh", "-c", "read -r _; kill -9 0")


@contextmanager
def group(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; it and its own children end with the block, or with us.

    Raises OSError where it can't be started.
    """
    with ExitStack() as stack:
        reading, lifeline = os.pipe()
        stack.callback(os.close, lifeline)
        try:
            leader = subprocess.Popen(_LEADER, stdin=reading, process_group=0)
        finally:
            os.close(reading)
        stack.callback(leader.wait)
        # It is not waited for yet, so the group's number can't be another's.
        stack.callback(_kill, leader.pid)
        process = subprocess.Popen(argv, process_group=leader.pid, **options)
        stack.callback(process.wait)
        stack.callback(_kill, leader.pid)
        yield process


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)
