"""Intervals on what training never had: factors by hand, and that they do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from vqcast.evidence.conformal import OutOfFold, calibrate
from vqcast.evidence.unseen import HeldOut, factor, judge

LEVEL = 0.9


def made_oof(groups: int = 20, cells: int = 6, frames: int = 8) -> OutOfFold:
    rng = np.random.default_rng(5)
    rows = groups * cells * frames
    group = np.repeat(np.arange(groups), cells * frames)
    vmaf = rng.uniform(40.0, 98.0, rows)
    return OutOfFold(
        members=vmaf + rng.normal(0.0, 0.3, groups)[group] + rng.normal(0.0, 0.2, (3, rows)),
        vmaf=vmaf,
        features=rng.normal(size=(rows, 6)),
        group=group,
        cell=np.repeat(np.arange(groups * cells), frames),
    )


def held(oof: OutOfFold, worse: dict[str, float]) -> HeldOut:
    """A third of the cells under each name, their errors ``worse`` times as large."""
    names = list(worse)
    label = np.array(names)[oof.cell % len(names)]
    error = (oof.members - oof.vmaf)[:2] * np.array([worse[name] for name in label])
    return HeldOut(np.arange(len(oof.vmaf)), oof.vmaf + error, label.tolist())


def test_the_factor_is_the_conservative_quantile_of_the_parts() -> None:
    assert factor([]) == 1.0
    assert factor([0.5, 0.7]) == 1.0  # never narrower than what was calibrated
    assert factor([1.0, 3.0, 2.0]) == 3.0  # of few it is the largest
    ratios = [float(each) for each in range(1, 30)]
    assert factor(ratios) == 27.0  # ceil(0.9 * 30) of 29


def test_a_part_that_is_no_worse_asks_for_little_and_one_that_is_for_much() -> None:
    oof = made_oof()
    calibration = calibrate(oof)
    parts = {each.name: each for each in judge(oof, held(oof, {"a": 1.0, "b": 4.0, "c": 1.0}),
                                               calibration, LEVEL)}  # fmt: skip
    assert set(parts) == {"a", "b", "c"}
    assert parts["a"].ratio < 1.5 < parts["b"].ratio
    assert parts["a"].pooled_coverage > 0.8 > parts["b"].pooled_coverage
    assert parts["b"].rmse > 2 * parts["a"].rmse
    # What the others ask for does not serve b; what all ask for serves everybody.
    assert parts["b"].factor_of_others == factor([parts["a"].ratio, parts["c"].ratio])
    assert parts["a"].factor_of_others == parts["b"].ratio
    assert parts["a"].widened_pooled_coverage >= parts["a"].pooled_coverage
    assert sum(each.n_rows for each in parts.values()) == len(oof.vmaf)
    assert sum(each.n_cells for each in parts.values()) == oof.n_cells


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_with_its_own_factor_a_part_is_covered_at_the_level(level: float) -> None:
    oof = made_oof()
    calibration = calibrate(oof)
    out = held(oof, {"a": 3.0, "b": 3.0, "c": 3.0})
    wide = factor([each.ratio for each in judge(oof, out, calibration, level)])
    again = judge(oof, out, calibration, level)
    for part in again:
        assert part.ratio <= wide
        assert part.widened_frame_coverage >= level - 0.1
        assert part.widened_pooled_coverage >= level - 0.1


def test_the_row_s_own_group_corrects_nothing() -> None:
    """A group whose truth is moved far away changes no other group's centre but its own error."""
    oof = made_oof()
    moved = OutOfFold(
        oof.members, np.where(oof.group == 3, 10.0, oof.vmaf), oof.features, oof.group, oof.cell
    )
    rows = np.flatnonzero(oof.group == 3)
    out = HeldOut(rows, oof.members[:2, rows], ["x"] * len(rows))
    (before,) = judge(oof, out, calibrate(oof), LEVEL)
    (after,) = judge(moved, out, calibrate(oof), LEVEL)
    centre_before = before.bias + oof.vmaf[rows].mean()
    assert after.bias + 10.0 == pytest.approx(centre_before)
