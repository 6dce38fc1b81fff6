"""The arms of the lift share everything but the codec block, and no fit is trained twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from studies.lift import lab as lift
from studies.lift.__main__ import lift as lift_command
from studies.lift.jobs import (
    BY_ENCODER,
    BY_GROUP,
    BY_SOURCE,
    Arm,
    Job,
    content_job,
    encoder_job,
    extra_column,
)
from studies.lift.judge import LiftReport
from studies.lift.lab import FASTEST, PERMUTED, REAL, SLOWEST, Lab
from studies.lift.page import page
from studies.lift.studies import AWARE, AWARE_V3, BASELINE, BLIND, BLIND_V3, NO_PRESET
from vqcast import documents
from vqcast.corpus import synthetic
from vqcast.corpus.frame import Frame
from vqcast.corpus.table import Corpus, load
from vqcast.documents import jsontext
from vqcast.errors import CorpusError
from vqcast.regressor.crossvalidate import Run, crossvalidate
from vqcast.regressor.dataset import trainable
from vqcast.regressor.job import Fit
from vqcast.regressor.spec import ENSEMBLE, V2, V3, Recipe
from vqcast.regressor.trainer import Trainer

ROOT = Path(__file__).parents[3]
SHORT = replace(Recipe(), epochs=2)
PRESETS = {
    "libx264": ("ultrafast", "medium", "slow"),
    "libx265": ("ultrafast", "fast", "slow"),
    "libsvtav1": ("12", "8", "5"),
}


def write(folder: Path, **changes: object) -> Path:
    """Four sources, two of which share content, three encoders at three presets each."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "corpus.jsonl"
    synthetic.write(path, sources=4, frames=4)
    lines = []
    for index, line in enumerate(path.read_bytes().splitlines()):
        row = json.loads(line)
        row["group"] = "twins" if row["src"] in ("synthetic_1", "synthetic_2") else row["src"]
        row["preset"] = PRESETS[row["encoder"]][index % 3]
        row["vmaf_v1"] = round(0.9 * row["vmaf"] + 5.0, 6)
        del row["synthetic"]
        lines.append(jsontext.dump_line(row | changes))
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """144 rows: 4 sources in 3 groups, 3 encoders, 3 presets and qualities each."""
    return load(write(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def job(corpus: Corpus) -> Job:
    """Both ways of holding out content."""
    return content_job(trainable(corpus, V2), SHORT, [BY_SOURCE, BY_GROUP])


def same(one: lift.Predicted, other: lift.Predicted) -> bool:
    ways = one.by_scheme
    return all(
        np.array_equal(ways[scheme][name][seed], other.by_scheme[scheme][name][seed])
        for scheme in ways
        for name in ways[scheme]
        for seed in ways[scheme][name]
    )


@pytest.mark.parametrize(("aware", "blind"), [(AWARE, BLIND), (AWARE_V3, BLIND_V3)])
def test_arms_share_rows_scaler_initial_weights_order_and_dropout(
    job: Job, aware: Arm, blind: Arm
) -> None:
    held = job.folds()["group:twins"]
    fit = Fit(seed=3, held_out=held.label, held_out_units=held.units)
    one, other = (Trainer(arm.columns(job), fit, SHORT) for arm in (aware, blind))
    assert np.array_equal(one.params, other.params)
    assert np.array_equal(one.rows, other.rows) and np.array_equal(one.mean, other.mean)
    assert np.array_equal(one._shuffle.state, other._shuffle.state)
    assert np.array_equal(one._drop.lanes, other._drop.lanes)


def test_a_blind_arm_sees_features_and_zeros(job: Job) -> None:
    aware, blind = AWARE.columns(job), BLIND.columns(job)
    assert np.array_equal(aware.features, blind.features)
    assert blind.codec.shape == aware.codec.shape and not blind.codec.any()
    assert BASELINE.columns(job).codec.shape == (len(job.target), 0)


def test_an_arm_without_presets_loses_only_that_column(job: Job) -> None:
    aware, fixed = AWARE.columns(job).codec, NO_PRESET.columns(job).codec
    assert len(np.unique(aware[:, -2])) > 3 and (fixed[:, -2] == 0.5).all()
    assert np.array_equal(np.delete(aware, -2, axis=1), np.delete(fixed, -2, axis=1))


def test_folds_and_digits_are_those_of_cross_validation(
    job: Job, corpus: Corpus, tmp_path: Path
) -> None:
    run = tmp_path / "evidence"
    crossvalidate(Run(trainable(corpus, ENSEMBLE), ENSEMBLE, SHORT), run, seeds=[0, 1])
    labels = [fold.label for fold in Run(trainable(corpus, ENSEMBLE), ENSEMBLE, SHORT).folds()]
    assert list(job.folds()) == labels
    trained = Lab(tmp_path / "a").predict(job, AWARE, (0, 1))
    reader = Lab(tmp_path / "b", evidence_folders=[run])
    read = reader.predict(job, AWARE, (0, 1))
    assert (trained.reused, read.reused, reader.trained) == ([], [0, 1], 0)
    assert same(trained, read)


@pytest.mark.parametrize(
    ("arm", "recipe", "corpus_changes"),
    [
        (BLIND, SHORT, {}),
        (NO_PRESET, SHORT, {}),
        (AWARE_V3, SHORT, {}),
        (AWARE, replace(SHORT, epochs=1), {}),
        (AWARE, replace(SHORT, dropout=0.2), {}),
        (AWARE, SHORT, {"extra": 1}),
    ],
)
def test_evidence_of_anything_else_is_not_reused(
    arm: Arm, recipe: Recipe, corpus_changes: dict[str, object], corpus: Corpus, tmp_path: Path
) -> None:
    run = tmp_path / "evidence"
    crossvalidate(Run(trainable(corpus, ENSEMBLE), ENSEMBLE, SHORT), run, seeds=[0])
    if corpus_changes:
        corpus = load(write(tmp_path / "other", **corpus_changes))
    other = content_job(trainable(corpus, V2), recipe, [BY_GROUP])
    lab = Lab(tmp_path / "work", evidence_folders=[run])
    assert lab.predict(other, arm, (0,)).reused == [] and lab.trained == 3


def test_another_teacher_is_another_fit_and_no_evidence(
    job: Job, corpus: Corpus, tmp_path: Path
) -> None:
    run = tmp_path / "evidence"
    crossvalidate(Run(trainable(corpus, ENSEMBLE), ENSEMBLE, SHORT), run, seeds=[0])
    target = extra_column(corpus, "vmaf_v1")
    other = replace(job, teacher="vmaf_v1", target=target)
    lab = Lab(tmp_path / "work", evidence_folders=[run])
    assert lab.predict(other, AWARE, (0,)).reused == []
    assert lab.trained == 5


def test_a_finished_fit_is_not_trained_again(job: Job, tmp_path: Path) -> None:
    first, second = Lab(tmp_path), Lab(tmp_path)
    assert same(first.predict(job, BLIND, (0, 1)), second.predict(job, BLIND, (0, 1)))
    assert (first.trained, second.trained) == (10, 0)
    third = Lab(tmp_path)
    third.predict(job, BLIND, (0, 1, 2))
    assert third.trained == 5


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_fit_that_is_not_whole_is_trained_again(
    damage: bytes | None, job: Job, tmp_path: Path
) -> None:
    whole = Lab(tmp_path).predict(job, BLIND, (0,))
    victim = sorted(tmp_path.glob("*.f32"))[0]
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    lab = Lab(tmp_path)
    assert same(whole, lab.predict(job, BLIND, (0,))) and lab.trained == 1


def test_a_run_killed_between_fits_goes_on(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = lift.write_atomic, []

    def dies(path: Path, data: bytes) -> str:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        return real(path, data)

    monkeypatch.setattr(lift, "write_atomic", dies)
    with pytest.raises(KeyboardInterrupt):
        Lab(tmp_path / "killed").predict(job, BLIND, (0,))
    monkeypatch.undo()
    lab = Lab(tmp_path / "killed")
    went_on = lab.predict(job, BLIND, (0,))
    assert lab.trained == 3
    assert same(went_on, Lab(tmp_path / "whole").predict(job, BLIND, (0,)))


def test_an_encoder_is_held_out_with_its_content(corpus: Corpus) -> None:
    job = encoder_job(trainable(corpus, V2), SHORT)
    encoder, group_of = np.array(corpus.encoder), corpus.group_of()
    group = np.array([group_of[src] for src in corpus.src])
    folds = job.schemes[BY_ENCODER]
    assert (np.sum([fold.rows for fold in folds], axis=0) == 1).all()
    assert len(folds) == 9
    for fold in folds:
        trained = ~np.isin(job.unit, fold.units)
        assert trained.any()
        assert not set(encoder[trained]) & set(encoder[fold.rows])
        assert not set(group[trained]) & set(group[fold.rows])


def test_an_encoder_can_not_be_held_out_alone(corpus: Corpus) -> None:
    rows = np.flatnonzero(np.array(corpus.encoder) == "libx264")
    with pytest.raises(CorpusError, match="fewer than two encoders"):
        encoder_job(trainable(corpus.take(rows), V2), SHORT)


def test_another_preset_at_prediction_changes_that_column_only(corpus: Corpus, job: Job) -> None:
    codec = AWARE.columns(job).codec
    ways = {name: lift._variant(codec, corpus.encoder, name) for name in (REAL, PERMUTED)}
    assert np.array_equal(ways[REAL], codec) and not np.array_equal(ways[PERMUTED], codec)
    assert np.array_equal(np.delete(ways[PERMUTED], -2, 1), np.delete(codec, -2, 1))
    encoder = np.array(corpus.encoder)
    for name in set(corpus.encoder):
        rows = encoder == name
        assert sorted(ways[PERMUTED][rows, -2]) == sorted(codec[rows, -2])
    assert (lift._variant(codec, corpus.encoder, FASTEST)[:, -2] == 0.0).all()
    assert (lift._variant(codec, corpus.encoder, SLOWEST)[:, -2] == 1.0).all()


def test_variants_differ_and_the_real_one_is_the_plain_prediction(job: Job, tmp_path: Path) -> None:
    names = (REAL, PERMUTED, FASTEST, SLOWEST)
    ways = Lab(tmp_path / "a").predict(job, AWARE, (0,), names).by_scheme[BY_GROUP]
    plain = Lab(tmp_path / "b").predict(job, AWARE, (0,)).by_scheme[BY_GROUP]
    assert np.array_equal(ways[REAL][0], plain[REAL][0])
    assert len({ways[name][0].tobytes() for name in names}) == len(names)


def test_an_extra_score_is_read_in_file_order(corpus: Corpus, tmp_path: Path) -> None:
    assert extra_column(corpus, "vmaf_v1") == pytest.approx(0.9 * corpus.vmaf + 5.0, abs=1e-5)
    with pytest.raises(CorpusError, match="no column vmaf_v9"):
        extra_column(corpus, "vmaf_v9")
    for value in (None, 101.0, "9"):
        path = write(tmp_path / str(value), vmaf_v1=value)
        with pytest.raises(CorpusError, match="row 1: vmaf_v1"):
            extra_column(load(path), "vmaf_v1")


def test_rows_without_a_slot_are_left_out_of_v3(corpus: Corpus, tmp_path: Path) -> None:
    rows = [row | {"preset": None} for row in corpus.frame.rows()]
    renamed = [row | {"encoder": row["encoder"].replace("libx265", "libvpx-vp9")} for row in rows]
    data = trainable(replace(corpus, frame=Frame.of_rows(renamed)), V3)
    job = content_job(data, SHORT, [BY_GROUP])
    values = Lab(tmp_path).predict(job, AWARE_V3, (0,)).by_scheme[BY_GROUP][REAL][0]
    assert len(values) == 96 and np.isfinite(values).all()


def test_the_shipped_page_is_the_reports() -> None:
    data = (ROOT / "data" / "phase_a" / "lift.json").read_bytes()
    report = documents.from_bytes(LiftReport, data, where="lift.json")
    assert (ROOT / "docs" / "lift.md").read_text() == page(report, "lift.json")


def test_a_page_names_the_encoders_that_were_measured(
    run_lift: Callable[..., Any], tmp_path: Path
) -> None:
    run_lift()
    page = (tmp_path / "lift.md").read_text()
    assert "- Encoders measured: libsvtav1, libx264, libx265. Nothing is known of others." in page
    shipped = (ROOT / "docs" / "lift.md").read_text()
    assert "libaom-av1" in shipped and "libaom-av1" not in page
    assert "## Does the network use the preset?" not in page  # no second corpus was given


@pytest.fixture
def run_lift(tmp_path: Path) -> Callable[..., Any]:
    """``run_lift(*options)``: the command in a folder of its own, on a small corpus."""
    app = typer.Typer()
    app.command()(lift_command)
    corpus = write(tmp_path / "phase")
    presets = write(tmp_path / "presets", note="another file")
    fixed = ["--corpus", corpus, "--out", tmp_path / "lift.json", "--work", tmp_path / "work"]
    fixed += ["--markdown", tmp_path / "lift.md", "--registry", tmp_path, "--epochs", 2]
    fixed += ["--seeds", "0,1", "--side-seeds", "0"]

    def run(*options: object) -> dict[str, object]:
        words = [str(word) for word in (*fixed, *options)]
        words = [str(presets) if word == "PRESETS" else word for word in words]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return {"text": result.output, "json": json.loads((tmp_path / "lift.json").read_bytes())}

    return run


@pytest.mark.slow
def test_the_command_reports_every_comparison_and_goes_on(
    run_lift: Callable[..., Any], tmp_path: Path
) -> None:
    first = run_lift("--presets", "PRESETS")
    report = first["json"]
    assert [study["id"] for study in report["studies"]] == [
        *("codec_by_group", "codec_by_source", "codec_against_v1", "codec_v3", "v3_against_v2"),
        *("encoders_held_out", "teacher_vmaf_v1"),
        *("presets_mixed", "preset_norm", "preset_norm_permuted"),
    ]
    studies = {study["id"]: study for study in report["studies"]}
    assert studies["codec_by_group"]["seeds"] == [0, 1] and studies["codec_v3"]["seeds"] == [0]
    assert studies["codec_by_group"]["n_folds"] == 3 and studies["codec_by_source"]["n_folds"] == 4
    assert studies["encoders_held_out"]["n_folds"] == 9
    assert studies["teacher_vmaf_v1"]["teacher"] == "vmaf_v1"
    assert report["verdict"] == studies["codec_by_group"]["verdict"]
    assert report["v3_replaces_v2"] == (studies["v3_against_v2"]["verdict"] == "lift")
    assert report["preset_use"]["permuted_mean_abs"] > 0 and report["left_out"] == {}
    assert str(tmp_path) not in json.dumps(report)
    page = (tmp_path / "lift.md").read_text()
    assert report["answer"] in page.split("\n\n")[1]
    assert "deterministic function" in page.split("\n\n")[1]
    kept = (tmp_path / "lift.json").read_bytes()
    again = run_lift("--presets", "PRESETS")
    assert "0 networks were trained" in again["text"]
    assert (tmp_path / "lift.json").read_bytes() == kept
    assert (tmp_path / "lift.md").read_text() == page


def test_what_a_corpus_does_not_allow_is_named(
    run_lift: Callable[..., Any], tmp_path: Path
) -> None:
    lines = (tmp_path / "phase" / "corpus.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        row["encoder"], row["preset"] = "libvpx-vp9", "5"
        del row["vmaf_v1"], row["group"]
    path = tmp_path / "plain.jsonl"
    path.write_bytes(b"".join(jsontext.dump_line(row) for row in rows))
    report = run_lift("--corpus", path)["json"]
    assert set(report["left_out"]) == {"v3", "encoders_held_out", "teacher_vmaf_v1", "presets"}
    assert [study["id"] for study in report["studies"]] == ["codec_by_group", "codec_against_v1"]
    assert report["v3_replaces_v2"] is None
