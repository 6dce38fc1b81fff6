"""Intervals that hold for a new source: hierarchical conformal calibration.

The unit that is exchangeable is the content group, not the row. Each row's
prediction is made by networks that never saw its group; its score is the
normalised residual (Lei et al. 2018, section 5.2)

    t = |vmaf - centre| / scale

with ``centre`` and ``scale`` as in ``vqcast.interval``. The quantile is
that of hierarchical conformal prediction (HCP; Lee, Barber & Willett 2023,
"Distribution-free inference with hierarchical data"), over K groups of N_k rows:

    q = Quantile_{1-a}( sum_k sum_i 1/((K+1) N_k) delta(t_ki) + 1/(K+1) delta(inf) )

It is the pooled CDF of Dunn, Wasserman & Ramdas 2022 ("Distribution-free
prediction sets for two-layer hierarchical models") with a group's weight put
at infinity, and the limit of their averaged subsampling p-values. With one row
a group it is split conformal (Lei et al. 2018, theorem 2.2).

What it promises. Where K + 1 groups are exchangeable and the scoring function
is fixed, a row drawn at random from the new group has t <= q with probability
at least 1 - a. The probability is over groups: within one, coverage may be
anything. So 1 - a can't exceed K/(K+1), and a higher level is refused. For
pooled scores the row is a cell.

What is assumed beyond that. The networks, the correction and the distance are
fitted on the other groups, one group left out at a time, and the shipped ones
on all: the jackknife, by group. The left-out scores are exchangeable with each
other. That the shipped ensemble's score is one more of them needs stability:
one group more in training hardly moves the residuals (Barber et al. 2021,
theorem 5). Without it only the jackknife+ keeps a promise, 1 - 2a (theorem 1),
and it needs every left-out network at prediction time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import EvidenceError
from vqcast.interval import (
    VMAF_MAX,
    VMAF_MIN,
    Calibration,
    LevelQuantile,
    base_scale,
    largest_level,
    out_of_reach,
    whitened_length,
    widening,
)

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LEVELS = (0.80, 0.90, 0.95)
"""Levels that tables show."""
_GRID = tuple(percent / 100.0 for percent in range(1, 100))
"""Levels that a calibration keeps, where its groups reach them, beside the largest one."""
KNOTS = (20.0, 40.0, 60.0, 75.0, 85.0, 92.0, 97.0, 100.0)
"""Predicted VMAF at which the correction is fitted; ADR-0004 has what else was tried."""
SPREAD_FLOOR = 0.5
DIFFICULTY_START, DIFFICULTY_SPAN = 80.0, 45.0
DISTANCE_PERCENTILE = 99.0
DISTANCE_GAIN = 3.0
UNSEEN_FACTOR = 4.0
"""For what the corpus never had, where no refit without it was measured (ADR-0004)."""
SCALE_CORPORA = (
    "b4ada158c522551ae2e77c8946d5de8a300176b91e560e270b523bf45a59a28e",
    "5326b735ecf87738afd3880b0b178a6cca4ee51804c17737ae8ccf9e20321064",
)
"""sha256 of the corpus by which the constants above were picked (ADR-0004)."""

_ROUGHNESS = 1e-5
"""Penalty on squared steps between knots: one without rows takes its neighbour's value."""
_MIN_EIGENVALUE = 1e-6
_MIN_STD = 1e-8
_LEAST_STD = 1e-6
_EPS = 1e-9


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions by networks that never saw the row's group, and the truth.

    ``members`` is ``[members, rows]`` and ``features`` ``[rows, 6]``; all else
    is ``[rows]``. ``group`` and ``cell`` are codes 0..n-1; a cell lies in one group.
    """

    members: Array
    vmaf: Array
    features: Array
    group: Codes
    cell: Codes

    def __post_init__(self) -> None:
        rows = len(self.vmaf)
        if self.members.ndim != 2 or self.members.shape[1] != rows or not rows:
            raise EvidenceError(
                f"out-of-fold predictions of shape {self.members.shape} for {rows} rows"
            )
        if not (np.all(np.isfinite(self.members)) and np.all(np.isfinite(self.features))):
            raise EvidenceError("an out-of-fold prediction or a feature is not finite")
        if self.n_groups < 2:
            raise EvidenceError(
                "intervals need at least two content groups",
                hint="build a corpus of more sources",
            )

    @property
    def n_groups(self) -> int:
        """How many content groups there are."""
        return int(self.group.max()) + 1

    @property
    def n_cells(self) -> int:
        """How many (source, encoder, preset, quality) there are."""
        return int(self.cell.max()) + 1

    @property
    def mean(self) -> Array:
        """Mean of the members, each clipped to 0..100, ``[rows]``."""
        mean: Array = self._clipped().mean(axis=0)
        return mean

    @property
    def std(self) -> Array:
        """Spread of the clipped members (ddof 1; 0 for one member), ``[rows]``."""
        if len(self.members) < 2:
            return np.zeros(len(self.vmaf))
        std: Array = self._clipped().std(axis=0, ddof=1)
        return std

    def _clipped(self) -> Array:
        return np.clip(self.members, VMAF_MIN, VMAF_MAX)

    def pool(self, values: Array) -> Array:
        """Mean of a per-row column over each cell's frames, ``[cells]``."""
        return np.bincount(self.cell, values) / np.bincount(self.cell)

    @property
    def cell_group(self) -> Codes:
        """Each cell's group, ``[cells]``."""
        group = np.zeros(self.n_cells, dtype=np.int64)
        group[self.cell] = self.group
        return group


