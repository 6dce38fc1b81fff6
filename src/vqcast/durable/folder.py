"""Replace a whole folder in one step: all or nothing, whenever it is killed.

The new folder is made and synced beside the old one, then the kernel swaps
the two names (``renameat2`` with ``RENAME_EXCHANGE``). A reader that holds the
old folder open goes on reading the old files; one that opens it now sees the
new. What a killed writer left beside the folder is swept by the next one.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vqcast.durable.files import sync_folder
from vqcast.errors import InputError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def _exchange(a: Path, b: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    status = libc.renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    if status:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _staging_prefix(target: Path) -> str:
    return f".{target.name}.staged-"


def _sweep(target: Path) -> None:
    for left in target.parent.glob(f"{glob.escape(_staging_prefix(target))}*"):
        shutil.rmtree(left, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Make ``target`` hold exactly ``files`` (relative names to bytes).

    The caller holds the lock of ``target``. Raises InputError where the parent
    can't be written or its filesystem can't swap folders; the old folder then
    stands untouched.
    """
    target = Path(os.path.realpath(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        staged = Path(tempfile.mkdtemp(prefix=_staging_prefix(target), dir=target.parent))
    except OSError as error:
        raise InputError(
            f"{target.parent}: can't write: {error.strerror}",
            hint="check the folder's rights and free space",
        ) from error
    try:
        staged.chmod(0o755)
        for name, data in files.items():
            _write_synced(staged / name, data)
        for folder in [staged, *(path for path in staged.rglob("*") if path.is_dir())]:
            sync_folder(folder)
        if target.exists():
            _exchange(staged, target)
        else:
            staged.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise InputError(
            f"{target}: can't be replaced: {error.strerror}",
            hint="its filesystem must be writable and able to swap folders; no mount point is",
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
