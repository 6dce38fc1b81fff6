"""The two-part gate: a pure function from evidence to verdict.

An ensemble is promoted when the mean over its seeds of the mean LOSO PLCC is
at least 0.95, the seeds differ by at most 0.005, and every seed clears 0.95
alone (CONTRACTS §5, where the thresholds come from). Exactly this module
knows the thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from vqcast.documents.evidence import (
    GateReport,
    IntervalGate,
    IntervalReport,
    LosoReport,
    Verdict,
    VerdictCorpus,
)
from vqcast.errors import EvidenceError
from vqcast.evidence.loso import DRY_RUN_NOTE, SMOKE_NOTE, JudgedModel

MEAN_PLCC_MIN = 0.95
PLCC_SPREAD_MAX = 0.005
PER_SEED_PLCC_MIN = 0.95

NOMINAL_COVERAGES = (0.90, 0.80)
"""What an ensemble may claim: the first that its groups can promise and a test can measure."""
COVERAGE_SLACK = 0.05
ENCODER_COVERAGE_SLACK = 0.15
INTERVAL_GROUPS_MIN = 9

_ROUNDING = 1e-9
"""How far a stated mean may be from that of its folds: summation order, no more."""

PROMOTE = "PROMOTE"
HOLD = "HOLD"


def gate(per_seed_plccs: Mapping[int, float | None]) -> GateReport:
    """Judge the seeds' mean LOSO PLCCs. An undefined one fails every part it enters."""
    seeds = sorted(per_seed_plccs)
    plccs = [per_seed_plccs[seed] for seed in seeds]
    defined = [value for value in plccs if value is not None]
    whole = bool(defined) and len(defined) == len(plccs)
    mean = float(np.mean(defined)) if whole else None
    spread = max(defined) - min(defined) if whole else None
    failing = []
    for seed in seeds:
        value = per_seed_plccs[seed]
        if value is None or value < PER_SEED_PLCC_MIN:
            failing.append(seed)
    mean_pass = mean is not None and mean >= MEAN_PLCC_MIN
    spread_pass = spread is not None and spread <= PLCC_SPREAD_MAX
    return GateReport(
        passed=mean_pass and spread_pass and not failing,
        mean_plcc=mean,
        mean_plcc_threshold=MEAN_PLCC_MIN,
        mean_plcc_pass=mean_pass,
        plcc_spread=spread,
        plcc_spread_max=PLCC_SPREAD_MAX,
        plcc_spread_pass=spread_pass,
        per_seed_plccs={str(seed): per_seed_plccs[seed] for seed in seeds},
        per_seed_min=PER_SEED_PLCC_MIN,
        per_seed_pass=not failing,
        failing_seeds=failing,
        lowest_seed_plcc=min(defined) if whole else None,
    )


def is_earlier(report: GateReport) -> bool:
    """Whether a report is of a release that kept the lowest seed under ``per_seed_min``."""
    return report.per_seed_min != PER_SEED_PLCC_MIN


def as_stated(report: GateReport, like: GateReport) -> GateReport:
    """``report`` in the words of the release that wrote ``like``."""
    if not is_earlier(like):
        return report
    return msgspec.structs.replace(
        report, per_seed_min=report.lowest_seed_plcc, lowest_seed_plcc=None
    )


def lowest_seed(report: GateReport) -> float | None:
    """The lowest seed's mean PLCC, wherever the release that wrote the report kept it."""
    return report.per_seed_min if is_earlier(report) else report.lowest_seed_plcc


def nominal_coverage(n_groups: int) -> float | None:
    """The coverage that so many content groups let an ensemble claim; None for too few.

    Leaving one group out to measure it leaves n - 1, which promise (n - 1) / n.
    """
    if n_groups < INTERVAL_GROUPS_MIN:
        return None
    return next((level for level in NOMINAL_COVERAGES if level <= _shown(n_groups)), None)


def _shown(n_groups: int) -> float:
    """The largest coverage that can be measured with one of so many groups left out."""
    return (n_groups - 1) / n_groups + _ROUNDING


