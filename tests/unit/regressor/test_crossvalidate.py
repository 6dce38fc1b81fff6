"""Leave one source out: honest folds, figures that follow from what is kept, and resuming."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from registry_kit import rows, write_corpus
from scipy import stats

from vqcast.corpus.table import load
from vqcast.documents.evidence import LosoReport
from vqcast.errors import CorpusError, EvidenceError, InputError
from vqcast.evidence import folder as evidence
from vqcast.regressor import crossvalidate as module
from vqcast.regressor.crossvalidate import Run, crossvalidate
from vqcast.regressor.dataset import trainable
from vqcast.regressor.spec import ENSEMBLE, V1, V3, Recipe, Spec
from vqcast.watch import Watch

SHORT = replace(Recipe(), epochs=6)
GROUPS = ("beach", None, "beach")


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "c.jsonl")


@pytest.fixture(scope="module")
def grouped_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grouped")
    return write_corpus(folder / "c.jsonl", rows(groups=GROUPS))


def run_of(path: Path, family: Spec = ENSEMBLE, **changes: object) -> Run:
    return replace(Run(trainable(load(path), family), family, SHORT), **changes)


def timeless(report: LosoReport) -> LosoReport:
    return msgspec.structs.replace(report, wall_time_s=0.0)


def kept(folder: Path, seed: int) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO((folder / f"oof_seed{seed}.parquet").read_bytes()))


def test_the_figures_follow_from_the_kept_predictions(corpus_path: Path, tmp_path: Path) -> None:
    run = run_of(corpus_path)
    report = crossvalidate(run, tmp_path, seeds=[3])[3]
    corpus = run.corpus
    predicted = kept(tmp_path, 3)["vmaf_hold_out_src"].to_numpy().astype(np.float64)
    assert len(predicted) == len(corpus) and np.isfinite(predicted).all()
    source = np.array(corpus.src)
    plccs = []
    assert [fold.held_out for fold in report.folds] == sorted(set(corpus.src))
    for fold in report.folds:
        held = source == fold.held_out
        x, y = predicted[held], corpus.vmaf[held]
        assert (fold.n_val, fold.n_train) == (held.sum(), (~held).sum())
        assert fold.plcc == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
        assert fold.srocc == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
        assert fold.rmse == pytest.approx(np.sqrt(np.mean((x - y) ** 2)), abs=1e-9)
        plccs.append(fold.plcc)
    assert report.mean_plcc == pytest.approx(np.mean(plccs), abs=1e-15)
    assert report.std_plcc == pytest.approx(np.std(plccs, ddof=1), abs=1e-12)
    for each in report.encoders:
        mine = np.array(corpus.encoder) == each.name
        expected = stats.pearsonr(predicted[mine], corpus.vmaf[mine]).statistic
        assert each.plcc == pytest.approx(expected, abs=1e-9)
    assert report.corpus_sha256 == corpus.sha256 and report.corpus == "c.jsonl"
    assert evidence.read(tmp_path).reports == {3: report}
    assert not (tmp_path / ".folds").exists()


def test_sources_in_any_order_of_the_file_make_sorted_folds(tmp_path: Path) -> None:
    made = rows(sources=3, frames=6)
    names = {"clip_0": "zebra", "clip_1": "Ant", "clip_2": "ant"}
    for row in made:
        row["src"] = names[row["src"]]
    path = write_corpus(tmp_path / "c.jsonl", made)
    report = crossvalidate(run_of(path), tmp_path / "run", seeds=[0])[0]
    assert [fold.held_out for fold in report.folds] == ["Ant", "ant", "zebra"]


def test_a_seed_alone_is_the_seed_among_others(corpus_path: Path, tmp_path: Path) -> None:
    together = crossvalidate(
        run_of(corpus_path), tmp_path / "all", seeds=[0, 1, 2], watch=Watch(workers=2)
    )
    alone = crossvalidate(run_of(corpus_path), tmp_path / "one", seeds=[1], watch=Watch(workers=1))
    assert timeless(together[1]) == timeless(alone[1])
    one, two = (tmp_path / name / "oof_seed1.parquet" for name in ("all", "one"))
    assert one.read_bytes() == two.read_bytes()
    assert together[0].mean_plcc != together[1].mean_plcc


def test_a_held_out_source_teaches_its_own_fold_nothing(tmp_path: Path) -> None:
    made = rows(frames=6)
    one = write_corpus(tmp_path / "one" / "c.jsonl", made)
    for row in made:
        if row["src"] == "clip_1":
            row["vmaf"] = 100.0 - row["vmaf"]
    two = write_corpus(tmp_path / "two" / "c.jsonl", made)
    for path in (one, two):
        crossvalidate(run_of(path), path.parent / "run", seeds=[0])
    held = np.array(load(one).src) == "clip_1"
    first, second = (
        kept(path.parent / "run", 0)["vmaf_hold_out_src"].to_numpy() for path in (one, two)
    )
    assert np.array_equal(first[held], second[held])
    assert not np.array_equal(first[~held], second[~held])


def test_groups_are_held_out_whole_and_both_figures_reported(
    grouped_path: Path, tmp_path: Path
) -> None:
    run = run_of(grouped_path)
    by_src = crossvalidate(run, tmp_path / "src", seeds=[0])[0]
    assert [fold.held_out for fold in by_src.folds] == ["clip_0", "clip_1", "clip_2"]
    assert by_src.groups is not None
    assert [fold.held_out for fold in by_src.groups.folds] == ["beach", "clip_1"]
    beach, alone = by_src.groups.folds
    assert (beach.n_train, beach.n_val) == (120, 240)
    assert alone == by_src.folds[1]  # a group of one source is that source's own fold
    table = kept(tmp_path / "src", 0)
    held = np.array([group == "beach" for group in run.corpus.group])
    whole = table["vmaf_hold_out_group"].to_numpy().astype(np.float64)
    expected = stats.pearsonr(whole[held], run.corpus.vmaf[held]).statistic
    assert beach.plcc == pytest.approx(expected, abs=1e-9)
    assert not np.array_equal(whole[held], table["vmaf_hold_out_src"].to_numpy()[held])

    by_group = crossvalidate(replace(run, hold_out="group"), tmp_path / "group", seeds=[0])[0]
    assert by_group.folds == by_src.groups.folds
    assert by_group.mean_plcc == by_src.groups.mean_plcc
    assert by_group.hold_out == "group" and by_group.n_folds == 2


def test_without_groups_there_is_no_group_figure(corpus_path: Path, tmp_path: Path) -> None:
    assert crossvalidate(run_of(corpus_path), tmp_path, seeds=[0])[0].groups is None


def count_fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = module.train

    def counting(columns: Any, fits: Any, *arguments: Any, **options: Any) -> Any:
        seen.extend(f"{fit.seed}/{fit.held_out}" for fit in fits)
        return real(columns, fits, *arguments, **options)

    monkeypatch.setattr(module, "train", counting)
    return seen


def test_finished_seeds_are_not_trained_again(
    corpus_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crossvalidate(run_of(corpus_path), tmp_path, seeds=[0, 1])
    seen = count_fits(monkeypatch)
    again = crossvalidate(run_of(corpus_path), tmp_path, seeds=[0, 1, 2])
    assert again[0] == first[0] and again[1] == first[1]
    assert seen == ["2/clip_0", "2/clip_1", "2/clip_2"]


def test_a_seed_named_twice_is_trained_once(corpus_path: Path, tmp_path: Path) -> None:
    assert set(crossvalidate(run_of(corpus_path), tmp_path, seeds=[0, 0])) == {0}


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_a_seed_without_its_predictions_is_made_again(
    corpus_path: Path, tmp_path: Path, damage: str
) -> None:
    first = crossvalidate(run_of(corpus_path), tmp_path, seeds=[0])[0]
    table = tmp_path / "oof_seed0.parquet"
    whole = table.read_bytes()
    table.unlink()
    if damage == "torn":
        table.write_bytes(whole[:-9])
    again = crossvalidate(run_of(corpus_path), tmp_path, seeds=[0])[0]
    assert timeless(again) == timeless(first) and table.read_bytes() == whole


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
from vqcast.corpus.table import load
from vqcast.regressor.spec import ENSEMBLE, Recipe
from vqcast.regressor.crossvalidate import Run, crossvalidate
from vqcast.regressor.dataset import trainable
from vqcast.watch import Watch
corpus = load(Path(sys.argv[1]))
run = Run(trainable(corpus, ENSEMBLE), ENSEMBLE, replace(Recipe(), epochs=int(sys.argv[3])))
crossvalidate(run, Path(sys.argv[2]), seeds=[0, 1], watch=Watch(workers=1))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_evidence(
    corpus_path: Path,
    tmp_path: Path,
    python_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = replace(Recipe(), epochs=400)
    run = run_of(corpus_path, recipe=recipe)
    whole = crossvalidate(run, tmp_path / "whole", seeds=[0, 1])
    out = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(corpus_path), str(out), "400"], env=python_environment
    )
    until = time.monotonic() + 60
    while len(list(out.glob(".folds/*.f32"))) < 2 and not (out / "loso_seed0.json").exists():
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in out.glob(".folds/*.f32")}
    done = {seed for seed in (0, 1) if (out / f"loso_seed{seed}.json").exists()}
    seen = count_fits(monkeypatch)
    resumed = crossvalidate(run, out, seeds=[0, 1])
    assert len(seen) <= 6 - len(before) and not {f"{s}/clip_0" for s in done} & set(seen)
    assert {s: timeless(r) for s, r in resumed.items()} == {
        s: timeless(r) for s, r in whole.items()
    }
    for seed in (0, 1):
        name = f"oof_seed{seed}.parquet"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_damaged_checkpoint_is_trained_again(
    corpus_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(corpus_path)
    whole = crossvalidate(run, tmp_path / "whole", seeds=[0])[0]

    def stop(out: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(evidence, "write_report", lambda *_: (_ for _ in ()).throw(RuntimeError))
            with pytest.raises(RuntimeError):
                crossvalidate(run, out, seeds=[0], watch=Watch(workers=1))

    stop(tmp_path / "cut")
    checkpoints = sorted((tmp_path / "cut" / ".folds").iterdir())
    assert len(checkpoints) == 3
    damaged = bytearray(checkpoints[0].read_bytes())
    damaged[-1] ^= 1
    checkpoints[0].write_bytes(damaged)
    checkpoints[1].write_bytes(checkpoints[1].read_bytes()[:-4])
    seen = count_fits(monkeypatch)
    again = crossvalidate(run, tmp_path / "cut", seeds=[0])[0]
    assert len(seen) == 2 and timeless(again) == timeless(whole)


@pytest.mark.parametrize("what", ["corpus", "recipe", "hold_out"])
def test_evidence_of_another_run_is_refused_and_kept(
    corpus_path: Path, tmp_path: Path, what: str
) -> None:
    run = run_of(corpus_path)
    crossvalidate(run, tmp_path, seeds=[0])
    before = (tmp_path / "loso_seed0.json").read_bytes()
    other = {
        "corpus": {"data": run_of(write_corpus(tmp_path / "d.jsonl", rows(seed=9))).data},
        "recipe": {"recipe": replace(SHORT, epochs=7)},
        "hold_out": {"hold_out": "group"},
    }[what]
    with pytest.raises(EvidenceError, match=r"loso_seed0\.json: is evidence of another run"):
        crossvalidate(replace(run, **other), tmp_path, seeds=[0])
    assert (tmp_path / "loso_seed0.json").read_bytes() == before


def test_a_dry_run_is_marked_and_never_counts_as_finished(
    corpus_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = run_of(corpus_path, note="dry-run", recipe=replace(Recipe(), epochs=1))
    assert crossvalidate(dry, tmp_path, seeds=[0])[0].note == "dry-run"
    assert json.loads((tmp_path / "loso_seed0.json").read_bytes())["note"] == "dry-run"
    seen = count_fits(monkeypatch)
    real = crossvalidate(run_of(corpus_path), tmp_path, seeds=[0])[0]
    assert real.note is None and len(seen) == 3
    assert "note" not in json.loads((tmp_path / "loso_seed0.json").read_bytes())


def test_one_source_can_not_be_held_out(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "c.jsonl", rows(sources=1))
    with pytest.raises(InputError, match="one source"):
        crossvalidate(run_of(path), tmp_path / "run", seeds=[0])


def test_an_unknown_way_to_hold_out_is_refused(corpus_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't hold out by 'frame'"):
        crossvalidate(run_of(corpus_path, hold_out="frame"), tmp_path, seeds=[0])


def test_a_constant_source_is_null_and_named(tmp_path: Path) -> None:
    made = rows(frames=6)
    for row in made:
        if row["src"] == "clip_2":
            row["vmaf"] = 50.0
    path = write_corpus(tmp_path / "c.jsonl", made)
    report = crossvalidate(run_of(path), tmp_path / "run", seeds=[0])[0]
    assert report.nan_folds == ["clip_2"] and report.mean_plcc is None
    assert report.folds[2].plcc is None and report.folds[0].plcc is not None


def test_a_codec_blind_family_does_not_see_the_encoder(tmp_path: Path) -> None:
    made = rows(frames=6)
    one = write_corpus(tmp_path / "one" / "c.jsonl", made)
    for row in made:
        row["encoder"] = "libx264"
        row["cq"] = 20 + row["cq"] % 2
        row["preset"] = "fast"
    two = write_corpus(tmp_path / "two" / "c.jsonl", made)
    first, second = (
        crossvalidate(run_of(path, family=V1), path.parent / "run", seeds=[0])[0]
        for path in (one, two)
    )
    assert first.folds == second.folds
    assert first.num_codecs == 0 and first.encoder_vocab_version is None


def test_rows_outside_version_3_are_left_out_and_counted(tmp_path: Path) -> None:
    made = rows(frames=6, encoders=("libx264", "libvpx-vp9"))
    path = write_corpus(tmp_path / "c.jsonl", made)
    report = crossvalidate(run_of(path, family=V3), tmp_path / "run", seeds=[0])[0]
    assert report.rows_excluded == {"libvpx-vp9": 72}
    assert sum(fold.n_val for fold in report.folds) == 72
    assert [each.name for each in report.encoders] == ["libx264"]
    only = write_corpus(tmp_path / "d.jsonl", rows(encoders=("libvpx-vp9",)))
    with pytest.raises(CorpusError, match="no slot"):
        crossvalidate(run_of(only, family=V3), tmp_path / "other", seeds=[0])
