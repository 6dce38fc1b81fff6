"""How often intervals held, how wide they were, and how sure of that one can be.

Coverage is an average over groups: every group counts the same, whatever its
rows, since a new group is what the promise is about. Its uncertainty comes
from resampling groups (a cluster bootstrap), never rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.evidence.conformal import Array, Codes, group_weights, weighted_quantile
from vqcast.evidence.metrics import group_bootstrap
from vqcast.interval import bounds

BOOTSTRAPS = 2000
BOOTSTRAP_LEVEL = 0.95
_SEED = 20260101
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one set of intervals did."""

    n: int
    """Intervals judged: frames, or cells where they are of pooled scores."""
    n_groups: int
    coverage: float
    low: float | None
    """Bootstrap bounds over groups, 95 %; None for a single group."""
    high: float | None
    width: float
    """Mean width, VMAF points."""
    score: float
    """Mean interval score, VMAF points, lower is better."""


def interval_score(lower: Array, upper: Array, truth: Array, level: float) -> Array:
    """Gneiting & Raftery 2007, eq. 43: width plus 2/alpha times the miss, ``[n]`` points."""
    miss = np.maximum(0.0, lower - truth) + np.maximum(0.0, truth - upper)
    score: Array = (upper - lower) + 2.0 / (1.0 - level) * miss
    return score


def covered(lower: Array, upper: Array, truth: Array) -> NDArray[np.bool_]:
    """Which intervals hold the truth, ``[n]``; the rounding of arithmetic is no miss."""
    held: NDArray[np.bool_] = (lower <= truth + 1e-9) & (truth <= upper + 1e-9)
    return held


def judge_intervals(
    lower: Array,
    upper: Array,
    truth: Array,
    group: Codes,
    level: float,
    *,
    by_row: bool = False,
) -> Coverage:
    """Coverage, mean width and interval score of ``[n]`` intervals.

    Groups weigh the same; with ``by_row`` rows do, which suits a slice (a
    band, an encoder) that some groups hardly enter.
    """
    held = covered(lower, upper, truth)
    weights = np.full(len(truth), 1.0 / len(truth)) if by_row else group_weights(group)
    low, high = bootstrap_coverage(held, group, by_row=by_row)
    return Coverage(
        n=len(truth),
        n_groups=len(np.unique(group)),
        coverage=float(weights @ held),
        low=low,
        high=high,
        width=float(weights @ (upper - lower)),
        score=float(weights @ interval_score(lower, upper, truth, level)),
    )


def bootstrap_coverage(
    held: NDArray[np.bool_], group: Codes, *, by_row: bool = False
) -> tuple[float | None, float | None]:
    """95 % percentile interval of the coverage, groups drawn with replacement.

    None for a single group: nothing can be said. Seeded: one input, one answer.
    """
    names, codes = np.unique(group, return_inverse=True)
    groups = len(names)
    if groups < 2:
        return None, None
    counts = np.bincount(codes).astype(np.float64)
    shares = np.bincount(codes, held.astype(np.float64)) / counts
    weights = counts if by_row else np.ones(groups)
    return group_bootstrap(
        shares * weights, weights, seed=_SEED, resamples=BOOTSTRAPS, level=BOOTSTRAP_LEVEL
    )


def standard_error(coverage: float, n_groups: int) -> float:
    """Binomial standard error of a coverage, were each group held whole or missed whole."""
    return float(np.sqrt(coverage * (1.0 - coverage) / n_groups))


def width_at_coverage(
    centre: Array, scale: Array, truth: Array, group: Codes, level: float
) -> float:
    """Mean width once one factor has brought the coverage to exactly ``level``.

    The same oracle for every method: its shape is judged, not its calibration.
    """
    factor = weighted_quantile(
        np.abs(truth - centre) / np.maximum(scale, _TINY), group_weights(group), level
    )
    lower, upper = bounds(centre, factor * np.maximum(scale, _TINY))
    return float(group_weights(group) @ (upper - lower))
