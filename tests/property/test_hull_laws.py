"""Laws of the hull and of the rungs on it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.forecast.hull import apart, bd_rate, hull, spaced

points = st.lists(
    st.tuples(st.floats(-8, 8).map(lambda x: round(x, 3)), st.floats(0, 100)), min_size=1,
    max_size=30,
)  # fmt: skip
rising = st.lists(st.floats(0, 100), min_size=1, max_size=40, unique=True).map(sorted)


@given(points)
def test_no_point_lies_above_the_hull(given_points) -> None:
    x, y = (np.array(each) for each in zip(*given_points, strict=True))
    on = hull(x, y)
    assert (np.diff(x[on]) > 0).all() and (np.diff(y[on]) > 0).all()
    slopes = np.diff(y[on]) / np.diff(x[on])
    assert (np.diff(slopes) < 1e-9).all()
    inside = np.interp(x, x[on], y[on])
    assert (y <= inside + 1e-6).all() and y[on[-1]] == y.max()


@given(points)
def test_a_hull_of_a_hull_is_itself(given_points) -> None:
    x, y = (np.array(each) for each in zip(*given_points, strict=True))
    on = hull(x, y)
    assert hull(x[on], y[on]) == list(range(len(on)))


@given(rising, st.integers(1, 8))
def test_rungs_are_few_rising_and_hold_both_ends(values, count) -> None:
    found = spaced(np.array(values), count)
    assert 1 <= len(found) <= count and found == sorted(set(found))
    assert found[-1] == len(values) - 1
    assert count == 1 or found[0] == 0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20)), min_size=1, max_size=12))
def test_no_two_rungs_that_are_kept_overlap(pairs) -> None:
    bounds = sorted((low, low + width) for low, width in pairs)
    kept = [bounds[index] for index in apart(bounds)]
    assert kept and kept[-1] == bounds[-1]
    assert all(lower[1] < upper[0] for lower, upper in itertools.pairwise(kept))


@given(st.floats(0.5, 2.0))
def test_bd_rate_is_the_factor_between_two_rates(factor) -> None:
    rates, scores = np.array([100.0, 300.0, 900.0]), np.array([60.0, 80.0, 90.0])
    assert bd_rate(rates, scores, factor * rates, scores) == pytest.approx(100 * (factor - 1))


def test_bd_rate_of_curves_that_share_no_score_is_none() -> None:
    one, other = np.array([60.0, 80.0]), np.array([81.0, 90.0])
    rates = np.array([100.0, 300.0])
    assert np.isnan(bd_rate(rates, one, rates, other))
