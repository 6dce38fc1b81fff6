"""Bad input ends in one sentence and exit code 2, and nothing is half-written."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_kit import Refusal, Vqcast
from registry_kit import House, rows, write_corpus

NUMBERS = ("vmaf", "cq", "adm2", "motion2")


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "12", True])
def test_a_corpus_with_a_number_that_is_none(
    refusal: Refusal, tmp_path: Path, key: str, value: Any
) -> None:
    made = rows()
    made[41][key] = value
    path = write_corpus(tmp_path / "c.jsonl", made)
    sentence = refusal("train", "--corpus", path, "--out-dir", tmp_path / "run")
    assert "row 42" in sentence and key in sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["absent", "folder", "empty", "binary", "cut gzip"])
def test_what_is_no_corpus(refusal: Refusal, tmp_path: Path, what: str) -> None:
    path = tmp_path / "c.jsonl"
    if what == "folder":
        path.mkdir()
    elif what != "absent":
        data = {"empty": b"", "binary": bytes(range(256)), "cut gzip": b"\x1f\x8b\x08\x00abc"}
        path.write_bytes(data[what])
    for words in (
        ("corpus", "check", path),
        ("train", "--corpus", path, "--out-dir", tmp_path / "run"),
    ):
        assert str(path) in refusal(*words)


def test_all_missing_columns_are_named_at_once(refusal: Refusal, tmp_path: Path) -> None:
    made = rows()
    for row in made:
        del row["motion2"], row["encoder"]
    sentence = refusal("corpus", "check", write_corpus(tmp_path / "c.jsonl", made))
    assert "motion2" in sentence and "encoder" in sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0,x"], "--seeds"),
        (["--seeds", "7"], "has no seed 7"),
        (["--model", "fr_regressor_v9"], "no model family 'fr_regressor_v9'"),
        (["--hold-out", "frame"], "can't hold out by 'frame'"),
    ],
)
def test_a_bad_choice_of_training(
    refusal: Refusal, chain: House, tmp_path: Path, words: list[str], said: str
) -> None:
    out = tmp_path / "run"
    assert said in refusal("train", "--corpus", chain.corpus_path, "--out-dir", out, *words)
    assert not list(out.glob("loso_*"))


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--epochs", "x"], ["--workers", "0"]])
def test_a_bad_number_is_refused_by_its_option(
    vqcast: Vqcast, chain: House, tmp_path: Path, words: list[str]
) -> None:
    done = vqcast("train", "--corpus", chain.corpus_path, "--out-dir", tmp_path, *words, code=2)
    assert words[0] in done.stderr


@pytest.mark.parametrize("what", ["absent", "file", "empty"])
def test_a_gate_without_evidence(refusal: Refusal, tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_bytes(b"{}")
    if what == "empty":
        path.mkdir()
    assert str(path) in refusal("gate", path)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("missing", range(5))
def test_a_gate_with_a_seed_missing(
    refusal: Refusal, chain: House, tmp_path: Path, missing: int
) -> None:
    run = Path(shutil.copytree(chain.run_dir, tmp_path / "run"))
    (run / "PROMOTE.json").unlink()
    (run / f"loso_seed{missing}.json").unlink()
    assert f"seed {missing}" in refusal("gate", run)
    assert not list(run.glob("*[A-Z].json"))


def test_evidence_cut_short(refusal: Refusal, chain: House, tmp_path: Path) -> None:
    run = Path(shutil.copytree(chain.run_dir, tmp_path / "run"))
    path = run / "loso_seed1.json"
    path.write_bytes(path.read_bytes()[:200])
    assert "loso_seed1.json" in refusal("gate", run)


def test_a_registry_with_a_wrong_digest(refusal: Refusal, chain: House, tmp_path: Path) -> None:
    registry = Path(shutil.copytree(chain.registry, tmp_path / "registry"))
    onnx = sorted(registry.glob("*.onnx"))[0]
    data = bytearray(onnx.read_bytes())
    data[len(data) // 2] ^= 1
    onnx.write_bytes(data)
    words = ("--corpus", chain.corpus_path, "--registry", registry)
    assert f"{onnx.name}: differs" in refusal("promote", chain.run_dir, *words)
    assert f"{onnx.name}: differs" in refusal("predict", "a", "b", "--registry", registry)


def test_places_that_can_not_be_written(refusal: Refusal, chain: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file" / "x", Path("/proc/vqcast/x")):
        words = ("--corpus", chain.corpus_path)
        refusal("train", *words, "--out-dir", place, "--epochs", 1)
        refusal("promote", chain.run_dir, *words, "--registry", place)
    assert (tmp_path / "file").read_bytes() == b""


def test_rebuilding_needs_a_corpus(refusal: Refusal, chain: House) -> None:
    sentence = refusal("registry", "verify", chain.registry, "--rebuild")
    assert sentence == "--rebuild needs the corpus"


def test_a_verdict_edited_by_hand(refusal: Refusal, chain: House, tmp_path: Path) -> None:
    run = Path(shutil.copytree(chain.run_dir, tmp_path / "run"))
    verdict = json.loads((run / "PROMOTE.json").read_bytes())
    del verdict["model"]
    (run / "PROMOTE.json").write_text(json.dumps(verdict))
    words = ("--corpus", chain.corpus_path, "--registry", tmp_path / "registry")
    assert "model" in refusal("promote", run, *words)
