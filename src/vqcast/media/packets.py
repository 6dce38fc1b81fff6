"""The packets of a video: when each is shown, how large it is, which are key frames.

MP4 and Matroska say so in tables and block headers, which are read without the pictures between
them: a film of 5 GB takes a second. Of other files, and wherever these leave a doubt, every packet
is read with PyAV.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import MediaError
from vqcast.media import isobmff, matroska
from vqcast.media.header import opened

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class PacketTable:
    """The packets of one video stream in the order in which their frames are shown."""

    times_us: NDArray[np.int64]
    """``[packets]``, on the stream's own clock."""
    sizes: NDArray[np.int64]
    """``[packets]``, bytes."""
    keys: NDArray[np.bool_]
    """``[packets]``, whether decoding can start there."""
    sound: bool
    """Whether every packet has a time of its own and none is marked as damaged or left out."""
    indexed: bool = False
    """Whether the container's own tables were read, which say where decoding can start."""

    @property
    def bytes(self) -> int:
        """Of all packets together."""
        return int(self.sizes.sum())


def read_packets(path: Path, stream: int, container: str) -> PacketTable | None:
    """The packets of video ``stream``; None where they can't be read at all.

    ``container`` is FFmpeg's name of the demuxer.
    """
    read = None
    if "mp4" in container:
        read = isobmff.read_samples
    elif "matroska" in container:
        read = matroska.read_blocks
    if read is not None and (found := read(path, stream)) is not None:
        ticks, base, sizes, keys = found
        return replace(_table(ticks, base, sizes, keys, sound=True), indexed=True)
    return _demuxed(path, stream)


def _demuxed(path: Path, stream: int) -> PacketTable | None:
    times: list[int] = []
    sizes: list[int] = []
    keys: list[bool] = []
    sound = True
    try:
        with opened(path) as container:
            video = container.streams[stream]
            base = Fraction(video.time_base or 0)
            for packet in container.demux(video):
                if not packet.size:
                    continue
                if packet.pts is None or packet.is_corrupt or packet.is_discard:
                    sound = False
                    if packet.is_discard:
                        continue
                times.append(0 if packet.pts is None else packet.pts)
                sizes.append(packet.size)
                keys.append(bool(packet.is_keyframe))
    except MediaError:
        sound = False
    if not times or not base:
        return None
    return _table(
        np.array(times, np.int64), base, np.array(sizes, np.int64), np.array(keys, bool),
        sound=sound,
    )  # fmt: skip


def _table(
    ticks: NDArray[np.int64],
    base: Fraction,
    sizes: NDArray[np.int64],
    keys: NDArray[np.bool_],
    *,
    sound: bool,
) -> PacketTable:
    order = np.argsort(ticks, kind="stable")
    ticks = ticks[order]
    sound = sound and bool((np.diff(ticks) > 0).all())
    times_us = np.round(ticks * float(base * _MICROSECONDS)).astype(np.int64)
    return PacketTable(times_us, sizes[order], keys[order], sound)
