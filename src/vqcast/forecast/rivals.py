"""What a forecaster must beat: plain Gaussian conditionals, and straight lines.

All see a held-out curve at the probed qualities: its scores, and the fair floor its bits and
features, too, as the forecaster does.
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
FAIR_RIDGES = (1e-3, 1e-2, 1e-1)
"""The same of the fair floor."""


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


def fair_floor(
    curve: MeasuredCurve,
    others: Sequence[MeasuredCurve],
    measure: str,
    probed: Sequence[int],
    rest: Sequence[int],
    ridge: float,
) -> Array:
    """The same, given bits and canonical-6 beside the scores; ``ridge`` beside variances of 1."""
    library = np.array([_at(each, measure, curve.cq) for each in others])
    mean, forecast = library.mean(axis=0), library.mean(axis=0)[list(rest)]
    if probed:
        own = _channels(curve, measure, curve.cq[list(probed)])
        theirs = np.array([_channels(each, measure, curve.cq[list(probed)]) for each in others])
        spread = theirs.std(axis=0, ddof=1) + FLOOR_RIDGES[0]
        known = (theirs - theirs.mean(axis=0)) / spread
        seen = known.T @ known / (len(others) - 1) + ridge * np.eye(known.shape[1])
        shared = (library - mean)[:, list(rest)].T @ known / (len(others) - 1)
        away = (own - theirs.mean(axis=0)) / spread
        forecast = forecast + shared @ np.linalg.solve(seen, away)
    return np.asarray(np.clip(-FLOOR_TOP * np.expm1(-forecast), 0.0, 100.0))


def _channels(curve: MeasuredCurve, measure: str, cq: Array) -> Array:
    """Latent score, log2 bits and features at ``cq``, one after the other."""
    values = np.column_stack(
        [floor_latent(curve.score[measure]), np.log2(curve.bits_per_pixel), curve.features]
    )
    return np.asarray(PchipInterpolator(curve.cq, values)(cq)).ravel()


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
