"""Ways of making intervals, and the rule that no row is judged by its own group.

A method is a centre that may be fitted, a scale, and a quantile. Leaving one
group out gives each row and each cell an interval that neither the networks,
the correction nor the quantile have seen its group for::

    conformal     this project's: corrected centre, spread and distance, conformal quantile
    gaussian      (a) mean -+ z * spread, nothing calibrated
    single        (b) one network, a constant conformal quantile
    single+centre one network with the same correction, a constant quantile
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqcast.evidence.conformal import (
    Array,
    CentreCorrection,
    Codes,
    OutOfFold,
    hierarchical_quantile,
    left_out_scale,
)
from vqcast.interval import bounds, gaussian_z, largest_level

TARGETS = ("frame", "pooled")
CONFORMAL, GAUSSIAN, SINGLE, SINGLE_CENTRED = "conformal", "gaussian", "single", "single+centre"

Quantile = Callable[[Array, Codes, float], float]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Method:
    """A way of making intervals: a centre that may be fitted, a scale, a quantile.

    ``centre`` maps calibration groups to a centre of every row ``[rows]``;
    ``scale`` is ``[rows]`` and ``pooled_scale`` ``[cells]``. Without a
    ``quantile`` the normal distribution's is used.
    """

    name: str
    centre: Callable[[Sequence[int]], Array]
    scale: Array
    pooled_scale: Array
    quantile: Quantile | None = hierarchical_quantile


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Intervals of every row or cell, calibrated without its group."""

    target: str
    level: float
    lower: Array
    upper: Array


def conformal_method(oof: OutOfFold, *, quantile: Quantile = hierarchical_quantile) -> Method:
    """This project's interval, as ``vqcast.evidence.conformal`` calibrates it."""
    scale = left_out_scale(oof)
    return Method(CONFORMAL, CentreCorrection(oof).centres, scale, oof.pool(scale), quantile)


def gaussian_method(oof: OutOfFold) -> Method:
    """(a) The members' spread taken for a standard deviation, nothing calibrated."""
    mean = oof.mean
    members = OutOfFold(
        np.stack([oof.pool(np.clip(row, 0.0, 100.0)) for row in oof.members]),
        oof.pool(oof.vmaf),
        np.zeros((oof.n_cells, oof.features.shape[1])),
        oof.cell_group,
        np.arange(oof.n_cells),
    )
    return Method(GAUSSIAN, lambda _: mean, oof.std, members.std, None)


def single_method(oof: OutOfFold, member: int, *, centred: bool = False) -> Method:
    """(b) One network with a constant quantile of its residuals."""
    alone = replace(oof, members=oof.members[[member]])
    mean = alone.mean
    fixed: Callable[[Sequence[int]], Array] = lambda _: mean  # noqa: E731
    return Method(
        SINGLE_CENTRED if centred else SINGLE,
        CentreCorrection(alone).centres if centred else fixed,
        np.ones(len(oof.vmaf)),
        np.ones(oof.n_cells),
    )


class Target:
    """Frames or cells: truth, groups, and a method's centre and scale there."""

    def __init__(self, oof: OutOfFold, target: str) -> None:
        self.name = target
        self._oof = oof
        self._pooled = target == "pooled"
        self.truth = oof.pool(oof.vmaf) if self._pooled else oof.vmaf
        self.group = oof.cell_group if self._pooled else oof.group

    def centre(self, rows: Array) -> Array:
        """A centre of every row, as one of every frame or cell."""
        return self._oof.pool(rows) if self._pooled else rows

    def scale(self, method: Method) -> Array:
        """The method's scale of every frame or cell."""
        return method.pooled_scale if self._pooled else method.scale


def left_out(
    oof: OutOfFold, method: Method, levels: Sequence[float]
) -> dict[tuple[str, float], LeftOut]:
    """Leave one group out: intervals for every frame and cell, by (target, level).

    Levels that the other groups can't support are absent.
    """
    found: dict[tuple[str, float], LeftOut] = {}
    targets = [Target(oof, name) for name in TARGETS]
    for k in range(oof.n_groups):
        others = [j for j in range(oof.n_groups) if j != k]
        centre_rows = method.centre(others)
        for target in targets:
            test = target.group == k
            centre, scale = target.centre(centre_rows), target.scale(method)
            for level in levels:
                q = quantile_of(method, target, centre, ~test, level)
                if q is None:
                    continue
                key = (target.name, level)
                if key not in found:
                    size = len(target.truth)
                    found[key] = LeftOut(*key, np.full(size, np.nan), np.full(size, np.nan))
                found[key].lower[test], found[key].upper[test] = bounds(
                    centre[test], q * scale[test]
                )
    return found


def quantile_of(
    method: Method, target: Target, centre: Array, calibration: Mask, level: float
) -> float | None:
    """Half width at ``level``, in scales; None where the calibration's groups can't reach it."""
    if method.quantile is None:
        return gaussian_z(level)
    group = target.group[calibration]
    if level > largest_level(len(np.unique(group))) + 1e-9:
        return None
    residual = np.abs(target.truth - centre)[calibration]
    return method.quantile(residual / target.scale(method)[calibration], group, level)


def left_out_centre(oof: OutOfFold, method: Method) -> Array:
    """Each row's centre as the split that tests its group has it."""
    everyone = list(range(oof.n_groups))
    return method.centre(everyone)  # leaves out each row's own group by itself
