"""From out-of-fold predictions to one seed's evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.evidence import FoldReport, GroupReport, LosoReport, Predictions, SliceReport
from vqcast.evidence.metrics import mean_or_none, plcc, rmse, srocc, std_or_none

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


class StatedRecipe(Protocol):
    """What the evidence says of the training (CONTRACTS §4)."""

    @property
    def epochs(self) -> int:
        """Epochs of each fit."""

    @property
    def batch_size(self) -> int:
        """Rows of a step."""

    @property
    def lr(self) -> float:
        """Learning rate."""

    @property
    def weight_decay(self) -> float:
        """L2 in the gradient."""


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


def loso_report(
    *,
    model: JudgedModel,
    recipe: StatedRecipe,
    seed: int,
    corpus: str,
    corpus_sha256: str,
    folds: Sequence[FoldReport],
    wall_time_s: float,
    hold_out: str,
    encoders: Sequence[SliceReport] = (),
    groups: GroupReport | None = None,
    predictions: Predictions | None = None,
    rows_excluded: Mapping[str, int] | None = None,
    note: str | None = None,
) -> LosoReport:
    """One seed's evidence (CONTRACTS §4). An undefined fold makes its means null."""
    plccs = [fold.plcc for fold in folds]
    defined = [value for value in plccs if value is not None]
    whole = len(defined) == len(plccs) and bool(defined)
    return LosoReport(
        seed=seed,
        corpus=corpus,
        n_folds=len(folds),
        folds=list(folds),
        mean_plcc=mean_or_none(plccs),
        std_plcc=std_or_none(plccs),
        min_plcc=min(defined) if whole else None,
        max_plcc=max(defined) if whole else None,
        mean_srocc=mean_or_none([fold.srocc for fold in folds]),
        mean_rmse=mean_or_none([fold.rmse for fold in folds]),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        num_codecs=model.num_codecs,
        encoder_vocab_version=model.vocabulary_version,
        wall_time_s=wall_time_s,
        corpus_sha256=corpus_sha256,
        model=model.id,
        hold_out=hold_out,
        nan_folds=[fold.held_out for fold in folds if fold.plcc is None or fold.srocc is None],
        encoders=list(encoders),
        groups=groups,
        predictions=predictions,
        rows_excluded=dict(rows_excluded or {}),
        note=note,
    )
