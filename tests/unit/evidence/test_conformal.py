"""Hierarchical conformal: hand-made cases, brute force, simulation, refusals."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from vqcast.errors import EvidenceError, InputError
from vqcast.evidence import conformal
from vqcast.evidence.conformal import (
    KNOTS,
    Array,
    CentreCorrection,
    Codes,
    OutOfFold,
    calibrate,
    hierarchical_quantile,
    left_out_distances,
    pooled_cdf_quantile,
    whitening,
)
from vqcast.interval import Calibration, largest_level, needed_groups

SCORES = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
GROUPS = np.array([0, 0, 1, 2, 2, 2, 2])
"""Three groups of 2, 1 and 4 rows: weights 1/6, 1/3 and 1/12 of the whole."""


def make_oof(
    groups: int = 6,
    cells: int = 4,
    frames: int = 10,
    *,
    bias: float = 0.0,
    members: int = 3,
    seed: int = 1,
) -> OutOfFold:
    """Groups with an offset each, VMAF over the whole range, predictions off by ``bias``."""
    rng = np.random.default_rng(seed)
    rows = groups * cells * frames
    group = np.repeat(np.arange(groups), cells * frames)
    vmaf = rng.uniform(5.0, 95.0, rows)
    offset = rng.normal(0.0, 0.3, groups)[group]
    noise = rng.normal(0.0, 0.2, (members, rows))
    return OutOfFold(
        members=vmaf + offset + noise + bias,
        vmaf=vmaf,
        features=rng.normal(size=(rows, 6)) * [0.1, 0.2, 0.2, 0.1, 0.1, 3.0],
        group=group,
        cell=np.repeat(np.arange(groups * cells), frames),
    )


def brute_quantile(scores: Array, group: Codes, level: float) -> float:
    """The definition read aloud: weights, a mass at infinity, the first point that reaches."""
    names = sorted(set(group.tolist()))
    atoms = [(math.inf, 1.0 / (len(names) + 1))]
    for name in names:
        inside = scores[group == name].tolist()
        atoms += [(value, 1.0 / ((len(names) + 1) * len(inside))) for value in inside]
    reached = 0.0
    for value, weight in sorted(atoms):
        reached += weight
        if reached >= level - 1e-12:
            return value
    return math.inf


def test_quantile_by_hand() -> None:
    # Level 0.5 of 4 equal masses: 2/3 of the three groups' own, which the value 3 reaches.
    assert hierarchical_quantile(SCORES, GROUPS, 0.5) == 3.0
    assert hierarchical_quantile(SCORES, GROUPS, 0.25) == 2.0
    assert hierarchical_quantile(SCORES, GROUPS, 0.75) == 7.0
    # Without the mass at infinity half of the weight is reached at 3 as well, a quarter at 2.
    assert pooled_cdf_quantile(SCORES, GROUPS, 0.5) == 3.0
    assert pooled_cdf_quantile(SCORES, GROUPS, 1.0 / 6.0) == 1.0


def test_level_above_n_over_n_plus_one_is_refused_with_the_reach() -> None:
    with pytest.raises(
        EvidenceError, match=r"90% is out of reach: 3 groups support at most 75\.0%"
    ):
        hierarchical_quantile(SCORES, GROUPS, 0.9)
    assert largest_level(20) == pytest.approx(0.952381, abs=1e-6)
    assert [needed_groups(level) for level in (0.8, 0.9, 0.95)] == [4, 9, 19]
    assert largest_level(9) >= 0.9 > largest_level(8)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8, 0.9])
def test_one_row_a_group_is_split_conformal(level: float) -> None:
    scores = np.random.default_rng(3).exponential(size=19)
    rank = math.ceil((len(scores) + 1) * level - 1e-9)  # Lei et al. 2018, theorem 2.2
    assert hierarchical_quantile(scores, np.arange(19), level) == np.sort(scores)[rank - 1]


def test_quantile_equals_brute_force() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        group = np.sort(rng.integers(0, 5, size=40))
        scores = rng.exponential(size=40).round(1)
        level = float(rng.uniform(0.05, largest_level(len(set(group.tolist())))))
        assert hierarchical_quantile(scores, group, level) == brute_quantile(scores, group, level)


def test_quantile_is_the_limit_of_averaged_subsampling_p_values() -> None:
    """Dunn et al. 2022: one row a group, all draws; t is kept where the mean p-value is > alpha."""
    pools = [SCORES[k == GROUPS].tolist() for k in range(3)]
    q = hierarchical_quantile(SCORES, GROUPS, 0.6)
    for candidate in [*SCORES.tolist(), 2.5, 6.5]:
        p_values = [
            (1 + sum(score >= candidate for score in draw)) / 4
            for draw in itertools.product(*pools)
        ]
        assert (np.mean(p_values) > 1 - 0.6 + 1e-12) == (candidate <= q)


def test_coverage_of_a_new_exchangeable_group_holds_within_binomial_error() -> None:
    rng = np.random.default_rng(5)
    trials, groups, level = 600, 12, 0.8
    covered = {"hierarchical": 0.0, "rows": 0.0}
    for _ in range(trials):
        sizes = rng.integers(5, 40, size=groups + 1)
        group = np.repeat(np.arange(groups + 1), sizes)
        scores = np.abs(rng.normal(0, 1, groups + 1)[group] + rng.normal(0, 0.3, len(group)))
        new = group == groups
        q = hierarchical_quantile(scores[~new], group[~new], level)
        covered["hierarchical"] += (scores[new] <= q).mean() / trials
        n = int((~new).sum())  # split conformal that takes rows for exchangeable
        naive = np.sort(scores[~new])[math.ceil((n + 1) * level) - 1]
        covered["rows"] += (scores[new] <= naive).mean() / trials
    error = 3 * math.sqrt(level * (1 - level) / trials)
    assert covered["hierarchical"] >= level - error
    assert covered["hierarchical"] <= level * (groups + 1) / groups + error
    assert covered["rows"] < covered["hierarchical"]


def test_pooled_quantile_covers_new_groups_too() -> None:
    rng = np.random.default_rng(6)
    trials, level, hits = 150, 0.8, 0.0
    for trial in range(trials):
        oof = make_oof(9, 3, 4, seed=trial + 100)
        new = int(rng.integers(0, 9))
        scores = np.abs(oof.pool(oof.vmaf) - oof.pool(oof.mean))
        test = oof.cell_group == new
        q = hierarchical_quantile(scores[~test], oof.cell_group[~test], level)
        hits += (scores[test] <= q).mean() / trials
    assert hits >= level - 3 * math.sqrt(level * (1 - level) / trials)


def test_correction_finds_a_planted_bias_and_stays_monotone() -> None:
    oof = make_oof(bias=-2.0)
    correction = CentreCorrection(oof)
    values = correction.fit(range(oof.n_groups))
    assert values[1:4] == pytest.approx([2.0, 2.0, 2.0], abs=0.35)
    assert np.all(np.diff(values + np.array(KNOTS)) >= 0)
    before = np.sqrt(np.mean((oof.mean - oof.vmaf) ** 2))
    after = np.sqrt(np.mean((correction.centres(range(oof.n_groups)) - oof.vmaf) ** 2))
    assert after < before / 3


def test_leaving_a_group_out_equals_fitting_without_its_rows() -> None:
    oof = make_oof()
    rest = oof.group != 2
    alone = OutOfFold(
        members=oof.members[:, rest],
        vmaf=oof.vmaf[rest],
        features=oof.features[rest],
        group=np.unique(oof.group[rest], return_inverse=True)[1],
        cell=np.unique(oof.cell[rest], return_inverse=True)[1],
    )
    others = [0, 1, 3, 4, 5]
    expected = CentreCorrection(alone).fit(range(5))
    assert CentreCorrection(oof).fit(others) == pytest.approx(expected, abs=1e-9)
    centre = CentreCorrection(oof).centres(range(6))
    mean = oof.mean[~rest]
    moved = np.clip(mean + np.interp(mean, KNOTS, expected), 0, 100)
    assert centre[~rest] == pytest.approx(moved, abs=1e-9)


def test_calibration_counts_refuses_and_survives_json() -> None:
    oof = make_oof(groups=6)
    made = calibrate(oof, evidence={"oof_seed0.parquet": "ab" * 32})
    assert (made.n_groups, made.n_cells, made.n_rows) == (6, 24, 240)
    assert [each.level for each in (made.frame[0], made.frame[-1])] == [0.5, 6 / 7]
    with pytest.raises(EvidenceError, match="90% is out of reach: 6 groups") as refused:
        made.quantile(0.9, pooled=True)
    assert refused.value.hint == "calibrate on at least 9 groups"
    with pytest.raises(EvidenceError, match=r"level 0\.49 is outside 0\.5\.\.0\.8571"):
        made.quantile(0.49)
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(made)), Calibration)
    assert again == made


@pytest.mark.parametrize("groups", [9, 20])
def test_any_level_from_one_half_to_n_over_n_plus_one_has_a_quantile(groups: int) -> None:
    made = calibrate(make_oof(groups=groups))
    reach = groups / (groups + 1)
    levels = [0.5, 0.555, 0.8, 0.8123, reach]
    quantiles = [made.quantile(level) for level in levels]
    assert quantiles == sorted(quantiles)
    assert made.quantile(0.8101) == made.quantile(0.82)  # rounded up: never less than asked
    with pytest.raises(EvidenceError, match="out of reach"):
        made.quantile(reach + 0.001)


def test_the_chance_of_a_target_is_the_signed_quantile_read_backwards() -> None:
    """A clip lies at or above ``centre + chance * scale`` as often as the level says."""
    oof = make_oof(groups=12)
    made = calibrate(oof)
    centre = CentreCorrection(oof).centres(range(12))
    t = (oof.pool(oof.vmaf) - oof.pool(centre)) / oof.pool(conformal.left_out_scale(oof))
    for level in (0.1, 0.5, 0.9):
        at = next(each.quantile for each in made.chances if each.level == level)
        assert -at == brute_quantile(-t, oof.cell_group, level)
        assert level <= made.probability(80.0, 0.5, 80.0 + 0.5 * at - 1e-9) <= level + 0.05
    assert made.probability(80.0, 0.5, 1.0) == 12 / 13  # no surer than n groups allow
    assert made.probability(80.0, 0.5, 100.0) == 0.0
    assert made.probability(80.0, 0.5, 0.0) == 1.0
    chances = [made.probability(80.0, 0.5, 79.0 + step / 10) for step in range(20)]
    assert chances == sorted(chances, reverse=True)
    for target in (-1.0, 100.5, math.nan):
        with pytest.raises(InputError, match=r"outside 0\.\.100"):
            made.probability(80.0, 0.5, target)


def test_an_older_calibration_answers_by_its_two_sided_quantiles() -> None:
    made = replace(calibrate(make_oof(groups=12)), chances=())
    q = made.quantile(0.8, pooled=True)
    assert made.probability(80.0, 0.5, 80.0 - 0.5 * q - 1e-9) >= 0.8
    assert made.probability(80.0, 0.5, 85.0) == 0.0


def test_calibrated_scores_reproduce_the_quantile() -> None:
    oof = make_oof(groups=10)
    made = calibrate(oof)
    centre = CentreCorrection(oof).centres(range(10))
    t = np.abs(oof.vmaf - centre) / conformal.left_out_scale(oof)
    assert made.quantile(0.9) == brute_quantile(t, oof.group, 0.9)


def test_interval_arithmetic_by_hand() -> None:
    made = calibrate(make_oof(groups=10))
    features = np.tile(np.asarray(made.feature_mean), (2, 1))  # distance 0: no widening
    mean, std = np.array([90.0, 20.0]), np.array([0.3, 0.5])
    assert made.widening(features).tolist() == [1.0, 1.0]
    # At 90 nothing is difficult; at 20, 60 points under 80 on a span of 45, it is doubled.
    scale = np.array([0.3 + 0.5, 2 * (0.5 + 0.5)])
    assert made.scale(mean, std, features) == pytest.approx(scale)
    lower, upper = made.interval(mean, std, features, 0.8)
    centre, q = made.centre(mean), made.quantile(0.8)
    assert upper == pytest.approx(np.clip(centre + q * scale, 0, 100))
    assert lower == pytest.approx(np.clip(centre - q * scale, 0, 100))
    unseen = made.scale(mean, std, features, unseen_slot=True)
    assert unseen == pytest.approx(made.unseen_slot_factor * scale)


def test_whitening_gives_unit_covariance_and_the_99th_percentile() -> None:
    oof = make_oof()
    space = whitening(oof.features)
    white = (oof.features - space.mean) @ space.matrix
    assert white.T @ white / len(white) == pytest.approx(np.eye(6), abs=1e-9)
    covariance = np.cov(oof.features.T, bias=True)
    centred = oof.features - oof.features.mean(axis=0)
    mahalanobis = np.sqrt(np.sum(centred @ np.linalg.inv(covariance) * centred, axis=1))
    assert space.distance(oof.features) * space.limit == pytest.approx(mahalanobis)
    assert (space.distance(oof.features) > 1).mean() == pytest.approx(0.01, abs=0.006)


def test_a_constant_feature_is_neither_fatal_nor_ignored() -> None:
    features = make_oof().features.copy()
    features[:, 2] = 0.5
    space = whitening(features)
    moved = features[:1].copy()
    moved[0, 2] += 1.0
    assert np.isfinite(space.distance(features)).all()
    assert space.distance(moved)[0] > 1.0 > space.distance(features[:1])[0] * 0.5


def test_left_out_distance_is_to_the_other_groups() -> None:
    oof = make_oof()
    features = oof.features.copy()
    features[oof.group == 3] += 50.0  # a group far from all others
    moved = OutOfFold(oof.members, oof.vmaf, features, oof.group, oof.cell)
    distance = left_out_distances(moved)
    assert distance[oof.group == 3].min() > 10.0
    assert np.median(distance[oof.group != 3]) < 1.0


@pytest.mark.parametrize("damage", ["shape", "nan", "one group"])
def test_impossible_predictions_are_refused(damage: str) -> None:
    oof = make_oof()
    members, group = oof.members.copy(), oof.group
    if damage == "shape":
        members = members[:, 1:]
    elif damage == "nan":
        members[0, 0] = np.nan
    else:
        group = np.zeros_like(group)
    with pytest.raises(EvidenceError):
        OutOfFold(members, oof.vmaf, oof.features, group, oof.cell)


def test_one_member_has_no_spread() -> None:
    oof = make_oof(members=1)
    assert oof.std.max() == 0.0
    assert oof.mean == pytest.approx(np.clip(oof.members[0], 0, 100))
