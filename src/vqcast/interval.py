"""The calibrated interval as plain numbers, and the arithmetic that they mean.

A ``Calibration`` is all that is needed to turn an ensemble's mean and spread
into an interval, here, in a graph or in a reader of the manifest::

    centre = mean + correction(mean)                     # points, clipped to 0..100
    scale  = (std + spread_floor) * difficulty * widening                 # points
    lower, upper = clip(centre -+ quantile * scale, 0, 100)

    difficulty = 1 + clip((difficulty_start - mean) / difficulty_span, 0, 1)
    widening = (1 + distance_gain * max(0, distance - 1)) * (unseen_slot_factor if unseen else 1)
    distance = |(features - feature_mean) @ whitening| / distance_limit

Any level from one half up to n / (n + 1) has a quantile: that of the nearest calibrated level
above it. The same residuals, signed, give the chance that a clip reaches a target::

    P(vmaf >= target) = the largest level whose ``chances`` quantile >= (target - centre) / scale

``correction`` is piecewise linear between its knots and constant beyond them.
``distance`` is Mahalanobis's, in units of the 99th percentile of the training
rows: 1 is the edge of what was seen. A clip's pooled interval is made of the
frames' means: centre, and scale, are averaged over its frames. Nothing here
needs more than NumPy, and every step exists as an ONNX operator (Sub, MatMul,
ReduceSum, Sqrt, Max, Clip).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import EvidenceError, InputError

Array = NDArray[np.float64]

VMAF_MIN, VMAF_MAX = 0.0, 100.0
_EPS = 1e-9

INTERVAL_OUTPUTS = ("score", "std", "lower", "upper")
"""Outputs of a graph that holds a calibration, in order."""


@dataclass(frozen=True, slots=True)
class LevelQuantile:
    """The quantile of one level; None (as older releases wrote) where it is out of reach."""

    level: float
    quantile: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one ensemble's out-of-group residuals say about its next ones."""

    knots: tuple[float, ...]
    """Predicted VMAF at which the correction is given, ascending, points."""
    corrections: tuple[float, ...]
    """What is added to the mean at each knot, points."""
    spread_floor: float
    """Added to the members' spread, points."""
    difficulty_start: float
    """Predicted VMAF below which the interval grows, points."""
    difficulty_span: float
    """Over so many points it grows to twice its width."""
    feature_mean: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    """``[features, features]``: rows of training then have unit covariance."""
    distance_limit: float
    """99th percentile of the training rows' whitened length."""
    distance_gain: float
    unseen_slot_factor: float
    frame: tuple[LevelQuantile, ...]
    pooled: tuple[LevelQuantile, ...]
    n_groups: int
    n_cells: int
    n_rows: int
    evidence: Mapping[str, str] = field(default_factory=dict)
    """File name of each piece of evidence -> its sha256."""
    chances: tuple[LevelQuantile, ...] = ()
    """One-sided and signed: with probability ``level`` a clip's VMAF is at least
    centre + quantile * scale. Empty in older releases, whose ``pooled`` then serves."""
    unseen_preset_factor: float = 1.0
    """Widens where the corpus never had the encoder's preset, or a quality as low or high."""
    factors_measured: bool = False
    """Whether the unseen factors were measured on what was held out entirely, or assumed."""

    def correction(self, mean: Array) -> Array:
        """Points to add to predicted means of any shape."""
        return np.interp(mean, self.knots, self.corrections)

    def centre(self, mean: Array) -> Array:
        """The interval's middle: the mean, corrected and clipped to 0..100."""
        return np.clip(mean + self.correction(mean), VMAF_MIN, VMAF_MAX)

    def distance(self, features: Array) -> Array:
        """Distance of ``[N, 6]`` features to the training rows; 1 is their 99th percentile."""
        return whitened_length(
            features, np.asarray(self.feature_mean), np.asarray(self.whitening)
        ) / (self.distance_limit)

    def widening(self, features: Array, *, unseen_slot: bool = False) -> Array:
        """The factor, at least 1, by which ``[N, 6]`` features widen the interval."""
        return widening(self.distance(features), self.distance_gain) * (
            self.unseen_slot_factor if unseen_slot else 1.0
        )

    def scale(
        self, mean: Array, std: Array, features: Array, *, unseen_slot: bool = False
    ) -> Array:
        """Half width per unit of quantile, ``[N]`` points; ``std`` is the members' (ddof 1)."""
        base = base_scale(mean, std, self.spread_floor, self.difficulty_start, self.difficulty_span)
        return base * self.widening(features, unseen_slot=unseen_slot)

    def quantile(self, level: float, *, pooled: bool = False) -> float:
        """The quantile of any level from 0.5 to n / (n + 1), rounded up to a calibrated one.

        Raises EvidenceError for a level below one half, or that the number of
        groups puts out of reach.
        """
        if not 0.5 - _EPS <= level <= 1.0:
            raise EvidenceError(
                f"level {level:g} is outside 0.5..{largest_level(self.n_groups):.4g}",
                hint="give the coverage as a fraction, for example 0.9",
            )
        for each in sorted(self.pooled if pooled else self.frame, key=lambda entry: entry.level):
            if each.level >= level - _EPS and each.quantile is not None:
                return each.quantile
        raise out_of_reach(level, self.n_groups)

    def probability(self, centre: float, scale: float, target: float) -> float:
        """At least how probable it is that a clip's VMAF is ``target`` or more.

        ``centre`` and ``scale`` are the clip's means of its frames', in points.
        Between 0 and n / (n + 1): nothing surer follows from n groups.
        Raises InputError for a target outside 0..100.
        """
        if not VMAF_MIN <= target <= VMAF_MAX:
            raise InputError(f"target {target:g} is outside 0..100", hint="give a VMAF")
        if target == VMAF_MIN:
            return 1.0
        needed = (target - centre) / scale
        chances = self.chances or [
            LevelQuantile(each.level, -each.quantile)
            for each in self.pooled
            if each.quantile is not None
        ]
        return max(
            (
                each.level
                for each in chances
                if each.quantile is not None and each.quantile >= needed
            ),
            default=0.0,
        )

    def interval(
        self,
        mean: Array,
        std: Array,
        features: Array,
        level: float,
        *,
        unseen_slot: bool = False,
    ) -> tuple[Array, Array]:
        """Lower and upper bound of each frame's VMAF, ``[N]`` each, within 0..100."""
        scale = self.scale(mean, std, features, unseen_slot=unseen_slot)
        return bounds(self.centre(mean), self.quantile(level) * scale)


