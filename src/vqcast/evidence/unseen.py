"""How far intervals must widen for presets and encoders that training never had.

The judged predictions are by networks fitted without a preset (or an encoder)
and without the content group of the row: both are new to them, as they are to a
user. Centre, scale and distance are those of the calibration, its correction
fitted without the row's group::

    t      = |vmaf - centre| / scale                     of a row, or a cell
    ratio  = quantile_level(t of one held-out preset) / the calibration's quantile
    factor = the ceil(0.9 (m + 1))-th smallest of m presets' ratios, at least 1

The last line is the split conformal quantile over presets (over encoders); of
few it is the largest. ``factor_of_others`` leaves the judged one out, so that
the coverage reported with it is of a preset that chose nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.evidence import UnseenPart
from vqcast.evidence.conformal import (
    DIFFICULTY_SPAN,
    DIFFICULTY_START,
    DISTANCE_GAIN,
    SPREAD_FLOOR,
    Array,
    CentreCorrection,
    Codes,
    OutOfFold,
    group_weights,
    left_out_distances,
    weighted_quantile,
)
from vqcast.interval import VMAF_MAX, VMAF_MIN, Calibration, base_scale, widening

_SHARE = 0.9
"""Of held-out presets that the factor is to serve."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Predictions by networks that saw neither the row's group nor its part."""

    rows: Codes
    """Positions among the out-of-fold rows, ``[n]``."""
    members: Array
    """``[members, n]``"""
    parts: Sequence[str]
    """Name of the preset or encoder that was held out, ``[n]``."""


def judge(
    oof: OutOfFold, held: HeldOut, calibration: Calibration, level: float
) -> list[UnseenPart]:
    """What the calibrated intervals are worth on each held-out part, by name."""
    scores = _Scores(oof, held)
    names = sorted(set(held.parts))
    label = np.asarray(held.parts)
    ratios = {
        name: max(
            _quantile(scores.frame, scores.group, label == name, level)
            / calibration.quantile(level),
            _quantile(scores.pooled, scores.cell_group, scores.of_cell(label) == name, level)
            / calibration.quantile(level, pooled=True),
        )
        for name in names
    }
    found = []
    for name in names:
        rows, cells = label == name, scores.of_cell(label) == name
        others = factor([ratio for other, ratio in ratios.items() if other != name])
        frame, pooled = scores.frame[rows], scores.pooled[cells]
        q, pooled_q = calibration.quantile(level), calibration.quantile(level, pooled=True)
        found.append(
            UnseenPart(
                name=name,
                n_rows=int(rows.sum()),
                n_cells=int(cells.sum()),
                n_groups=len(np.unique(scores.group[rows])),
                bias=float(scores.error[rows].mean()),
                rmse=float(np.sqrt(np.mean(np.square(scores.error[rows])))),
                ratio=float(ratios[name]),
                frame_coverage=float((frame <= q).mean()),
                pooled_coverage=float((pooled <= pooled_q).mean()),
                factor_of_others=others,
                widened_frame_coverage=float((frame <= q * others).mean()),
                widened_pooled_coverage=float((pooled <= pooled_q * others).mean()),
            )
        )
    return found


def factor(ratios: Sequence[float]) -> float:
    """The conservative quantile of several parts' ratios, at least 1; 1 of none."""
    if not ratios:
        return 1.0
    rank = min(math.ceil(_SHARE * (len(ratios) + 1)), len(ratios))
    return max(1.0, float(sorted(ratios)[rank - 1]))


def _quantile(scores: Array, group: Codes, rows: NDArray[np.bool_], level: float) -> float:
    """Of one part's scores, its groups sharing alike."""
    codes = np.unique(group[rows], return_inverse=True)[1]
    return weighted_quantile(scores[rows], group_weights(codes), level)


class _Scores:
    """Errors and normalised residuals of held-out rows and cells."""

    def __init__(self, oof: OutOfFold, held: HeldOut) -> None:
        members = np.clip(held.members, VMAF_MIN, VMAF_MAX)
        mean = members.mean(axis=0)
        std = members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros_like(mean)
        correction = CentreCorrection(oof)
        self.group = oof.group[held.rows]
        centre = np.empty_like(mean)
        for k in np.unique(self.group):
            mine = self.group == k
            rest = [other for other in range(oof.n_groups) if other != k]
            centre[mine] = correction.apply(mean[mine], rest)
        scale = base_scale(mean, std, SPREAD_FLOOR, DIFFICULTY_START, DIFFICULTY_SPAN)
        scale *= widening(left_out_distances(oof)[held.rows], DISTANCE_GAIN)
        truth = oof.vmaf[held.rows]
        self.error = centre - truth
        self.frame = np.abs(self.error) / scale
        # A cell may be there under two parts, never under one twice.
        keys = np.stack([oof.cell[held.rows], np.unique(held.parts, return_inverse=True)[1]])
        _, self._first, cell = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        counts = np.bincount(cell.reshape(-1))
        pooled = [np.bincount(cell.reshape(-1), each) / counts for each in (self.error, scale)]
        self.pooled = np.abs(pooled[0]) / pooled[1]
        self.cell_group = self.group[self._first]

    def of_cell(self, label: NDArray[np.str_]) -> NDArray[np.str_]:
        """Each cell's value of a column that is the same on all its rows."""
        return label[self._first]
