r"""One file at a time: digests, bounded reads, atomic writes.

A reader sees the old bytes or the new ones, never a part: new bytes go to a
temporary file in the same folder, are synced, then renamed over the old name,
and the folder is synced::

    digest = write_atomic(Path("report.json"), b"{}\\n")
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import secrets
import stat
from pathlib import Path

from vqcast.durable import disk
from vqcast.errors import InputError

MAX_READ_BYTES = 1 << 31
TEMPORARY_PREFIX = ".vqcast-"


def sha256_bytes(data: bytes) -> str:
    """Lowercase hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Lowercase hex SHA-256 of the file's exact bytes, read in pieces."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{error.strerror}", path=path) from error


def read_regular(
    path: Path, *, max_bytes: int = MAX_READ_BYTES, dir_fd: int | None = None
) -> bytes:
    """The bytes of a regular file of at most ``max_bytes``.

    Raises InputError for a missing file, a folder, a device, a FIFO or a file
    over the cap. The size is checked on the open file, before reading.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        raise InputError(f"{error.strerror}", path=path) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise InputError("not a regular file", path=path)
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_size > max_bytes:
            raise InputError(
                f"{status.st_size} bytes, more than the {max_bytes} allowed", path=path
            )
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"grew beyond {max_bytes} bytes while it was read", path=path)
    return data


def make_folders(folder: Path) -> None:
    """Make ``folder`` and the folders above it, each durable before the next. Raises OSError.

    The lowest one that is there is synced into its parent too: whoever made it
    may have been killed before that.
    """
    if not folder.is_dir():
        make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):
            disk.current.make_folder(folder)
    if folder != folder.parent:
        with contextlib.suppress(PermissionError):  # a folder above that is not ours to open
            disk.current.sync_folder(folder.parent)


def write_new(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write and sync a file that is not there yet; its name is for the caller to sync.

    Raises OSError; the file may then be there in part.
    """
    descriptor = disk.current.create(path)
    try:
        left = memoryview(data)
        while left:
            left = left[disk.current.write(descriptor, left) :]
        if mode is not None:
            disk.current.set_mode(descriptor, mode)
        disk.current.sync(descriptor)
    finally:
        disk.current.close(descriptor)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> str:
    """Replace ``path`` by ``data`` in one step and return the data's SHA-256.

    Missing parent folders are made. Raises InputError where the folder can't
    be written; whatever stood at ``path`` is then still there, whole.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    renamed = False
    try:
        make_folders(path.parent)
        write_new(temporary, data, mode=mode)
        disk.current.rename(temporary, path)
        renamed = True
        disk.current.sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"can't write: {error.strerror}",
            path=path,
            hint="check the folder's rights and free space",
        ) from error
    finally:
        if not renamed:
            with contextlib.suppress(OSError):
                disk.current.unlink(temporary)
    return sha256_bytes(data)


def adopt(made: Path, path: Path) -> None:
    """Give a file that another program wrote its name, in one step, its bytes durable first.

    Raises InputError where it can't be; ``made`` is then still there.
    """
    try:
        descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        try:
            disk.current.sync(descriptor)
        finally:
            disk.current.close(descriptor)
        disk.current.rename(made, path)
        disk.current.sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"can't write: {error.strerror}",
            path=path,
            hint="check the folder's rights and free space",
        ) from error


def confirm(folder: Path) -> None:
    """Make durable what is found in ``folder``, whose writer may have been killed before that."""
    with contextlib.suppress(OSError):
        disk.current.sync_folder(folder)


def remove(path: Path) -> None:
    """Remove a file if it is there, durably."""
    try:
        with contextlib.suppress(FileNotFoundError):
            disk.current.unlink(path)
        disk.current.sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"can't remove: {error.strerror}", path=path) from error


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing; leave any other alone."""
    with contextlib.suppress(OSError):
        disk.current.remove_folder(folder)


def gzip_canonical(data: bytes) -> bytes:
    """Gzip ``data`` with no name and no time, so that equal bytes stay equal."""
    return gzip.compress(data, compresslevel=9, mtime=0)
