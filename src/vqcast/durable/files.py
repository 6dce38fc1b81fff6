"""One file at a time: digests, bounded reads, atomic writes.

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
import stat
import tempfile
from pathlib import Path

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
        raise InputError(f"{path}: {error.strerror}") from error


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
        raise InputError(f"{path}: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_size > max_bytes:
            raise InputError(f"{path}: {status.st_size} bytes, more than the {max_bytes} allowed")
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"{path}: grew beyond {max_bytes} bytes while it was read")
    return data


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> str:
    """Replace ``path`` by ``data`` in one step and return the data's SHA-256.

    Missing parent folders are made. Raises InputError where the folder can't
    be written; whatever stood at ``path`` is then still there, whole.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"{path}: can't write: {error.strerror}",
            hint="check the folder's rights and free space",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return sha256_bytes(data)


def remove(path: Path) -> None:
    """Remove a file if it is there, durably."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: can't remove: {error.strerror}") from error


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing; leave any other alone."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def gzip_canonical(data: bytes) -> bytes:
    """Gzip ``data`` with no name and no time, so that equal bytes stay equal."""
    return gzip.compress(data, compresslevel=9, mtime=0)
