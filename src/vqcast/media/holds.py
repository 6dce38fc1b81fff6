"""What a delivered file must hold: a frame at each of the source's times, and what was carried."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import ToolFailure
from vqcast.media.carriage import Carriage
from vqcast.media.source import Source
from vqcast.media.streams import chapters, inventory

_TIMES_US = 2000
"""How far a frame's time may lie off the source's: containers count milliseconds."""


def require_times(source: Source, times_us: NDArray[np.int64], what: str) -> None:
    """Raise ToolFailure unless a frame comes at each of the source's times, less a constant."""
    if len(times_us) != source.frames or source.index is None:
        raise ToolFailure(f"{what}: {len(times_us)} of {source.frames} frames decode")
    moved = (times_us - source.index.times_us).astype(np.float64)
    moved -= np.median(moved)
    if np.abs(moved).max() > _TIMES_US:
        frame = int(np.abs(moved).argmax())
        raise ToolFailure(f"{what}: frame {frame} comes {moved[frame] / 1000:+.1f} ms off")


def require_streams(source: Source, made: Path, carriage: Carriage, what: str) -> None:
    """Raise ToolFailure unless ``made`` holds what was carried."""
    planned = Counter(stream.what for stream in (*carriage.carried, *carriage.covers))
    planned["video"] += 1
    missing = planned - Counter(stream.what for stream in inventory(made))
    if missing:
        raise ToolFailure(f"{what}: it does not hold the {', '.join(missing)} that was carried")
    if source.raw is None and chapters(source.path)[0] and not sum(chapters(made)):
        raise ToolFailure(f"{what}: it does not hold the source's chapters")
