"""Laws of the intervals: bounds, nesting, and growth away from the training data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcast.evidence.conformal import OutOfFold, calibrate, group_weights, hierarchical_quantile
from vqcast.evidence.coverage import covered, interval_score, width_at_coverage
from vqcast.interval import Calibration, largest_level, needed_groups

SLACK = 1e-9
POINT = st.floats(-20.0, 120.0, allow_nan=False)
VECTOR = st.lists(st.floats(-3.0, 3.0, allow_nan=False), min_size=6, max_size=6)


def _calibration() -> Calibration:
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(20), 12)
    vmaf = rng.uniform(0, 100, len(group))
    return calibrate(
        OutOfFold(
            members=vmaf + rng.normal(0, 1, (3, len(group))) + rng.normal(0, 1, 20)[group],
            vmaf=vmaf,
            features=rng.normal(size=(len(group), 6)),
            group=group,
            cell=np.repeat(np.arange(60), 4),
        )
    )


MADE = _calibration()


@given(POINT, st.floats(0, 30), VECTOR, st.booleans())
def test_bounds_are_ordered_within_0_and_100_and_hold_the_centre(
    mean: float, std: float, features: list[float], unseen: bool
) -> None:
    x = np.array([features])
    centre = MADE.centre(np.array([mean]))[0]
    last = (centre, centre)
    for level in (0.8, 0.9, 0.95):
        lower, upper = MADE.interval(
            np.array([mean]), np.array([std]), x, level, unseen_slot=unseen
        )
        assert 0.0 <= lower[0] <= centre <= upper[0] <= 100.0
        assert lower[0] <= last[0] + SLACK and upper[0] >= last[1] - SLACK  # levels nest
        last = (lower[0], upper[0])


@given(VECTOR, st.floats(0, 5), st.floats(0, 5), st.floats(0, 100), st.floats(0, 5))
def test_the_interval_never_shrinks_away_from_the_training_data(
    direction: list[float], near: float, more: float, mean: float, std: float
) -> None:
    middle = np.asarray(MADE.feature_mean)
    step = np.array(direction)
    x_near, x_far = middle + near * step, middle + (near + more) * step
    assert MADE.distance(x_far[None])[0] >= MADE.distance(x_near[None])[0] - SLACK
    m, s = np.array([mean]), np.array([std])
    inner = MADE.interval(m, s, x_near[None], 0.9)
    outer = MADE.interval(m, s, x_far[None], 0.9)
    assert outer[0][0] <= inner[0][0] + SLACK and outer[1][0] >= inner[1][0] - SLACK


@given(VECTOR, st.floats(0, 100), st.floats(0, 5))
def test_an_unseen_slot_widens(features: list[float], mean: float, std: float) -> None:
    arguments = (np.array([mean]), np.array([std]), np.array([features]), 0.9)
    seen, unseen = MADE.interval(*arguments), MADE.interval(*arguments, unseen_slot=True)
    assert unseen[0][0] <= seen[0][0] and unseen[1][0] >= seen[1][0]
    assert MADE.widening(np.array([features]), unseen_slot=True)[0] >= MADE.unseen_slot_factor


def test_far_enough_away_nothing_is_promised() -> None:
    far = np.asarray(MADE.feature_mean)[None] + 1e4
    lower, upper = MADE.interval(np.array([50.0]), np.array([0.0]), far, 0.8)
    assert (lower[0], upper[0]) == (0.0, 100.0)


@given(POINT, POINT)
def test_the_centre_keeps_the_order_of_the_mean(a: float, b: float) -> None:
    low, high = sorted((a, b))
    centres = MADE.centre(np.array([low, high]))
    assert centres[0] <= centres[1] + SLACK


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5)), min_size=6, max_size=60),
    st.floats(0.02, 0.98),
    st.randoms(use_true_random=False),
)
def test_the_quantile_knows_groups_not_rows(
    pairs: list[tuple[float, int]], share: float, random: object
) -> None:
    scores = np.array([score for score, _ in pairs])
    group = np.array([name for _, name in pairs])
    level = share * largest_level(len(set(group.tolist())))
    q = hierarchical_quantile(scores, group, level)
    order = np.random.default_rng(len(pairs)).permutation(len(pairs))
    assert hierarchical_quantile(scores[order], group[order], level) == q
    twice = np.concatenate([scores, scores[group == group[0]]])  # one group's rows again
    again = np.concatenate([group, group[group == group[0]]])
    assert hierarchical_quantile(twice, again, level) == q
    assert hierarchical_quantile(scores, group, level * 0.9) <= q
    assert hierarchical_quantile(3.0 * scores, group, level) == pytest.approx(3.0 * q)
    reached = group_weights(group)[scores <= q].sum()
    groups = len(set(group.tolist()))
    assert reached >= level * (groups + 1) / groups - 1e-8


@given(st.floats(0.5, 0.99))
def test_needed_groups_is_the_least_that_reaches(level: float) -> None:
    n = needed_groups(level)
    assert largest_level(n) >= level - 1e-8
    assert n == 1 or largest_level(n - 1) < level


@given(POINT, POINT, POINT, st.floats(0.5, 0.99))
def test_the_interval_score_is_the_width_exactly_where_the_truth_is_held(
    a: float, b: float, truth: float, level: float
) -> None:
    lower, upper = np.array([min(a, b)]), np.array([max(a, b)])
    score = interval_score(lower, upper, np.array([truth]), level)[0]
    width = upper[0] - lower[0]
    assert score >= width
    if lower[0] <= truth <= upper[0]:
        assert score == width


@settings(max_examples=30)
@given(st.floats(0.1, 5.0), st.integers(0, 10_000))
def test_width_at_coverage_ignores_how_a_method_is_scaled(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scale = rng.uniform(20, 80, 60), rng.uniform(0.5, 2, 60)
    centre, group = truth + rng.normal(0, 1, 60), np.repeat(np.arange(6), 10)
    width = width_at_coverage(centre, scale, truth, group, 0.9)
    assert width_at_coverage(centre, factor * scale, truth, group, 0.9) == pytest.approx(width)
    half = width / 2 / scale.mean()  # the factor that was found: no clipping in this range
    held = covered(centre - half * scale - SLACK, centre + half * scale + SLACK, truth)
    assert group_weights(group) @ held == pytest.approx(0.9, abs=1 / 60 + 1e-9)