def group_weights(group: Codes) -> Array:
    """Weights that add up to 1, every group's rows sharing alike, ``[rows]``."""
    counts = np.bincount(group)
    present = int((counts > 0).sum())
    return 1.0 / (counts[group] * present)


def hierarchical_quantile(scores: Array, group: Codes, level: float) -> float:
    """The HCP quantile of the module's docstring, of ``[rows]`` scores in their groups.

    Raises EvidenceError where ``level`` is above K/(K+1).
    """
    groups = len(np.unique(group))
    if level > largest_level(groups) + _EPS:
        raise out_of_reach(level, groups)
    return weighted_quantile(scores, group_weights(group), level * (groups + 1) / groups)


def pooled_cdf_quantile(scores: Array, group: Codes, level: float) -> float:
    """Dunn, Wasserman & Ramdas 2022, pooled CDFs: no mass at infinity, an asymptotic promise."""
    return weighted_quantile(scores, group_weights(group), level)


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    """The smallest value whose cumulated weight reaches ``level`` of the whole."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    index = int(np.searchsorted(reached, level * reached[-1] - _EPS))
    return float(values[order[min(index, len(values) - 1)]])


class CentreCorrection:
    """Least squares for the correction at the knots, for any set of groups.

    Each group weighs the same, whatever its rows. The normal equations are
    sums over groups, so that leaving one out costs a subtraction.
    """

    def __init__(self, oof: OutOfFold) -> None:
        self._mean = oof.mean
        self._group = oof.group
        hats = _hats(self._mean)
        residual = oof.vmaf - self._mean
        self._normal = np.zeros((oof.n_groups, len(KNOTS), len(KNOTS)))
        self._target = np.zeros((oof.n_groups, len(KNOTS)))
        for k in range(oof.n_groups):
            rows = oof.group == k
            self._normal[k] = hats[rows].T @ hats[rows] / rows.sum()
            self._target[k] = hats[rows].T @ residual[rows] / rows.sum()
        steps = np.diff(np.eye(len(KNOTS)), axis=0)
        self._penalty = _ROUGHNESS * (steps.T @ steps + 1e-3 * np.eye(len(KNOTS)))

    def fit(self, groups: Sequence[int]) -> Array:
        """Corrections at the knots from these groups' residuals; centre stays monotone."""
        index = list(groups)
        normal = self._normal[index].mean(axis=0) + self._penalty
        values = np.linalg.solve(normal, self._target[index].mean(axis=0))
        return np.maximum.accumulate(values + KNOTS) - KNOTS

    def apply(self, mean: Array, groups: Sequence[int]) -> Array:
        """The centre of means of any shape, corrected by what ``groups`` teach."""
        return np.clip(mean + np.interp(mean, KNOTS, self.fit(groups)), VMAF_MIN, VMAF_MAX)

    def centres(self, calibration: Sequence[int]) -> Array:
        """Every row's corrected mean ``[rows]``, its own group never in the fit.

        Groups of ``calibration`` are left out one at a time; the others are
        served by the fit on all of ``calibration``.
        """
        everywhere = np.interp(self._mean, KNOTS, self.fit(calibration))
        for k in calibration:
            rest = [other for other in calibration if other != k]
            rows = self._group == k
            everywhere[rows] = np.interp(self._mean[rows], KNOTS, self.fit(rest))
        return np.clip(self._mean + everywhere, VMAF_MIN, VMAF_MAX)


def _hats(mean: Array) -> Array:
    """Weights of linear interpolation between the knots, ``[rows, knots]``."""
    return np.column_stack([np.interp(mean, KNOTS, row) for row in np.eye(len(KNOTS))])


@dataclass(frozen=True, slots=True)
class Whitening:
    """Where the training rows lie in feature space."""

    mean: Array
    matrix: Array
    limit: float

    def distance(self, features: Array) -> Array:
        """Mahalanobis's distance in units of the training rows' 99th percentile."""
        return whitened_length(features, self.mean, self.matrix) / self.limit


