"""``vqcast evaluate``: from a registry's evidence to figures, a page, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from registry_kit import House, rows, write_corpus
from typer.testing import CliRunner, Result

from vqcast.cli.evaluate import evaluate
from vqcast.corpus.table import load
from vqcast.errors import EvidenceError, RegistryError
from vqcast.evidence import folder as evidence
from vqcast.evidence.conformal import calibrate
from vqcast.regressor.dataset import out_of_fold
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder
from vqcast.workflow.evaluate import registry_evidence


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_out_of_fold_takes_every_seed_row_by_row(house: House) -> None:
    oof = out_of_fold(registry_evidence(Folder(house.registry), ENSEMBLE), house.corpus, ENSEMBLE)
    assert (oof.n_groups, oof.n_cells, len(oof.vmaf)) == (3, 36, 360)
    column = pl.read_parquet(house.run_dir / "oof_seed3.parquet")["vmaf_hold_out_group"]
    assert np.array_equal(oof.members[3], column.to_numpy().astype(np.float64))
    assert np.array_equal(oof.vmaf, house.corpus.vmaf)


def test_calibration_names_the_evidence_and_refuses_what_three_groups_cannot(house: House) -> None:
    found = registry_evidence(Folder(house.registry), ENSEMBLE)
    made = calibrate(out_of_fold(found, house.corpus, ENSEMBLE), evidence=found.all_digests)
    assert set(made.evidence) == set(found.files)
    assert made.evidence["loso_seed0.json"] == found.digests["loso_seed0.json"]
    assert max(each.level for each in made.frame) == 0.75  # what 3 groups reach
    with pytest.raises(EvidenceError, match="out of reach"):
        made.quantile(0.9)


def test_another_corpus_is_refused(house: House, tmp_path: Path) -> None:
    other = load(write_corpus(tmp_path / "other.jsonl", rows(seed=4)))
    found = evidence.read(house.run_dir)
    with pytest.raises(EvidenceError, match="of another corpus"):
        out_of_fold(found, other, ENSEMBLE)


def test_a_registry_whose_predictions_were_touched_is_refused(house: House) -> None:
    target = house.registry / f"evidence/{ENSEMBLE.id}/oof_seed2.parquet"
    target.write_bytes(target.read_bytes() + b"x")
    with pytest.raises(RegistryError, match="oof_seed2"):
        run("--registry", house.registry, "--corpus", house.corpus_path)


def test_the_command_prints_tables_json_and_a_page(house: House, tmp_path: Path) -> None:
    page = tmp_path / "evaluation.md"
    common = ("--registry", house.registry, "--corpus", house.corpus_path)
    said = run(*common, "--markdown", page)
    assert "3 groups, 36 cells, 360 frames" in said.stdout
    assert "out of reach" in said.stdout
    text = page.read_text()
    written = f"# Intervals of {ENSEMBLE.id}\n\nThese networks are the reference for the contract"
    assert text.startswith(f"<!-- evaluation: begin -->\n\n{written}")
    assert "\n\nWritten by `vqcast evaluate " in text
    assert house.corpus.sha256 in text and str(tmp_path) not in text
    page.write_text(f"{text}\nkept\n")
    run(*common, "--markdown", page)
    assert page.read_text() == f"{text}\nkept\n"
    figures = json.loads(run(*common, "--json").stdout)
    assert figures["evaluation"]["evaluation"]["n_groups"] == 3
    assert figures["evaluation"]["shipped"]["n_rows"] == 360
