"""The nested evaluation: no row judged by its own group, figures by hand, honest refusals."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from vqcast.errors import EvidenceError
from vqcast.evidence import coverage as cover
from vqcast.evidence.conformal import OutOfFold
from vqcast.evidence.conformal import calibrate as fit
from vqcast.evidence.evaluation import (
    Evaluation,
    evaluate,
    figures_of,
    held_out_sets,
    repeated_splits,
)
from vqcast.evidence.methods import conformal_method, gaussian_method, left_out, single_method
from vqcast.pages.evaluation import evaluation
from vqcast.workflow.evaluate import Evaluated, Shipped


def make_oof(groups: int = 12, cells: int = 3, frames: int = 6, *, seed: int = 2) -> OutOfFold:
    """Members that share a bias under 60 points, and offsets per group."""
    rng = np.random.default_rng(seed)
    rows = groups * cells * frames
    group = np.repeat(np.arange(groups), cells * frames)
    vmaf = np.clip(rng.uniform(10.0, 110.0, rows), 0.0, 100.0)
    bias = np.where(vmaf < 60, 3.0, 0.5) + rng.normal(0, 0.3, groups)[group]
    return OutOfFold(
        members=vmaf + bias + rng.normal(0.0, 0.2, (3, rows)),
        vmaf=vmaf,
        features=rng.normal(size=(rows, 6)),
        group=group,
        cell=np.repeat(np.arange(groups * cells), frames),
    )


def labels_of(oof: OutOfFold) -> dict[str, list[str]]:
    return {
        "source": [f"s{code}" for code in oof.group],
        "encoder": ["libx264" if code % 2 else "libx265" for code in oof.cell],
    }


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    oof = make_oof()
    return evaluate(oof, labels_of(oof), split_limit=10)


def test_interval_score_by_hand() -> None:
    lower, upper = np.array([10.0, 10.0, 10.0]), np.array([20.0, 20.0, 20.0])
    scores = cover.interval_score(lower, upper, np.array([15.0, 8.0, 21.0]), 0.9)
    # 2 / 0.1 = 20 points a point missed (Gneiting & Raftery 2007, eq. 43).
    assert scores == pytest.approx([10.0, 10.0 + 40.0, 10.0 + 20.0])


def test_groups_weigh_alike_in_a_coverage_and_rows_in_a_slice() -> None:
    lower, upper = np.zeros(5), np.full(5, 10.0)
    truth, group = np.array([5.0, 50.0, 50.0, 50.0, 50.0]), np.array([0, 1, 1, 1, 1])
    assert cover.judge_intervals(lower, upper, truth, group, 0.9).coverage == pytest.approx(0.5)
    by_row = cover.judge_intervals(lower, upper, truth, group, 0.9, by_row=True)
    assert by_row.coverage == pytest.approx(0.2)
    assert (by_row.n, by_row.n_groups, by_row.width) == (5, 2, 10.0)


def test_bootstrap_draws_groups() -> None:
    held = np.repeat([True, False], 500)
    group = np.repeat(np.arange(2), 500)
    # Two groups, one held whole: a draw of two gives 0, 1/2 or 1, however many the rows.
    assert cover.bootstrap_coverage(held, group) == (0.0, 1.0)
    assert cover.bootstrap_coverage(held, np.zeros(1000, dtype=np.int64)) == (None, None)
    assert cover.bootstrap_coverage(np.ones(9, dtype=bool), np.repeat([0, 1, 2], 3)) == (1.0, 1.0)
    shares = np.random.default_rng(1).random((20, 50)) < 0.9
    rows = np.repeat(np.arange(20), 50)
    low, high = cover.bootstrap_coverage(shares.ravel(), rows)
    assert low is not None and high is not None
    spread = shares.mean(axis=1).std(ddof=1) / np.sqrt(20)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_standard_error_with_twenty_groups_is_near_seven_points() -> None:
    assert 100 * cover.standard_error(0.9, 20) == pytest.approx(6.7, abs=0.05)


def test_width_at_coverage_by_hand() -> None:
    truth = np.full(10, 50.0)
    centre = truth + np.arange(1, 11)
    # Nine of ten groups are reached by a half width of 9 points, whatever the scale says.
    for scale in (1.0, 7.0):
        width = cover.width_at_coverage(centre, np.full(10, scale), truth, np.arange(10), 0.9)
        assert width == pytest.approx(18.0)


@pytest.mark.parametrize("target", ["frame", "pooled"])
def test_an_interval_does_not_depend_on_its_own_groups_truth(target: str) -> None:
    oof = make_oof()
    changed = oof.vmaf.copy()
    changed[oof.group == 4] = 1.0
    other = replace(oof, vmaf=changed)
    before = left_out(oof, conformal_method(oof), (0.9,))[target, 0.9]
    after = left_out(other, conformal_method(other), (0.9,))[target, 0.9]
    own = (oof.group if target == "frame" else oof.cell_group) == 4
    assert np.array_equal(before.lower[own], after.lower[own])
    assert np.array_equal(before.upper[own], after.upper[own])
    assert not np.array_equal(before.upper[~own], after.upper[~own])


def test_the_gaussian_interval_by_hand() -> None:
    oof = make_oof()
    made = left_out(oof, gaussian_method(oof), (0.9,))
    z = NormalDist().inv_cdf(0.95)
    members = np.clip(oof.members, 0, 100)
    upper = np.clip(members.mean(axis=0) + z * members.std(axis=0, ddof=1), 0, 100)
    assert made["frame", 0.9].upper == pytest.approx(upper)
    pooled = np.stack([oof.pool(row) for row in members])
    upper = np.clip(pooled.mean(axis=0) + z * pooled.std(axis=0, ddof=1), 0, 100)
    assert made["pooled", 0.9].upper == pytest.approx(upper)


def test_a_single_network_has_one_half_width_a_split() -> None:
    oof = make_oof()
    made = left_out(oof, single_method(oof, 1), (0.8,))["frame", 0.8]
    alone = np.clip(oof.members[1], 0, 100)
    for k in range(oof.n_groups):
        rows = (oof.group == k) & (made.upper < 100) & (made.lower > 0)
        half = made.upper[rows] - alone[rows]
        assert half == pytest.approx(np.full(rows.sum(), half[0]))


def test_splits_are_all_or_a_seeded_sample() -> None:
    assert len(held_out_sets(20, 2)) == 190
    assert len(set(held_out_sets(20, 2))) == 190
    drawn = held_out_sets(20, 10, 50)
    assert drawn == held_out_sets(20, 10, 50)
    assert len(drawn) == 50 and all(len(set(each)) == 10 for each in drawn)


def test_splits_refuse_what_their_calibration_groups_cannot_support() -> None:
    oof = make_oof(12)
    found = {
        (each.level, each.target, each.rule): each
        for each in repeated_splits(oof, 4, (0.8, 0.9), limit=8)
    }
    assert found[0.8, "frame", "hierarchical"].coverage is not None
    assert found[0.9, "frame", "hierarchical"].coverage is None  # 8 groups reach 88.9 %
    assert found[0.8, "frame", "hierarchical"].n_calibration == 8


def test_evaluation_covers_what_it_promises_and_beats_the_constant(judged: Evaluation) -> None:
    figures = {(each.method, each.target, each.level): each for each in judged.figures}
    for target in ("frame", "pooled"):
        ours = figures["conformal", target, 0.9]
        single = figures["single", target, 0.9]
        assert ours.measured is not None and single.measured is not None
        assert ours.measured.coverage >= 0.85
        assert ours.width_at_level is not None and single.width_at_level is not None
        assert ours.width_at_level < single.width_at_level
        assert figures["gaussian", target, 0.9].measured.coverage < 0.5  # type: ignore[union-attr]
        assert figures["conformal", target, 0.95].measured is None  # 11 groups reach 91.7 %
    assert judged.rmse_centre < judged.rmse_mean / 2
    assert (judged.n_groups, judged.n_cells, judged.n_rows) == (12, 36, 216)


def test_slices_partition_the_rows(judged: Evaluation) -> None:
    for kind in ("source", "encoder", "band"):
        frames = [
            each.measured.n
            for each in judged.slices
            if (each.kind, each.target, each.level) == (kind, "frame", 0.9)
        ]
        assert sum(frames) == judged.n_rows
    singles = [each for each in judged.slices if each.kind == "source"]
    assert all(each.measured.n_groups == 1 and each.measured.low is None for each in singles)


def test_members_figures_are_averaged() -> None:
    oof = make_oof()
    alone = [figures_of(oof, single_method(oof, each), (0.8,)) for each in range(3)]
    judged = evaluate(oof, labels_of(oof), levels=(0.8,), split_limit=2)
    mean = next(e for e in judged.figures if (e.method, e.target) == ("single", "frame"))
    widths = [entries[0].measured.width for entries in alone if entries[0].measured]
    assert mean.measured is not None
    assert mean.measured.width == pytest.approx(np.mean(widths))


def page_of(judged: Evaluation, oof: OutOfFold) -> str:
    shipped = Shipped(n_rows=216, rmse_mean=1.0, rmse_centre=0.5)
    found = Evaluated("an_ensemble", "0" * 64, fit(oof), judged, shipped)
    return evaluation(found, corpus="c.jsonl", command="vqcast evaluate")


def test_the_report_says_n_what_is_out_of_reach_and_why_to_doubt(judged: Evaluation) -> None:
    page = page_of(judged, make_oof())
    assert "12 groups, 36 cells, 216 frames" in page
    assert "standard error of up to 8.7 points" in page
    assert "average to the nominal level by construction" in page
    assert "picked by hand on another corpus" in page
    assert "| 95 | out of reach | out of reach |" in page
    assert "nan" not in page
    msgspec.json.encode(judged)


def test_a_corpus_of_few_groups_is_reported_not_promised() -> None:
    oof = make_oof(4)
    judged = evaluate(oof, labels_of(oof), split_limit=4)
    page = page_of(judged, oof)
    assert "90 % intervals of a new source's clip means are out of reach" in page
    assert "leaves 3 groups, and 9 are needed" in page


def test_two_groups_are_too_few_to_hold_one_out() -> None:
    oof = make_oof(2)
    with pytest.raises(EvidenceError, match="2 content groups"):
        evaluate(oof, labels_of(oof))
