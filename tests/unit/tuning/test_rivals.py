"""The searches of the benchmark find what they are described to find."""

from __future__ import annotations

import numpy as np
import pytest

from bench import tune_rules as rules

BOUNDS = (10.0, 46.0, 0.5)


class Curve:
    """A falling curve that counts how often it is asked."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.points = np.sort(rng.uniform(30, 100, 73))[::-1]
        self.asked: list[float] = []

    def __call__(self, crf: float) -> float:
        self.asked.append(crf)
        return float(self.points[round((crf - 10) / 0.5)])


@pytest.mark.parametrize("seed", range(20))
def test_each_rule_ends_on_the_grid_above_the_target(seed: int) -> None:
    target = 80.0
    truth = Curve(seed).points
    best = 10 + 0.5 * int(np.flatnonzero(truth >= target)[-1])
    halving, sweeping, straight = Curve(seed), Curve(seed), Curve(seed)
    assert rules.bisection(halving, target, *BOUNDS) == best
    assert len(halving.asked) <= 7
    assert rules.oracle(sweeping, target, *BOUNDS) == best
    found = rules.ab_av1(straight, target, *BOUNDS)
    assert found is not None and found <= best and straight(found) > target
    assert straight.asked[:1] == [28.0]  # the midpoint
    assert len(set(straight.asked)) == len(straight.asked) - 1  # the last is this test's own


def test_the_second_probe_is_60_percent_of_the_way_to_the_bound_that_matters() -> None:
    high, low = Curve(0), Curve(0)
    high.points[:] = 99.0
    low.points[:] = 40.0
    assert rules.ab_av1(high, 90.0, *BOUNDS) == 46.0 and high.asked == [28.0, 39.0, 46.0]
    assert rules.ab_av1(low, 90.0, *BOUNDS) is None and low.asked == [28.0, 17.0, 10.0]


def test_a_target_out_of_reach_has_no_answer() -> None:
    curve = Curve(0)
    curve.points[:] = 40.0
    assert rules.bisection(curve, 90.0, *BOUNDS) is None
    assert rules.oracle(curve, 90.0, *BOUNDS) is None
