"""Promotion: what ships is what the verdict speaks for, and a refusal changes nothing."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from registry_kit import (
    MANIFEST,
    MEMBER,
    PREFIX,
    PRESETS,
    VERDICT,
    House,
    contents,
    edit,
    evidence_run,
    reseal,
    rows,
    write_corpus,
)
from walk_kit import walk

import vqcast
from vqcast.corpus import synthetic
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError, GateHeld, InputError, ModelRefused, VqcastError
from vqcast.families import Package
from vqcast.registry import law
from vqcast.registry.seal import install
from vqcast.regressor.spec import ENSEMBLE
from vqcast.workflow.steps import promote, rebuild


def test_the_registry_is_sound_and_whole(pristine: House) -> None:
    assert law.verify(pristine.registry) == []
    names = {f"{ENSEMBLE.id}_seed{n}.{end}" for n in range(5) for end in ("onnx", "json")}
    names |= {MANIFEST, VERDICT, "registry.json", "registry.schema.json", "checksums.json"}
    names |= {f"{PREFIX}loso_seed{n}.json" for n in range(5)}
    names |= {f"{PREFIX}oof_seed{n}.parquet" for n in range(5)}
    assert names <= set(contents(pristine.registry))


@pytest.mark.slow
def test_a_promotion_enters_thirty_three_files_at_most(pristine: House, tmp_path: Path) -> None:
    """Counted as a cell's walk is (ADR-0006); the command line's own file is one more."""
    entered = walk(lambda: promote(pristine.run_dir, [pristine.corpus_path], tmp_path / "registry"))
    assert {"workflow/steps", "regressor/production", "registry/seal"} <= entered
    assert len(entered) <= 33, sorted(entered)


def test_verdict_and_evidence_ship_byte_for_byte(pristine: House) -> None:
    there = contents(pristine.registry)
    assert there[VERDICT] == (pristine.run_dir / "PROMOTE.json").read_bytes()
    for path in [*pristine.run_dir.glob("loso_*.json"), *pristine.run_dir.glob("oof_*")]:
        assert there[PREFIX + path.name] == path.read_bytes()


def test_checksums_name_every_other_file(pristine: House) -> None:
    there = contents(pristine.registry)
    listed = json.loads(there.pop("checksums.json"))
    assert listed == {name: sha256_bytes(data) for name, data in there.items()}
    assert list(listed) == sorted(listed)


@pytest.mark.slow
def test_a_second_promotion_gives_the_same_bytes(pristine: House, tmp_path: Path) -> None:
    promote(pristine.run_dir, [pristine.corpus_path], tmp_path / "again", workers=1)
    assert contents(tmp_path / "again") == contents(pristine.registry)
    promote(pristine.run_dir, [pristine.corpus_path], tmp_path / "again", workers=2)
    assert contents(tmp_path / "again") == contents(pristine.registry)


def test_nothing_of_this_machine_is_in_the_files(pristine: House) -> None:
    for name, data in contents(pristine.registry).items():
        assert os.fsencode(pristine.corpus_path.parent) not in data, name
        assert b"/tmp/" not in data and b"/home/" not in data, name


def test_the_rows_stand_in_order_and_pin_the_bytes(pristine: House) -> None:
    there = contents(pristine.registry)
    document = json.loads(there["registry.json"])
    assert document["$schema"] == "./registry.schema.json" and document["schema_version"] == 1
    assert [row["id"] for row in document["models"]] == sorted(
        f"{ENSEMBLE.id}_seed{seed}" for seed in range(5)
    )
    for row in document["models"]:
        assert row["sha256"] == sha256_bytes(there[row["onnx"]]) and row["smoke"] is False


def validator(registry: Path) -> jsonschema.Draft202012Validator:
    schema = json.loads((registry / "registry.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_accepts_the_shipped_registry(pristine: House) -> None:
    document = json.loads((pristine.registry / "registry.json").read_bytes())
    assert list(validator(pristine.registry).iter_errors(document)) == []


BAD: list[Callable[[dict[str, Any]], object]] = [
    lambda row: row.update(colour="red"),
    lambda row: row.update(id="Upper"),
    lambda row: row.update(id="x" * 65),
    lambda row: row.update(kind="other"),
    lambda row: row.update(onnx="../x.onnx"),
    lambda row: row.update(onnx="/x.onnx"),
    lambda row: row.update(onnx="x.ort"),
    lambda row: row.update(sha256="AB" * 32),
    lambda row: row.update(sha256="ab"),
    lambda row: row.update(smoke="no"),
    lambda row: row.update(notes="n" * 513),
    lambda row: row.update(description="n" * 257),
    lambda row: row.update(quant_mode="int4"),
    lambda row: row.update(sigstore_bundle="x.sig"),
    *(lambda row, key=key: row.pop(key) for key in ("id", "kind", "onnx", "sha256")),
]


@pytest.mark.parametrize("change", range(len(BAD)))
def test_schema_and_reader_refuse_the_same_rows(house: House, change: int) -> None:
    document = json.loads((house.registry / "registry.json").read_bytes())
    BAD[change](document["models"][0])
    assert list(validator(house.registry).iter_errors(document))
    (house.registry / "registry.json").write_text(json.dumps(document))
    reseal(house.registry)
    assert any("registry.json" in problem for problem in law.verify(house.registry))


def refused(house: House, error: type[VqcastError], words: str, **options: object) -> VqcastError:
    """Promotion is refused so, and the registry keeps every byte."""
    before = contents(house.registry)
    with pytest.raises(error, match=words) as caught:
        promote(house.run_dir, [house.corpus_path], house.registry, **options)
    assert contents(house.registry) == before
    assert [path.name for path in house.registry.parent.glob(".*staged*")] == []
    return caught.value


def test_hold_is_refused_with_exit_1(house: House, tmp_path: Path) -> None:
    made = rows(frames=3)
    for row in made:
        row["vmaf"] = (row["frame_index"] * 37 + row["cq"] * 11) % 100
    path = write_corpus(tmp_path / "noise.jsonl", made)
    assert evidence_run(path, tmp_path / "hold") == "HOLD"
    held = House(path, tmp_path / "hold", house.registry)
    assert refused(held, GateHeld, "verdict is HOLD").exit_status == 1


def test_another_corpus_is_refused(house: House, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other.jsonl", rows(seed=4))
    refused(House(other, house.run_dir, house.registry), EvidenceError, "on another corpus")


def test_one_more_blank_line_is_another_corpus(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(house.corpus_path.read_bytes() + b"\n")
    refused(House(other, house.run_dir, house.registry), EvidenceError, "another corpus")


def test_no_verdict_is_refused(house: House) -> None:
    (house.run_dir / "PROMOTE.json").unlink()
    refused(house, EvidenceError, "has no verdict")


def test_a_verdict_carried_over_to_other_evidence_is_refused(house: House, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other.jsonl", rows(seed=4))
    assert evidence_run(other, tmp_path / "run2") == "PROMOTE"
    verdict = (house.run_dir / "PROMOTE.json").read_bytes()
    (tmp_path / "run2" / "PROMOTE.json").write_bytes(verdict)
    stolen = House(house.corpus_path, tmp_path / "run2", house.registry)
    refused(stolen, EvidenceError, "differs from the digests")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["gate"].update(mean_plcc=0.9999), "disagrees"),
        (lambda v: v["gate"].update(plcc_spread_max=0.5), "disagrees"),
        (lambda v: v["evidence"].update({"loso_seed0.json": "0" * 64}), "digests"),
        (lambda v: v["evidence"].clear(), "digests"),
        (lambda v: v["corpus"].update(sha256="0" * 64), "another corpus"),
        (lambda v: v.update(model="no_such_family"), "verdict is on no_such_family"),
        (lambda v: v.update(model=""), "verdict is on no model"),
        (lambda v: v.update(model="fr_regressor_v3"), "verdict is on fr_regressor_v3"),
        (lambda v: v.update(verdict="HOLD"), "verdict is 'HOLD'"),
    ],
)
def test_an_edited_verdict_is_refused(
    house: House, change: Callable[[Any], Any], words: str
) -> None:
    edit(house.run_dir / "PROMOTE.json", lambda verdict: (change(verdict), verdict)[1])
    refused(house, InputError, words)


@pytest.mark.parametrize("key", ["mean_plcc", "epochs", "lr", "corpus_sha256", "note"])
def test_edited_evidence_is_refused(house: House, key: str) -> None:
    values = {"mean_plcc": 0.9999, "epochs": 1, "lr": 1.0, "corpus_sha256": "0" * 64}
    value = values.get(key, "dry-run")
    edit(house.run_dir / "loso_seed1.json", lambda report: report.update({key: value}))
    refused(house, EvidenceError, "seed")


def test_a_missing_seed_is_refused(house: House) -> None:
    (house.run_dir / "loso_seed4.json").unlink()
    refused(house, EvidenceError, "seed 4")


def test_a_synthetic_corpus_is_never_promoted(house: House, tmp_path: Path) -> None:
    synthetic.write(tmp_path / "s.jsonl")
    refused(House(tmp_path / "s.jsonl", house.run_dir, house.registry), EvidenceError, "synthetic")


def test_a_damaged_registry_is_not_promoted_into(house: House) -> None:
    data = bytearray((house.registry / f"{MEMBER}.onnx").read_bytes())
    data[-1] ^= 1
    (house.registry / f"{MEMBER}.onnx").write_bytes(data)
    refused(house, VqcastError, f"{MEMBER}.onnx: differs")


def scaffold_of(house: House) -> Package:
    there = contents(house.registry)
    models = vqcast.serve.folder.Folder(house.registry).registry().models
    marked = [msgspec.structs.replace(row, smoke=True) for row in models]
    return Package(files={row.onnx: there[row.onnx] for row in marked}, rows=marked)


def test_a_scaffold_never_replaces_a_promoted_row(house: House) -> None:
    before = contents(house.registry)
    with pytest.raises(ModelRefused, match="never replaces"):
        install(house.registry, scaffold_of(house))
    assert contents(house.registry) == before


def test_a_promotion_replaces_a_scaffold(house: House, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    install(fresh, scaffold_of(house))
    assert all(row["smoke"] for row in json.loads((fresh / "registry.json").read_bytes())["models"])
    promote(house.run_dir, [house.corpus_path], fresh)
    assert law.verify(fresh) == []
    assert contents(fresh) == contents(house.registry)


def test_other_models_of_the_folder_stay(house: House) -> None:
    data = (house.registry / f"{MEMBER}.onnx").read_bytes()
    foreign = msgspec.convert(
        {"id": "aaa_other", "kind": "nr", "onnx": "sub/aaa.onnx", "sha256": sha256_bytes(data),
         "smoke": True},
        vqcast.documents.registry.Row,
    )  # fmt: skip
    install(house.registry, Package(files={"sub/aaa.onnx": data}, rows=[foreign]))
    promote(house.run_dir, [house.corpus_path], house.registry)
    ids = [
        row["id"] for row in json.loads((house.registry / "registry.json").read_bytes())["models"]
    ]
    assert ids[0] == "aaa_other" and len(ids) == 6
    assert (house.registry / "sub" / "aaa.onnx").read_bytes() == data
    assert law.verify(house.registry) == []


def test_a_package_that_would_break_the_law_is_not_installed(house: House) -> None:
    row = msgspec.convert(
        {"id": "bad", "kind": "fr", "onnx": "bad.onnx", "sha256": "0" * 64},
        vqcast.documents.registry.Row,
    )
    before = contents(house.registry)
    with pytest.raises(InputError, match="would break the law"):
        install(house.registry, Package(files={"bad.onnx": b"x"}, rows=[row]))
    assert contents(house.registry) == before


def test_a_registry_behind_a_link_stays_behind_it(house: House, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(house.registry)
    promote(house.run_dir, [house.corpus_path], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert contents(house.registry) == contents(tmp_path / "link")
    assert law.verify(tmp_path / "link") == []


def test_the_working_folder_can_be_the_registry(house: House, monkeypatch: Any) -> None:
    run_dir, corpus = house.run_dir.resolve(), house.corpus_path.resolve()
    monkeypatch.chdir(house.registry)
    promote(run_dir, [corpus], Path("."))
    assert law.verify(house.registry) == []


def test_a_parent_that_is_a_file_is_refused(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file"):
        promote(house.run_dir, [house.corpus_path], tmp_path / "file" / "registry")
    assert (tmp_path / "file").read_bytes() == b""


def test_a_parent_that_can_not_be_written_is_refused(house: House) -> None:
    with pytest.raises(InputError, match="write"):
        promote(house.run_dir, [house.corpus_path], Path("/proc/vqcast/registry"))


def test_what_is_promoted_errs_less_on_its_corpus_than_its_folds_did_held_out(
    pristine: House,
) -> None:
    """Every cell, asked for as a caller would; another cell's features are answered worse."""
    predictor = vqcast.load(registry=pristine.registry)
    corpus = pristine.corpus
    reports = [
        json.loads((pristine.run_dir / f"loso_seed{seed}.json").read_bytes()) for seed in range(5)
    ]
    predicted = np.empty(len(corpus))
    cells = set(zip(corpus.encoder, corpus.cq, strict=True))
    assert len(cells) == 12
    for encoder, cq in cells:
        rows = [i for i in range(len(corpus)) if (corpus.encoder[i], corpus.cq[i]) == (encoder, cq)]
        answer = predictor.predict(
            corpus.features[rows], encoder=encoder, cq=cq, preset=PRESETS[encoder]
        )
        assert answer.warnings == () and answer.slot_rows == 120
        predicted[rows] = answer.mean

    def rmse(of: np.ndarray) -> float:
        return float(np.sqrt(np.mean((of - corpus.vmaf) ** 2)))

    held_out = np.mean([report["mean_rmse"] for report in reports])
    assert rmse(predicted) < 0.75 * held_out
    assert rmse(np.roll(predicted, 10)) > 10.0  # a cell has ten frames


