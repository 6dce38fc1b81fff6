"""What a file is told apart by: the digest of its bytes, or of parts that a change would show in.

A file of at most `WHOLE_BYTES` is digested whole. Of a larger one these are: its size, the time of
its last change, the table of its packets (when each frame is shown and how many bytes it has), its
first and last MiB, and 256 blocks of 64 KiB spread evenly over it. Two files that share all of that
are one file for the cache. Another encode, cut, remux, filter or edit changes the table or the
size; bytes written into the file change its time. What remains is a file whose bytes were changed
in place, between the blocks, at the same length, and whose time was then set back, or a disk that
gave other bytes by itself. A tuning from such a cache is that of the file before. What is delivered
is encoded from the file as it is and scored against it, so its score is never taken from there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vqcast.durable.files import sha256_file
from vqcast.media.packets import PacketTable

WHOLE_BYTES = 256 << 20
"""A second's reading on a slow disk."""
_ENDS = 1 << 20
_BLOCKS = 256
_BLOCK = 64 << 10


def identify(path: Path, packets: PacketTable | None, *, whole: bool) -> tuple[str | None, str]:
    """A file's sha256 (None: not all of it was read) and its identity, 64 hex digits each.

    Both are the same where all was read: with ``whole``, without ``packets``, or of a small file.
    """
    if whole or packets is None or path.stat().st_size <= WHOLE_BYTES:
        digest = sha256_file(path)
        return digest, digest
    return None, _sampled(path, packets)


def _sampled(path: Path, packets: PacketTable) -> str:
    digest = hashlib.sha256(b"vqcast: size, time, packets, ends, blocks\n")
    with path.open("rb") as file:
        told = os.fstat(file.fileno())
        size = told.st_size
        digest.update(f"{size} {told.st_mtime_ns}\n".encode())
        for column in (packets.times_us, packets.sizes):
            digest.update(column.astype("<i8").tobytes())
        digest.update(file.read(_ENDS))
        for index in range(_BLOCKS):
            file.seek(size * index // _BLOCKS)
            digest.update(file.read(_BLOCK))
        file.seek(max(size - _ENDS, 0))
        digest.update(file.read())
    return digest.hexdigest()
