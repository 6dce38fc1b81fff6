"""A process of its own for one piece of work, for `attacks.kills`.

Work that uses Polars can't run in a fork of a process that used it before: the fork has
none of the threads that Polars waits for.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import vqcast
from vqcast.errors import Busy

BUSY = 75
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(
        str(path) for path in (Path(vqcast.__file__).parents[1], Path(__file__).parents[1])
    )
}


def begun(work: Callable[..., object], *arguments: object) -> subprocess.Popen[bytes]:
    """Start a child that does ``work``, a function of a module; its imports are done by now."""
    child = subprocess.Popen(
        [sys.executable, "-m", "attacks.child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    with child.stdin as told, child.stdout as said:
        told.write(pickle.dumps((work, arguments)))
        told.close()
        said.readline()
    return child


def ending(work: Callable[..., object], *arguments: object) -> int:
    """Exit code of ``work``: 0, BUSY, or 1 with its error on standard error."""
    try:
        work(*arguments)
    except Busy:
        return BUSY
    except BaseException as error:
        os.write(2, f"child: {type(error).__name__}: {error}\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    task = pickle.load(sys.stdin.buffer)
    print("begun", flush=True)
    os._exit(ending(task[0], *task[1]))
