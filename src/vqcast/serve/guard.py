"""What may be loaded: bytes of the right digest, holding a small graph of known operators.

The order is the law: read with a cap, digest, parse, check, and only then a
session, all on one bytes object. ONNX files are programs from elsewhere; a
graph that keeps weights outside itself, names an operator off the list, could
ask for gigabytes, or is no ONNX at all never reaches ONNX Runtime.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, ModelRefused

MAX_MODEL_BYTES = 4 << 20
"""Parsing takes up to 80 times a file's size (empty messages of two bytes each)."""
MAX_NODES = 1_000
MAX_PARTS = 50_000
"""Messages in a file: nodes, attributes, tensors, dimensions."""
FRAMES_A_CALL = 1024
"""Activations of that many frames stay in cache: faster than one large call."""
MAX_VALUES_A_CALL = 32 << 20
"""Numbers that all values of a graph hold together for ``FRAMES_A_CALL`` frames: 128 MiB."""
_MANY_FRAMES = FRAMES_A_CALL << 10
_MAX_INPUT_WIDTH = 1024
_ARITHMETIC = ("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Erf", "Sqrt", "Min", "Max", "Clip")
_SHAPING = ("Concat", "Reshape", "Squeeze")
_REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMin", "ReduceMax")
OWN_OPERATORS = frozenset((*_ARITHMETIC, *_SHAPING, *_REDUCTIONS))
"""What a graph that this project writes computes with: libvmaf's loader takes them all."""
_IMPORTED = ("Relu", "Sigmoid", "Tanh", "BatchNormalization", "QuantizeLinear", "DequantizeLinear")
_EARLIER = ("ReduceL2",)
"""In the one graph of earlier releases."""
OPERATORS = OWN_OPERATORS.union(_IMPORTED, _EARLIER)
"""What a graph that is loaded may compute with (CONTRACTS §6)."""
OPSETS = range(13, 22)
_CONSTANTS = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64)
_QUANTISED = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT32)
_DEQUANTISE = ("QuantizeLinear", "DequantizeLinear")
_ORT_MAGIC = b"ORTM"
_ORT_MAGIC_OFFSET = 4
_ORT_CONFIG = "ort_config"
"""The metadata key from which ONNX Runtime may take session options."""
SWITCHES = {
    "ORT_LOAD_CONFIG_FROM_MODEL": "lets a model set its own session options",
    "ALLOW_RELEASED_ONNX_OPSET_ONLY": "changes which operator sets are accepted",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "may swap the parser for a laxer, hungrier one",
}
"""Environment variables that change what is loaded, found by tracing what the libraries ask for."""


def check_digest(data: bytes, sha256: str, *, where: str) -> None:
    """Raise ModelRefused unless ``data`` has the digest that was pinned."""
    actual = sha256_bytes(data)
    if actual != sha256:
        raise ModelRefused(
            f"{where}: sha256 is {actual[:12]}…, the registry pins {sha256[:12]}…",
            hint="vqcast registry verify names every difference",
        )


def check_environment() -> None:
    """Raise ModelRefused where a switch is set that changes what is loaded."""
    for name, what in SWITCHES.items():
        if name in os.environ:
            raise ModelRefused(
                f"the environment variable {name} is set, which {what}", hint=f"unset {name}"
            )


def parse(data: bytes, *, where: str) -> onnx.ModelProto:
    """``data`` as a checked ONNX model.

    Raises ModelRefused for anything else: flatbuffers, damage, foreign
    operators or domains, other opsets, subgraphs, functions, external data,
    session options of its own, values that could grow out of bounds.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ModelRefused(f"{where}: {len(data)} bytes, more than {MAX_MODEL_BYTES}")
    if data[_ORT_MAGIC_OFFSET : _ORT_MAGIC_OFFSET + len(_ORT_MAGIC)] == _ORT_MAGIC:
        raise ModelRefused(f"{where}: is an ORT flatbuffer, not ONNX")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError) as error:  # ValueError: a name that is no text
        raise ModelRefused(f"{where}: is not ONNX") from error
    _check_parts(model, where)
    _check_opset(model, where)
    _check_graph(model.graph, where)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises several unrelated types
        raise ModelRefused(f"{where}: not a valid graph: {_first_line(error)}") from error
    _check_sizes(model, FRAMES_A_CALL, MAX_VALUES_A_CALL, where)
    # No value may grow faster than the number of frames.
    grown = _MANY_FRAMES // FRAMES_A_CALL
    _check_sizes(model, _MANY_FRAMES, MAX_VALUES_A_CALL * grown, where)
    return model


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "no reason given"


def _parts(message: Message) -> Iterator[Message]:
    """Every message inside ``message``, itself first, wherever it hangs."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if isinstance(value, Sequence) else [value]:
                yield from _parts(part)


def _check_parts(model: onnx.ModelProto, where: str) -> None:
    """Refuse what no part of the file may hold: attributes, metadata and all that is to come."""
    graphs = 0
    for count, part in enumerate(_parts(model)):
        if count >= MAX_PARTS:
            raise ModelRefused(f"{where}: has more than {MAX_PARTS} parts")
        if len(UnknownFieldSet(part)):
            raise ModelRefused(f"{where}: holds fields that ONNX does not define")
        if isinstance(part, onnx.TensorProto):
            if part.data_location != onnx.TensorProto.DEFAULT or part.external_data:
                raise ModelRefused(
                    f"{where}: tensor {part.name!r} keeps its data outside the file",
                    hint="only self-contained graphs are loaded",
                )
        elif isinstance(part, onnx.SparseTensorProto):
            raise ModelRefused(f"{where}: holds sparse tensors")
        elif isinstance(part, onnx.FunctionProto | onnx.TrainingInfoProto):
            raise ModelRefused(f"{where}: defines functions or training of its own")
        elif isinstance(part, onnx.AttributeProto):
            if part.ref_attr_name:
                raise ModelRefused(f"{where}: attribute {part.name!r} is a reference")
        elif isinstance(part, onnx.GraphProto):
            graphs += 1
            if graphs > 1:
                raise ModelRefused(f"{where}: holds a subgraph")
    if any(entry.key == _ORT_CONFIG for entry in model.metadata_props):
        raise ModelRefused(f"{where}: its metadata sets session options ({_ORT_CONFIG})")


