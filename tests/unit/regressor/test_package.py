"""The shipped files: exactly the contract's keys, and nothing of this machine in them."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from vqcast.documents.evidence import FoldReport
from vqcast.documents.model import PresetUse, SidecarCorpus
from vqcast.durable.files import sha256_bytes
from vqcast.evidence.gate import judge
from vqcast.evidence.loso import loso_report
from vqcast.families import Package
from vqcast.regressor.job import Fit, Fitted
from vqcast.regressor.net import Weights
from vqcast.regressor.package import Provenance, gate_block, package
from vqcast.regressor.spec import ENSEMBLE, V1, V2, V3, Recipe, SlotRows, Spec
from vqcast.vocab import FEATURES, VOCABULARIES

SHA = "cd" * 32
SIDECAR_KEYS = {
    *("id", "ensemble_id", "seed", "kind", "codec_aware", "codec_block_layout", "encoder_vocab"),
    *("encoder_vocab_version", "feature_order", "feature_mean", "feature_std", "input_names"),
    *("output_names", "onnx", "opset", "sha256", "corpus", "training_recipe", "slot_rows"),
    *("unknown_encoders", "presets", "cq_ranges", "gate", "loso_mean_plcc", "notes", "parent_adrs"),
}
GATE_KEYS = {
    *("verdict", "mean_plcc", "mean_plcc_threshold", "plcc_spread", "plcc_spread_max"),
    *("per_seed_min_threshold", "this_seed_loso_plcc", "passed"),
}
MANIFEST_KEYS = {
    *("id", "kind", "ensemble_size", "members", "feature_order", "feature_mean", "feature_std"),
    *("encoder_vocab", "encoder_vocab_version", "codec_vocab", "codec_vocab_version"),
    *("confidence", "eval", "smoke"),
}


def trained(seed: int, family: Spec) -> Fitted:
    random = np.random.default_rng(seed)
    layer = (
        random.normal(0, 1, (6 + family.num_codecs, 1)).astype(np.float32),
        np.zeros(1, np.float32),
    )
    scaler = np.arange(6.0), np.arange(1.0, 7.0)
    return Fitted(Fit(seed, None), Weights((layer,)), *scaler, np.array([0.0]), 0.0)


def made(family: Spec = ENSEMBLE, *, smoke: bool = False) -> tuple[Package, Provenance]:
    reports = {}
    for seed in family.seeds:
        plcc = 0.99 + seed / 10000
        fold = FoldReport(held_out="a", n_train=9, n_val=9, plcc=plcc, srocc=plcc, rmse=1.0)
        reports[seed] = loso_report(
            model=family, recipe=Recipe(), seed=seed, corpus="c.jsonl", corpus_sha256=SHA,
            folds=[fold], wall_time_s=1.0, hold_out="src", note="smoke" if smoke else None,
        )  # fmt: skip
    digests = {f"loso_seed{seed}.json": SHA for seed in family.seeds}
    slots = dict.fromkeys(family.vocabulary, 0)
    slots |= {"libx264": 9} if slots else {}
    provenance = Provenance(
        spec=family,
        recipe=Recipe(),
        corpus=SidecarCorpus(path="c.jsonl", sha256=SHA, n_rows=9, cq_min=18, cq_max=38),
        slots=SlotRows(
            slots,
            {"libaom-av1": 3} if slots else {},
            {"libx264": PresetUse(seen=["medium"], used="constant")} if slots else {},
            {"libx264": [18.0, 38.0]} if slots else {},
        ),
        verdict=judge(reports, digests, family, generated_at_utc="2026-01-01T00:00:00Z"),
        reports=reports,
        smoke=smoke,
    )
    networks = [trained(seed, family) for seed in reversed(family.seeds)]
    return package(networks, provenance), provenance


def document(files: dict[str, bytes], name: str) -> dict[str, object]:
    return json.loads(files[name])


def test_it_holds_graphs_sidecars_and_manifest_and_nothing_else() -> None:
    files = made()[0].files
    stems = [f"fr_regressor_v2_ensemble_v1_seed{seed}" for seed in range(5)]
    names = {f"{stem}.{end}" for stem in stems for end in ("onnx", "json")}
    assert set(files) == names | {"fr_regressor_v2_ensemble_v1.json"}


@pytest.mark.parametrize("seed", range(5))
def test_a_sidecar_has_the_contracts_keys_and_values(seed: int) -> None:
    shipped, provenance = made()
    stem = f"fr_regressor_v2_ensemble_v1_seed{seed}"
    plain = document(shipped.files, f"{stem}.json")
    assert set(plain) == SIDECAR_KEYS
    assert plain["id"] == stem and plain["onnx"] == f"{stem}.onnx" and plain["seed"] == seed
    assert plain["ensemble_id"] == ENSEMBLE.id and plain["kind"] == "fr"
    assert plain["codec_aware"] is True and plain["opset"] == 17
    assert plain["sha256"] == sha256_bytes(shipped.files[f"{stem}.onnx"])
    assert plain["encoder_vocab"] == list(VOCABULARIES[2]) and plain["encoder_vocab_version"] == 2
    assert plain["feature_order"] == list(FEATURES)
    assert plain["input_names"] == ["features", "codec_onehot"]
    assert plain["output_names"] == ["score"]
    layout = plain["codec_block_layout"]
    assert len(layout) == 14 and layout[0] == "encoder_onehot[libx264]"
    assert layout[-2:] == ["preset_norm", "crf_norm"]
    assert set(plain["corpus"]) == {"path", "sha256", "n_rows", "cq_min", "cq_max"}
    assert set(plain["gate"]) == GATE_KEYS
    assert (
        plain["loso_mean_plcc"] == provenance.verdict.gate.mean_plcc == plain["gate"]["mean_plcc"]
    )
    assert plain["presets"] == {"libx264": {"seen": ["medium"], "used": "constant"}}
    assert plain["cq_ranges"] == {"libx264": [18.0, 38.0]}
    assert plain["gate"]["this_seed_loso_plcc"] == provenance.reports[seed].mean_plcc
    assert plain["parent_adrs"] == ["ADR-0303", "ADR-0309", "ADR-0319", "ADR-0321"]
    assert plain["unknown_encoders"] == {"libaom-av1": 3}
    assert "libx265" in plain["notes"]  # a slot without rows is named


def test_the_recipe_is_the_published_one() -> None:
    plain = document(made()[0].files, "fr_regressor_v2_ensemble_v1_seed0.json")
    assert plain["training_recipe"] == {
        "in_features": 6, "hidden": 64, "depth": 2, "dropout": 0.1, "num_codecs": 14,
        "epochs": 200, "batch_size": 32, "lr": 5e-4, "weight_decay": 1e-5, "optimizer": "Adam",
        "loss": "MSE", "fit_set": "full_corpus", "scaler": "fit_on_full_corpus",
        "untrained_slots": "mean of trained slots",
    }  # fmt: skip


def test_the_manifest_has_the_contracts_keys_and_pins_every_member() -> None:
    shipped, provenance = made()
    plain = document(shipped.files, "fr_regressor_v2_ensemble_v1.json")
    assert set(plain) == MANIFEST_KEYS
    assert plain["kind"] == "fr_ensemble" and plain["ensemble_size"] == 5
    assert [member["seed"] for member in plain["members"]] == [0, 1, 2, 3, 4]
    for member in plain["members"]:
        assert set(member) == {"id", "onnx", "seed", "sha256"}
        assert member["sha256"] == sha256_bytes(shipped.files[member["onnx"]])
    assert plain["codec_vocab"] == plain["encoder_vocab"]
    assert plain["codec_vocab_version"] == plain["encoder_vocab_version"] == 2
    keys = {"method", "nominal_coverage", "gaussian_z", "conformal_q_residual"}
    assert set(plain["confidence"]) >= keys and plain["confidence"]["method"] == "ensemble"
    assert plain["eval"]["mean_loso_plcc"] == provenance.verdict.gate.mean_plcc
    assert plain["smoke"] is False


def test_the_rows_say_licence_smoke_and_bundle_explicitly() -> None:
    for smoke in (False, True):
        for row in made(smoke=smoke)[0].rows:
            plain = msgspec.to_builtins(row)
            assert plain["smoke"] is smoke
            assert plain["license"] == "BSD-2-Clause-Patent" and plain["license_url"]
            assert plain["sigstore_bundle"] == f"{row.onnx}.sigstore.json"


def test_a_scaffold_is_marked_everywhere() -> None:
    files = made(smoke=True)[0].files
    assert document(files, "fr_regressor_v2_ensemble_v1.json")["smoke"] is True
    side = document(files, "fr_regressor_v2_ensemble_v1_seed0.json")
    assert side["gate"]["verdict"] == "HOLD" and "Smoke" in side["notes"]


def test_equal_inputs_give_equal_bytes_in_any_order_of_networks() -> None:
    (one, provenance), (two, _) = made(), made()
    assert one == two
    networks = [trained(seed, ENSEMBLE) for seed in ENSEMBLE.seeds]
    assert package(networks, provenance) == one


SINGLE_KEYS = (SIDECAR_KEYS - {"ensemble_id", "gate"}) | {
    *("corpus_sha256", "cq_min", "cq_max", "rows_excluded", "gate_passed", "training"),
}
TRAINING_KEYS = {
    *("dataset", "gate_passed", "loso_folds", "loso_mean_plcc", "loso_std_plcc"),
    *("loso_min_plcc", "loso_max_plcc", "loso_mean_srocc", "loso_mean_rmse", "n_rows"),
    *("ship_gate_mean_plcc", "smoke"),
}


@pytest.mark.parametrize("family", [V1, V2, V3], ids=lambda family: family.id)
def test_a_single_model_has_the_contracts_keys_and_no_manifest(family: Spec) -> None:
    shipped, _ = made(family)
    assert set(shipped.files) == {f"{family.id}.onnx", f"{family.id}.json"}
    plain = document(shipped.files, f"{family.id}.json")
    assert set(plain) == SINGLE_KEYS and set(plain["training"]) == TRAINING_KEYS
    assert plain["corpus"] == "c.jsonl" and plain["corpus_sha256"] == SHA
    assert plain["gate_passed"] is True and plain["training"]["smoke"] is False


@pytest.mark.parametrize(
    ("family", "inputs", "output"),
    [
        (V1, ["features"], "score"),
        (V2, ["features", "codec"], "score"),
        (V3, ["features", "codec_block"], "vmaf"),
    ],
)
def test_the_names_of_inputs_and_outputs(family: Spec, inputs: list[str], output: str) -> None:
    plain = document(made(family)[0].files, f"{family.id}.json")
    assert plain["input_names"] == inputs and plain["output_names"] == [output]


def test_a_codec_blind_model_has_no_block() -> None:
    shipped, _ = made(V1)
    plain = document(shipped.files, "fr_regressor_v1.json")
    assert plain["codec_aware"] is False
    assert plain["codec_block_layout"] == plain["encoder_vocab"] == []
    assert plain["encoder_vocab_version"] is None and plain["slot_rows"] == {}
    assert plain["training_recipe"]["num_codecs"] == 0
    assert "codec-aware" not in shipped.rows[0].description.lower()


def test_the_version_3_block_has_18_columns() -> None:
    plain = document(made(V3)[0].files, "fr_regressor_v3.json")
    assert plain["encoder_vocab_version"] == 3 and len(plain["codec_block_layout"]) == 18


def test_the_gate_block_is_the_verdicts() -> None:
    _, provenance = made()
    gate = provenance.verdict.gate
    block = gate_block("PROMOTE", gate, 3)
    assert block.this_seed_loso_plcc == gate.per_seed_plccs["3"]
    assert (block.mean_plcc, block.plcc_spread, block.passed) == (
        gate.mean_plcc, gate.plcc_spread, gate.passed,
    )  # fmt: skip
    assert (block.mean_plcc_threshold, block.plcc_spread_max) == (0.95, 0.005)
    assert block.per_seed_min_threshold == 0.95
    assert gate_block("PROMOTE", gate, 9).this_seed_loso_plcc is None
