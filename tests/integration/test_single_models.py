"""Models that are one network: judged at training time, and scaffolds below the gate."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vqcast
from vqcast.corpus.select import select
from vqcast.corpus.table import load
from vqcast.registry import law
from vqcast.serve.folder import Folder
from vqcast.vocab import AUTHORITATIVE_VERSION, VOCABULARIES

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "model" / "tiny"
V3 = "fr_regressor_v3"


def vqcast_run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vqcast.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "slice.jsonl"
    select(
        load(ROOT / "data" / "phase_a" / "per_frame_canonical6.jsonl.gz"),
        path,
        sources=["bee_flower", "car_road", "roof_pan"],
        encoders=["libx264", "libvpx-vp9"],
    )
    return path


@pytest.fixture(scope="module")
def held(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that one epoch a fold can't bring over the gate."""
    run = tmp_path_factory.mktemp("held") / "run"
    ran = vqcast_run("train", "--model", V3, "--corpus", corpus, "--out-dir", run, "--epochs", "1")
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "rows of libvpx-vp9, which has no slot in fr_regressor_v3" in ran.stderr
    assert "is a scaffold, which nothing may score with" in ran.stderr
    assert "vqcast promote" not in ran.stderr and "installs" not in ran.stderr
    return run


def test_below_the_gate_the_attempt_is_on_record_and_claims_nothing(held: Path) -> None:
    assert (held / "HOLD.json").exists()
    sidecar = json.loads((held / "export" / f"{V3}.json").read_text())
    assert sidecar["gate_passed"] is False
    assert sidecar["training"]["smoke"] is True
    assert "v3 retrain pending" in sidecar["notes"]
    assert list(sidecar["rows_excluded"]) == ["libvpx-vp9"]
    assert len(sidecar["training"]["loso_folds"]) == 3


def test_a_held_model_is_not_promoted(held: Path, corpus: Path, tmp_path: Path) -> None:
    ran = vqcast_run("promote", held, "--corpus", corpus, "--registry", tmp_path / "registry")
    assert ran.returncode == 1
    assert not (tmp_path / "registry").exists()


def test_a_scaffold_is_installed_where_nothing_stands_and_scores_nothing(
    held: Path, corpus: Path, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    ran = vqcast_run("promote", held, "--corpus", corpus, "--registry", registry, "--scaffold")
    assert ran.returncode == 0, ran.stderr
    assert law.verify(registry) == []
    (row,) = Folder(registry).registry().models
    assert row.is_smoke
    with pytest.raises(vqcast.VqcastError, match="smoke scaffold"):
        vqcast.load(V3, registry)


def test_a_scaffold_never_replaces_a_model_that_passed(
    held: Path, corpus: Path, tmp_path: Path
) -> None:
    registry = Path(shutil.copytree(SHIPPED, tmp_path / "registry"))
    before = dict(Folder(registry).files)
    ran = vqcast_run("promote", held, "--corpus", corpus, "--registry", registry, "--scaffold")
    assert ran.returncode == 2
    assert "never replaces" in ran.stderr
    assert Folder(registry).files == before


def test_promoting_v3_touches_no_file_of_v2_and_v2_stays_authoritative(
    corpus: Path, tmp_path: Path
) -> None:
    registry = Path(shutil.copytree(SHIPPED, tmp_path / "registry"))
    before = dict(Folder(registry).files)
    run = tmp_path / "run"
    ran = vqcast_run("train", "--model", V3, "--corpus", corpus, "--out-dir", run, "--epochs", "60")
    assert ran.returncode == 0, ran.stderr
    ran = vqcast_run("promote", run, "--corpus", corpus, "--registry", registry)
    assert ran.returncode == 0, ran.stderr
    after = dict(Folder(registry).files)
    assert after[f"{V3}.onnx"] != before[f"{V3}.onnx"]
    for name in before:
        if "fr_regressor_v2" in name:
            assert after[name] == before[name], name
    assert vqcast.load(registry=registry).vocabulary == list(VOCABULARIES[AUTHORITATIVE_VERSION])
    assert AUTHORITATIVE_VERSION == 2
    assert law.verify(registry) == []
