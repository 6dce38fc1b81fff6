"""Which stretches of a long title are encoded, and how far their mean may be from the whole's.

A short title is encoded whole. Of a long one, segments of two seconds are taken at even distances,
more of them until the error of sampling fits the confidence asked for. That error is the spread
between segments, by the formula for a mean of n of N without replacement, and a fixed part for what
a cut changes: each segment starts with a key frame and an empty rate control.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHORT_S = 120.0
"""A title of at most this many seconds is encoded whole."""
SEGMENT_S = 2.0
FIRST_SEGMENTS = 8
CUT_DEVIATION = 0.46
"""Points, standard deviation: what starting every segment anew changes in the mean.

The root mean square that ``bench/sampling.py`` measured on three titles of 30 and 70 s.
"""
MARGIN = 0.35
"""Points that sampling may cost at the confidence asked for: about one step of the grid."""
MOST_SHARE = 0.6
"""Of a title's segments; where more would be needed, the whole title is encoded."""


def allowed(confidence: float) -> float:
    """Standard deviation of sampling that keeps its part of the doubt within MARGIN points."""
    return MARGIN / NormalDist().inv_cdf(max(confidence, 0.8))


def segment_frames(fps: float) -> int:
    """Frames of one segment."""
    return max(round(SEGMENT_S * fps), 2)


def most(frames: int, length: int) -> int:
    """The most segments that are worth it; 0 for a title shorter than any."""
    return int(frames // length * MOST_SHARE)


def starts(frames: int, length: int, count: int) -> list[int]:
    """First frames of ``count`` segments, each in the middle of its share of the title."""
    whole = frames // length
    return [int((2 * index + 1) * whole / (2 * count)) * length for index in range(count)]


def error(means: Sequence[float], frames: int, length: int) -> float:
    """Standard deviation of the segments' mean about the whole title's, points."""
    count, whole = len(means), frames // length
    between = float(np.std(means, ddof=1)) if count > 1 else 0.0
    share = max(1.0 - count / whole, 0.0)
    return float(np.hypot(between * np.sqrt(share / count), CUT_DEVIATION))


def enough(means: Sequence[float], frames: int, length: int, deviation: float) -> int:
    """How many segments bring the error within ``deviation`` points; 0: the whole title."""
    count, whole = len(means), frames // length
    while count <= most(frames, length):
        between = float(np.std(means, ddof=1))
        share = max(1.0 - count / whole, 0.0)
        if between * np.sqrt(share / count) <= deviation:
            return count
        count *= 2
    return 0
