"""A trained network as one self-contained ONNX file, byte for byte the same each time.

The graph takes standardised features (and the codec block where the family has
one) and gives VMAF points, not clipped. Only operators that the contract
allows are used: Concat, Gemm, Div, Erf, Add, Mul, Squeeze.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vqcast.families import Family
from vqcast.vocab import FEATURES

OPSET = 17
IR_VERSION = 8
_BATCH = "N"

Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]


def build(layers: Layers, family: Family, model_id: str) -> bytes:
    """The ONNX bytes of one network.

    ``layers`` holds ``(W[in, out], b[out])``, input side first, float32; the
    last has one output.
    """
    inputs = [_tensor(family.feature_input, [_BATCH, len(FEATURES)])]
    nodes = []
    value = family.feature_input
    if family.codec_input is not None:
        inputs.append(_tensor(family.codec_input, [_BATCH, family.num_codecs]))
        nodes.append(
            helper.make_node("Concat", [value, family.codec_input], ["joined"], "join", axis=1)
        )
        value = "joined"
    constants = [
        _constant("sqrt2", np.array(np.sqrt(2.0), dtype=np.float32)),
        _constant("one", np.array(1.0, dtype=np.float32)),
        _constant("half", np.array(0.5, dtype=np.float32)),
        _constant("last_axis", np.array([1], dtype=np.int64)),
    ]
    for index, (matrix, bias) in enumerate(layers):
        constants += [_constant(f"w{index}", matrix), _constant(f"b{index}", bias)]
        linear = f"linear{index}"
        nodes.append(
            helper.make_node("Gemm", [value, f"w{index}", f"b{index}"], [linear], f"gemm{index}")
        )
        value = linear
        if index < len(layers) - 1:
            nodes += _gelu(linear, index)
            value = f"gelu{index}"
    nodes.append(helper.make_node("Squeeze", [value, "last_axis"], [family.output], "squeeze"))
    graph = helper.make_graph(
        nodes, model_id, inputs, [_tensor(family.output, [_BATCH])], initializer=constants
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="vqcast",
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def layers_of(data: bytes, depth: int) -> Layers:
    """The ``(W, b)`` pairs that ``build`` put into a graph of ``depth`` hidden layers.

    Raises KeyError where the graph is none of its making.
    """
    model = onnx.ModelProto.FromString(data)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [(held[f"w{index}"], held[f"b{index}"]) for index in range(depth + 1)]


def _gelu(value: str, index: int) -> list[onnx.NodeProto]:
    """Exact GELU: x * 0.5 * (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel, 2016, eq. 1)."""
    scaled, erf, shifted, gate = (f"{name}{index}" for name in ("scaled", "erf", "shifted", "gate"))
    return [
        helper.make_node("Div", [value, "sqrt2"], [scaled], f"scale{index}"),
        helper.make_node("Erf", [scaled], [erf], f"erf_node{index}"),
        helper.make_node("Add", [erf, "one"], [shifted], f"shift{index}"),
        helper.make_node("Mul", [shifted, "half"], [gate], f"halve{index}"),
        helper.make_node("Mul", [value, gate], [f"gelu{index}"], f"apply{index}"),
    ]


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _constant(name: str, value: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(value), name)
