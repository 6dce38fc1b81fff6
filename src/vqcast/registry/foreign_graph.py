"""Other people's ONNX graphs: made self-contained, and asked what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from vqcast.errors import ModelRefused
from vqcast.serve.guard import CheckedGraph
from vqcast.vocab import FEATURES

_STANDARDISING = ("Sub", "Add", "Mul", "Div", "BatchNormalization")
_NOTHING = 1e-3
"""VMAF points that a slot without training may still move a score."""


def self_contained(
    original: bytes, name: str, read: Callable[[str], bytes], findings: list[str]
) -> bytes:
    """The graph with external tensors and ``Constant`` nodes moved into its initializers.

    ``read`` gives a file beside it. Raises ModelRefused for what is no
    regressor on the six features, in words.
    """
    try:
        model = onnx.ModelProto.FromString(original)
    except (DecodeError, ValueError) as error:
        raise ModelRefused(f"{name} is not ONNX") from error
    outside = _take_in_weights(model.graph, name, read)
    for location, count in outside.items():
        findings.append(
            f"{name}: kept {count} bytes of weights in {location}, which no digest covered"
        )
    changed = _take_in_constants(model.graph) or bool(outside)
    _require_regressor(model.graph, name)
    return model.SerializeToString(deterministic=True) if changed else original


def _take_in_weights(
    graph: onnx.GraphProto, name: str, read: Callable[[str], bytes]
) -> dict[str, int]:
    """Move external tensors' bytes inside; bytes by the file that they lay in."""
    outside: dict[str, int] = {}
    for tensor in _tensors(graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        facts = {pair.key: pair.value for pair in tensor.external_data}
        location = str(PurePosixPath(name).parent / facts.get("location", ""))
        tensor.raw_data = _slice(read(location), facts, tensor.name)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        outside[location] = outside.get(location, 0) + len(tensor.raw_data)
    return outside


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _slice(data: bytes, facts: dict[str, str], tensor: str) -> bytes:
    try:
        offset = int(facts.get("offset", "0"))
        length = int(facts.get("length", str(len(data) - offset)))
    except ValueError as error:
        raise ModelRefused(f"tensor {tensor!r} has no readable offset or length") from error
    if offset < 0 or length < 0 or offset + length > len(data):
        raise ModelRefused(f"tensor {tensor!r} lies beyond the end of its data file")
    return data[offset : offset + length]


def _take_in_constants(graph: onnx.GraphProto) -> bool:
    """Turn ``Constant`` nodes into initializers, and unlist initializers as inputs."""
    kept = []
    for node in graph.node:
        value = node.attribute[0] if node.op_type == "Constant" and node.attribute else None
        if value is None or not value.HasField("t"):
            kept.append(node)
            continue
        value.t.name = node.output[0]
        graph.initializer.append(value.t)
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    changed = len(kept) < len(graph.node) or len(inputs) < len(graph.input)
    if changed:
        nodes, values = [_copy(node) for node in kept], [_copy(value) for value in inputs]
        del graph.node[:], graph.input[:]
        graph.node.extend(nodes)
        graph.input.extend(values)
    return changed


def _copy(message: Any) -> Any:
    again = type(message)()
    again.CopyFrom(message)
    return again


def _require_regressor(graph: onnx.GraphProto, name: str) -> None:
    """Raise ModelRefused, saying what it reads, unless it scores the six features."""
    if not graph.input:
        raise ModelRefused(f"{name} has no input")
    reads = [f"{value.name} {_shape(value)}" for value in graph.input]
    if len(reads) > 2:
        raise ModelRefused(f"it reads {', '.join(reads)}: not the six features")
    first = graph.input[0].type.tensor_type
    dims = first.shape.dim
    if len(dims) != 2 or dims[1].dim_value != len(FEATURES):
        raise ModelRefused(f"it reads {', '.join(reads)}: not the six features of each frame")
    if first.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(first.elem_type).lower()
        raise ModelRefused(f"it reads {reads[0]} as {kind}, not float32")
    if len(graph.output) != 1:
        raise ModelRefused(f"it gives {len(graph.output)} outputs, not one score")


def _shape(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return f"[{', '.join(str(each.dim_value or each.dim_param or '?') for each in dims)}]"


def widths(model: onnx.ModelProto) -> list[int]:
    """Columns of each input."""
    return [value.type.tensor_type.shape.dim[1].dim_value for value in model.graph.input]


def scales_itself(model: onnx.ModelProto, mean: Sequence[float] | None) -> bool:
    """Whether the graph standardises its features: by the ``mean`` that is stated, or by any."""
    graph = model.graph
    first = graph.input[0].name
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if first not in node.input or node.op_type not in _STANDARDISING:
            continue
        others = [constants[name] for name in node.input if name in constants]
        if mean is None or node.op_type == "BatchNormalization":
            return bool(others)
        values = [numpy_helper.to_array(tensor).reshape(-1) for tensor in others]
        return any(_close(each, mean) or _close(-each, mean) for each in values)
    return False


def _close(values: Any, mean: Sequence[float]) -> bool:
    return len(values) == len(mean) and bool(np.allclose(values, mean, rtol=1e-4, atol=1e-5))


def dead_slots(session: CheckedGraph, slots: int) -> list[int]:
    """Slots that move no score: their weights are zero, as training without their rows leaves them.

    Weight decay takes an untrained column to zero within a few epochs.
    """
    if not slots:
        return []
    features = np.random.default_rng(0).normal(size=(64, len(FEATURES))).astype(np.float32)

    def score(slot: int | None) -> Any:
        block = np.zeros((len(features), slots + 2), dtype=np.float32)
        block[:, -2:] = 0.5
        if slot is not None:
            block[:, slot] = 1.0
        return session.run(features, block)[0].reshape(-1)

    plain = score(None)
    return [slot for slot in range(slots) if np.abs(score(slot) - plain).max() < _NOTHING]
