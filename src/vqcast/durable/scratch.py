"""Names of temporary files and folders that tell the process that they are of.

What a killed process left is so known, and removed by the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
from functools import cache
from pathlib import Path

from vqcast.durable.files import remove
from vqcast.errors import InputError

_PREFIX = "vqcast-"


@cache
def _machine() -> str:
    """This machine, or the container on it that counts processes by itself."""
    counted_by = Path("/proc/self/ns/pid")
    told = platform.node() + (os.readlink(counted_by) if counted_by.is_symlink() else "")
    return hashlib.sha256(told.encode()).hexdigest()[:6] + "-"


def mine(prefix: str = _PREFIX) -> str:
    """How the temporary files of this process begin."""
    return f"{prefix}{_machine()}{os.getpid()}-"


def remove_leftovers(folder: Path, prefix: str = _PREFIX) -> None:
    """Remove what processes of this machine left in ``folder`` that are gone."""
    begin = prefix + _machine()
    for path in folder.glob(f"{begin}*"):
        number = path.name.removeprefix(begin).partition("-")[0]
        if number.isdecimal() and not _runs(int(number)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(InputError):
                    remove(path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _tidied(folder: Path) -> None:
    remove_leftovers(folder)


def scratch(where: Path | None = None) -> tempfile.TemporaryDirectory[str]:
    """A folder for temporary files, in ``where`` or as TMPDIR says; as a context, its name."""
    _tidied(where or Path(tempfile.gettempdir()))
    return tempfile.TemporaryDirectory(prefix=mine(), dir=where)
