"""Predictions beside the measured scores: what needs the corpus as well as the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.evidence.conformal import Array
from vqcast.evidence.evaluation import RELIABILITY, Figures, Slice, figures_of, slices_of
from vqcast.evidence.methods import conformal_method
from vqcast.pages.subject import Subject


@dataclass(frozen=True, slots=True)
class Scatter:
    """A source's frames, the same number from every cell."""

    source: str
    n: int
    """Frames of the source."""
    measured: Array
    predicted: Array

    @property
    def drawn(self) -> int:
        """How many of them are shown."""
        return len(self.measured)

    @property
    def row(self) -> tuple[str, int, int, float, float]:
        """Source, n, drawn, mean error, largest error drawn."""
        error = self.predicted - self.measured
        return self.source, self.n, self.drawn, float(error.mean()), float(abs(error).max())


@dataclass(frozen=True, slots=True)
class ErrorBin:
    """Predicted minus measured over a range of measured VMAF, in points."""

    low: float
    high: float
    n: int
    q05: float
    median: float
    q95: float

    @property
    def row(self) -> tuple[str, int, float, float, float]:
        """Its line of a table."""
        return f"{self.low:g} to {self.high:g}", self.n, self.q05, self.median, self.q95


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """A model's out-of-group predictions against the corpus."""

    frames_a_cell: ClassVar[int] = 4
    step: ClassVar[float] = 5.0
    least_frames: ClassVar[int] = 30
    """What a scatter shows of a cell; the width of a bin of errors, and the frames it needs."""
    n: int
    scatters: list[Scatter]
    errors: list[ErrorBin]
    overall: list[Figures]
    """Reliability over levels, group by group left out; empty without a claim."""
    encoders: list[Slice]


def held_out(subject: Subject, corpus: Corpus) -> HeldOutFigures | None:
    """Join a model's predictions with its corpus; None where the corpus is another.

    Predictions are the mean of the seeds, each by networks that never saw the
    row's content group, clipped to 0..100 and not corrected.
    """
    # A report without a corpus does without the training extra.
    from vqcast.regressor.dataset import out_of_fold, trainable

    if any(report.corpus_sha256 != corpus.sha256 for report in subject.reports):
        return None
    oof = out_of_fold(subject.found, corpus, subject.model)
    kept = trainable(corpus, subject.model).corpus
    predicted = oof.mean
    overall: list[Figures] = []
    encoders: list[Slice] = []
    if subject.found.intervals is not None:
        overall = figures_of(oof, conformal_method(oof), RELIABILITY)
        encoders = [
            each
            for each in slices_of(oof, {"encoder": kept.encoder}, RELIABILITY)
            if each.kind == "encoder"
        ]
    return HeldOutFigures(
        n=len(kept),
        scatters=_scatters(np.asarray(kept.src), oof.cell, kept.vmaf, predicted),
        errors=error_bins(kept.vmaf, predicted),
        overall=overall,
        encoders=encoders,
    )


def even_rows(cell: np.ndarray, count: int) -> np.ndarray:
    """Rows ``[k]``: of every cell ``count`` rows, evenly spaced, or all where it has fewer."""
    order = np.argsort(cell, kind="stable")
    _, starts, sizes = np.unique(cell[order], return_index=True, return_counts=True)
    chosen = [
        order[start + np.unique(np.linspace(0, size - 1, min(count, size)).round().astype(int))]
        for start, size in zip(starts, sizes, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _scatters(
    src: np.ndarray, cell: np.ndarray, measured: Array, predicted: Array
) -> list[Scatter]:
    scatters = []
    for source in np.unique(src):
        rows = np.flatnonzero(src == source)
        shown = rows[even_rows(cell[rows], HeldOutFigures.frames_a_cell)]
        scatters.append(Scatter(str(source), len(rows), measured[shown], predicted[shown]))
    return scatters


def error_bins(measured: Array, predicted: Array) -> list[ErrorBin]:
    """Quantiles of the error in steps of five points of measured VMAF, small bins left out."""
    bins = []
    step = np.minimum(measured // HeldOutFigures.step, 100 / HeldOutFigures.step - 1)
    for number in np.unique(step):
        error = (predicted - measured)[step == number]
        if len(error) < HeldOutFigures.least_frames:
            continue
        low = float(number * HeldOutFigures.step)
        quantiles = np.quantile(error, (0.05, 0.5, 0.95)).tolist()
        bins.append(ErrorBin(low, low + HeldOutFigures.step, len(error), *quantiles))
    return bins
