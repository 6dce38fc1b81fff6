"""Taking over a registry whose weights lie outside its graphs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

import vqcast
import vqcast.vocab
from vqcast.durable.files import sha256_file
from vqcast.errors import RegistryError
from vqcast.registry import law
from vqcast.registry.importing import import_registry

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
MEMBER = "fr_regressor_v2_ensemble_v1_seed0"
FEATURES = [[0.97, 0.60, 0.90, 0.94, 0.96, 4.2], [0.8, 0.4, 0.7, 0.8, 0.85, 9.0]]
NORMS = {"crf_norm": 0.4, "preset_norm": 0.5}


def externalise(path: Path) -> None:
    """Move a graph's weights into ``NAME.onnx.data``, as other exporters do."""
    model = onnx.load(path)
    external_data_helper.convert_model_to_external_data(
        model, location=f"{path.name}.data", size_threshold=0, convert_attribute=False
    )
    path.unlink()
    onnx.save(model, path)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """One member with outside weights, ``codec_vocab``, no cq range, a row of other keys."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    graph = folder / f"{MEMBER}.onnx"
    graph.write_bytes((SHIPPED / graph.name).read_bytes())
    externalise(graph)
    ours = json.loads((SHIPPED / f"{MEMBER}.json").read_text())
    sidecar = {key: ours[key] for key in ("id", "kind", "feature_order", "input_names")}
    (folder / f"{MEMBER}.json").write_text(json.dumps(sidecar))
    digest = sha256_file(graph)
    manifest = {
        "id": "their_ensemble",
        "members": [{"id": MEMBER, "sha256": digest}, {"id": "absent", "sha256": digest}],
        "codec_vocab": ours["encoder_vocab"],
        "feature_mean": ours["feature_mean"],
        "feature_std": ours["feature_std"],
    }
    (folder / "their_ensemble.json").write_text(json.dumps(manifest))
    row = {"id": MEMBER, "kind": "fr", "onnx": graph.name, "sha256": digest, "owner": "them"}
    (folder / "registry.json").write_text(json.dumps({"models": [row]}))
    return folder


def test_an_imported_model_predicts_what_the_original_does(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    imported = vqcast.load(MEMBER, tmp_path / "ours")
    original = vqcast.load(MEMBER, SHIPPED)
    ask = {"encoder": "libx264", **NORMS}
    assert np.array_equal(
        imported.predict(FEATURES, **ask).mean, original.predict(FEATURES, **ask).mean
    )
    assert vqcast.load("their_ensemble", tmp_path / "ours").size == 1


def test_everything_odd_is_named(foreign: Path, tmp_path: Path) -> None:
    found = "\n".join(import_registry(foreign, tmp_path / "ours").findings)
    assert f"bytes of weights in {MEMBER}.onnx.data, which no digest covered" in found
    assert "row keys left out: owner" in found
    assert "lacks feature_mean, taken from elsewhere" in found
    assert "names a member that is not there" in found
    assert "codec_vocab, read as encoder_vocab" in found


def test_what_is_written_is_self_contained_and_keeps_the_old_digest(
    foreign: Path, tmp_path: Path
) -> None:
    old = sha256_file(foreign / f"{MEMBER}.onnx")
    import_registry(foreign, tmp_path / "ours")
    assert not list((tmp_path / "ours").glob("*.data"))
    sidecar = json.loads((tmp_path / "ours" / f"{MEMBER}.json").read_text())
    assert sidecar["imported_from"]["sha256"] == old
    assert sidecar["sha256"] == sha256_file(tmp_path / "ours" / f"{MEMBER}.onnx") != old


def test_an_imported_model_stands_on_no_verdict(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    assert any(MEMBER in problem for problem in law.verify(tmp_path / "ours"))


def test_without_a_range_the_caller_gives_the_norms(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    with pytest.raises(vqcast.VqcastError, match="records no quality range"):
        vqcast.load(MEMBER, tmp_path / "ours").predict(FEATURES, encoder="libx264", cq=28)


def test_a_changed_graph_is_named(foreign: Path, tmp_path: Path) -> None:
    document = json.loads((foreign / "registry.json").read_text())
    document["models"][0]["sha256"] = "0" * 64
    (foreign / "registry.json").write_text(json.dumps(document))
    found = import_registry(foreign, tmp_path / "ours").findings
    assert any("does not have the digest" in finding for finding in found)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link"])
def test_weights_from_outside_the_registry_are_refused(
    foreign: Path, tmp_path: Path, location: str
) -> None:
    (tmp_path / "secret").write_bytes(bytes(100_000))
    os.symlink(tmp_path / "secret", foreign / "link")
    path = foreign / f"{MEMBER}.onnx"
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for pair in tensor.external_data:
            if pair.key == "location":
                pair.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RegistryError, match="leads out of the registry"):
        import_registry(foreign, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_weights_that_were_cut_are_refused(foreign: Path, tmp_path: Path) -> None:
    data = foreign / f"{MEMBER}.onnx.data"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(RegistryError, match="beyond the end"):
        import_registry(foreign, tmp_path / "ours")


def test_an_existing_folder_is_never_written_over(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    with pytest.raises(RegistryError, match="already exists"):
        import_registry(foreign, tmp_path / "ours")


Nodes = list[onnx.NodeProto]
Constants = dict[str, np.ndarray]
SCALE = {"m": np.float32([0.9, 0.5, 0.8, 0.8, 0.9, 6.0]), "s": np.float32([0.1] * 5 + [7.0])}
WEIGHTS = {
    "w0": np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32),
    "b0": np.full(8, 0.1, np.float32),
    "w1": np.full((8, 1), 5.0, np.float32),
    "b1": np.float32([50.0]),
}


def node(operator: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def head(value: str, activation: str) -> Nodes:
    return [
        node("Gemm", [value, "w0", "b0"], "h"),
        node(activation, ["h"], "a"),
        node("Gemm", ["a", "w1", "b1"], "vmaf"),
    ]


def publish(
    folder: Path,
    nodes: Nodes,
    constants: Constants,
    sidecar: dict[str, object] | None = None,
    *,
    inputs: tuple[list[object], ...] = (["N", 6],),
    kind: str = "fr",
) -> Path:
    """A registry of one model, as another tool writes it."""
    folder.mkdir()
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value(f"in{i}", TensorProto.FLOAT, shape) for i, shape in enumerate(inputs)],
        [value("vmaf", TensorProto.FLOAT, ["N", 1])],
        initializer=[numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "tiny.onnx").write_bytes(made.SerializeToString())
    if sidecar is not None:
        (folder / "tiny.json").write_text(json.dumps(sidecar))
    row = {"id": "tiny", "kind": kind, "onnx": "tiny.onnx"}
    row["sha256"] = sha256_file(folder / "tiny.onnx")
    (folder / "registry.json").write_text(json.dumps({"models": [row]}))
    return folder


def by_hand(activation: object, features: np.ndarray) -> np.ndarray:
    hidden = features @ WEIGHTS["w0"].astype(float) + WEIGHTS["b0"]
    return np.clip(activation(hidden) @ WEIGHTS["w1"] + 50.0, 0, 100)[:, 0]  # type: ignore[operator]


def test_a_scaler_baked_into_the_graph_is_not_applied_twice(tmp_path: Path) -> None:
    """As published vmaf_tiny_v2..v4: ``Constant`` nodes, ``input_mean``, ``features``."""
    baked = [
        node("Constant", [], "m", value=numpy_helper.from_array(SCALE["m"])),
        node("Constant", [], "s", value=numpy_helper.from_array(SCALE["s"])),
        node("Sub", ["in0", "m"], "c"),
        node("Div", ["c", "s"], "z"),
    ]
    sidecar = {
        "input_name": "in0",
        "features": list(vqcast.vocab.FEATURES),
        "input_mean": SCALE["m"].tolist(),
        "input_std": SCALE["s"].tolist(),
    }
    publish(tmp_path / "theirs", [*baked, *head("z", "Relu")], WEIGHTS, sidecar)
    found = "\n".join(import_registry(tmp_path / "theirs", tmp_path / "ours").findings)
    assert "its graph standardises by itself" in found and "says features, read as" in found
    made = vqcast.load("tiny", tmp_path / "ours").predict(FEATURES)
    scaled = (np.array(FEATURES) - SCALE["m"]) / SCALE["s"]
    assert made.mean == pytest.approx(by_hand(lambda x: np.maximum(x, 0), scaled), abs=1e-3)


@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("Relu", lambda x: np.maximum(x, 0)),
        ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("Tanh", np.tanh),
    ],
)
def test_other_activations_score(tmp_path: Path, operator: str, function: object) -> None:
    scaler = {"feature_mean": SCALE["m"].tolist(), "feature_std": SCALE["s"].tolist()}
    sidecar = scaler | {"feature_order": list(vqcast.vocab.FEATURES)}
    publish(tmp_path / "theirs", head("in0", operator), WEIGHTS, sidecar)
    import_registry(tmp_path / "theirs", tmp_path / "ours")
    made = vqcast.load("tiny", tmp_path / "ours").predict(FEATURES)
    scaled = (np.array(FEATURES) - SCALE["m"]) / SCALE["s"]
    assert made.mean == pytest.approx(by_hand(function, scaled), abs=1e-3)


def test_batch_normalisation_is_a_scaler_too(tmp_path: Path) -> None:
    norm = {
        "gain": np.ones(6, np.float32),
        "bias": np.zeros(6, np.float32),
        "mean": SCALE["m"],
        "var": SCALE["s"] ** 2,
    }
    nodes = [
        node("BatchNormalization", ["in0", *norm], "z", epsilon=0.0),
        *head("z", "Tanh"),
    ]
    publish(tmp_path / "theirs", nodes, WEIGHTS | norm, {"features": list(vqcast.vocab.FEATURES)})
    import_registry(tmp_path / "theirs", tmp_path / "ours")
    made = vqcast.load("tiny", tmp_path / "ours").predict(FEATURES)
    scaled = (np.array(FEATURES) - SCALE["m"]) / SCALE["s"]
    assert made.mean == pytest.approx(by_hand(np.tanh, scaled), abs=1e-3)


def test_quantised_weights_score(tmp_path: Path) -> None:
    steps = np.clip(np.round(WEIGHTS["w0"] / 0.02), -128, 127).astype(np.int8)
    quantised = {
        "q": steps,
        "step": np.float32(0.02),
        "zero": np.int8(0),
        "b0": WEIGHTS["b0"],
        "w1": WEIGHTS["w1"],
        "b1": WEIGHTS["b1"],
    }
    nodes = [node("DequantizeLinear", ["q", "step", "zero"], "w0"), *head("in0", "Relu")]
    sidecar = {"features": list(vqcast.vocab.FEATURES)} | {
        "feature_mean": [0.0] * 6,
        "feature_std": [1.0] * 6,
    }
    publish(tmp_path / "theirs", nodes, quantised, sidecar)
    import_registry(tmp_path / "theirs", tmp_path / "ours")
    made = vqcast.load("tiny", tmp_path / "ours").predict(FEATURES)
    hidden = np.maximum(np.array(FEATURES) @ (steps * 0.02) + 0.1, 0)
    expected = np.clip(hidden @ WEIGHTS["w1"] + 50.0, 0, 100)[:, 0]
    assert made.mean == pytest.approx(expected, abs=1e-3)


def test_a_model_that_says_nothing_comes_as_a_scaffold(tmp_path: Path) -> None:
    publish(tmp_path / "theirs", head("in0", "Relu"), WEIGHTS)
    found = "\n".join(import_registry(tmp_path / "theirs", tmp_path / "ours").findings)
    assert "nothing says its feature_order, feature_mean, feature_std" in found
    with pytest.raises(vqcast.VqcastError, match="smoke scaffold"):
        vqcast.load("tiny", tmp_path / "ours")
    assert vqcast.load("tiny", tmp_path / "ours", allow_smoke=True).predict(FEATURES).warnings == ()


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ((["N", 1, 224, 224],), "fr", r"in0 \[N, 1, 224, 224\]: not the six features"),
        ((["N", 5],), "fr", r"in0 \[N, 5\]: not the six features"),
        ((["N", 6],), "nr", "is of kind nr, not a full-reference regressor"),
        ((["N", 6],), "filter", "is of kind filter"),
        ((["N", 6], ["N", 3]), "fr", "reads 3 codec columns"),
    ],
)
def test_each_other_model_is_told_why_not(
    tmp_path: Path, inputs: tuple[list[object], ...], kind: str, words: str
) -> None:
    nodes = head("in0", "Relu")
    if len(inputs) == 2:
        nodes[0] = node("Gemm", ["joined", "w", "b0"], "h")
        nodes.insert(0, node("Concat", ["in0", "in1"], "joined", axis=1))
    constants = WEIGHTS | {"w": np.ones((9, 8), np.float32)}
    publish(tmp_path / "theirs", nodes, constants, inputs=inputs, kind=kind)
    with pytest.raises(RegistryError, match=words):
        import_registry(tmp_path / "theirs", tmp_path / "ours")


def test_slots_that_never_trained_are_found_in_the_weights_and_flagged(tmp_path: Path) -> None:
    slots = list(vqcast.vocab.VOCABULARIES[1])
    weights = np.random.default_rng(2).normal(size=(6 + len(slots) + 2, 8)).astype(np.float32)
    dead = [slots.index("libvvenc"), slots.index("unknown")]
    weights[[6 + index for index in dead]] = 0.0
    nodes = head("in0", "Relu")
    nodes[0] = node("Gemm", ["joined", "w", "b0"], "h")
    nodes.insert(0, node("Concat", ["in0", "in1"], "joined", axis=1))
    sidecar = {
        "feature_order": list(vqcast.vocab.FEATURES),
        "feature_mean": [0.0] * 6,
        "feature_std": [1.0] * 6,
        "codec_vocab": slots,
    }
    inputs = (["N", 6], ["N", len(slots) + 2])
    publish(tmp_path / "theirs", nodes, WEIGHTS | {"w": weights}, sidecar, inputs=inputs)
    found = "\n".join(import_registry(tmp_path / "theirs", tmp_path / "ours").findings)
    assert "never trained: libvvenc, unknown" in found
    predictor = vqcast.load("tiny", tmp_path / "ours")
    warned = {
        name: predictor.predict(FEATURES, encoder=name, **NORMS).warnings
        for name in ("x264", "libvvenc", "mpeg2video")
    }
    assert warned["x264"] == ()
    assert any("no training rows" in each for each in warned["libvvenc"])
    assert any("never seen" in each for each in warned["mpeg2video"])
    assert any("slot 'unknown' has no training rows" in each for each in warned["mpeg2video"])


def test_a_model_whose_training_nobody_counted_warns(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    made = vqcast.load(MEMBER, tmp_path / "ours").predict(FEATURES, encoder="libx264", **NORMS)
    sidecar = json.loads((tmp_path / "ours" / f"{MEMBER}.json").read_text())
    if "untrained_slots" not in sidecar:
        assert any("nothing says that the slot 'libx264' was trained" in w for w in made.warnings)
    unseen = vqcast.load(MEMBER, tmp_path / "ours").predict(FEATURES, encoder="mpeg2video", **NORMS)
    assert any("never seen" in warning for warning in unseen.warnings)
