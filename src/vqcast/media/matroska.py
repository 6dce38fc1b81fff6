"""The blocks of a video track in a Matroska or WebM file (RFC 9559), by their headers alone.

What is not plain (laced blocks, clusters of unknown size, a file that ends early) is answered with
None, and the file is read packet by packet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from vqcast.media.isobmff import Samples

_SEGMENT, _CLUSTER, _TIMESTAMP = 0x18538067, 0x1F43B675, 0xE7
_SIMPLE_BLOCK, _GROUP, _BLOCK, _REFERENCE = 0xA3, 0xA0, 0xA1, 0xFB
_INFO, _SCALE = 0x1549A966, 0x2AD7B1
_TRACKS, _TRACK, _NUMBER = 0x1654AE6B, 0xAE, 0xD7
_MASTERS = frozenset({0xE0, 0x55B0, 0x55D0, 0x41E4})
"""Video, its Colour and MasteringMetadata, and BlockAdditionMapping."""
_LACING, _KEY = 0x06, 0x80
_AT_ONCE = 64
"""Bytes of one reading: an element's header, and that of the block in it."""
_THREADS = 16
"""Clusters that are read at once: what counts is how long a disk takes to answer."""
_DEFAULT_SCALE = 1_000_000
"""Nanoseconds of a tick."""


class _Unsure(Exception):
    """Not a plain file."""