def check_evidence(reports: Mapping[int, LosoReport], model: JudgedModel) -> None:
    """Raise EvidenceError unless the reports can be judged together.

    They must be of ``model``, of every seed it has, of one corpus and one
    recipe, each mean that of its folds, and none a dry run.
    """
    absent = [seed for seed in model.seeds if seed not in reports]
    if absent:
        raise EvidenceError(
            f"no evidence for seed {', '.join(map(str, absent))} of {model.id}",
            hint=f"vqcast train --model {model.id} --seeds {','.join(map(str, absent))} "
            "--corpus FILE --out-dir DIR",
        )
    for seed, report in sorted(reports.items()):
        name = f"loso_seed{seed}.json"
        if report.seed != seed:
            raise EvidenceError(f"{name}: says it is of seed {report.seed}")
        if report.note == DRY_RUN_NOTE:
            raise EvidenceError(
                f"{name}: is a dry run, which no gate accepts",
                hint="train again without --dry-run",
            )
        if report.model not in ("", model.id):
            raise EvidenceError(f"{name}: is of model {report.model}, not {model.id}")
        plccs = [fold.plcc for fold in report.folds if fold.plcc is not None]
        whole = 0 < len(plccs) == len(report.folds)
        folds_mean = float(np.mean(plccs)) if whole else None
        if not _same(report.mean_plcc, folds_mean):
            raise EvidenceError(
                f"{name}: its mean_plcc is {report.mean_plcc}, its folds' mean is {folds_mean}",
                hint="train that seed again",
            )
        if report.num_codecs != model.num_codecs:
            raise EvidenceError(
                f"{name}: has {report.num_codecs} codec columns, not {model.num_codecs}"
            )
    for field in ("corpus_sha256", "epochs", "batch_size", "lr", "weight_decay", "hold_out"):
        values = {getattr(report, field) for report in reports.values()}
        if len(values) > 1:
            raise EvidenceError(
                f"the seeds differ in {field}: {', '.join(sorted(map(str, values)))}",
                hint="train every seed on the same corpus with the same recipe",
            )


def _same(stated: float | None, computed: float | None) -> bool:
    if stated is None or computed is None:
        return stated is computed
    return abs(stated - computed) <= _ROUNDING


def gate_intervals(report: IntervalReport) -> IntervalGate:
    """Judge a claim of coverage: measured on held-out groups, overall and in every encoder."""
    nominal = report.nominal_coverage
    overall_min, encoder_min = nominal - COVERAGE_SLACK, nominal - ENCODER_COVERAGE_SLACK
    failing = []
    groups = report.calibration.n_groups
    if groups < INTERVAL_GROUPS_MIN:
        failing.append(f"{groups} content groups calibrate, {INTERVAL_GROUPS_MIN} are needed")
    if groups and nominal > _shown(groups):
        failing.append(f"{groups} groups, one left out, can't show {nominal:.0%}")
    if not report.coverage:
        failing.append("no coverage was measured")
    lowest = {}
    for target, measured in sorted(report.coverage.items()):
        if not overall_min <= measured.overall <= 1.0:
            failing.append(f"{target} coverage {measured.overall:.3f} is below {overall_min:.2f}")
        for encoder, covered in sorted(measured.encoders.items()):
            if not encoder_min <= covered <= 1.0:
                failing.append(
                    f"{target} coverage of {encoder} {covered:.3f} is below {encoder_min:.2f}"
                )
        if measured.encoders:
            lowest[target] = min(measured.encoders, key=lambda name: measured.encoders[name])
    return IntervalGate(
        passed=not failing,
        nominal_coverage=nominal,
        n_groups=groups,
        n_groups_min=INTERVAL_GROUPS_MIN,
        coverage={target: each.overall for target, each in sorted(report.coverage.items())},
        coverage_min=overall_min,
        encoder_coverage_min=encoder_min,
        lowest_encoders=lowest,
        failing=failing,
    )


def judge(
    reports: Mapping[int, LosoReport],
    evidence: Mapping[str, str],
    model: JudgedModel,
    *,
    generated_at_utc: str,
    intervals: IntervalReport | None = None,
) -> Verdict:
    """The verdict on a model's evidence; ``evidence`` maps each file name to its sha256.

    With ``intervals`` the ensemble claims coverage, and that claim must pass too.
    Smoke evidence is judged like any other and held all the same. Raises
    EvidenceError where ``check_evidence`` does.
    """
    check_evidence(reports, model)
    report = gate({seed: loso.mean_plcc for seed, loso in reports.items()})
    any_loso = reports[min(reports)]
    smoke = any(loso.note == SMOKE_NOTE for loso in reports.values())
    claim = None if intervals is None else gate_intervals(intervals)
    if intervals is not None and intervals.corpus_sha256 != any_loso.corpus_sha256:
        raise EvidenceError("intervals.json: is of another corpus", hint="train again")
    promoted = report.passed and not smoke and (claim is None or claim.passed)
    report = msgspec.structs.replace(report, passed=promoted)
    return Verdict(
        schema_version=1,
        verdict=PROMOTE if promoted else HOLD,
        generated_at_utc=generated_at_utc,
        loso_dir=".",
        seeds=sorted(reports),
        gate=report,
        corpus=VerdictCorpus(
            present=bool(any_loso.corpus_sha256),
            path=any_loso.corpus,
            sha256=any_loso.corpus_sha256,
            n_rows=n_rows_of(reports),
            n_sources=any_loso.n_folds if any_loso.hold_out == "src" else None,
        ),
        recommendation=_recommend(report, reports, claim, smoke=smoke, model=model),
        adr="ADR-0309",
        parent_adr="ADR-0303",
        model=model.id,
        evidence=dict(sorted(evidence.items())),
        intervals=claim,
    )


