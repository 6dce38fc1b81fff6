"""The best score at every bitrate, and rungs on it: pure functions of points.

    on = hull(log2_rates, scores)         # indices of the points that no mix of others beats
    rungs = spaced(scores[on], count=6)   # of these, evenly apart
    bd_rate(rates_a, scores_a, rates_b, scores_b)  # percent more bits of b for the same score

The hull is concave in score over the logarithm of the bitrate, the plane in which BD-rate is an
area (Bjontegaard, VCEG-M33, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_STEPS = 200


def hull(log_rates: Array, scores: Array) -> list[int]:
    """Indices of the points on the upper concave hull, from the cheapest to the best.

    Both rise strictly along it, and its slopes fall. Of equal points the first is on it.
    """
    kept: list[int] = []
    for index in np.lexsort((-scores, log_rates)):
        if kept and scores[index] <= scores[kept[-1]]:
            continue  # dearer, and no better
        while kept and log_rates[index] == log_rates[kept[-1]]:
            kept.pop()
        while len(kept) > 1 and _is_below(kept[-2], kept[-1], index, log_rates, scores):
            kept.pop()
        kept.append(int(index))
    return kept


def _is_below(first: int, middle: int, last: int, x: Array, y: Array) -> bool:
    """Whether ``middle`` lies on or under the line from ``first`` to ``last``."""
    rise = (y[last] - y[first]) * (x[middle] - x[first])
    return bool((y[middle] - y[first]) * (x[last] - x[first]) <= rise)


def spaced(values: Array, count: int) -> list[int]:
    """Indices of at most ``count`` of rising ``values``, as evenly apart as they allow.

    The first and the last are among them, one alone is the last; none is given twice.
    """
    if count == 1 or len(values) == 1:
        return [len(values) - 1]
    wanted = np.linspace(values[0], values[-1], count)
    return sorted({int(np.argmin(np.abs(values - each))) for each in wanted})


def apart(bounds: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of rising intervals (lower, upper) of which no two overlap.

    Kept is the last, then from the best down each that lies below all that are kept.
    """
    kept: list[int] = []
    for index in range(len(bounds) - 1, -1, -1):
        if not kept or bounds[index][1] < bounds[kept[-1]][0]:
            kept.append(index)
    return kept[::-1]


def bd_rate(rates: Array, scores: Array, other_rates: Array, other_scores: Array) -> float:
    """Percent more bits that the other curve takes for the same score, on average.

    Scores rise along both curves; NaN where they share no range of them. The logarithm of the rate
    is interpolated by straight lines between the points.
    """
    low, high = max(scores[0], other_scores[0]), min(scores[-1], other_scores[-1])
    if not low < high:
        return float("nan")
    at = np.linspace(low, high, _STEPS)
    own = np.interp(at, scores, np.log2(rates))
    other = np.interp(at, other_scores, np.log2(other_rates))
    return float(100 * (2.0 ** (other - own).mean() - 1))
