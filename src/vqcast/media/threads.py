"""How many threads each part of the work gets: a plan that fills the machine once.

    plan(cores=16, streams=4)  # four encodes at once, four threads each

Encoding and scoring a stream take turns at its cores: libvmaf waits for pictures that the
encoder has not made yet, and the encoder's queue waits for libvmaf. So each of them may use
every core of its stream, and what runs at any moment is about the cores.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

MOST_ENCODER = 16
"""Above, no software encoder of the table gains from more threads on one stream."""
_SCALING = 0.9
"""An encode on n threads takes 1 / n ** this of the time on one, about."""
MOST_DECODER = 4
"""A decoder feeds an encoder that is several times slower."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of one machine: how many streams at once, and what each stream gets."""

    at_once: int = 1
    encoder: int = 1
    score: int = 1
    decoder: int = 1


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plan(cores: int, streams: int) -> Threads:
    """Threads for ``streams`` encodes that do not wait for each other, on ``cores`` cores.

    ``at_once`` times any one kind of thread is at most ``cores``. Several streams at once need
    nothing of each other, but the last may be left alone; so the quickest of all ways is taken.
    """
    cores, streams = max(cores, 1), max(streams, 1)

    def wall(at_once: int) -> float:
        rounds = -(-streams // at_once)
        return rounds / math.pow(min(cores // at_once, MOST_ENCODER), _SCALING)

    at_once = min(range(min(cores, streams), 0, -1), key=wall)
    each = cores // at_once
    return Threads(
        at_once=at_once,
        encoder=min(each, MOST_ENCODER),
        score=each,
        decoder=min(each, MOST_DECODER),
    )
