"""The two-part gate: the published verdict, each part alone, and verdict = f(evidence)."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast import documents
from vqcast.documents.evidence import FoldReport, LosoReport, Verdict
from vqcast.errors import EvidenceError
from vqcast.evidence import gate as law
from vqcast.evidence.loso import loso_report
from vqcast.regressor.spec import ENSEMBLE, Recipe

# CONTRACTS §5, published.
PUBLISHED = {
    0: 0.9975056856587572,
    1: 0.9971592269106849,
    2: 0.9978134265425399,
    3: 0.9969262384223619,
    4: 0.9968623662668834,
}
REPORT_KEYS = [
    *("passed", "mean_plcc", "mean_plcc_threshold", "mean_plcc_pass", "plcc_spread"),
    *("plcc_spread_max", "plcc_spread_pass", "per_seed_plccs", "per_seed_min"),
    *("per_seed_pass", "failing_seeds", "lowest_seed_plcc"),
]
VERDICT_KEYS = {
    *("schema_version", "verdict", "generated_at_utc", "loso_dir", "seeds", "gate", "corpus"),
    *("recommendation", "adr", "parent_adr"),
}
SHA = "ab" * 32
NOW = "2026-11-21T00:00:00Z"
PLCCS = st.one_of(st.none(), st.floats(0.9, 1.0), st.floats(-1.0, 1.0))
FIVE = st.tuples(*[PLCCS] * 5).map(lambda values: dict(enumerate(values)))


def evidence(plccs: dict[int, float | None], **changes: object) -> dict[int, LosoReport]:
    """One report a seed whose folds all have the seed's PLCC."""
    reports = {}
    for seed, value in plccs.items():
        folds = [
            FoldReport(held_out=name, n_train=60, n_val=60, plcc=value, srocc=value, rmse=1.0)
            for name in ("clip_a", "clip_b")
        ]
        made = loso_report(
            model=ENSEMBLE, recipe=Recipe(), seed=seed, corpus="c.jsonl", corpus_sha256=SHA,
            folds=folds, wall_time_s=1.0, hold_out="src",
        )  # fmt: skip
        reports[seed] = msgspec.structs.replace(made, **changes)
    return reports


def judge(reports: dict[int, LosoReport]) -> Verdict:
    digests = {f"loso_seed{seed}.json": f"{seed}" * 64 for seed in reports}
    return law.judge(reports, digests, ENSEMBLE, generated_at_utc=NOW)


def test_the_published_verdict_follows_from_its_five_figures() -> None:
    report = law.gate(PUBLISHED)
    assert report.passed and report.mean_plcc_pass and report.plcc_spread_pass
    assert report.per_seed_pass and report.failing_seeds == []
    assert report.mean_plcc == pytest.approx(0.9972533887602454, abs=1e-15, rel=0)
    assert report.plcc_spread == pytest.approx(0.0009510602756565012, abs=1e-15, rel=0)
    assert report.per_seed_min == 0.95  # the threshold, as the contract's readers take it
    assert report.lowest_seed_plcc == 0.9968623662668834
    assert report.per_seed_plccs == {str(seed): value for seed, value in PUBLISHED.items()}
    assert judge(evidence(PUBLISHED)).verdict == "PROMOTE"


def test_the_report_has_the_contracts_keys_in_order() -> None:
    assert list(documents.to_dict(law.gate(PUBLISHED))) == REPORT_KEYS


def test_the_thresholds_are_the_contracts() -> None:
    report = law.gate(PUBLISHED)
    assert (report.mean_plcc_threshold, report.plcc_spread_max) == (0.95, 0.005)
    assert law.PER_SEED_PLCC_MIN == 0.95


@pytest.mark.parametrize(
    ("plccs", "mean", "spread", "seeds", "failing"),
    [
        ([0.999, 0.993, 0.996, 0.996, 0.996], True, False, True, []),
        ([0.9520, 0.9520, 0.9520, 0.9520, 0.9499], True, True, False, [4]),
        ([0.9490, 0.9490, 0.9490, 0.9490, 0.9490], False, True, False, [0, 1, 2, 3, 4]),
        ([0.99, 0.99, 0.99, 0.99, 0.94], True, False, False, [4]),
        ([0.90, 0.90, 0.99, 0.90, 0.90], False, False, False, [0, 1, 3, 4]),
    ],
)
def test_each_part_fails_by_itself(
    plccs: list[float], mean: bool, spread: bool, seeds: bool, failing: list[int]
) -> None:
    report = law.gate(dict(enumerate(plccs)))
    parts = (report.mean_plcc_pass, report.plcc_spread_pass, report.per_seed_pass)
    assert parts == (mean, spread, seeds)
    assert report.failing_seeds == failing
    assert not report.passed