def _check_opset(model: onnx.ModelProto, where: str) -> None:
    domains = [entry.domain for entry in model.opset_import]
    if set(domains) - {"", "ai.onnx"} or not domains:
        # A name that is not UTF-8 comes as bytes.
        named = ", ".join(sorted(map(str, domains))) or "none"
        raise ModelRefused(f"{where}: imports operators of {named}")
    if len(domains) != 1 or model.opset_import[0].version not in OPSETS:
        raise ModelRefused(f"{where}: opset is outside {OPSETS.start}..{OPSETS.stop - 1}")


def _check_graph(graph: onnx.GraphProto, where: str) -> None:
    if not graph.node or not graph.output:
        raise ModelRefused(f"{where}: has no nodes or no output")
    if len(graph.node) > MAX_NODES:
        raise ModelRefused(f"{where}: has {len(graph.node)} nodes, more than {MAX_NODES}")
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise ModelRefused(f"{where}: operator {node.op_type!r} is not on the list")
    quantised = {name for node in graph.node if node.op_type in _DEQUANTISE for name in node.input}
    for tensor in graph.initializer:
        allowed = _CONSTANTS + (_QUANTISED if tensor.name in quantised else ())
        if tensor.data_type not in allowed:
            raise ModelRefused(f"{where}: constant {tensor.name!r} is neither float32 nor int64")
    constants = {tensor.name for tensor in graph.initializer}
    for value in (*graph.input, *graph.output):
        kind = value.type.tensor_type.elem_type
        if value.type.WhichOneof("value") != "tensor_type" or kind != onnx.TensorProto.FLOAT:
            raise ModelRefused(f"{where}: {value.name} is not a float32 tensor")
        if value.name in constants:
            raise ModelRefused(f"{where}: {value.name} is both a constant and an input or output")
    for value in graph.input:
        shape = value.type.tensor_type.shape.dim
        if len(shape) != 2 or shape[0].dim_value or not 0 < shape[1].dim_value <= _MAX_INPUT_WIDTH:
            raise ModelRefused(f"{where}: input {value.name} is not [N, 1..{_MAX_INPUT_WIDTH}]")


def _check_sizes(model: onnx.ModelProto, frames: int, most: int, where: str) -> None:
    """Refuse a graph whose values hold more than ``most`` numbers for so many frames.

    Only what follows from inputs and constants counts: shapes that the file
    claims for its own values are taken out first.
    """
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for value in bound.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = frames
    bound.graph.ClearField("value_info")
    for value in bound.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        # Not data_prop: it computes with the values, and can take seconds itself.
        inferred = onnx.shape_inference.infer_shapes(bound, check_type=True, strict_mode=True).graph
    except Exception as error:  # raises several unrelated types too
        raise ModelRefused(
            f"{where}: not a graph for any number of frames: {_first_line(error)}"
        ) from error
    total = sum(prod(tensor.dims) for tensor in inferred.initializer)
    shapes = {
        value.name: value.type.tensor_type.shape.dim
        for value in (*inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }
    for name in (name for node in inferred.node for name in node.output if name):
        shape = shapes.get(name)
        if shape is None or not all(each.HasField("dim_value") for each in shape):
            raise ModelRefused(f"{where}: the size of {name!r} can't be told beforehand")
        total += prod(each.dim_value for each in shape)
        if total > most:
            raise ModelRefused(
                f"{where}: its values hold more than {most} numbers for {frames} frames, "
                f"{name!r} alone {prod(each.dim_value for each in shape)}"
            )


def signature(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Names of the graph's inputs and outputs."""
    graph = model.graph
    return [value.name for value in graph.input], [value.name for value in graph.output]


class CheckedGraph:
    """One checked graph, ready to run on one thread."""

    def __init__(
        self,
        data: bytes,
        *,
        sha256: str,
        input_names: Sequence[str],
        output_names: Sequence[str],
        where: str,
    ) -> None:
        check_environment()
        check_digest(data, sha256, where=where)
        model = parse(data, where=where)
        if signature(model) != (list(input_names), list(output_names)):
            raise ModelRefused(f"{where}: the graph's inputs or outputs are not the sidecar's")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime raises its own untyped errors
            raise ModelRefused(f"{where}: ONNX Runtime refuses it: {error}") from error
        self._inputs = list(input_names)
        self._outputs = list(output_names)
        self._where = where

    def run(self, *arrays: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs in order. Raises FeatureError where an input or an output is not finite."""
        feeds: dict[str, Any] = dict(zip(self._inputs, arrays, strict=True))
        for name, array in feeds.items():
            if not np.all(np.isfinite(array)):
                raise FeatureError(f"{self._where}: {name} is not finite in float32")
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, feeds)
        except Exception as error:  # shapes that the graph refuses
            raise FeatureError(f"{self._where}: the graph refuses its input: {error}") from error
        for name, output in zip(self._outputs, outputs, strict=True):
            if not np.all(np.isfinite(output)):
                raise FeatureError(f"{self._where}: {name} is not finite for this input")
        return outputs
