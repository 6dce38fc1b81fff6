"""PLCC, SROCC and RMSE against SciPy, and where they are undefined."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from vqcast.evidence import metrics

SCORES = st.floats(0.0, 100.0, allow_nan=False).map(lambda value: round(value, 3))
PAIRS = st.integers(2, 60).flatmap(
    lambda n: st.tuples(*(arrays(np.float64, n, elements=SCORES) for _ in range(2)))
)
TIED = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        *(arrays(np.float64, n, elements=st.integers(0, 4).map(float)) for _ in range(2))
    )
)


def varies(pair: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(np.ptp(side) > 0 for side in pair)


@given(PAIRS)
def test_plcc_is_scipys(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assume(varies(pair))
    expected = stats.pearsonr(*pair).statistic
    assert metrics.plcc(*pair) == pytest.approx(expected, abs=1e-9)


@given(st.one_of(PAIRS, TIED))
def test_srocc_is_scipys_ties_and_all(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assume(varies(pair))
    assert metrics.srocc(*pair) == pytest.approx(stats.spearmanr(*pair).statistic, abs=1e-9)


@given(arrays(np.float64, st.integers(1, 50), elements=st.integers(0, 9).map(float)))
def test_mean_ranks_are_scipys(x: np.ndarray) -> None:
    assert np.array_equal(metrics.mean_ranks(x), stats.rankdata(x, method="average"))


@given(PAIRS)
def test_rmse_is_its_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    expected = math.sqrt(math.fsum((x - y) ** 2) / len(x))
    assert metrics.rmse(x, y) == pytest.approx(expected, abs=1e-12)


@given(PAIRS, st.floats(0.1, 10.0), st.floats(-50.0, 50.0))
def test_plcc_ignores_scale_and_offset_and_order_of_sides(
    pair: tuple[np.ndarray, np.ndarray], scale: float, offset: float
) -> None:
    assume(all(np.ptp(side) > 0.1 for side in pair))
    x, y = pair
    value = metrics.plcc(x, y)
    assert metrics.plcc(y, x) == value
    assert metrics.plcc(scale * x + offset, y) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("figure", [metrics.plcc, metrics.srocc])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1]),
        ([0.1] * 7, [0.1] * 7),
    ],
)
def test_too_few_or_constant_points_are_undefined(
    figure: Callable[..., float | None], x: list[float], y: list[float]
) -> None:
    assert figure(np.array(x), np.array(y)) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_never_gives_a_figure(bad: float) -> None:
    with np.errstate(invalid="ignore"):
        value = metrics.plcc(np.array([1.0, 2.0, bad]), np.array([1.0, 2.0, 3.0]))
    assert value is None or not math.isfinite(value)


def test_rmse_of_nothing_is_undefined_and_of_one_point_is_its_distance() -> None:
    assert metrics.rmse(np.array([]), np.array([])) is None
    assert metrics.rmse(np.array([90.0]), np.array([87.0])) == 3.0


def test_a_correlation_never_leaves_its_range() -> None:
    x = np.array([0.1, 0.2, 0.3]) * 1e8
    assert metrics.plcc(x, x) == 1.0
    assert metrics.plcc(x, -x) == -1.0


def test_the_known_tie_example() -> None:
    # Ranks of x: 1, 2.5, 2.5, 4; by hand rho = 4.5 / sqrt(4.5 * 5).
    x, y = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert metrics.srocc(x, y) == pytest.approx(4.5 / math.sqrt(4.5 * 5.0), abs=1e-15)


def test_an_undefined_part_makes_mean_and_deviation_undefined() -> None:
    assert metrics.mean_or_none([0.9, None, 0.9]) is None
    assert metrics.mean_or_none([]) is None
    assert metrics.mean_or_none([0.5, 1.0]) == 0.75
    assert metrics.std_or_none([0.9, None, 0.9]) is None
    assert metrics.std_or_none([0.9]) is None
    assert metrics.std_or_none([1.0, 3.0]) == pytest.approx(math.sqrt(2.0))  # ddof 1
