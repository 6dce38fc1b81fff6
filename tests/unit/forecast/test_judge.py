"""The forecaster's gate: each part alone, and evidence that contradicts itself."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from vqcast.documents.forecast import (
    CorpusPin,
    ForecastErrors,
    ForecastEvidence,
    ForecastRecipe,
    ForecastScenario,
)
from vqcast.errors import EvidenceError
from vqcast.forecast import judge as law

NOW = "2026-11-21T00:00:00Z"
NOMINAL = {level: float(level) for level in law.LEVELS}


def scenario(
    probes: int, *, groups: int = 20, gain: float = 0.2, **changed: object
) -> ForecastScenario:
    """A scenario in which the model beats both rivals by about ``gain`` in every group."""
    generator = np.random.default_rng(probes)
    errors = [
        ForecastErrors(
            group=f"g{index}",
            n=10,
            model=1.0 + each,
            gaussian_floor=1.0 + gain + each,
            linear=None if probes < 2 else 1.0 + 3 * gain + each,
            scores_alone=1.1,
            covered=dict(NOMINAL),
        )
        for index, each in enumerate(generator.uniform(0, 0.5, groups))
    ]
    return ForecastScenario(
        measure=law.MEASURE,
        probes=probes,
        positions=[],
        groups=errors,
        coverage=dict(NOMINAL),
        bits_mae_percent=5.0,
        bits_coverage=dict(NOMINAL),
        encoders={},
        others={},
        floor_ridge=1e-4,
    )


def evidence(*scenarios: ForecastScenario) -> ForecastEvidence:
    return ForecastEvidence(
        model="crf_forecast_v1",
        recipe=ForecastRecipe(),
        corpora=[CorpusPin(path="c.jsonl", sha256="ab" * 32, n_rows=1000)],
        n_curves=40,
        n_groups=20,
        table_sha256="cd" * 32,
        scenarios=list(scenarios) or [scenario(probes) for probes in range(4)],
    )


def covering(probes: int, level: str, share: float) -> ForecastScenario:
    """A scenario whose intervals at ``level`` cover ``share`` of every group."""
    plain = scenario(probes)
    groups = [
        msgspec.structs.replace(each, covered=each.covered | {level: share})
        for each in plain.groups
    ]
    return msgspec.structs.replace(plain, groups=groups, coverage=plain.coverage | {level: share})


def with_one(changed: ForecastScenario) -> ForecastEvidence:
    return evidence(*(changed if n == changed.probes else scenario(n) for n in range(4)))


def test_a_clear_win_with_honest_intervals_is_promoted() -> None:
    verdict = law.judge(evidence(), {"b": "2", "a": "1"}, generated_at_utc=NOW)
    assert verdict.verdict == "PROMOTE"
    assert [(c.probes, c.rival) for c in verdict.gate.comparisons] == [
        (1, "gaussian_floor"),
        (2, "gaussian_floor"),
        (2, "linear"),
        (3, "gaussian_floor"),
        (3, "linear"),
    ]
    assert list(verdict.evidence) == ["a", "b"]


@pytest.mark.parametrize("probes", law.PROBES)
def test_no_win_over_the_floor_is_held(probes: int) -> None:
    report = law.gate(with_one(scenario(probes, gain=0.0)))
    assert not report.passed
    assert any("gaussian floor" in each and f"{probes} probes" in each for each in report.failing)


def test_a_mean_win_that_luck_could_give_is_held() -> None:
    plain = scenario(2)
    groups = [
        msgspec.structs.replace(each, gaussian_floor=each.model + (10.0 if index == 0 else -0.3))
        for index, each in enumerate(plain.groups)
    ]
    report = law.gate(with_one(msgspec.structs.replace(plain, groups=groups)))
    first = next(c for c in report.comparisons if (c.probes, c.rival) == (2, "gaussian_floor"))
    assert first.difference > 0 > first.lower
    assert not first.passed and not report.passed


@pytest.mark.parametrize("level", law.LEVELS)
@pytest.mark.parametrize("probes", range(4))
def test_coverage_is_held_to_five_points_on_both_sides(level: str, probes: int) -> None:
    nominal = float(level)
    assert law.gate(with_one(covering(probes, level, round(nominal + 0.05, 4)))).passed
    assert law.gate(with_one(covering(probes, level, round(nominal - 0.05, 4)))).passed
    assert not law.gate(with_one(covering(probes, level, round(nominal - 0.051, 4)))).passed
    if nominal < 0.94:
        assert not law.gate(with_one(covering(probes, level, round(nominal + 0.051, 4)))).passed


def test_few_groups_are_held() -> None:
    report = law.gate(evidence(*(scenario(n, groups=9) for n in range(4))))
    assert not report.passed and "9 content groups" in report.failing[-1]


def test_evidence_that_contradicts_itself_is_refused() -> None:
    plain = scenario(1)
    stated = msgspec.structs.replace(plain, coverage=plain.coverage | {"0.9": 0.93})
    twice = msgspec.structs.replace(plain, groups=[plain.groups[0]] * 20)
    missing = msgspec.structs.replace(scenario(2), groups=plain.groups)  # no linear errors
    for broken in (stated, twice, missing):
        with pytest.raises(EvidenceError):
            law.gate(with_one(broken))
    with pytest.raises(EvidenceError, match="3 probes"):
        law.gate(evidence(*(scenario(n) for n in range(3))))


def test_the_bootstrap_is_a_mean_with_its_standard_error() -> None:
    differences = np.random.default_rng(5).normal(0.4, 1.0, 200)
    lower, upper = law.bootstrap_interval(differences)
    error = 1.645 * differences.std(ddof=1) / np.sqrt(200)
    assert lower == pytest.approx(differences.mean() - error, abs=0.02)
    assert upper == pytest.approx(differences.mean() + error, abs=0.02)
    assert (lower, upper) == law.bootstrap_interval(differences)


def with_fair(gains: list[float]) -> ForecastEvidence:
    """After one probe the fair floor is off by each gain more than the model, group by group."""
    plain = scenario(1)
    groups = [
        msgspec.structs.replace(each, fair_floor=each.model + gains[index % len(gains)])
        for index, each in enumerate(plain.groups)
    ]
    return with_one(msgspec.structs.replace(plain, groups=groups))


def test_a_fair_floor_may_be_tied_with_but_not_lost_to() -> None:
    for gains, passed in (([0.5], True), ([0.5, -0.5], True), ([-0.5], False)):
        report = law.gate(with_fair(gains))
        (fair,) = [each for each in report.comparisons if each.rival == "fair_floor"]
        assert fair.passed is passed is report.passed
        assert (fair.lower > 0) is (gains == [0.5])
