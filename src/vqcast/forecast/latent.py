"""The scales on which curves are close to Gaussian, and how frames become one score.

A curve is eight channels over the encoder's quality axis: the pooled score, the bits a
pixel, and the means of canonical-6.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vqcast import metric
from vqcast.documents.tune import Pool
from vqcast.errors import InputError
from vqcast.vocab import FEATURES

Array = NDArray[np.float64]

CHANNELS = ("score", "bits", *FEATURES)
SCORE, BITS = 0, 1
METRICS: dict[str, str] = {
    each.name: each.columns[0] for each in metric.METRICS.values() if each.scale == "points"
}
"""Metrics whose curves a forecaster can learn -> the corpus column that holds them."""
POOLS: tuple[Pool, ...] = get_args(Pool)
TOP = 115.0
"""Where the score's scale ends: z = -ln(1 - v / TOP).

Above 100, so that titles whose score is cut off at 100 don't stretch the scale. Picked among
100.6 (the plain Gaussian's), 105, 115 and 130 by out-of-group error; ADR-0005.
"""
_LEAST_MISSING = 1e-3
_LEAST_BITS = 1e-6


def to_latent(score: Array | float) -> Array:
    """z of a score in VMAF points, 0..100."""
    return np.asarray(-np.log1p(-np.asarray(score, dtype=np.float64) / TOP))


def to_score(latent: Array) -> Array:
    """The score of z, clipped to 0..100."""
    return np.clip(TOP * -np.expm1(-latent), 0.0, 100.0)


def side_channels(bits_per_pixel: float, features: Array) -> Array:
    """Channels beside the score, ``[7]``: log2 bits a pixel, then canonical-6 on their scales.

    ADM and VIF come as -ln(1 - f), of which equal steps are equally visible; motion2 as ln(1 + f).
    """
    missing = np.maximum(1.0 - features[:5], _LEAST_MISSING)
    return np.concatenate(
        [
            [np.log2(max(bits_per_pixel, _LEAST_BITS))],
            -np.log(missing),
            [np.log1p(max(float(features[5]), 0.0))],
        ]
    )


def pool(frames: Array, how: str, fps: float) -> float:
    """One score of a title from its frames' scores ``[frames]``.

    ``mean``; ``harmonic`` (of score + 1, less 1, as libvmaf has it); ``p1`` (the first
    percentile); ``worst-second`` (the lowest mean of any run of one second's frames).
    Raises InputError for another name.
    """
    if how == "mean":
        return float(frames.mean())
    if how == "harmonic":
        return float(1.0 / np.mean(1.0 / (frames + 1.0)) - 1.0)
    if how == "p1":
        return float(np.percentile(frames, 1))
    if how == "worst-second":
        window = min(max(round(fps), 1), len(frames))
        sums = np.concatenate([[0.0], np.cumsum(frames)])
        return float(((sums[window:] - sums[:-window]) / window).min())
    raise InputError(f"pooling {how!r} is not known", hint=f"use one of: {', '.join(POOLS)}")
