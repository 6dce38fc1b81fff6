"""From out-of-fold predictions to one seed's evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.evidence import FoldReport, GroupReport, SliceReport
from vqcast.evidence.metrics import mean_or_none, plcc, rmse, srocc

Array = NDArray[np.float64]
DRY_RUN_NOTE = "dry-run"
SMOKE_NOTE = "smoke"


class JudgedModel(Protocol):
    """What the evidence says of the model that it is of."""

    @property
    def id(self) -> str:
        """The model's id."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed that must be there."""

    @property
    def num_codecs(self) -> int:
        """Columns of its codec block."""

    @property
    def vocabulary_version(self) -> int | None:
        """Of its encoder vocabulary, None where it reads no encoder."""


def fold_report(held_out: str, n_train: int, predicted: Array, measured: Array) -> FoldReport:
    """Metrics on one fold's held-out rows, both ``[n_val]``, VMAF points, unclipped."""
    return FoldReport(
        held_out=held_out,
        n_train=n_train,
        n_val=len(measured),
        plcc=plcc(predicted, measured),
        srocc=srocc(predicted, measured),
        rmse=rmse(predicted, measured),
    )


def slice_reports(names: Sequence[str], predicted: Array, measured: Array) -> list[SliceReport]:
    """Metrics of out-of-fold rows per name (an encoder, say), names sorted."""
    labels = np.array(names)
    reports = []
    for name in sorted(set(names)):
        rows = labels == name
        x, y = predicted[rows], measured[rows]
        reports.append(
            SliceReport(name=name, n=len(x), plcc=plcc(x, y), srocc=srocc(x, y), rmse=rmse(x, y))
        )
    return reports


def group_report(folds: Sequence[FoldReport]) -> GroupReport:
    """The same means over folds that hold out whole groups."""
    plccs = [fold.plcc for fold in folds]
    return GroupReport(
        n_folds=len(folds),
        folds=list(folds),
        mean_plcc=mean_or_none(plccs),
        min_plcc=None if None in plccs else min(p for p in plccs if p is not None),
        mean_srocc=mean_or_none([fold.srocc for fold in folds]),
        mean_rmse=mean_or_none([fold.rmse for fold in folds]),
    )
