"""What a report reads from a run folder or a registry, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vqcast.corpus.table import Corpus
from vqcast.durable.files import sha256_file
from vqcast.errors import EvidenceError, RegistryError
from vqcast.pages.heldout import HeldOutFigures, error_bins, even_rows, held_out
from vqcast.pages.subject import read_registry, read_run
from vqcast.regressor.spec import ENSEMBLE, SPECS


def test_a_registry_gives_every_model_with_a_verdict_the_ensemble_first(registry: Path) -> None:
    subjects = read_registry(registry)
    assert [subject.model.id for subject in subjects] == list(SPECS)
    for subject in subjects:
        for piece in subject.pieces.values():
            assert sha256_file(piece.path) == piece.sha256
            assert piece.path.stat().st_size == piece.n_bytes


def test_a_registry_without_networks_is_refused(registry: Path) -> None:
    with pytest.raises(EvidenceError, match="no network with a verdict") as caught:
        read_registry(registry.parent / "forecast")
    assert "vqcast registry cards" in (caught.value.hint or "")


def test_slots_count_what_the_sidecar_counts(registry: Path) -> None:
    for subject in read_registry(registry):
        sidecar = json.loads((registry / f"{subject.model.member_id(0)}.json").read_bytes())
        assert subject.slot_rows == sidecar["slot_rows"]


def test_lines_are_means_over_seeds_the_lowest_first(run_dir: Path) -> None:
    subject = read_run(run_dir)
    assert len(subject.sources) == 22 and len(subject.encoders) == 6
    plccs = [line.plcc for line in subject.sources]
    assert plccs == sorted(plccs)
    lowest = subject.sources[0]
    folds = [
        next(fold for fold in report.folds if fold.held_out == lowest.name)
        for report in subject.reports
    ]
    assert lowest.n == folds[0].n_val
    assert lowest.rmse == pytest.approx(np.mean([fold.rmse for fold in folds]))
    assert lowest.seed_plccs == tuple(fold.plcc for fold in folds)
    assert subject.verdict.gate.mean_plcc == pytest.approx(np.mean(plccs))


def test_a_source_without_a_metric_comes_first_and_stays_undefined(run_dir: Path) -> None:
    path = run_dir / "loso_seed3.json"
    report = json.loads(path.read_bytes())
    report["folds"][5]["plcc"] = None
    path.write_text(json.dumps(report))
    verdict = run_dir / "PROMOTE.json"
    pinned = json.loads(verdict.read_bytes())
    pinned["evidence"]["loso_seed3.json"] = sha256_file(path)
    verdict.write_text(json.dumps(pinned))
    first = read_run(run_dir).sources[0]
    assert first.name == report["folds"][5]["held_out"]
    assert first.plcc is None and first.srocc is not None


@pytest.mark.parametrize("what", ["absent", "no verdict", "two verdicts", "no evidence"])
def test_a_run_folder_that_says_too_little_is_refused(run_dir: Path, what: str) -> None:
    if what == "absent":
        shutil.rmtree(run_dir)
    elif what == "no verdict":
        (run_dir / "PROMOTE.json").unlink()
    elif what == "two verdicts":
        shutil.copy(run_dir / "PROMOTE.json", run_dir / "HOLD.json")
    else:
        for path in run_dir.glob("loso_seed*.json"):
            path.unlink()
    with pytest.raises(EvidenceError) as caught:
        read_run(run_dir)
    assert caught.value.hint


def test_a_verdict_on_other_evidence_is_refused(run_dir: Path) -> None:
    path = run_dir / "loso_seed1.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(EvidenceError, match="other evidence") as caught:
        read_run(run_dir)
    assert caught.value.hint == f"vqcast gate {run_dir}"


def test_a_registry_with_a_changed_file_is_refused(registry: Path, tmp_path: Path) -> None:
    copy = tmp_path / "registry"
    shutil.copytree(registry, copy)
    sidecar = copy / f"{ENSEMBLE.id}.json"
    sidecar.write_bytes(sidecar.read_bytes().replace(b"0.9", b"0.8", 1))
    with pytest.raises(RegistryError, match=sidecar.name):
        read_registry(copy)


@pytest.mark.parametrize("count", [1, 3, 4, 50])
def test_every_cell_gives_the_same_number_of_rows(count: int) -> None:
    cell = np.random.default_rng(7).permutation(np.repeat([0, 1, 2], [40, 3, 11]))
    rows = even_rows(cell, count)
    assert len(set(rows.tolist())) == len(rows)
    assert np.bincount(cell[rows]).tolist() == [min(count, size) for size in (40, 3, 11)]
    if count > 1:  # the ends of a cell are among them
        for number in range(3):
            places = np.flatnonzero(cell == number)
            assert {places[0], places[-1]} <= set(rows.tolist())


def test_errors_are_quantiles_of_what_lies_in_each_step() -> None:
    measured = np.concatenate([np.full(100, 42.0), np.full(29, 51.0), np.full(40, 100.0)])
    predicted = measured + np.concatenate([np.arange(100) / 100, np.zeros(29), np.full(40, -2.0)])
    low, top = error_bins(measured, predicted)
    assert (low.low, low.high, low.n) == (40.0, 45.0, 100)
    assert low.median == pytest.approx(0.495) and low.q05 == pytest.approx(0.0495)
    assert (top.low, top.high, top.n, top.median) == (95.0, 100.0, 40, -2.0)


def test_predictions_stand_beside_the_scores_of_their_own_rows(
    registry: Path, corpus: Corpus, joined: HeldOutFigures
) -> None:
    import polars as pl

    subject, found = read_registry(registry)[0], joined
    assert found.n == len(corpus)
    members = [
        pl.read_parquet(subject.pieces[name].path)["vmaf_hold_out_group"].to_numpy().clip(0, 100)
        for name in subject.prediction_names
    ]
    mean = np.mean(members, axis=0, dtype=np.float64)
    src, by_score = np.asarray(corpus.src), np.argsort(corpus.vmaf)
    for scatter in found.scatters:
        cells = sum(src == scatter.source for src, *_ in corpus.cells()[0])
        assert len(scatter.measured) == cells * HeldOutFigures.frames_a_cell
        rows = by_score[src[by_score] == scatter.source]
        for measured, predicted in zip(scatter.measured, scatter.predicted, strict=True):
            same = rows[corpus.vmaf[rows] == measured]
            assert np.abs(mean[same] - predicted).min() < 1e-6
    ninety = next(f for f in found.overall if f.target == "frame" and f.level == 0.9)
    stated = subject.found.intervals.coverage["frame"]
    assert ninety.measured.coverage == pytest.approx(stated.overall)
    for each in found.encoders:
        if (each.target, each.level) == ("frame", 0.9):
            assert each.measured.coverage == pytest.approx(stated.encoders[each.name])


def test_another_corpus_gives_nothing_to_compare(registry: Path, corpus: Corpus) -> None:
    from dataclasses import replace

    subject = read_registry(registry)[0]
    assert held_out(subject, replace(corpus, sha256="0" * 64)) is None
