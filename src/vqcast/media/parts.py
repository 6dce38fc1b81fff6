"""A long title cut into parts that are encoded each by itself, and what is kept of one.

A part begins at a key frame of the source, so it is reached without decoding what lies before it,
and its encode begins with a key frame, so parts are joined without loss. A finished part is a file
and a document beside it, both named by all that they depend on; another run goes on from there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import codec
from vqcast.documents.part import PartDocument
from vqcast.durable.files import read_regular, remove, sha256_file, write_atomic
from vqcast.errors import InputError
from vqcast.media.encoders import Encoder
from vqcast.media.source import Source
from vqcast.media.threads import Threads, plan

PART_S = 20.0
"""Seconds of a part, about; what other lengths cost: docs/adr/0008-a-film-on-all-cores.md."""
AT_ONCE = 8
"""Parts that are made at once, at most: each takes an encoder's memory."""
_KEPT_S = 30 * 24 * 3600.0
"""How long parts are kept of an encode that was never gone on with."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How a long title is encoded in parts."""

    folder: Path
    """Where finished parts are kept."""
    temporary: Path | None = None
    """Where pictures are while a part is made; None: the system's folder."""
    length_s: float = PART_S
    """Seconds of a part, about."""


@dataclass(frozen=True, slots=True)
class TitlePart:
    """Frames ``start`` to ``start + frames`` of a title."""

    start: int
    frames: int


def cut(source: Source, entry: Encoder, length_s: float = PART_S) -> tuple[TitlePart, ...]:
    """The parts of ``source``, cut at its own key frames; one where it is not to be cut.

    It is not where no table of its container says which frames are keys, where it is damaged or
    goes through filters that see several pictures, and where ``entry`` needs hardware or makes what
    can't be joined.
    """
    packets, whole = source.packets, (TitlePart(0, source.frames),)
    if packets is None or not is_cuttable(source, entry):
        return whole
    first, last = float(packets.times_us[0]), float(packets.times_us[-1])
    step_us = length_s * 1e6
    keys = np.flatnonzero(packets.keys)
    keys = keys[(keys > 0) & (packets.times_us[keys] < last - step_us / 2)]
    if last - first < 2 * step_us or not len(keys):
        return whole
    wanted, times = np.arange(first + step_us, last, step_us), packets.times_us[keys]
    before = np.maximum(np.searchsorted(times, wanted) - 1, 0)
    after = np.minimum(before + 1, len(times) - 1)
    nearest = np.where(wanted - times[before] <= times[after] - wanted, before, after)
    starts = [0, *(int(key) for key in np.unique(keys[nearest]))]
    return tuple(
        TitlePart(start, end - start)
        for start, end in zip(starts, [*starts[1:], source.frames], strict=True)
    )


def effort(source: Source) -> NDArray[np.float64]:
    """What the frames before each take to encode, of all frames as many; ``[frames + 1]``.

    Half of it is the same for all frames, half goes by the bytes that the source has of each.
    """
    packets, frames = source.packets, source.frames
    if packets is None or len(packets.sizes) != frames or not packets.bytes:
        return np.arange(frames + 1.0)
    own = 0.5 + 0.5 * packets.sizes * frames / packets.bytes
    return np.concatenate([[0.0], np.cumsum(own)])


def is_cuttable(source: Source, entry: Encoder) -> bool:
    """Whether a title can be encoded in parts: frames are reached, and what is made joins."""
    packets, fit = source.packets, entry.device is None and entry.codec.joins
    reached = packets is not None and packets.indexed and source.damage is None
    return reached and fit and source.video.reach == 0


def schedule(parts: Sequence[TitlePart], cores: int) -> list[tuple[TitlePart, Threads]]:
    """In which order parts are made, the longest first, and on how many threads each.

    The last ones, which would leave cores idle, get more.
    """
    each = plan(cores, min(len(parts), AT_ONCE))
    ordered = sorted(parts, key=lambda part: (-part.frames, part.start))
    rest = len(parts) % each.at_once
    return [
        (part, plan(cores, rest) if number >= len(parts) - rest else each)
        for number, part in enumerate(ordered)
    ]


def picture_bytes(parts: Sequence[TitlePart], cores: int, every: int, picture: int) -> int:
    """The most that pictures of ``parts``, of ``picture`` bytes each, take while they are made.

    Those of every ``every``-th frame and its neighbours are written.
    """
    each = plan(cores, min(len(parts), AT_ONCE)).at_once
    frames = sorted((part.frames for part in parts), reverse=True)[:each]
    return sum(-(-3 * count // max(every, 3)) for count in frames) * picture


def file_of(folder: Path, key: str) -> Path:
    """The file of the part whose identity is ``key``."""
    return folder / f"{key}.mp4"


def finished(file: Path) -> PartDocument | None:
    """What is kept of a part that is finished and undamaged; None: it is to be made."""
    document = file.with_suffix(".json")
    if not document.is_file() or not file.is_file():
        return None
    try:
        kept = codec.from_bytes(PartDocument, read_regular(document), where=str(document))
        return kept if sha256_file(file) == kept.sha256 else None
    except InputError:
        return None


def kept_in(folder: Path) -> Iterator[tuple[str, TitlePart, float]]:
    """Key, frames and CRF of every part that is said to be finished, of any title."""
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(InputError):
            kept = codec.from_bytes(PartDocument, read_regular(path), where=str(path))
            if kept.start is not None and kept.crf is not None:
                yield path.stem, TitlePart(kept.start, len(kept.frame_bytes)), kept.crf


def keep(file: Path, document: PartDocument) -> None:
    """Say that a part is finished."""
    write_atomic(file.with_suffix(".json"), codec.to_line(document))


def drop(files: Iterable[Path]) -> None:
    """Remove parts that were joined, and those in their folders that nobody went on with."""
    folders = set()
    for file in files:
        folders.add(file.parent)
        _remove(file)
    old = time.time() - _KEPT_S
    for folder in folders:
        for file in folder.glob("*.mp4"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < old:
                    _remove(file)


def _remove(file: Path) -> None:
    with contextlib.suppress(InputError):
        remove(file.with_suffix(".json"))
        remove(file)