def bounds(centre: Array, half: Array) -> tuple[Array, Array]:
    """``centre -+ half``, clipped to 0..100."""
    return (
        np.clip(centre - half, VMAF_MIN, VMAF_MAX),
        np.clip(centre + half, VMAF_MIN, VMAF_MAX),
    )


def whitened_length(features: Array, mean: Array, whitening: Array) -> Array:
    """Euclidean length of whitened ``[N, 6]`` features, ``[N]``: Mahalanobis's distance."""
    length: Array = np.sqrt(np.square((features - mean) @ whitening).sum(axis=1))
    return length


def base_scale(mean: Array, std: Array, floor: float, start: float, span: float) -> Array:
    """Spread plus floor, up to doubled where a low score is predicted, ``[N]`` points."""
    difficulty: Array = 1.0 + np.clip((start - mean) / span, 0.0, 1.0)
    return (std + floor) * difficulty


def widening(distance: Array, gain: float) -> Array:
    """1 within the training rows' 99th percentile, then growing with the distance."""
    factor: Array = 1.0 + gain * np.maximum(0.0, distance - 1.0)
    return factor


def largest_level(n_groups: int) -> float:
    """n / (n + 1): no distribution-free interval from n exchangeable groups promises more."""
    return n_groups / (n_groups + 1)


def out_of_reach(level: float, n_groups: int) -> EvidenceError:
    """The refusal of a level above ``largest_level``."""
    return EvidenceError(
        f"{level:.0%} is out of reach: {n_groups} groups support at most "
        f"{largest_level(n_groups):.1%}",
        hint=f"calibrate on at least {needed_groups(level)} groups",
    )


def gaussian_z(level: float) -> float:
    """Half width of a two-sided normal interval of ``level``, in standard deviations."""
    return NormalDist().inv_cdf((1.0 + level) / 2.0)


def needed_groups(level: float) -> int:
    """The fewest groups n with n / (n + 1) >= level."""
    return int(np.ceil(level / (1.0 - level) - 1e-9))


def close(a: Calibration, b: Calibration, *, tolerance: float = 1e-9) -> bool:
    """Whether two calibrations are the same but for rounding in another library."""

    def numbers(each: Calibration) -> Array:
        quantiles = [entry.quantile or 0.0 for entry in (*each.frame, *each.pooled, *each.chances)]
        return np.hstack([quantiles, *(np.ravel(getattr(each, name)) for name in compared)])

    compared = ["knots", "corrections", "feature_mean", "whitening", "distance_limit"]
    compared += ["spread_floor", "difficulty_start", "difficulty_span", "distance_gain"]
    compared += ["unseen_slot_factor", "unseen_preset_factor"]
    first, second = numbers(a), numbers(b)
    counts = (a.n_groups, a.n_cells, a.n_rows) == (b.n_groups, b.n_cells, b.n_rows)
    return counts and len(first) == len(second) and np.allclose(first, second, rtol=tolerance)
