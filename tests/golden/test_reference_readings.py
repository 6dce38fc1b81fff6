"""The shipped folder as other readers of the contract take it: their formulas on our files.

They form ``mean ± conformal_q_residual * std`` over the members' sessions (std with ddof 1),
take ``gate.per_seed_min`` for the threshold, ``loso_mean_plcc`` for the ensemble's mean, and ask
for ``codec_vocab``. Nothing of ours is imported to compute, only to check digests and operators.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

from vqcast.corpus.table import Corpus, load
from vqcast.durable.files import sha256_bytes

ROOT = Path(__file__).parents[2]
TINY = ROOT / "model" / "tiny"
ENSEMBLE = "fr_regressor_v2_ensemble_v1"
EVIDENCE = TINY / "evidence" / ENSEMBLE
LIBVMAF = {
    *("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Erf", "Sqrt", "Concat", "Reshape", "Squeeze"),
    *("ReduceMean", "ReduceSum", "ReduceMin", "ReduceMax", "Min", "Max", "Clip"),
}
PARENTS = {
    "fr_regressor_v2_ensemble_v1_seed0": ["ADR-0303", "ADR-0309", "ADR-0319", "ADR-0321"],
    "fr_regressor_v3": ["ADR-0323", "ADR-0302", "ADR-0291", "ADR-0235"],
    "fr_regressor_v2": ["ADR-0272", "ADR-0235"],
    "fr_regressor_v1": ["ADR-0249"],
}


def read(name: str) -> dict[str, Any]:
    return json.loads((TINY / name).read_bytes())


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load(ROOT / "data" / "networks" / "per_frame_canonical6.jsonl.gz")


def group_mean(values: np.ndarray, corpus: Corpus) -> float:
    """Mean over content groups of each group's mean."""
    groups = corpus.group_of()
    names = np.array([groups[src] for src in corpus.src])
    return float(np.mean([values[names == name].mean() for name in sorted(set(names))]))


def covered(members: np.ndarray, truth: np.ndarray, q: float) -> np.ndarray:
    mu, sigma = members.mean(axis=0), members.std(axis=0, ddof=1)
    return (truth >= mu - q * sigma) & (truth <= mu + q * sigma)


def test_mean_and_q_sigma_cover_what_they_say_on_groups_never_seen(corpus: Corpus) -> None:
    confidence = read(f"{ENSEMBLE}.json")["confidence"]
    assert confidence["method"] == "ensemble+conformal"
    nominal, q = confidence["nominal_coverage"], confidence["conformal_q_residual"]
    tables = [pl.read_parquet(EVIDENCE / f"oof_seed{seed}.parquet") for seed in range(5)]
    members = np.stack([table["vmaf_hold_out_group"].to_numpy() for table in tables])
    held = group_mean(covered(members.astype(float), corpus.vmaf, q), corpus)
    assert nominal == 0.9
    assert nominal - 0.02 <= held <= 0.97  # calibrated on 20 groups: nominal * 21 / 20
    normal = covered(members.astype(float), corpus.vmaf, confidence["gaussian_z"])
    assert group_mean(normal, corpus) < held  # what the conformal factor is for


def test_the_members_sessions_and_the_manifest_give_the_same_answer(corpus: Corpus) -> None:
    """As a reader would: standardise, one-hot by ``codec_vocab``, five sessions, mean and std."""
    manifest = read(f"{ENSEMBLE}.json")
    seed = read(manifest["members"][0]["onnx"].replace(".onnx", ".json"))
    rows = np.arange(0, len(corpus), 97)
    vocabulary = manifest["codec_vocab"]
    low, high = seed["corpus"]["cq_min"], seed["corpus"]["cq_max"]
    block = np.zeros((len(rows), len(vocabulary) + 2), np.float32)
    lists = {
        "libx264": "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo",
        "libsvtav1": " ".join(map(str, range(13, -1, -1))),
        "libvpx-vp9": " ".join(map(str, range(8, -1, -1))),
        "libvvenc": "faster fast medium slow slower",
    }
    lists |= {"libx265": lists["libx264"], "libaom-av1": lists["libvpx-vp9"]}
    for at, row in enumerate(rows):
        encoder = corpus.encoder[row]
        presets = lists[encoder].split()
        slot = encoder if encoder in vocabulary else "unknown"
        block[at, vocabulary.index(slot)] = 1.0
        block[at, -2] = presets.index(corpus.preset[row]) / (len(presets) - 1)
        block[at, -1] = (corpus.cq[row] - low) / (high - low)
    scaled = (corpus.features[rows] - manifest["feature_mean"]) / manifest["feature_std"]
    members = []
    for member in manifest["members"]:
        data = (TINY / member["onnx"]).read_bytes()
        assert sha256_bytes(data) == member["sha256"]
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        feeds = {"features": scaled.astype(np.float32), "codec_onehot": block}
        members.append(session.run(["score"], feeds)[0].astype(float))
    q = manifest["confidence"]["conformal_q_residual"]
    # Rows that all members were fitted on, where they agree more than on a new clip's.
    assert covered(np.stack(members), corpus.vmaf[rows], q).mean() > 0.75
    assert np.abs(np.mean(members, axis=0) - corpus.vmaf[rows]).mean() < 3.0


def test_thresholds_and_means_stand_under_their_keys() -> None:
    verdict = read(f"{ENSEMBLE}_seed_flip_PROMOTE.json")
    gate = verdict["gate"]
    assert gate["per_seed_min"] == 0.95
    assert all(plcc >= gate["per_seed_min"] for plcc in gate["per_seed_plccs"].values())
    assert min(gate["per_seed_plccs"].values()) == gate["lowest_seed_plcc"]
    for seed in range(5):
        sidecar = read(f"{ENSEMBLE}_seed{seed}.json")
        assert sidecar["loso_mean_plcc"] == gate["mean_plcc"] == sidecar["gate"]["mean_plcc"]
        assert sidecar["gate"]["this_seed_loso_plcc"] == gate["per_seed_plccs"][str(seed)]
        assert sidecar["gate"]["per_seed_min_threshold"] == gate["per_seed_min"]
        assert sidecar["corpus"]["sha256"] == verdict["corpus"]["sha256"]


def test_what_the_contract_asks_of_a_sidecar_is_there() -> None:
    for name, parents in PARENTS.items():
        sidecar = read(f"{name}.json")
        assert sidecar["parent_adrs"] == parents
        assert sidecar["sha256"] == sha256_bytes((TINY / sidecar["onnx"]).read_bytes())
        if sidecar["codec_aware"]:
            assert sum(sidecar["slot_rows"].values()) > 0
            assert all(each["used"] == "ordinal" for each in sidecar["presets"].values())
    v3 = read("fr_regressor_v3.json")
    assert set(v3["rows_excluded"]) == {"libvpx-vp9"} and v3["gate_passed"]
    assert v3["training"]["loso_mean_plcc"] == v3["loso_mean_plcc"] >= 0.95


def test_every_shipped_graph_is_within_what_libvmaf_loads() -> None:
    graphs = sorted(TINY.glob("*.onnx"))
    assert len(graphs) == 9
    for path in graphs:
        model = onnx.load(path)
        assert {node.op_type for node in model.graph.node} <= LIBVMAF, path.name
        assert not any(tensor.external_data for tensor in model.graph.initializer)
