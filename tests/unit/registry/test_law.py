"""The registry law: every kind of harm is found, and named.

Where the harm is to content, ``checksums.json`` is made to agree with it
again, so that what is caught is caught by the law itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registry_kit import MANIFEST, MEMBER, PREFIX, VERDICT, House, contents, edit, reseal

import vqcast
from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.errors import RegistryError
from vqcast.registry import law
from vqcast.serve.folder import Folder

KINDS = [
    f"{MEMBER}.onnx",
    f"{MEMBER}.json",
    MANIFEST,
    VERDICT,
    "registry.json",
    "registry.schema.json",
    "checksums.json",
    f"{PREFIX}loso_seed2.json",
    f"{PREFIX}oof_seed2.parquet",
]


def violations(house: House) -> str:
    """All violations in one text, which must not be empty; ``load`` refuses nothing less."""
    found = law.verify(house.registry)
    assert found
    return "\n".join(found)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("where", [0.0, 0.37, 0.71, 1.0])
@pytest.mark.slow
def test_a_flipped_bit_anywhere_is_named_and_not_loaded(
    house: House, name: str, where: float
) -> None:
    path = house.registry / name
    data = bytearray(path.read_bytes())
    at = int(where * (len(data) - 1))
    for bit in range(8):
        data[at] ^= 1 << bit
        path.write_bytes(data)
        assert name in violations(house)
        with pytest.raises(RegistryError):
            vqcast.load(registry=house.registry)
        data[at] ^= 1 << bit
    path.write_bytes(data)
    assert law.verify(house.registry) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_named(house: House, name: str) -> None:
    (house.registry / name).unlink()
    if name == "registry.json":
        with pytest.raises(RegistryError, match=r"holds no registry\.json"):
            law.verify(house.registry)
    else:
        assert name in violations(house)
    with pytest.raises(RegistryError):
        vqcast.load(registry=house.registry)


@pytest.mark.parametrize("name", [".hidden", "evidence/extra.json", "model.onnx.data", "x y"])
def test_an_extra_file_is_named(house: House, name: str) -> None:
    (house.registry / name).write_bytes(b"x")
    assert f"{name}: is not listed" in violations(house)
    with pytest.raises(RegistryError, match="is not listed"):
        vqcast.load(registry=house.registry)


def test_a_file_whose_name_is_no_text_is_named_in_text(house: House) -> None:
    Path(os.fsdecode(os.fsencode(house.registry) + b"/\xff.onnx")).write_bytes(b"x")
    violations(house).encode()


def test_a_fifo_or_a_folder_in_a_files_place_does_not_hang(house: House) -> None:
    path = house.registry / f"{MEMBER}.onnx"
    path.unlink()
    os.mkfifo(path)
    assert f"{MEMBER}.onnx" in violations(house)
    path.unlink()
    path.mkdir()
    assert f"{MEMBER}.onnx" in violations(house)


def test_an_empty_folder_inside_changes_nothing(house: House) -> None:
    (house.registry / "empty").mkdir()
    assert law.verify(house.registry) == []


def test_reformatted_checksums_are_not_canonical(house: House) -> None:
    path = house.registry / "checksums.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())))
    assert "checksums.json: is not in its canonical bytes" in violations(house)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'{"a": 1, "a": 2}'])
def test_checksums_that_are_none_are_a_violation(house: House, data: bytes) -> None:
    (house.registry / "checksums.json").write_bytes(data)
    assert "checksums.json" in violations(house)


def sidecar(change: Callable[[Any], Any], words: str) -> Any:
    return f"{MEMBER}.json", change, words


def registry(change: Callable[[Any], Any], words: str) -> Any:
    return "registry.json", change, words


def verdict(change: Callable[[Any], Any], words: str) -> Any:
    return VERDICT, change, words


def loso(change: Callable[[Any], Any], words: str) -> Any:
    return f"{PREFIX}loso_seed0.json", change, words


def manifest(change: Callable[[Any], Any], words: str) -> Any:
    return MANIFEST, change, words


FORGERIES = {
    "row digest": registry(lambda r: r["models"][0].update(sha256="0" * 64), "sha256 is"),
    "rows unsorted": registry(lambda r: r["models"].reverse(), "not sorted"),
    "row twice": registry(lambda r: r["models"].insert(0, r["models"][0]), "stands 2 times"),
    "row renamed": registry(lambda r: r["models"][0].update(id="aaa"), "aaa"),
    "row to another graph": registry(
        lambda r: r["models"][0].update(onnx=r["models"][1]["onnx"]), MEMBER
    ),
    "row to nowhere": registry(
        lambda r: r["models"][0].update(onnx="no.onnx"), "no.onnx is missing"
    ),
    "row taken away": registry(lambda r: r["models"].pop(0), f"member {MEMBER}"),
    "row made smoke": registry(
        lambda r: r["models"][0].update(smoke=True), "is not smoke, its member"
    ),
    "row with a foreign key": registry(lambda r: r["models"][0].update(x=1), "registry.json"),
    "schema version": registry(lambda r: r.update(schema_version=2), "registry.json"),
    "sidecar digest": sidecar(lambda s: s.update(sha256="0" * 64), "pin different digests"),
    "sidecar id": sidecar(lambda s: s.update(id="x"), "its sidecar speaks for x"),
    "sidecar corpus": sidecar(lambda s: s["corpus"].update(sha256="0" * 64), "another corpus"),
    "sidecar gate mean": sidecar(lambda s: s["gate"].update(mean_plcc=0.9999), "gate block"),
    "sidecar own figure": sidecar(
        lambda s: s["gate"].update(this_seed_loso_plcc=0.9999), "gate block"
    ),
    "sidecar threshold": sidecar(lambda s: s["gate"].update(plcc_spread_max=0.5), "gate block"),
    "sidecar loso": sidecar(lambda s: s.update(loso_mean_plcc=0.9999), "loso_mean_plcc"),
    "sidecar seed": sidecar(lambda s: s.update(seed=1), "gate block|loso_mean_plcc"),
    "sidecar foreign seed": sidecar(lambda s: s.update(seed=77), "seed 77"),
    "sidecar ensemble": sidecar(lambda s: s.update(ensemble_id="x"), "x"),
    "sidecar lacks a key": sidecar(lambda s: s.pop("feature_mean"), "feature_mean"),
    "verdict HOLD": verdict(lambda v: v.update(verdict="HOLD"), "verdict is HOLD"),
    "verdict corpus": verdict(lambda v: v["corpus"].update(sha256="0" * 64), "another corpus"),
    "verdict pin": verdict(lambda v: v["evidence"].update({"loso_seed0.json": "0" * 64}), "pins"),
    "verdict pin gone": verdict(lambda v: v["evidence"].pop("loso_seed0.json"), "pins"),
    "verdict gate": verdict(lambda v: v["gate"].update(mean_plcc=0.9999), "disagrees"),
    "verdict model": verdict(lambda v: v.update(model="x"), "verdict is on x"),
    "verdict without model": verdict(lambda v: v.pop("model"), "verdict is on no model"),
    "loso mean": loso(lambda e: e.update(mean_plcc=0.9999), "folds' mean"),
    "loso fold": loso(lambda e: e["folds"][0].update(plcc=0.5), "folds' mean"),
    "loso rmse": loso(lambda e: e.update(mean_rmse=0.0), "pins"),
    "loso corpus": loso(lambda e: e.update(corpus_sha256="0" * 64), "another corpus|differ in"),
    "loso dry": loso(lambda e: e.update(note="dry-run"), "dry run|dry-run"),
    "loso smoke": loso(lambda e: e.update(note="smoke"), "smoke"),
    "loso recipe": loso(lambda e: e.update(epochs=1), "differ in epochs"),
    "loso of another seed": loso(lambda e: e.update(seed=1), "says it is of seed 1"),
    "manifest pin": manifest(lambda m: m["members"][0].update(sha256="0" * 64), f"member {MEMBER}"),
    "manifest member": manifest(lambda m: m["members"][0].update(id="x"), "member x"),
    "manifest size": manifest(lambda m: m.update(ensemble_size=4), "ensemble_size"),
    "manifest lacks a key": manifest(lambda m: m.pop("confidence"), "confidence"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_matching_checksums_is_named(house: House, what: str) -> None:
    name, change, words = FORGERIES[what]
    edit(house.registry / name, lambda document: (change(document), document)[1])
    reseal(house.registry)
    assert Folder(house.registry).problems == []
    text = violations(house)
    assert any(part in text for part in words.split("|")), text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (VERDICT, f"no verdict {VERDICT}"),
        (f"{PREFIX}loso_seed3.json", "seed 3"),
        (f"{PREFIX}oof_seed3.parquet", "oof_seed3.parquet is missing"),
        (f"{MEMBER}.json", f"has no sidecar {MEMBER}.json"),
        (f"{MEMBER}.onnx", f"{MEMBER}.onnx is missing"),
    ],
)
def test_a_file_removed_with_matching_checksums_is_named(
    house: House, name: str, words: str
) -> None:
    (house.registry / name).unlink()
    reseal(house.registry)
    assert words in violations(house)


def test_predictions_changed_with_matching_checksums_are_named(house: House) -> None:
    path = house.registry / f"{PREFIX}oof_seed1.parquet"
    path.write_bytes(path.read_bytes() + b"\0")
    reseal(house.registry)
    assert "oof_seed1.parquet: differs" in violations(house)


def test_a_smoke_row_needs_no_verdict_and_a_promoted_one_does(house: House) -> None:
    def mark(document: Any, smoke: bool) -> None:
        for row in document["models"]:
            row["smoke"] = smoke

    for name in [VERDICT, *(name for name in contents(house.registry) if name.startswith(PREFIX))]:
        (house.registry / name).unlink()
    edit(house.registry / MANIFEST, lambda document: document.update(smoke=True))
    edit(house.registry / "registry.json", lambda document: mark(document, True))
    reseal(house.registry)
    assert law.verify(house.registry) == []
    edit(house.registry / "registry.json", lambda document: mark(document, False))
    reseal(house.registry)
    assert violations(house).count("no verdict") == 5


def test_a_graph_off_the_list_is_named_whatever_its_digests(house: House) -> None:
    data = b"\x08\x08junk"
    (house.registry / f"{MEMBER}.onnx").write_bytes(data)
    digest = sha256_bytes(data)
    edit(house.registry / f"{MEMBER}.json", lambda s: s.update(sha256=digest))
    edit(house.registry / "registry.json", lambda r: r["models"][0].update(sha256=digest))
    edit(house.registry / MANIFEST, lambda m: m["members"][0].update(sha256=digest))
    reseal(house.registry)
    assert MEMBER in violations(house)


def test_all_harm_is_named_not_only_the_first(house: House) -> None:
    edit(house.registry / "registry.json", lambda r: r["models"].reverse())
    edit(house.registry / f"{MEMBER}.json", lambda s: s.update(loso_mean_plcc=0.5))
    edit(house.registry / MANIFEST, lambda m: m.update(ensemble_size=4))
    reseal(house.registry)
    text = violations(house)
    assert "not sorted" in text and "loso_mean_plcc" in text and "ensemble_size" in text


def test_no_folder_at_all_is_an_error_not_a_violation(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no registry folder"):
        law.verify(tmp_path / "absent")
    with pytest.raises(RegistryError, match=r"holds no registry\.json"):
        law.verify(tmp_path)


def test_checksums_of_other_bytes_than_utf8_are_refused(house: House) -> None:
    (house.registry / "checksums.json").write_bytes(jsontext.dump({}).replace(b"{", b"\xff{"))
    assert "not strict JSON" in violations(house)
