"""The operations with which vqcast changes a disk, one method each.

``files``, ``folder`` and ``lock`` change nothing but through ``current``. Tests put
another disk there: one that fails, one that dies, one that forgets what was not synced.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Disk:
    """The real disk. Every method raises OSError where the kernel refuses."""

    def create(self, path: Path) -> int:
        """Make a file that is not there yet, and open it to be written."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write the first bytes of ``data``, at least one, and return how many."""
        return os.write(descriptor, data)

    def set_mode(self, path: int | Path, mode: int) -> None:
        """Set the rights of an open file, or of a folder."""
        os.chmod(path, mode)

    def sync(self, descriptor: int) -> None:
        """Make an open file's bytes durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close an open file."""
        os.close(descriptor)

    def make_folder(self, path: Path) -> None:
        """Make one folder that is not there yet."""
        os.mkdir(path)

    def sync_folder(self, folder: Path) -> None:
        """Make a folder's entries durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give ``source`` the name ``target``, in place of a file that has it."""
        os.replace(source, target)

    def exchange(self, a: Path, b: Path) -> None:
        """Swap two names in one step."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "renameat2"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        names = os.fsencode(a), os.fsencode(b)
        if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def unlink(self, path: Path) -> None:
        """Remove a file or a link."""
        os.unlink(path)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        os.rmdir(path)


current = Disk()
"""The disk that is written to."""