def whitening(features: Array) -> Whitening:
    """Mean, whitening matrix and 99th percentile distance of ``[rows, 6]`` features.

    Directions that hardly vary count as if they varied by 1e-3 standard
    deviations, so that a constant feature neither divides by zero nor is ignored.
    """
    mean = features.mean(axis=0)
    std = features.std(axis=0)
    std = np.where(std < _MIN_STD, 1.0, std)
    scaled = (features - mean) / std
    eigenvalues, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    matrix = vectors / np.sqrt(np.maximum(eigenvalues, _MIN_EIGENVALUE)) / std[:, None]
    lengths = whitened_length(features, mean, matrix)
    limit = float(np.percentile(lengths, DISTANCE_PERCENTILE))
    return Whitening(mean=mean, matrix=matrix, limit=max(limit, _EPS))


def left_out_distances(oof: OutOfFold) -> Array:
    """Each row's distance to the rows of all other groups, ``[rows]``."""
    distance = np.zeros(len(oof.vmaf))
    for k in range(oof.n_groups):
        rows = oof.group == k
        distance[rows] = whitening(oof.features[~rows]).distance(oof.features[rows])
    return distance


def left_out_scale(oof: OutOfFold) -> Array:
    """Half width per unit of quantile of each row, its group unseen, ``[rows]`` points."""
    base = base_scale(oof.mean, oof.std, SPREAD_FLOOR, DIFFICULTY_START, DIFFICULTY_SPAN)
    return base * widening(left_out_distances(oof), DISTANCE_GAIN)


def sigma_quantile(oof: OutOfFold, level: float) -> tuple[float, float]:
    """q of the plain interval ``mean ± q * std`` at ``level``, and what it covers, 0..1.

    Mean and std (ddof 1) are the raw members', as other readers of the
    manifest form them. The coverage is of groups left out one at a time.
    """
    std = oof.members.std(axis=0, ddof=1)
    t = np.abs(oof.vmaf - oof.members.mean(axis=0)) / np.maximum(std, _LEAST_STD)
    covered = []
    for k in range(oof.n_groups):
        rest = oof.group != k
        others = np.unique(oof.group[rest], return_inverse=True)[1]
        covered.append(float((t[~rest] <= hierarchical_quantile(t[rest], others, level)).mean()))
    return hierarchical_quantile(t, oof.group, level), float(np.mean(covered))


def calibrate(oof: OutOfFold, *, evidence: Mapping[str, str] | None = None) -> Calibration:
    """The calibration of an ensemble fitted on all groups, from its out-of-fold predictions.

    Quantiles of every whole percent from 50 up to n / (n + 1), and of that.
    Raises EvidenceError for fewer than two groups.
    """
    correction = CentreCorrection(oof)
    everyone = range(oof.n_groups)
    centre, scale = correction.centres(everyone), left_out_scale(oof)
    space = whitening(oof.features)
    frame = np.abs(oof.vmaf - centre) / scale
    pooled = (oof.pool(oof.vmaf) - oof.pool(centre)) / oof.pool(scale)
    two_sided = [level for level in _levels(oof.n_groups) if level >= 0.5]
    return Calibration(
        knots=KNOTS,
        corrections=tuple(correction.fit(everyone).tolist()),
        spread_floor=SPREAD_FLOOR,
        difficulty_start=DIFFICULTY_START,
        difficulty_span=DIFFICULTY_SPAN,
        feature_mean=tuple(space.mean.tolist()),
        whitening=tuple(tuple(row) for row in space.matrix.tolist()),
        distance_limit=space.limit,
        distance_gain=DISTANCE_GAIN,
        unseen_slot_factor=UNSEEN_FACTOR,
        unseen_preset_factor=UNSEEN_FACTOR,
        frame=_quantiles(frame, oof.group, two_sided),
        pooled=_quantiles(np.abs(pooled), oof.cell_group, two_sided),
        chances=tuple(
            LevelQuantile(each.level, -(each.quantile or 0.0))
            for each in _quantiles(-pooled, oof.cell_group, _levels(oof.n_groups))
        ),
        n_groups=oof.n_groups,
        n_cells=oof.n_cells,
        n_rows=len(oof.vmaf),
        evidence=dict(evidence or {}),
    )


def _levels(n_groups: int) -> list[float]:
    """The grid as far as ``n_groups`` support it, and the largest level that they do."""
    reach = largest_level(n_groups)
    return [level for level in _GRID if level < reach - _EPS] + [reach]


def _quantiles(scores: Array, group: Codes, levels: Sequence[float]) -> tuple[LevelQuantile, ...]:
    return tuple(
        LevelQuantile(level, hierarchical_quantile(scores, group, level)) for level in levels
    )
