"""What a run's intervals are worth: the calibration and its measured coverage, as evidence.

Written beside an ensemble's LOSO evidence once every seed is there, from the
out-of-fold predictions alone. A corpus of too few content groups supports no
claim, and then none is made: the ensemble ships with its spread only.
"""

from __future__ import annotations

from pathlib import Path

from vqcast import documents
from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import IntervalCoverage, IntervalReport
from vqcast.durable.files import remove, write_atomic
from vqcast.evidence import folder as evidence
from vqcast.evidence.conformal import OutOfFold, calibrate
from vqcast.evidence.evaluation import figures_of, slices_of
from vqcast.evidence.gate import NOMINAL_COVERAGE
from vqcast.evidence.methods import conformal_method
from vqcast.interval import largest_level
from vqcast.regressor.dataset import out_of_fold, trainable
from vqcast.regressor.spec import Spec

TARGETS = ("frame", "pooled")


def measure(found: evidence.Evidence, corpus: Corpus, spec: Spec) -> IntervalReport | None:
    """Calibrate on an ensemble's out-of-fold predictions and measure its coverage.

    Coverage is that of groups that neither trained nor calibrated. None where
    one group left out leaves too few to support the nominal level.
    """
    kept = trainable(corpus, spec).corpus
    if largest_level(len(set(kept.group_of().values())) - 1) < NOMINAL_COVERAGE:
        return None
    oof = out_of_fold(found, corpus, spec)
    coverage = _coverage(oof, kept)
    if coverage is None:
        return None
    return IntervalReport(
        model=spec.id,
        corpus_sha256=corpus.sha256,
        nominal_coverage=NOMINAL_COVERAGE,
        calibration=calibrate(oof, evidence=found.prediction_digests),
        coverage=coverage,
    )


def _coverage(oof: OutOfFold, corpus: Corpus) -> dict[str, IntervalCoverage] | None:
    levels = (NOMINAL_COVERAGE,)
    overall = {each.target: each for each in figures_of(oof, conformal_method(oof), levels)}
    parts = [part for part in slices_of(oof, {"encoder": corpus.encoder}, levels)]
    coverage = {}
    for target in TARGETS:
        measured = overall[target].measured
        if measured is None:
            return None
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


def write(run_dir: Path, corpus: Corpus, spec: Spec) -> IntervalReport | None:
    """Measure a run folder's intervals and keep them with its evidence.

    A report of an earlier run is removed where none can be made.
    """
    path = run_dir / evidence.INTERVALS_NAME
    report = measure(evidence.read(run_dir), corpus, spec)
    if report is None:
        remove(path)
    else:
        write_atomic(path, documents.to_bytes(report))
    return report
