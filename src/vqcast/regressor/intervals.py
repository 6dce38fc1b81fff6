"""What a run's intervals are worth: the calibration and its measured coverage, as evidence.

Written beside an ensemble's LOSO evidence once every seed is there, from the
out-of-fold predictions alone, and from the refits without each preset and
encoder where they were made. A corpus of too few content groups supports no
claim, and then none is made: the ensemble ships with its spread only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vqcast import documents
from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import IntervalCoverage, IntervalReport, UnseenReport
from vqcast.durable.files import remove, write_atomic
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence.conformal import OutOfFold, calibrate, sigma_quantile
from vqcast.evidence.evaluation import figures_of, slices_of
from vqcast.evidence.gate import NOMINAL_COVERAGES, nominal_coverage
from vqcast.evidence.methods import conformal_method
from vqcast.interval import close
from vqcast.regressor import unseen
from vqcast.regressor.dataset import out_of_fold, trainable
from vqcast.regressor.spec import Spec

TARGETS = ("frame", "pooled")


@dataclass(frozen=True, slots=True)
class MeasuredIntervals:
    """An ensemble's intervals, and what lies outside its training; both None without a claim."""

    intervals: IntervalReport | None = None
    unseen: UnseenReport | None = None


def measure(found: evidence.Evidence, corpus: Corpus, spec: Spec) -> MeasuredIntervals:
    """Calibrate on an ensemble's out-of-fold predictions and measure its coverage.

    Coverage is that of groups that neither trained nor calibrated, at the level
    that the groups can promise and one left out can show.
    """
    data = trainable(corpus, spec)
    level = nominal_coverage(len(set(data.corpus.group_of().values())))
    if level is None:
        return MeasuredIntervals()
    oof = out_of_fold(found, corpus, spec)
    calibration = calibrate(oof, evidence=found.prediction_digests)
    report = None
    table = found.files.get(evidence.UNSEEN_TABLE)
    if table is not None:
        report = unseen.report(table, oof, calibration, data, spec, level)
        slot, preset = report.encoder_factor, report.preset_factor
        calibration = replace(
            calibration,
            unseen_slot_factor=calibration.unseen_slot_factor if slot is None else slot,
            unseen_preset_factor=calibration.unseen_preset_factor if preset is None else preset,
            factors_measured=slot is not None and preset is not None,
        )
    sigma, sigma_covered = sigma_quantile(oof, level)
    return MeasuredIntervals(
        IntervalReport(
            model=spec.id,
            corpus_sha256=corpus.sha256,
            nominal_coverage=level,
            calibration=calibration,
            coverage=_coverage(oof, data.corpus, level),
            asked_coverage=NOMINAL_COVERAGES[0],
            sigma_quantile=sigma,
            sigma_coverage=sigma_covered,
        ),
        report,
    )


def _coverage(oof: OutOfFold, corpus: Corpus, level: float) -> dict[str, IntervalCoverage]:
    overall = {each.target: each for each in figures_of(oof, conformal_method(oof), (level,))}
    parts = slices_of(oof, {"encoder": corpus.encoder}, (level,))
    coverage = {}
    for target in TARGETS:
        measured = overall[target].measured
        assert measured is not None  # the level is one that leaving a group out can show
        coverage[target] = IntervalCoverage(
            overall=measured.coverage,
            mean_width=measured.width,
            encoders={
                part.name: part.measured.coverage
                for part in parts
                if part.kind == "encoder" and part.target == target
            },
        )
    return coverage


def write(run_dir: Path, corpus: Corpus, spec: Spec) -> MeasuredIntervals:
    """Measure a run folder's intervals and keep them with its evidence.

    A report of an earlier run is removed where none can be made.
    """
    for name in (evidence.INTERVALS_NAME, evidence.UNSEEN_NAME):
        remove(run_dir / name)
    made = measure(evidence.read(run_dir), corpus, spec)
    if made.unseen is not None:
        write_atomic(run_dir / evidence.UNSEEN_NAME, documents.to_bytes(made.unseen))
    if made.intervals is not None:
        write_atomic(run_dir / evidence.INTERVALS_NAME, documents.to_bytes(made.intervals))
    return made


def require_same(found: evidence.Evidence, corpus: Corpus, spec: Spec) -> None:
    """Raise EvidenceError unless the intervals are what predictions and corpus give."""
    stated = found.intervals
    if stated is None:
        return
    again = measure(found, corpus, spec)
    made = again.intervals
    same = (
        made is not None
        and close(made.calibration, stated.calibration)
        and made.nominal_coverage == stated.nominal_coverage
        and abs((made.sigma_quantile or 0.0) - (stated.sigma_quantile or 0.0)) < 1e-6
        and (again.unseen is None) == (found.unseen is None)
    )
    if not same:
        raise EvidenceError(
            f"{evidence.INTERVALS_NAME}: is not what its predictions and corpus give",
            hint="train again: finished seeds are not repeated",
        )