def test_a_rebuild_gives_the_same_bytes(pristine: House) -> None:
    results = rebuild(pristine.registry, [pristine.corpus_path])
    assert [each.model_id for each in results] == [f"{ENSEMBLE.id}_seed{n}" for n in range(5)]
    for each in results:
        assert each.same_bytes and each.worst < 1e-3 and each.problem is None


def test_a_rebuild_on_another_corpus_is_refused(pristine: House, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other.jsonl", rows(seed=4))
    with pytest.raises(EvidenceError, match="another corpus"):
        rebuild(pristine.registry, [other])


def test_a_rebuild_finds_weights_that_were_not_trained_here(house: House) -> None:
    """Seed 0's weights are put under seed 1's name, with every digest made to agree."""
    other = f"{ENSEMBLE.id}_seed1"
    data = (house.registry / f"{MEMBER}.onnx").read_bytes()
    (house.registry / f"{other}.onnx").write_bytes(data)
    digest = sha256_bytes(data)
    edit(house.registry / f"{other}.json", lambda sidecar: sidecar.update(sha256=digest))

    def repin(entries: list[dict[str, Any]]) -> None:
        next(entry for entry in entries if entry["id"] == other)["sha256"] = digest

    edit(house.registry / "registry.json", lambda document: repin(document["models"]))
    edit(house.registry / MANIFEST, lambda document: repin(document["members"]))
    reseal(house.registry)
    assert law.verify(house.registry) == []
    by_id = {each.model_id: each for each in rebuild(house.registry, [house.corpus_path])}
    assert by_id[MEMBER].problem is None
    assert not by_id[other].same_bytes and by_id[other].problem is not None


def test_the_bad_rows_differ_from_the_good_one() -> None:
    good = {"id": "a", "kind": "fr", "onnx": "a.onnx", "sha256": "ab" * 32}
    for change in BAD:
        row = copy.deepcopy(good)
        change(row)
        assert row != good
