"""The lift: pairing, the bootstrap by hand, and the verdict at and around the floor."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.lift import judge as lift
from studies.lift.judge import HeldOutRows, Interval, bootstrap, compare, in_words, verdict_of
from vqcast.errors import EvidenceError
from vqcast.evidence.metrics import plcc, rmse

MEASURED = np.array([10.0, 20.0, 40.0, 30.0, 50.0, 90.0])
FOLDS = ["a", "a", "a", "b", "b", "b"]
ENCODERS = ["x", "y", "x", "y", "x", "y"]
ROWS = HeldOutRows(MEASURED, FOLDS, FOLDS, ENCODERS)


def near(seed: int, size: float = 3.0) -> np.ndarray:
    return MEASURED + np.random.default_rng(seed).normal(0.0, size, len(MEASURED))


def test_two_groups_by_hand() -> None:
    """Four equally likely resamples: 0, one half twice, 1; each end has more than 2.5 %."""
    assert bootstrap([0.0, 1.0], ["a", "b"]) == Interval(mean=0.5, low=0.0, high=1.0)


def test_a_group_enters_with_all_its_folds() -> None:
    """a, a gives 0; a, b gives (0 + 0 + 3) / 3; b, b gives 3."""
    found = bootstrap([0.0, 0.0, 3.0], ["a", "a", "b"])
    assert found == Interval(mean=1.0, low=0.0, high=3.0)
    alone = bootstrap([0.0, 0.0, 3.0], ["a", "b", "c"])
    assert alone.mean == 1.0 and alone.high is not None and alone.high < 3.0 + 1e-12


def test_the_resamples_reach_the_quantiles_of_every_possible_one() -> None:
    values = [0.3, -0.2, 0.7, 0.05, 0.0]
    every = [np.mean(drawn) for drawn in product(values, repeat=len(values))]
    low, high = np.quantile(every, [0.025, 0.975])
    found = bootstrap(values, list("abcde"))
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)


def test_the_bootstrap_is_a_function_of_its_seed() -> None:
    values = np.random.default_rng(0).normal(size=9).tolist()
    groups = [str(number) for number in range(9)]
    assert bootstrap(values, groups) == bootstrap(values, groups)
    assert bootstrap(values, groups) != bootstrap(values, groups, seed=1)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(-1, 1))
def test_the_interval_holds_the_mean_and_moves_with_the_values(
    values: list[float], shift: float
) -> None:
    groups = [str(number) for number in range(len(values))]
    found, moved = (
        bootstrap(list(each), groups, resamples=2000)
        for each in (values, [value + shift for value in values])
    )
    assert found.low is not None and found.mean is not None and found.high is not None
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert moved.low == pytest.approx(found.low + shift, abs=1e-9)
    assert moved.high == pytest.approx(found.high + shift, abs=1e-9)


def test_nothing_undefined_is_averaged_away() -> None:
    assert bootstrap([0.1, None], ["a", "b"]) == Interval(mean=None, low=None, high=None)
    assert bootstrap([], []) == Interval(mean=None, low=None, high=None)


def test_one_group_has_a_mean_and_no_interval() -> None:
    assert bootstrap([0.1, 0.3], ["a", "a"]) == Interval(mean=0.2, low=None, high=None)


def test_arms_are_subtracted_fold_by_fold_and_averaged_over_seeds() -> None:
    first, second = {0: near(1), 1: near(2)}, {0: near(3), 1: near(4)}
    found = compare(ROWS, first, second)

    def mean(metric: object, arm: dict[int, np.ndarray], rows: slice) -> float:
        return float(np.mean([metric(arm[s][rows], MEASURED[rows]) for s in (0, 1)]))  # type: ignore[operator]

    a, b = slice(0, 3), slice(3, 6)
    for metric, lifted in ((plcc, found.lift_plcc), (rmse, found.lift_rmse)):
        by_hand = [mean(metric, first, rows) - mean(metric, second, rows) for rows in (a, b)]
        assert lifted.mean == pytest.approx(np.mean(by_hand))
        assert lifted.low == pytest.approx(min(by_hand))
        assert lifted.high == pytest.approx(max(by_hand))
    assert found.plcc[0] == pytest.approx(np.mean([mean(plcc, first, rows) for rows in (a, b)]))
    assert found.rmse[1] == pytest.approx(np.mean([mean(rmse, second, rows) for rows in (a, b)]))
    assert (found.n_folds, found.n_groups, found.undefined) == (2, 2, [])


def test_seeds_are_also_given_one_by_one_and_average_to_the_lift() -> None:
    first, second = {0: near(1), 1: near(2)}, {0: near(3), 1: near(4)}
    found = compare(ROWS, first, second)
    for place, lifted in enumerate((found.lift_plcc, found.lift_rmse)):
        assert np.mean([seed[place] for seed in found.by_seed]) == pytest.approx(lifted.mean)
    alone = compare(ROWS, {1: first[1]}, {1: second[1]})
    assert found.by_seed[1] == (alone.lift_plcc.mean, alone.lift_rmse.mean)


def test_an_offset_is_seen_by_rmse_and_not_by_plcc() -> None:
    found = compare(ROWS, {0: near(1) + 4.0, 1: near(1) + 6.0}, {0: near(1), 1: near(1)})
    assert found.offset[0] - found.offset[1] == pytest.approx(5.0)
    assert found.lift_plcc.mean == pytest.approx(0.0, abs=1e-12)
    assert found.lift_rmse.mean is not None and found.lift_rmse.mean > 0.5


def test_what_both_arms_share_cancels_out() -> None:
    """Folds of very different difficulty leave no spread, since the arms are paired."""
    hard = np.array([1.0, 1.0, 1.0, 9.0, 9.0, 9.0])
    found = compare(ROWS, {0: MEASURED + hard}, {0: MEASURED + hard + 0.1})
    for value in (found.lift_rmse.mean, found.lift_rmse.low, found.lift_rmse.high):
        assert value == pytest.approx(-0.1)


def test_an_arm_against_itself_lifts_nothing() -> None:
    found = compare(ROWS, {0: near(1)}, {0: near(1)})
    assert found.lift_plcc == found.lift_rmse == Interval(mean=0.0, low=0.0, high=0.0)


def test_each_encoder_is_judged_on_its_own_rows() -> None:
    measured, folds = np.tile(MEASURED, 2), ["a"] * 6 + ["b"] * 6
    names = ["x", "y"] * 6
    first = {0: measured + np.array([1.0, 5.0] * 6)}
    rows = HeldOutRows(measured, folds, folds, names)
    x, y = compare(rows, first, {0: measured}).encoders
    assert (x.name, x.n, y.name, y.n) == ("x", 6, "y", 6)
    assert x.lift_rmse.mean == pytest.approx(1.0) and y.lift_rmse.mean == pytest.approx(5.0)


def test_an_undefined_fold_is_named_and_nulls_the_mean() -> None:
    constant = np.where(np.array(FOLDS) == "b", 7.0, MEASURED)
    found = compare(ROWS, {0: near(1)}, {0: constant})
    assert found.undefined == ["b"] and found.lift_plcc.mean is None
    assert found.lift_rmse.mean is not None


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({0: near(1)}, {1: near(1)}, "differ in seeds"),
        ({0: near(1), 1: near(2)}, {0: near(1)}, "differ in seeds"),
        ({}, {}, "differ in seeds"),
        ({0: near(1)}, {0: near(1)[:5]}, "lacks predictions"),
        ({0: near(1)}, {0: np.where(MEASURED > 80, np.nan, MEASURED)}, "lacks predictions"),
    ],
)
def test_arms_that_can_not_be_paired_are_refused(
    first: dict[int, np.ndarray], second: dict[int, np.ndarray], words: str
) -> None:
    with pytest.raises(EvidenceError, match=words):
        compare(ROWS, first, second)


def test_a_fold_lies_within_one_group() -> None:
    rows = HeldOutRows(MEASURED, FOLDS, ["g", "h"] * 3, ENCODERS)
    with pytest.raises(EvidenceError, match="fold a spans the groups g, h"):
        compare(rows, {0: near(1)}, {0: near(2)})


BELOW = np.nextafter(lift.LIFT_FLOOR, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (lift.LIFT_FLOOR, 0.01, lift.LIFT),
        (BELOW, 0.01, lift.UNDECIDED),
        (-0.001, lift.LIFT_FLOOR, lift.UNDECIDED),
        (-0.001, BELOW, lift.NO_LIFT),
        (-0.2, -0.1, lift.NO_LIFT),
        (0.001, 0.004, lift.NO_LIFT),
        (None, None, lift.UNDECIDED),
    ],
)
def test_the_verdict_at_and_around_the_floor(
    low: float | None, high: float | None, verdict: str
) -> None:
    found = Interval(mean=0.004, low=low, high=high)
    assert verdict_of(found) == verdict
    assert verdict in in_words(found, "knowing the codec")


def test_an_undefined_difference_has_no_verdict() -> None:
    nothing = Interval(mean=None, low=None, high=None)
    assert verdict_of(nothing) == lift.UNDEFINED
    assert "undefined" in in_words(nothing, "knowing the codec")


def test_the_words_give_the_figures_and_the_floor() -> None:
    said = in_words(Interval(mean=-0.00012, low=-0.0003, high=0.0001), "knowing the codec")
    assert said == (
        "Knowing the codec adds -0.00012 PLCC (95% interval -0.00030 to +0.00010), below the "
        "floor of +0.005: no lift."
    )


def test_preset_use_counts_points_moved() -> None:
    real = {0: np.array([50.0, 60.0]), 1: np.array([50.0, 60.0])}
    permuted = {0: np.array([51.0, 60.0]), 1: np.array([50.0, 57.0])}
    fastest = {0: np.array([50.0, 60.0]), 1: np.array([50.0, 60.0])}
    slowest = {0: np.array([52.0, 60.0]), 1: np.array([50.0, 56.0])}
    found = lift.preset_use(permuted, fastest, slowest, real)
    assert (found.rows, found.permuted_mean_abs) == (2, 1.0)
    assert found.slowest_minus_fastest_mean == -0.5
    assert found.slowest_minus_fastest_mean_abs == 1.5
