"""The documents: exact keys in contract order, round trips, and strict registry rows."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast import documents
from vqcast.documents import Document, evidence, model, reading, registry
from vqcast.documents.registry import Registry, Row
from vqcast.errors import DocumentError

SHA = "0f" * 32
CONTRACT = {
    evidence.FoldReport: "held_out n_train n_val plcc srocc rmse",
    evidence.GateReport: (
        "passed mean_plcc mean_plcc_threshold mean_plcc_pass plcc_spread plcc_spread_max "
        "plcc_spread_pass per_seed_plccs per_seed_min per_seed_pass failing_seeds "
        "lowest_seed_plcc"
    ),
    evidence.VerdictCorpus: "present path sha256 n_rows n_sources",
    model.SidecarCorpus: "path sha256 n_rows cq_min cq_max",
    model.SidecarGate: (
        "verdict mean_plcc mean_plcc_threshold plcc_spread plcc_spread_max "
        "per_seed_min_threshold this_seed_loso_plcc passed"
    ),
    model.TrainingRecipe: (
        "in_features hidden depth dropout num_codecs epochs batch_size lr weight_decay "
        "optimizer loss fit_set scaler untrained_slots"
    ),
    model.Sidecar: (
        "id ensemble_id seed kind codec_aware codec_block_layout encoder_vocab "
        "encoder_vocab_version feature_order feature_mean feature_std input_names output_names "
        "onnx opset sha256 corpus training_recipe slot_rows unknown_encoders presets "
        "cq_ranges gate loso_mean_plcc notes parent_adrs"
    ),
    model.Member: "id onnx seed sha256",
    model.Manifest: (
        "id kind ensemble_size members feature_order feature_mean feature_std encoder_vocab "
        "encoder_vocab_version codec_vocab codec_vocab_version confidence eval smoke"
    ),
    model.Confidence: "method nominal_coverage gaussian_z conformal_q_residual",
    registry.Row: (
        "id kind onnx sha256 opset smoke notes description license license_url sigstore_bundle "
        "quant_mode int8_sha256 quant_calibration_set quant_accuracy_budget_plcc"
    ),
    registry.Registry: "$schema schema_version models",
}


def row(**changes: object) -> dict[str, object]:
    return {"id": "a", "kind": "fr", "onnx": "a.onnx", "sha256": SHA} | changes


def read(*rows: dict[str, object], **top: object) -> Registry:
    document = {"$schema": "./registry.schema.json", "schema_version": 1, "models": rows} | top
    return documents.from_bytes(Registry, msgspec.json.encode(document), where="registry.json")


@pytest.mark.parametrize("kind", CONTRACT, ids=lambda kind: kind.__name__)
def test_the_keys_are_the_contracts_in_order(kind: type[Document]) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    expected = CONTRACT[kind].split()
    # A manifest's confidence may say more after what the contract asks.
    assert (names[: len(expected)] if kind is model.Confidence else names) == expected


def test_a_minimal_row_is_enough_and_is_not_smoke() -> None:
    (model,) = read(row()).models
    assert not model.is_smoke and model.smoke is None
    assert documents.to_dict(model) == row()


@pytest.mark.parametrize("key", ["id", "kind", "onnx", "sha256"])
def test_a_row_without_a_required_key_is_refused(key: str) -> None:
    short = row()
    del short[key]
    with pytest.raises(DocumentError, match=key):
        read(short)


BAD_ROWS = [
    {"id": "A"},
    {"id": "-a"},
    {"id": ""},
    {"id": "a" * 65},
    {"id": "a b"},
    {"kind": "vr"},
    {"onnx": "a.ort"},
    {"onnx": "/a.onnx"},
    {"onnx": "../a.onnx"},
    {"onnx": "b/../../a.onnx"},
    {"onnx": "C:a.onnx"},
    {"onnx": "b\\a.onnx"},
    {"onnx": ".onnx.data"},
    {"sha256": SHA.upper()},
    {"sha256": SHA[:-1]},
    {"sha256": SHA + "0"},
    {"notes": "n" * 513},
    {"description": "d" * 257},
    {"smoke": "false"},
    {"smoke": 0},
    {"opset": "17"},
    {"sigstore_bundle": "a.onnx.sig"},
    {"quant_mode": "int8"},
    {"int8_sha256": "x"},
    {"quant_accuracy_budget_plcc": "0.01"},
    {"colour": "red"},
]


@pytest.mark.parametrize("changes", BAD_ROWS, ids=str)
def test_a_bad_row_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DocumentError, match=r"registry\.json"):
        read(row(**changes))


def test_another_schema_version_is_refused() -> None:
    with pytest.raises(DocumentError):
        read(row(), schema_version=2)


def test_unknown_keys_elsewhere_are_ignored() -> None:
    plain = {
        "id": "m", "kind": "fr", "onnx": "m.onnx", "sha256": SHA, "feature_order": [],
        "feature_mean": [0.5], "feature_std": [1], "input_names": ["features"],
        "output_names": ["score"], "from_the_future": {"a": [1]},
    }  # fmt: skip
    info = documents.from_bytes(reading.ModelInfo, msgspec.json.encode(plain), where="m.json")
    assert info.feature_std == [1.0] and info.encoder_vocab is None and info.corpus is None


def test_the_corpus_of_a_sidecar_may_be_a_path_alone() -> None:
    plain = {
        "id": "m", "kind": "fr", "onnx": "m.onnx", "sha256": SHA, "feature_order": [],
        "feature_mean": [], "feature_std": [], "input_names": [], "output_names": [],
        "corpus": "runs/c.jsonl", "cq_min": 1, "cq_max": 2.5,
    }  # fmt: skip
    info = documents.from_bytes(reading.ModelInfo, msgspec.json.encode(plain), where="m.json")
    assert (info.corpus, info.cq_min, info.cq_max) == ("runs/c.jsonl", 1.0, 2.5)


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
ROWS = st.builds(
    Row,
    id=st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,30}\Z"),
    kind=st.sampled_from(["fr", "nr", "filter"]),
    onnx=st.from_regex(r"\A[a-z0-9]{1,9}\.onnx\Z"),
    sha256=st.from_regex(r"\A[0-9a-f]{64}\Z"),
    opset=st.one_of(st.none(), st.integers(1, 30)),
    smoke=st.one_of(st.none(), st.booleans()),
    notes=st.one_of(st.none(), TEXT),
    quant_accuracy_budget_plcc=st.one_of(st.none(), st.floats(0, 1)),
)


@given(st.lists(ROWS, max_size=5))
@pytest.mark.slow
def test_a_registry_survives_its_bytes_and_equal_ones_are_equal_bytes(models: list[Row]) -> None:
    document = Registry(models=models)
    data = documents.to_bytes(document)
    again = documents.from_bytes(Registry, data, where="registry.json")
    assert again == document
    assert documents.to_bytes(again) == data
    assert b"null" not in data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_figure_survives_to_the_last_bit(value: float) -> None:
    fold = evidence.FoldReport(held_out="x", n_train=1, n_val=1, plcc=value, srocc=None, rmse=value)
    again = documents.from_bytes(evidence.FoldReport, documents.to_bytes(fold), where="fold")
    assert again == fold and again.plcc == value
