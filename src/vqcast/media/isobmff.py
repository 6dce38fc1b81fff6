"""The sample table of a video track in an MP4 or QuickTime file (ISO/IEC 14496-12).

Only the movie box is read. What it can't tell in full (fragments, edits that leave frames out) is
answered with None, and the file is read packet by packet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Samples = tuple[NDArray[np.int64], Fraction, NDArray[np.int64], NDArray[np.bool_]]
"""Times in ticks and seconds of a tick; bytes; whether it is a sync sample."""

_MOST_BYTES = 1 << 29
"""Of a movie box: a day of video has 50 MB."""
_VISUAL_BYTES = 78
"""Of a visual sample entry, before the boxes in it."""


def read_samples(path: Path, stream: int) -> Samples | None:
    """The samples of track number ``stream`` in decoding order; None where it is not certain."""
    try:
        with path.open("rb") as file:
            movie = _movie(file, path.stat().st_size)
        if movie is None:
            return None
        tracks = [body for name, body in _boxes(movie) if name == b"trak"]
        return _samples(tracks[stream], _scale(_inside(movie, b"mvhd")))
    except (IndexError, KeyError, struct.error, ValueError, OSError):
        return None


def sample_entry(path: Path, stream: int) -> dict[bytes, bytes]:
    """The boxes that say how the video of track number ``stream`` is coded and shown."""
    try:
        with path.open("rb") as file:
            movie = _movie(file, path.stat().st_size)
        tracks = [body for name, body in _boxes(movie or memoryview(b"")) if name == b"trak"]
        described = _inside(tracks[stream], b"mdia", b"minf", b"stbl", b"stsd")
        entry = next(body for _, body in _boxes(described[8:]))
        return {name: bytes(body) for name, body in _boxes(entry[_VISUAL_BYTES:])}
    except (IndexError, KeyError, StopIteration, struct.error, OSError):
        return {}


def _movie(file: BinaryIO, end: int) -> memoryview | None:
    """The movie box's body; None where the file has fragments, or no movie box."""
    at, movie = 0, None
    while at + 8 <= end:
        file.seek(at)
        size, name, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        head = 16 if size == 1 else 8
        size = large if size == 1 else size or end - at
        if name == b"moof" or size < head:
            return None
        if name == b"moov":
            if size > _MOST_BYTES or at + size > end:
                return None
            file.seek(at + head)
            movie = memoryview(file.read(size - head))
        at += size
    return movie if at == end else None


def _boxes(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(body):
        size, name = struct.unpack_from(">I4s", body, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", body, at + 8)[0], 16
        if size < head or at + size > len(body):
            return
        yield bytes(name), body[at + head : at + size]
        at += size


def _inside(body: memoryview, *names: bytes) -> memoryview:
    for wanted in names:
        body = next((inner for name, inner in _boxes(body) if name == wanted), memoryview(b""))
        if not body:
            raise KeyError(wanted)
    return body


def _scale(header: memoryview) -> int:
    """Ticks a second of a movie or media header."""
    at = 20 if header[0] == 1 else 12
    return int(struct.unpack_from(">I", header, at)[0])


def _numbers(box: memoryview, columns: int, form: str = ">u4") -> NDArray[np.int64]:
    """The table of a full box, ``[entries, columns]``."""
    (count,) = struct.unpack_from(">I", box, 4)
    table = np.frombuffer(box, form, count * columns, offset=8)
    return table.astype(np.int64).reshape(count, columns)


def _samples(track: memoryview, movie_scale: int) -> Samples | None:
    media = _inside(track, b"mdia")
    table = _inside(media, b"minf", b"stbl")
    base = Fraction(1, _scale(_inside(media, b"mdhd")))
    durations = _numbers(_inside(table, b"stts"), 2)
    step = np.repeat(durations[:, 1], durations[:, 0])
    times = np.concatenate(([0], np.cumsum(step)[:-1]))
    names = {name for name, _ in _boxes(table)}
    if b"ctts" in names:
        offsets = _numbers(_inside(table, b"ctts"), 2)
        shift = np.repeat(offsets[:, 1].astype(np.uint32).astype(np.int32), offsets[:, 0])
        times = times + shift[: len(times)]
    sizes_box = _inside(table, b"stsz")
    one, count = struct.unpack_from(">II", sizes_box, 4)
    sizes = np.full(count, one, np.int64)
    if not one:
        sizes = np.frombuffer(sizes_box, ">u4", count, offset=12).astype(np.int64)
    keys = np.ones(count, bool)
    if b"stss" in names:
        keys[:] = False
        keys[_numbers(_inside(table, b"stss"), 1)[:, 0] - 1] = True
    if len(times) != count or not count or not sizes.all():
        return None
    start = _edit(track, times, base, movie_scale)
    return None if start is None else (times + start, base, sizes, keys)


def _edit(
    track: memoryview, times: NDArray[np.int64], base: Fraction, movie_scale: int
) -> int | None:
    """Ticks that an edit list moves the samples by; None where it leaves any of them out."""
    try:
        box = _inside(track, b"edts", b"elst")
    except KeyError:
        return 0
    (count,) = struct.unpack_from(">I", box, 4)
    form, size = (">QqI", 20) if box[0] == 1 else (">IiI", 12)
    edits = [struct.unpack_from(form, box, 8 + size * index) for index in range(count)]
    late = 0
    if len(edits) == 2 and edits[0][1] == -1:  # an empty edit: the track starts later
        late = round(Fraction(edits[0][0], movie_scale) / base)
        edits = edits[1:]
    if len(edits) != 1:
        return None
    duration, begin, rate = edits[0]
    shown = Fraction(duration, movie_scale) / base
    first, end = int(times.min()), int(times.max())
    # Shorter than the last frame's start: frames at the end are not shown.
    if rate != 1 << 16 or begin > first or (duration and begin + shown <= end):
        return None
    return late - int(begin)
