"""What may be loaded: bytes of the right digest, holding a graph of known operators.

The order is the law: read with a cap, digest, parse, check, and only then a
session, all on one bytes object. ONNX files are programs from elsewhere; a
graph that keeps weights outside itself, names an operator off the list, or is
no ONNX at all never reaches ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, ModelRefused

MAX_MODEL_BYTES = 32 << 20
_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
_ARITHMETIC = ("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Erf", "Sqrt", "Min", "Max", "Clip")
_SHAPING = ("Concat", "Reshape", "Squeeze")
OPERATORS = frozenset((*_ARITHMETIC, *_SHAPING, *(f"Reduce{name}" for name in _REDUCTIONS)))
"""What a graph of this family may compute with (CONTRACTS §6)."""
OPSETS = range(13, 22)
_ORT_MAGIC = b"ORTM"
_ORT_MAGIC_OFFSET = 4
_FLOAT_INPUTS = onnx.TensorProto.FLOAT


def check_digest(data: bytes, sha256: str, *, where: str) -> None:
    """Raise ModelRefused unless ``data`` has the digest that was pinned."""
    actual = sha256_bytes(data)
    if actual != sha256:
        raise ModelRefused(
            f"{where}: sha256 is {actual[:12]}…, the registry pins {sha256[:12]}…",
            hint="vqcast registry verify names every difference",
        )


def parse(data: bytes, *, where: str) -> onnx.ModelProto:
    """``data`` as a checked ONNX model.

    Raises ModelRefused for anything else: flatbuffers, damage, foreign
    operators or domains, other opsets, subgraphs, functions, external data.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ModelRefused(f"{where}: {len(data)} bytes, more than {MAX_MODEL_BYTES}")
    if data[_ORT_MAGIC_OFFSET : _ORT_MAGIC_OFFSET + len(_ORT_MAGIC)] == _ORT_MAGIC:
        raise ModelRefused(f"{where}: is an ORT flatbuffer, not ONNX")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelRefused(f"{where}: is not ONNX") from error
    _check_model(model, where)
    return model


def _check_model(model: onnx.ModelProto, where: str) -> None:
    if model.functions or model.training_info:
        raise ModelRefused(f"{where}: defines functions or training of its own")
    domains = [entry.domain for entry in model.opset_import]
    if set(domains) - {"", "ai.onnx"} or not domains:
        # A name that is not UTF-8 comes as bytes.
        named = ", ".join(sorted(map(str, domains))) or "none"
        raise ModelRefused(f"{where}: imports operators of {named}")
    if len(domains) != 1 or model.opset_import[0].version not in OPSETS:
        raise ModelRefused(f"{where}: opset is outside {OPSETS.start}..{OPSETS.stop - 1}")
    graph = model.graph
    if graph.sparse_initializer:
        raise ModelRefused(f"{where}: holds sparse tensors")
    if not graph.node or not graph.output:
        raise ModelRefused(f"{where}: has no nodes or no output")
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise ModelRefused(f"{where}: operator {node.op_type!r} is not on the list")
        _check_attributes(node, where)
    _check_tensors(graph.initializer, where)
    for value in (*graph.input, *graph.output):
        kind = value.type.tensor_type.elem_type
        if value.type.WhichOneof("value") != "tensor_type" or kind != _FLOAT_INPUTS:
            raise ModelRefused(f"{where}: {value.name} is not a float32 tensor")
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises several unrelated types
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ModelRefused(f"{where}: not a valid graph: {first_line}") from error


def _check_attributes(node: onnx.NodeProto, where: str) -> None:
    for attribute in node.attribute:
        if attribute.ref_attr_name or attribute.HasField("g") or attribute.graphs:
            raise ModelRefused(f"{where}: node {node.name!r} holds a subgraph or a reference")
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise ModelRefused(f"{where}: node {node.name!r} holds sparse tensors")
        if attribute.HasField("t"):
            _check_tensors([attribute.t], where)
        _check_tensors(attribute.tensors, where)


def _check_tensors(tensors: Iterable[onnx.TensorProto], where: str) -> None:
    for tensor in tensors:
        if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
            raise ModelRefused(
                f"{where}: tensor {tensor.name!r} keeps its data outside the file",
                hint="only self-contained graphs are loaded",
            )


def signature(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Names of the graph's inputs (initializers aside) and outputs."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in constants]
    return inputs, [value.name for value in model.graph.output]


class Session:
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
        check_digest(data, sha256, where=where)
        model = parse(data, where=where)
        if signature(model) != (list(input_names), list(output_names)):
            raise ModelRefused(f"{where}: the graph's inputs or outputs are not the sidecar's")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises its own untyped errors
            raise ModelRefused(f"{where}: ONNX Runtime refuses it: {error}") from error
        self._inputs = list(input_names)
        self._outputs = list(output_names)
        self._where = where

    def run(self, *arrays: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs in order. Raises FeatureError where one is not finite."""
        feeds: dict[str, Any] = dict(zip(self._inputs, arrays, strict=True))
        try:
            outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, feeds)
        except Exception as error:  # shapes that the graph refuses
            raise FeatureError(f"{self._where}: the graph refuses its input: {error}") from error
        for name, output in zip(self._outputs, outputs, strict=True):
            if not np.all(np.isfinite(output)):
                raise FeatureError(f"{self._where}: {name} is not finite for this input")
        return outputs