def test_the_thresholds_themselves_pass() -> None:
    assert law.gate(dict.fromkeys(range(5), 0.95)).passed
    # Powers of two, so that the spread is exact.
    edge = law.gate({0: 0.953125, 1: 0.953125 + 0.0048828125})
    assert edge.plcc_spread == 0.0048828125 and edge.plcc_spread_pass


def test_just_beyond_a_threshold_fails() -> None:
    below = 0.95 - 1.2e-16
    report = law.gate({0: 0.951, 1: below})
    assert report.failing_seeds == [1] and report.mean_plcc_pass and not report.passed
    assert not law.gate({0: 0.953125, 1: 0.953125 + 0.0050048828125}).plcc_spread_pass


def test_an_undefined_seed_fails_every_part() -> None:
    report = law.gate(PUBLISHED | {2: None})
    assert not (report.mean_plcc_pass or report.plcc_spread_pass or report.per_seed_pass)
    assert report.mean_plcc is report.plcc_spread is report.lowest_seed_plcc is None
    assert report.per_seed_min == 0.95
    assert report.failing_seeds == [2] and report.per_seed_plccs["2"] is None


@pytest.mark.parametrize(
    ("groups", "level"), [(8, None), (9, 0.8), (10, 0.9), (20, 0.9), (1000, 0.9)]
)
def test_a_claim_is_one_that_a_group_left_out_can_show(groups: int, level: float | None) -> None:
    assert law.nominal_coverage(groups) == level


def test_the_words_of_earlier_releases_are_understood() -> None:
    report = law.gate(PUBLISHED)
    earlier = msgspec.structs.replace(
        report, per_seed_min=report.lowest_seed_plcc, lowest_seed_plcc=None
    )
    assert law.is_earlier(earlier) and not law.is_earlier(report)
    assert law.as_stated(report, earlier) == earlier and law.as_stated(report, report) == report
    assert law.lowest_seed(earlier) == law.lowest_seed(report) == 0.9968623662668834


def test_no_seed_at_all_does_not_pass() -> None:
    assert not law.gate({}).passed


