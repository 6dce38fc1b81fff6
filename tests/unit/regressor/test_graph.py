"""The exported graph: same bytes, allowed operators, and the arithmetic done by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest

from vqcast.regressor import graph
from vqcast.regressor.spec import ENSEMBLE, Spec
from vqcast.regressor.spec import V1 as BLIND

ALLOWED = {
    *("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Erf", "Sqrt", "Concat", "Reshape"),
    *("Squeeze", "Min", "Max", "Clip"),
}


def layers(family: Spec, hidden: int = 64, seed: int = 0) -> graph.Layers:
    random = np.random.default_rng(seed)
    sizes = [6 + family.num_codecs, hidden, hidden, 1]
    return [
        (
            random.normal(0, 0.3, (a, b)).astype(np.float32),
            random.normal(0, 0.3, b).astype(np.float32),
        )
        for a, b in pairwise(sizes)
    ]


def run(data: bytes, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, feeds)
    return output


def by_hand(made: graph.Layers, row: list[float]) -> float:
    """The forward pass of one row in plain Python, with exact GELU."""
    values = row
    for index, (matrix, bias) in enumerate(made):
        sums = [
            math.fsum(values[i] * float(matrix[i, j]) for i in range(len(values))) + float(bias[j])
            for j in range(len(bias))
        ]
        last = index == len(made) - 1
        values = sums if last else [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in sums]
    (score,) = values
    return score


def feeds_of(family: Spec, rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    feeds = {family.feature_input: random.normal(0, 1, (rows, 6)).astype(np.float32)}
    if family.codec_input:
        codec = random.uniform(0, 1, (rows, family.num_codecs)).astype(np.float32)
        feeds[family.codec_input] = codec
    return feeds


@pytest.mark.parametrize("family", [ENSEMBLE, BLIND], ids=lambda family: family.id)
@pytest.mark.parametrize("hidden", [1, 3, 64])
def test_the_graph_computes_the_network_written_out_by_hand(family: Spec, hidden: int) -> None:
    made = layers(family, hidden)
    feeds = feeds_of(family, 5)
    scores = run(graph.build(made, family, "x"), feeds)
    joined = np.hstack(list(feeds.values()))
    for row, score in zip(joined.tolist(), scores, strict=True):
        assert float(score) == pytest.approx(by_hand(made, row), abs=1e-5)


def test_a_network_of_one_path_gives_a_number_known_beforehand() -> None:
    first = np.zeros((20, 1), np.float32)
    first[0, 0] = 1.0
    made = [
        (first, np.zeros(1, np.float32)),
        (np.full((1, 1), 10, np.float32), np.ones(1, np.float32)),
    ]
    feeds = {
        "features": np.array([[1, 9, 9, 9, 9, 9]], np.float32),
        "codec_onehot": np.ones((1, 14), np.float32),
    }
    # GELU(1) = 0.8413447460685429 (the normal CDF at 1), times 10, plus 1.
    assert float(run(graph.build(made, ENSEMBLE, "x"), feeds)[0]) == pytest.approx(
        9.413447, abs=1e-5
    )


@pytest.mark.parametrize("family", [ENSEMBLE, BLIND], ids=lambda family: family.id)
def test_the_same_network_gives_the_same_bytes(family: Spec) -> None:
    one, two = (graph.build(layers(family), family, "x") for _ in range(2))
    assert one == two
    assert graph.build(layers(family, seed=1), family, "x") != one


def test_a_change_of_one_weight_by_one_bit_changes_the_bytes() -> None:
    made = layers(ENSEMBLE)
    before = graph.build(made, ENSEMBLE, "x")
    made[1][0][3, 3] = np.nextafter(made[1][0][3, 3], np.float32(9))
    assert graph.build(made, ENSEMBLE, "x") != before


@pytest.mark.parametrize("family", [ENSEMBLE, BLIND], ids=lambda family: family.id)
def test_only_allowed_operators_one_opset_and_nothing_outside(family: Spec) -> None:
    model = onnx.load_from_string(graph.build(layers(family), family, "x"))
    assert {node.op_type for node in model.graph.node} <= ALLOWED
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert not model.functions and not model.graph.sparse_initializer
    for tensor in model.graph.initializer:
        assert tensor.data_location == onnx.TensorProto.DEFAULT
        assert not tensor.external_data and tensor.raw_data
    assert not model.metadata_props and not model.doc_string


def test_the_ensembles_signature_is_the_contracts() -> None:
    model = onnx.load_from_string(graph.build(layers(ENSEMBLE), ENSEMBLE, "x"))

    def shape(value: onnx.ValueInfoProto) -> list[int | str]:
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    assert [(v.name, shape(v)) for v in model.graph.input] == [
        ("features", ["N", 6]),
        ("codec_onehot", ["N", 14]),
    ]
    assert [(v.name, shape(v)) for v in model.graph.output] == [("score", ["N"])]


def test_a_codec_blind_family_has_one_input() -> None:
    model = onnx.load_from_string(graph.build(layers(BLIND), BLIND, "x"))
    assert [value.name for value in model.graph.input] == ["features"]
    assert "Concat" not in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_number_of_frames_is_free(rows: int) -> None:
    feeds = feeds_of(ENSEMBLE, rows)
    data = graph.build(layers(ENSEMBLE), ENSEMBLE, "x")
    together = run(data, feeds)
    assert together.shape == (rows,) and together.dtype == np.float32
    for row in {0, rows // 2, rows - 1}:
        alone = run(data, {name: value[row : row + 1] for name, value in feeds.items()})
        assert float(alone[0]) == pytest.approx(float(together[row]), abs=1e-4)
