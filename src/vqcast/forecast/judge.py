"""The forecaster's gate: a pure function from its evidence to a verdict.

A forecaster is promoted when, on content groups that it never saw, its scores at unprobed
qualities are closer than those of the plain Gaussian conditional and of straight lines between
the probes, not further off than those of a Gaussian that sees all that it sees, and its intervals
cover what they say. Exactly this module knows the thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray

from vqcast.documents.forecast import (
    ForecastComparison,
    ForecastCoverage,
    ForecastErrors,
    ForecastEvidence,
    ForecastGate,
    ForecastScenario,
    ForecastVerdict,
)
from vqcast.errors import EvidenceError
from vqcast.evidence.metrics import group_bootstrap

MEASURE = "vmaf/mean"
PROBES = (1, 2, 3)
LEVELS = ("0.5", "0.8", "0.9", "0.95")
COVERAGE_TOLERANCE = 0.05
GROUPS_MIN = 10
RESAMPLES = 10_000
INTERVAL = 0.90
_SEED = 6
_ROUNDING = 1e-4
"""How far a stated mean may be from that of its groups: they are rounded to five digits."""


def judge(
    evidence: ForecastEvidence, digests: Mapping[str, str], *, generated_at_utc: str
) -> ForecastVerdict:
    """The verdict on a forecaster; ``digests`` maps table and evidence file to sha256.

    Raises EvidenceError where the evidence lacks a scenario or contradicts itself.
    """
    report = gate(evidence)
    return ForecastVerdict(
        verdict="PROMOTE" if report.passed else "HOLD",
        generated_at_utc=generated_at_utc,
        model=evidence.model,
        gate=report,
        corpora=evidence.corpora,
        evidence=dict(sorted(digests.items())),
        recommendation=_recommend(evidence.model, report),
    )


def gate(evidence: ForecastEvidence) -> ForecastGate:
    """Errors against the rivals', paired by group, and coverage against its nominal level."""
    scenarios = {probes: _scenario(evidence, probes) for probes in (0, *PROBES)}
    comparisons = []
    for probes in PROBES:
        comparisons.append(_compare(scenarios[probes], "gaussian_floor"))
        if probes > 1:
            comparisons.append(_compare(scenarios[probes], "linear"))
    for found in scenarios.values():
        if not any(isinstance(each.fair_floor, UnsetType) for each in found.groups):
            comparisons.append(_compare(found, "fair_floor"))
    coverage = [
        ForecastCoverage(
            probes=probes,
            nominal=float(level),
            covered=found.coverage[level],
            # One bound on either side; a coverage of 1 is within 5 points of 0.95.
            passed=abs(found.coverage[level] - float(level)) <= COVERAGE_TOLERANCE + _ROUNDING,
        )
        for probes, found in scenarios.items()
        for level in LEVELS
    ]
    groups = min(len(found.groups) for found in scenarios.values())
    failing = [
        f"{each.probes} probes: the {each.rival.replace('_', ' ')} is off by {each.rival_mae:.2f}, "
        f"the model by {each.model_mae:.2f} (difference {each.lower:+.3f} to {each.upper:+.3f})"
        for each in comparisons
        if not each.passed
    ]
    failing += [
        f"{each.probes} probes: {each.nominal:.0%} intervals cover {each.covered:.1%}"
        for each in coverage
        if not each.passed
    ]
    if groups < GROUPS_MIN:
        failing.append(f"{groups} content groups were held out, {GROUPS_MIN} are needed")
    return ForecastGate(
        passed=not failing,
        measure=MEASURE,
        n_groups=groups,
        n_groups_min=GROUPS_MIN,
        comparisons=comparisons,
        coverage=coverage,
        coverage_tolerance=COVERAGE_TOLERANCE,
        failing=failing,
    )


def _scenario(evidence: ForecastEvidence, probes: int) -> ForecastScenario:
    found = [s for s in evidence.scenarios if (s.measure, s.probes) == (MEASURE, probes)]
    if len(found) != 1:
        raise EvidenceError(
            f"forecast_evidence.json: has {len(found)} scenarios of {MEASURE} with {probes} probes",
            hint="vqcast train --model crf_forecast_v1 makes it again",
        )
    scenario = found[0]
    names = [each.group for each in scenario.groups]
    if not names or len(set(names)) != len(names):
        raise EvidenceError("forecast_evidence.json: its groups are none, or not unique")
    for level in LEVELS:
        shares = [each.covered.get(level) for each in scenario.groups]
        stated = scenario.coverage.get(level)
        known = [share for share in shares if share is not None]
        if stated is None or len(known) < len(shares) or not 0.0 <= min(known) <= max(known) <= 1.0:
            raise EvidenceError(f"forecast_evidence.json: lacks the coverage at {level}")
        if abs(float(np.mean(known)) - stated) > _ROUNDING:
            raise EvidenceError(
                f"forecast_evidence.json: coverage at {level} is not the mean of its groups'"
            )
    return scenario


def _compare(scenario: ForecastScenario, rival: str) -> ForecastComparison:
    ours = np.array([each.model for each in scenario.groups])
    theirs = np.array([_error_of(each, rival) for each in scenario.groups])
    lower, upper = bootstrap_interval(theirs - ours)
    return ForecastComparison(
        probes=scenario.probes,
        rival=rival,
        model_mae=round(float(ours.mean()), 5),
        rival_mae=round(float(theirs.mean()), 5),
        difference=round(float((theirs - ours).mean()), 5),
        lower=lower,
        upper=upper,
        passed=(upper if rival == "fair_floor" else lower) > 0.0,
    )


def _error_of(errors: ForecastErrors, rival: str) -> float:
    value = getattr(errors, rival)
    if not isinstance(value, float):
        raise EvidenceError(f"forecast_evidence.json: group {errors.group} has no {rival} error")
    return value


def bootstrap_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """90 % percentile interval of the mean of ``differences``, one a group, groups drawn again."""
    alike = np.ones(len(differences))
    lower, upper = group_bootstrap(
        differences, alike, seed=_SEED, resamples=RESAMPLES, level=INTERVAL
    )
    return round(lower, 5), round(upper, 5)


def _recommend(model: str, report: ForecastGate) -> str:
    if report.passed:
        one = report.comparisons[0]
        return (
            f"Promote {model}: after one probe it is off by {one.model_mae:.2f} VMAF on average "
            f"where the Gaussian floor is off by {one.rival_mae:.2f}."
        )
    return f"Hold {model}: {_listed(report.failing)}. Measure more sources, or more qualities."


def _listed(failing: Sequence[str], most: int = 6) -> str:
    more = f"; and {len(failing) - most} more" if len(failing) > most else ""
    return "; ".join(failing[:most]) + more
