"""From out-of-fold predictions to one seed's report."""

from __future__ import annotations

import numpy as np
import pytest

from vqcast import documents
from vqcast.documents.evidence import FoldReport, LosoReport
from vqcast.evidence import gate, loso
from vqcast.regressor.spec import ENSEMBLE, Recipe

CONTRACT_KEYS = {
    *("seed", "corpus", "n_folds", "folds", "mean_plcc", "std_plcc", "min_plcc", "max_plcc"),
    *("mean_srocc", "mean_rmse", "epochs", "batch_size", "lr", "weight_decay", "num_codecs"),
    *("encoder_vocab_version", "wall_time_s"),
}


def fold(name: str, plcc: float | None, rmse: float = 1.0) -> FoldReport:
    return FoldReport(held_out=name, n_train=20, n_val=10, plcc=plcc, srocc=plcc, rmse=rmse)


def report(*folds: FoldReport, **changes: object) -> LosoReport:
    fields = {"corpus": "c.jsonl", "corpus_sha256": "0" * 64, "wall_time_s": 1.0} | changes
    return loso.loso_report(
        model=ENSEMBLE, recipe=Recipe(), seed=0, folds=folds, hold_out="src", **fields
    )


def test_the_means_are_over_folds_and_the_deviation_has_ddof_1() -> None:
    made = report(fold("a", 0.9, 1.0), fold("b", 1.0, 3.0))
    assert made.mean_plcc == pytest.approx(0.95)
    assert made.std_plcc == pytest.approx(np.std([0.9, 1.0], ddof=1))
    assert (made.min_plcc, made.max_plcc, made.mean_rmse) == (0.9, 1.0, 2.0)
    assert made.n_folds == 2


def test_an_undefined_fold_makes_every_mean_null_and_is_named() -> None:
    made = report(fold("good", 0.9), fold("flat", None))
    assert made.nan_folds == ["flat"]
    assert made.mean_plcc is made.std_plcc is made.min_plcc is made.max_plcc is None
    assert made.mean_srocc is None
    assert made.mean_rmse == 1.0


def test_the_document_has_the_contracts_keys() -> None:
    plain = documents.to_dict(report(fold("a", 0.9)))
    assert set(plain) >= CONTRACT_KEYS | {"corpus_sha256"}
    assert "note" not in plain
    assert documents.to_dict(report(fold("a", 0.9), note=loso.DRY_RUN_NOTE))["note"] == "dry-run"
    assert plain["num_codecs"] == 14 and plain["encoder_vocab_version"] == 2
    keys = {"held_out", "n_train", "n_val", "plcc", "srocc", "rmse"}
    assert set(plain["folds"][0]) == keys


def test_a_null_mean_is_written_as_null_not_left_out() -> None:
    plain = documents.to_dict(report(fold("flat", None)))
    assert plain["mean_plcc"] is None and plain["folds"][0]["plcc"] is None


def test_a_fold_report_counts_its_own_rows() -> None:
    made = loso.fold_report("x", 7, np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert (made.held_out, made.n_train, made.n_val) == ("x", 7, 3)
    assert made.srocc == pytest.approx(1.0, abs=1e-15)


def test_slices_are_sorted_and_hold_their_own_rows_only() -> None:
    names = ["x265", "x264", "x265", "x264", "x264"]
    predicted = np.array([1.0, 5.0, 2.0, 6.0, 8.0])
    measured = np.array([1.0, 5.0, 2.0, 6.0, 7.0])
    first, second = loso.slice_reports(names, predicted, measured)
    assert (first.name, first.n, second.name, second.n) == ("x264", 3, "x265", 2)
    assert second.rmse == 0.0 and first.rmse == pytest.approx(np.sqrt(1 / 3))


def test_rows_are_counted_where_the_seeds_agree() -> None:
    one, two = report(fold("a", 0.9)), report(fold("a", 0.9), fold("b", 0.9))
    assert gate.n_rows_of({0: one, 1: one}) == 10
    assert gate.n_rows_of({0: one, 1: two}) is None
