"""A run folder's evidence and verdict: what is read back is what was written, or refused."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from vqcast import documents
from vqcast.documents.evidence import FoldReport, LosoReport, Predictions, Verdict
from vqcast.durable.files import sha256_bytes
from vqcast.errors import DocumentError, EvidenceError, InputError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import judge
from vqcast.evidence.loso import loso_report
from vqcast.regressor.spec import ENSEMBLE, Recipe

TABLE = b"PAR1 stands for any bytes PAR1"


def report(seed: int, *, plcc: float = 0.99, predictions: bool = True) -> LosoReport:
    fold = FoldReport(held_out="clip", n_train=9, n_val=9, plcc=plcc, srocc=plcc, rmse=1.0)
    pinned = Predictions(path=evidence.predictions_name(seed), sha256=sha256_bytes(TABLE), n_rows=9)
    return loso_report(
        model=ENSEMBLE, recipe=Recipe(), seed=seed, corpus="c.jsonl", corpus_sha256="0" * 64,
        folds=[fold], wall_time_s=1.0, hold_out="src", predictions=pinned if predictions else None,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in ENSEMBLE.seeds:
        evidence.write_report(tmp_path / "run", report(seed), TABLE)
    return tmp_path / "run"


def verdict_of(folder: Path, **changes: object) -> Verdict:
    found = evidence.read(folder)
    made = judge(found.reports, found.digests, ENSEMBLE, generated_at_utc="2026-01-01T00:00:00Z")
    return msgspec.structs.replace(made, **changes)


def test_what_is_written_is_read_back(folder: Path) -> None:
    found = evidence.read(folder)
    assert found.reports == {seed: report(seed) for seed in ENSEMBLE.seeds}
    assert set(found.files) == {path.name for path in folder.iterdir()}
    for name, data in found.files.items():
        assert data == (folder / name).read_bytes()
    assert found.digests == {
        f"loso_seed{seed}.json": sha256_bytes((folder / f"loso_seed{seed}.json").read_bytes())
        for seed in ENSEMBLE.seeds
    }


def test_other_files_in_the_folder_are_no_evidence(folder: Path) -> None:
    for name in ("loso_seed0.json.bak", "train_seed0.log", "oof_seed9.parquet"):
        (folder / name).write_bytes(b"x")
    assert set(evidence.read(folder).reports) == set(ENSEMBLE.seeds)
    assert "oof_seed9.parquet" not in evidence.read(folder).files


@pytest.mark.parametrize("at", range(len(TABLE)))
def test_a_flipped_bit_in_the_predictions_is_refused(folder: Path, at: int) -> None:
    damaged = bytearray(TABLE)
    damaged[at] ^= 1 << at % 8
    (folder / "oof_seed2.parquet").write_bytes(damaged)
    with pytest.raises(EvidenceError, match=r"oof_seed2\.parquet: differs"):
        evidence.read(folder)


def test_missing_predictions_are_refused(folder: Path) -> None:
    (folder / "oof_seed1.parquet").unlink()
    with pytest.raises(EvidenceError, match=r"oof_seed1\.parquet is missing"):
        evidence.read(folder)


@pytest.mark.parametrize("path", ["oof_seed0.parquet", "../oof_seed3.parquet", "/etc/passwd"])
def test_predictions_under_another_name_are_refused(folder: Path, path: str) -> None:
    made = report(3)
    pinned = msgspec.structs.replace(made.predictions, path=path)
    changed = msgspec.structs.replace(made, predictions=pinned)
    (folder / "loso_seed3.json").write_bytes(documents.to_bytes(changed))
    with pytest.raises(EvidenceError, match="seed3"):
        evidence.read(folder)


def test_a_report_under_another_seeds_name_is_refused(folder: Path) -> None:
    (folder / "loso_seed4.json").write_bytes((folder / "loso_seed3.json").read_bytes())
    with pytest.raises(EvidenceError, match="says it is of seed 3"):
        evidence.read(folder)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"seed": 0}', b'{"seed": NaN}', b"\xff\xfe", b'{"a":1,"a":2}']
)
def test_a_damaged_report_is_refused_by_name(folder: Path, data: bytes) -> None:
    (folder / "loso_seed0.json").write_bytes(data)
    with pytest.raises(DocumentError, match=r"loso_seed0\.json"):
        evidence.read(folder)


def test_every_truncation_of_a_report_is_refused(folder: Path) -> None:
    path = folder / "loso_seed0.json"
    whole = path.read_bytes()
    for length in range(len(whole) - 2):  # the last two bytes are "}\n"
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            evidence.read(folder)


def test_no_folder_and_no_evidence_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no such run folder") as caught:
        evidence.read(tmp_path / "absent")
    assert caught.value.hint == "vqcast train --help"
    with pytest.raises(EvidenceError, match="holds no loso_seed"):
        evidence.read(tmp_path)


def test_a_report_that_is_a_fifo_does_not_hang(folder: Path) -> None:
    (folder / "loso_seed0.json").unlink()
    os.mkfifo(folder / "loso_seed0.json")
    with pytest.raises(InputError, match="not a regular file"):
        evidence.read(folder)


def test_writing_one_verdict_removes_the_other(folder: Path) -> None:
    promote, hold = verdict_of(folder), verdict_of(folder, verdict="HOLD")
    for verdict in (promote, hold, promote, promote):
        path = evidence.write_verdict(folder, verdict)
        assert path.name == f"{verdict.verdict}.json"
        assert {p.name for p in folder.glob("*[A-Z].json")} == {path.name}
        assert evidence.read_verdict(Verdict, folder) == (verdict, path.read_bytes())


def test_both_verdicts_at_once_are_refused(folder: Path) -> None:
    for name in ("PROMOTE", "HOLD"):
        data = documents.to_bytes(verdict_of(folder, verdict=name))
        (folder / f"{name}.json").write_bytes(data)
    with pytest.raises(EvidenceError, match=r"both PROMOTE\.json and HOLD\.json"):
        evidence.read_verdict(Verdict, folder)


def test_no_verdict_names_the_gate(folder: Path) -> None:
    with pytest.raises(EvidenceError, match="has no verdict") as caught:
        evidence.read_verdict(Verdict, folder)
    assert caught.value.hint == f"vqcast gate {folder}"


def test_a_hold_renamed_to_promote_is_refused(folder: Path) -> None:
    (folder / "PROMOTE.json").write_bytes(documents.to_bytes(verdict_of(folder, verdict="HOLD")))
    with pytest.raises(EvidenceError, match="its verdict is 'HOLD'"):
        evidence.read_verdict(Verdict, folder)