def n_rows_of(reports: Mapping[int, LosoReport]) -> int | None:
    """Rows of the corpus behind the evidence: every row is held out once."""
    counts = {sum(fold.n_val for fold in report.folds) for report in reports.values()}
    return counts.pop() if len(counts) == 1 else None


def _recommend(
    report: GateReport,
    reports: Mapping[int, LosoReport],
    claim: IntervalGate | None,
    *,
    smoke: bool,
    model: JudgedModel,
) -> str:
    if smoke:
        return (
            "The evidence is of a synthetic corpus and proves the load path only; "
            "investigate diversity on real video before anything is promoted."
        )
    if report.passed:
        return (
            "All parts of the gate hold: flip seeds smoke->false with "
            f"`vqcast promote` for {model.id}; it fits and installs all of them together."
        )
    parts = []
    undefined = sorted({fold for loso in reports.values() for fold in loso.nan_folds})
    if undefined:
        parts.append(
            f"PLCC is undefined on {', '.join(undefined)} (constant or single-row sources): "
            "give these sources more qualities or leave them out"
        )
    if report.mean_plcc is not None and not report.mean_plcc_pass:
        parts.append(
            f"mean PLCC {report.mean_plcc:.4f} is below {report.mean_plcc_threshold}: "
            f"look at the worst sources ({', '.join(_worst(reports))}) and widen the corpus"
        )
    if report.plcc_spread is not None and not report.plcc_spread_pass:
        parts.append(
            f"spread {report.plcc_spread:.4f} is above {report.plcc_spread_max}: "
            "train longer or on more sources until the seeds agree"
        )
    low = [seed for seed in report.failing_seeds if report.per_seed_plccs[str(seed)] is not None]
    if low:
        figures = ", ".join(f"seed {seed}: {report.per_seed_plccs[str(seed)]:.4f}" for seed in low)
        parts.append(f"seeds under {PER_SEED_PLCC_MIN} ({figures}): compare their folds")
    if claim is not None and claim.failing:
        parts.append(f"intervals: {', '.join(claim.failing)}: build a corpus of more sources")
    return "Hold and investigate diversity: " + "; ".join(parts) + "."


def _worst(reports: Mapping[int, LosoReport], count: int = 3) -> list[str]:
    totals: dict[str, list[float]] = {}
    for loso in reports.values():
        for fold in loso.folds:
            if fold.plcc is not None:
                totals.setdefault(fold.held_out, []).append(fold.plcc)
    ranked = sorted(totals, key=lambda name: sum(totals[name]) / len(totals[name]))
    return ranked[:count]


def verdict_problems(
    verdict: Verdict,
    reports: Mapping[int, LosoReport],
    evidence: Mapping[str, str],
    model: JudgedModel,
    corpus_sha256: str,
    *,
    intervals: IntervalReport | None = None,
) -> list[str]:
    """Why ``verdict`` does not follow from the evidence on that corpus; empty where it does.

    Raises EvidenceError where the evidence can't be judged together.
    """
    problems = []
    if verdict.model != model.id:
        problems.append(f"the verdict is on {verdict.model or 'no model'}, not on {model.id}")
    if verdict.corpus.sha256 != corpus_sha256:
        problems.append("the verdict is on another corpus")
    for seed, report in sorted(reports.items()):
        if report.corpus_sha256 != corpus_sha256:
            problems.append(f"the evidence of seed {seed} is of another corpus")
        if report.note == DRY_RUN_NOTE or (report.note and verdict.verdict == PROMOTE):
            problems.append(f"the evidence of seed {seed} is a {report.note} run")
    if verdict.evidence != evidence:
        problems.append("the evidence differs from the digests that the verdict pins")
    again = judge(
        reports, evidence, model,
        generated_at_utc=verdict.generated_at_utc, intervals=intervals,
    )  # fmt: skip
    if (as_stated(again.gate, verdict.gate), again.verdict, again.intervals) != (
        verdict.gate,
        verdict.verdict,
        verdict.intervals,
    ):
        problems.append("the gate, computed again from the evidence, disagrees with the verdict")
    return problems
