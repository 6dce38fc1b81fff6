"""PLCC, SROCC and RMSE, with ``None`` where they are undefined.

An undefined correlation (fewer than two points, or a constant side) is never
averaged away: it stays ``None`` and the gate fails by naming it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def plcc(x: Array, y: Array) -> float | None:
    """Pearson's linear correlation of two ``[n]`` arrays, in -1..1."""
    if len(x) < 2 or np.all(x == x[0]) or np.all(y == y[0]):
        return None
    dx, dy = x - x.mean(), y - y.mean()
    denominator = math.sqrt(float(dx @ dx)) * math.sqrt(float(dy @ dy))
    if denominator == 0.0 or not math.isfinite(denominator):
        return None
    return max(-1.0, min(1.0, float(dx @ dy) / denominator))


def mean_ranks(x: Array) -> Array:
    """Ranks from 1, ties sharing the mean of theirs, ``[n]``."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2.0)[inverse]
    return ranks


def srocc(x: Array, y: Array) -> float | None:
    """Spearman's rank correlation, ties by mean rank, in -1..1."""
    if len(x) < 2:
        return None
    return plcc(mean_ranks(x), mean_ranks(y))


def rmse(x: Array, y: Array, weights: Array | None = None) -> float | None:
    """Root mean squared difference of ``[n]`` values, in their unit.

    ``weights`` ``[n]`` add up to 1; without them all values weigh the same.
    """
    if len(x) == 0:
        return None
    squares = np.square(x - y)
    return float(np.sqrt(squares.mean() if weights is None else weights @ squares))


def group_bootstrap(
    sums: Array, sizes: Array, *, seed: int, resamples: int, level: float
) -> tuple[float, float]:
    """Percentile interval of a mean, groups drawn with replacement.

    ``sums`` over each group's values and their ``sizes`` (or weights) are ``[groups]``. Groups are
    the unit, never rows, since rows of one content are not independent (Efron & Tibshirani 1993,
    chapters 8 and 13). Seeded: one input, one answer.
    """
    groups = len(sums)
    drawn = np.random.default_rng(seed).integers(0, groups, size=(resamples, groups))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """The mean, or None where a value is undefined or there is none."""
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return None
    return float(np.mean(defined))


def std_or_none(values: Sequence[float | None]) -> float | None:
    """Standard deviation with ddof 1, or None where a value is undefined or n < 2."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) or len(defined) < 2:
        return None
    return float(np.std(defined, ddof=1))