@given(FIVE, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_changes_nothing(
    plccs: dict[int, float | None], shuffler: random.Random
) -> None:
    items = list(plccs.items())
    shuffler.shuffle(items)
    assert documents.to_bytes(law.gate(dict(items))) == documents.to_bytes(law.gate(plccs))


@given(FIVE)
def test_passing_is_all_parts_and_nothing_else(plccs: dict[int, float | None]) -> None:
    report = law.gate(plccs)
    parts = (report.mean_plcc_pass, report.plcc_spread_pass, report.per_seed_pass)
    assert report.passed == all(parts)
    assert report.per_seed_pass == (report.failing_seeds == [])
    if report.passed:
        values = [value for value in plccs.values() if value is not None]
        assert len(values) == 5 and min(values) >= 0.95 and max(values) - min(values) <= 0.005


@given(FIVE, st.sampled_from(range(5)))
def test_a_worse_lowest_seed_never_turns_hold_into_promote(
    plccs: dict[int, float | None], seed: int
) -> None:
    before = law.gate(plccs)
    values = [value for value in plccs.values() if value is not None]
    worse = plccs | {seed: min(values) - 0.001 if values else None}
    assert before.passed or not law.gate(worse).passed or plccs[seed] != min(values)


@given(FIVE)
def test_the_verdict_is_a_function_of_the_evidence(plccs: dict[int, float | None]) -> None:
    reports = evidence(plccs)
    backwards = dict(reversed(reports.items()))
    first, second = judge(reports), judge(backwards)
    assert documents.to_bytes(first) == documents.to_bytes(second)
    assert (first.verdict == "PROMOTE") == first.gate.passed
    assert first.gate == law.gate(plccs)


@given(FIVE)
def test_smoke_evidence_is_never_promoted(plccs: dict[int, float | None]) -> None:
    reports = evidence(plccs)
    for seed in reports:
        one_smoke = reports | {seed: msgspec.structs.replace(reports[seed], note="smoke")}
        verdict = judge(one_smoke)
        assert verdict.verdict == "HOLD"
        assert "investigate diversity" in verdict.recommendation


def test_the_verdict_has_the_contracts_keys_and_pins() -> None:
    verdict = judge(evidence(PUBLISHED))
    plain = documents.to_dict(verdict)
    assert set(plain) >= VERDICT_KEYS
    assert set(plain["corpus"]) == {"present", "path", "sha256", "n_rows", "n_sources"}
    assert (plain["schema_version"], plain["adr"], plain["parent_adr"]) == (
        1,
        "ADR-0309",
        "ADR-0303",
    )
    assert plain["seeds"] == [0, 1, 2, 3, 4]
    assert plain["corpus"] == {
        "present": True, "path": "c.jsonl", "sha256": SHA, "n_rows": 120, "n_sources": 2,
    }  # fmt: skip
    assert plain["evidence"]["loso_seed3.json"] == "3" * 64 and len(plain["evidence"]) == 5
    assert not plain["loso_dir"].startswith("/")


@pytest.mark.parametrize("seed", range(5))
def test_a_missing_seed_is_named(seed: int) -> None:
    reports = evidence(PUBLISHED)
    del reports[seed]
    with pytest.raises(EvidenceError, match=f"seed {seed} "):
        judge(reports)


def test_a_dry_run_is_refused() -> None:
    reports = evidence(PUBLISHED)
    reports[3] = msgspec.structs.replace(reports[3], note="dry-run")
    with pytest.raises(EvidenceError, match=r"loso_seed3\.json: is a dry run"):
        judge(reports)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("corpus_sha256", "cd" * 32),
        ("epochs", 199),
        ("batch_size", 64),
        ("lr", 1e-3),
        ("weight_decay", 0.0),
        ("hold_out", "group"),
    ],
)
def test_seeds_of_different_runs_are_not_judged_together(field: str, value: object) -> None:
    reports = evidence(PUBLISHED)
    reports[2] = msgspec.structs.replace(reports[2], **{field: value})
    with pytest.raises(EvidenceError, match=f"differ in {field}"):
        judge(reports)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "says it is of seed 4"),
        ({"model": "fr_regressor_v3"}, "is of model fr_regressor_v3"),
        ({"num_codecs": 18}, "18 codec columns, not 14"),
        ({"mean_plcc": 0.9999}, "its folds' mean is"),
        ({"mean_plcc": None}, "its folds' mean is"),
        ({"folds": []}, "its folds' mean is None"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(
    changes: dict[str, object], words: str
) -> None:
    reports = evidence(PUBLISHED)
    reports[1] = msgspec.structs.replace(reports[1], **changes)
    with pytest.raises(EvidenceError, match=words) as caught:
        judge(reports)
    assert "loso_seed1.json" in str(caught.value)


def test_promote_says_how_to_go_on() -> None:
    text = judge(evidence(PUBLISHED)).recommendation
    assert "flip seeds smoke->false" in text and "vqcast promote" in text


def hold_text(plccs: dict[int, float | None], **changes: object) -> str:
    verdict = judge(evidence(plccs, **changes))
    assert verdict.verdict == "HOLD"
    assert "investigate diversity" in verdict.recommendation
    return verdict.recommendation


def test_hold_names_a_wide_spread_with_its_figure() -> None:
    text = hold_text(dict(enumerate([0.999, 0.993, 0.996, 0.996, 0.996])))
    assert "spread 0.0060 is above 0.005" in text
    assert "mean PLCC" not in text and "seeds under" not in text


def test_hold_names_a_low_mean_and_the_worst_sources() -> None:
    text = hold_text(dict.fromkeys(range(5), 0.94))
    assert "mean PLCC 0.9400 is below 0.95" in text and "clip_a" in text
    assert "spread" not in text


def test_hold_names_each_low_seed_with_its_figure() -> None:
    text = hold_text(dict(enumerate([0.9520, 0.9520, 0.9520, 0.9498, 0.9499])))
    assert "seed 3: 0.9498" in text and "seed 4: 0.9499" in text and "seed 0" not in text


def test_hold_names_the_sources_without_a_figure() -> None:
    reports = evidence(PUBLISHED | {2: None})
    text = judge(reports).recommendation
    assert "PLCC is undefined on clip_a, clip_b" in text


def test_every_combination_of_failing_parts_is_named() -> None:
    for values in itertools.product([0.90, 0.9499, 0.96], repeat=2):
        plccs = dict(enumerate([*values, *[0.96] * 3]))
        report, verdict = law.gate(plccs), judge(evidence(plccs))
        text = verdict.recommendation
        assert ("mean PLCC" in text) == (not report.mean_plcc_pass)
        assert ("spread" in text) == (not report.plcc_spread_pass)
        assert ("seeds under" in text) == (not report.per_seed_pass)
