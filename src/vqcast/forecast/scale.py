"""Any metric's scores on the scale on which curves are close to Gaussian; its frames as one score.

    scale = METRICS["xpsnr"]
    pooled(scale, {"xpsnr_y": y, "xpsnr_u": u, "xpsnr_v": v}, "mean", 25.0)  # dB

dB are averaged as ffmpeg's filters do in their last line: the errors over time, plane by plane. A
frame at CAP_DB has none. SSIM and VMAF's points are averaged as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.forecast import latent
from vqcast.metric import CAP_DB, Metric

Array = NDArray[np.float64]

_DECIBELS = {"xpsnr": (21.0, 12.5), "psnr": (25.0, 13.0), "ssim": (0.0, 11.0)}
"""Where z is 0, and its unit, dB. Of ten curves of five clips: level and slope over CRF are then
those of VMAF's z, for which the generic prior is. SSIM's dB are -10 log10(1 - SSIM)."""
_LEAST_MISSING = 1e-6


def to_latent(metric: Metric, score: Array | float) -> Array:
    """z of a score on its own scale."""
    if metric.scale == "points":
        return latent.to_latent(score)
    zero, unit = _DECIBELS[metric.name]
    values = np.asarray(score, dtype=np.float64)
    if metric.scale == "ratio":
        values = -10.0 * np.log10(np.maximum(1.0 - values, _LEAST_MISSING))
    return np.asarray((values - zero) / unit)


def to_score(metric: Metric, z: Array) -> Array:
    """The score of z, within its scale."""
    if metric.scale == "points":
        return latent.to_score(z)
    zero, unit = _DECIBELS[metric.name]
    values = zero + unit * np.asarray(z)
    if metric.scale == "ratio":
        return np.clip(1.0 - 10.0 ** (-values / 10.0), 0.0, 1.0)
    return np.clip(values, 0.0, CAP_DB)


def slope(metric: Metric, z: Array) -> Array:
    """How much score a little z is."""
    if metric.scale == "points":
        return np.asarray(latent.TOP * np.exp(-z))
    zero, unit = _DECIBELS[metric.name]
    if metric.scale == "ratio":
        missing = 10.0 ** (-(zero + unit * z) / 10.0)
        return np.asarray(missing * unit * math.log(10.0) / 10.0)
    return np.full(np.shape(z), unit)


def missing(metric: Metric, score: float) -> float:
    """What a score would gain if the error that is left were gone, to first order."""
    if metric.scale == "dB":
        return metric.per_decade / math.log(10.0)
    return metric.most - score


@dataclass(frozen=True, slots=True)
class Averaging:
    """From frames' scores to what is averaged over time, and back."""

    of: Callable[[Array], Array]
    back: Callable[[Array], Array]
    slope: Callable[[float], float]
    """Of ``back``."""


def averaging(metric: Metric, how: str) -> Averaging:
    """How frames' scores are averaged: all poolings but ``harmonic`` alike."""
    if how == "harmonic":
        return Averaging(lambda v: 1.0 / (v + 1.0), lambda m: 1.0 / m - 1.0, lambda m: -1.0 / m**2)
    if metric.scale != "dB":
        return Averaging(np.asarray, np.asarray, lambda m: 1.0)
    unit, least = metric.per_decade, 10.0 ** (-CAP_DB / metric.per_decade)
    return Averaging(
        lambda v: np.where(v >= CAP_DB, 0.0, 10.0 ** (-v / unit)),
        lambda m: -unit * np.log10(np.maximum(m, least)),
        lambda m: -unit / math.log(10.0) / max(m, least),
    )


def pooled(metric: Metric, columns: Mapping[str, Array], how: str, fps: float) -> float:
    """One score of a title from its frames' columns, each ``[frames]``.

    ``p1`` is of each frame's score, ``worst-second`` the lowest mean of any second, of a mean as
    ``mean`` is. Raises InputError for another name.
    """
    planes = [columns[name] for name in metric.columns]
    if metric.scale != "dB":
        return latent.pool(planes[0], how, fps)
    if how not in ("mean", "worst-second"):
        return latent.pool(_weighted(metric, planes), how, fps)
    averaged, frames = averaging(metric, how), len(planes[0])
    window = frames if how == "mean" else min(max(round(fps), 1), frames)
    means = [_running_mean(averaged.of(plane), window) for plane in planes]
    return float(_weighted(metric, [averaged.back(mean) for mean in means]).min())


def _weighted(metric: Metric, planes: Sequence[Array]) -> Array:
    return np.asarray(metric.weights) @ np.stack(planes)


def _running_mean(values: Array, window: int) -> Array:
    if window == len(values):
        return np.array([values.mean()])
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((sums[window:] - sums[:-window]) / window)


def linear(
    metric: Metric, columns: Mapping[str, Array], how: str, means: Sequence[float] | None = None
) -> Array:
    """What each frame adds to the score, to first order: the deviation of its mean is the score's.

    ``means``: of what is averaged, a plane each; None: those of ``columns``.
    """
    averaged = averaging(metric, how)
    values = [averaged.of(columns[name]) for name in metric.columns]
    each = means or [float(value.mean()) for value in values]
    return _weighted(
        metric, [averaged.slope(mean) * value for mean, value in zip(each, values, strict=True)]
    )