class _Reader:
    """Elements of a file, of which little more than their headers is read. One a thread."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.end = os.fstat(descriptor).st_size
        self.held, self.held_at = b"", 0

    def again(self) -> _Reader:
        """Another reader of the file."""
        return _Reader(self.descriptor)

    def data(self, at: int, end: int) -> bytes:
        """The bytes from ``at`` to ``end``. Raises IndexError where the file has no such."""
        first = at - self.held_at
        if first < 0 or end > self.held_at + len(self.held):
            self.held = os.pread(self.descriptor, max(end - at, _AT_ONCE), at)
            self.held_at, first = at, 0
            if len(self.held) < end - at:
                raise IndexError
        return self.held[first : end - self.held_at]

    def head(self, at: int) -> tuple[int, int, int]:
        """Identifier, start and end of the body of the element at ``at``."""
        first = self.data(at, at + 1)[0]
        length = 9 - first.bit_length()
        if not first or length > 4:
            raise _Unsure
        name = int.from_bytes(self.data(at, at + length), "big")
        size, body = self.number(at + length)
        if body + size > self.end:
            raise _Unsure
        return name, body, body + size

    def number(self, at: int) -> tuple[int, int]:
        """A size or track number, and where it ends."""
        first = self.data(at, at + 1)[0]
        if not first:
            raise _Unsure
        length = 9 - first.bit_length()
        value = int.from_bytes(self.data(at, at + length), "big") - (1 << (7 * length))
        if value == (1 << (7 * length)) - 1:  # unknown
            raise _Unsure
        return value, at + length

    def unsigned(self, start: int, end: int) -> int:
        return int.from_bytes(self.data(start, end), "big")


class _Blocks:
    """What is gathered on the way through a cluster."""

    def __init__(self, reader: _Reader, track: int) -> None:
        self.reader, self.track = reader, track
        self.ticks: list[int] = []
        self.sizes: list[int] = []
        self.keys: list[bool] = []

    def extend(self, other: _Blocks) -> None:
        self.ticks += other.ticks
        self.sizes += other.sizes
        self.keys += other.keys

    def read(self, at: int, end: int) -> _Blocks:
        time, reader = None, self.reader
        while at < end:
            name, start, at = reader.head(at)
            if name == _TIMESTAMP:
                time = reader.unsigned(start, at)
            elif name in (_SIMPLE_BLOCK, _GROUP):
                if time is None:
                    raise _Unsure
                if name == _SIMPLE_BLOCK:
                    self.block(time, start, at, None)
                else:
                    self.group(time, start, at)
        return self

    def group(self, time: int, at: int, end: int) -> None:
        block, refers = None, False
        while at < end:
            name, start, at = self.reader.head(at)
            if name == _BLOCK:
                block = (start, at)
            refers = refers or name == _REFERENCE
        if block is not None:
            self.block(time, *block, not refers)

    def block(self, time: int, start: int, end: int, key: bool | None) -> None:
        track, at = self.reader.number(start)
        if track != self.track:
            return
        time_and_flags = self.reader.data(at, at + 3)
        flags = time_and_flags[2]
        if flags & _LACING:
            raise _Unsure
        self.ticks.append(time + int.from_bytes(time_and_flags[:2], "big", signed=True))
        self.sizes.append(end - at - 3)
        self.keys.append(bool(flags & _KEY) if key is None else key)


@contextmanager
def _reading(path: Path) -> Iterator[_Reader]:
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):  # else what lies between the headers is read, too
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        yield _Reader(file.fileno())


def read_blocks(path: Path, stream: int) -> Samples | None:
    """The blocks of track number ``stream`` in their order; None where it is not certain."""
    try:
        with _reading(path) as reader:
            return _read(reader, stream)
    except (_Unsure, IndexError, OSError, ValueError):
        return None


def track_elements(path: Path, stream: int) -> list[tuple[int, bytes]]:
    """Identifier and body of what is said of track number ``stream``, in order, masters opened."""
    try:
        with _reading(path) as reader:
            at, end = reader.head(reader.head(0)[2])[1:]
            for wanted, number in ((_TRACKS, 0), (_TRACK, stream)):
                at, end = _nth(reader, at, end, wanted, number)
            return _opened(reader, at, end)
    except (_Unsure, IndexError, OSError, ValueError):
        return []


def _nth(reader: _Reader, at: int, end: int, wanted: int, number: int) -> tuple[int, int]:
    """Start and end of the body of element ``number`` of those that are called so."""
    while at < end:
        name, start, at = reader.head(at)
        if name == wanted and not number:
            return start, at
        number -= name == wanted
    raise _Unsure


def _opened(reader: _Reader, at: int, end: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while at < end:
        name, start, at = reader.head(at)
        if name in _MASTERS:
            found += _opened(reader, start, at)
        else:
            found.append((name, reader.data(start, at)))
    return found


def _read(reader: _Reader, stream: int) -> Samples | None:
    _, _, at = reader.head(0)
    name, at, end = reader.head(at)
    if name != _SEGMENT or end != reader.end:
        return None
    scale, track, clusters = _DEFAULT_SCALE, None, []
    while at < end:
        name, start, at = reader.head(at)
        if name == _INFO:
            scale = _find(reader, start, at, _SCALE) or scale
        elif name == _TRACKS:
            track = _track_number(reader, start, at, stream)
        elif name == _CLUSTER:
            clusters.append((start, at))
    if track is None:
        return None
    found = _Blocks(reader, track)

    def read(span: tuple[int, int]) -> _Blocks:
        return _Blocks(reader.again(), track).read(*span)

    with ThreadPoolExecutor(_THREADS) as workers:
        for blocks in workers.map(read, clusters):
            found.extend(blocks)
    if not found.ticks:
        return None
    base = Fraction(scale, 1_000_000_000)
    ticks, sizes = np.array(found.ticks, np.int64), np.array(found.sizes, np.int64)
    return ticks, base, sizes, np.array(found.keys, bool)


def _find(reader: _Reader, at: int, end: int, wanted: int) -> int | None:
    while at < end:
        name, start, at = reader.head(at)
        if name == wanted:
            return reader.unsigned(start, at)
    return None


def _track_number(reader: _Reader, at: int, end: int, stream: int) -> int:
    numbers = []
    while at < end:
        name, start, at = reader.head(at)
        if name == _TRACK:
            numbers.append(_find(reader, start, at, _NUMBER))
    number = numbers[stream]
    if number is None:
        raise _Unsure
    return number
