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


def rmse(x: Array, y: Array) -> float | None:
    """Root mean squared difference, in the unit of the inputs."""
    if len(x) == 0:
        return None
    return float(np.sqrt(np.mean((x - y) ** 2)))


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
