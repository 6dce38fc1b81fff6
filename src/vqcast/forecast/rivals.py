"""What a forecaster must beat: the plain Gaussian conditional, and straight lines.

Both see what the forecaster sees of a held-out curve: its scores at the probed qualities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.forecast.curves import MeasuredCurve

Array = NDArray[np.float64]

FLOOR_TOP = 100.6
"""The floor's scale: z = -ln(1 - v / 100.6)."""
FLOOR_RIDGES = (1e-5, 1e-4, 1e-3)
"""Added to the floor's variances so that its system can be solved; the best one is reported."""


def floor_latent(score: Array) -> Array:
    """z of scores in VMAF points."""
    return np.asarray(-np.log1p(-score / FLOOR_TOP))


def gaussian_floor(
    curve: MeasuredCurve,
    others: Sequence[MeasuredCurve],
    measure: str,
    probed: Sequence[int],
    rest: Sequence[int],
    ridge: float,
) -> Array:
    """Scores at the qualities ``rest`` of a curve, given those at ``probed``.

    ``others`` are curves of the same encoder and preset. Their mean and covariance are taken at
    the very qualities of ``curve``, so that no interpolation harms the floor.
    """
    library = np.array([_at(each, measure, curve.cq) for each in others])
    mean, covariance = library.mean(axis=0), np.cov(library, rowvar=False)
    forecast = mean[rest]
    if probed:
        seen = covariance[np.ix_(probed, probed)] + ridge * np.eye(len(probed))
        away = floor_latent(curve.score[measure][probed]) - mean[probed]
        forecast = forecast + covariance[np.ix_(rest, probed)] @ np.linalg.solve(seen, away)
    return np.asarray(np.clip(-FLOOR_TOP * np.expm1(-forecast), 0.0, 100.0))


def _at(curve: MeasuredCurve, measure: str, cq: Array) -> Array:
    latent = floor_latent(curve.score[measure])
    if np.array_equal(curve.cq, cq):
        return latent
    return np.asarray(PchipInterpolator(curve.cq, latent)(cq))


def straight_lines(
    curve: MeasuredCurve, measure: str, probed: Sequence[int], rest: Sequence[int]
) -> Array:
    """Scores at ``rest`` on the lines through two probes or more, the outer ones carried on."""
    cq, score = curve.cq, curve.score[measure]
    at = cq[rest]
    line = np.interp(at, cq[probed], score[probed])
    for a, b, beyond in (
        (probed[0], probed[1], at < cq[probed[0]]),
        (probed[-2], probed[-1], at > cq[probed[-1]]),
    ):
        slope = (score[b] - score[a]) / (cq[b] - cq[a])
        line[beyond] = score[a] + slope * (at[beyond] - cq[a])
    return np.asarray(np.clip(line, 0.0, 100.0))
