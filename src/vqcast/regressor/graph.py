"""A trained network, or a whole ensemble with its interval, as one self-contained ONNX file.

The same input gives the same bytes. `build` takes one network: standardised features (and the
codec block where the family has one) in, VMAF points out, not clipped. `build_ensemble` takes all
networks and their calibration: raw features and the codec block in, and for each frame the
calibrated ``score``, the members' spread ``std`` and the interval's ``lower`` and ``upper`` bound,
all in VMAF points::

    session.run(["score", "std", "lower", "upper"], {"features": f, "codec_onehot": c})

The ensemble's arithmetic is that of ``vqcast.interval.Calibration``. Its shape is for speed:

* Frames run along the last axis: the first layer of all members is one Gemm,
  ``[members * hidden, in] x [N, in]^T``, and splits into members by a Reshape.
* GELU is spelt so that ONNX Runtime knows it and computes it in one pass.
* The scaler's division is in the first layer's weights. Its subtraction is
  not: float32 would lose digits where mean / std is large.
* Piecewise-linear functions of the mean are ramps from 0 to 1 and their
  weighted sum: Gemm, Clip, Gemm.

Rows are independent, so a caller with many frames does best to send about a
thousand at a time: what lies between the layers then stays in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from vqcast.interval import INTERVAL_OUTPUTS, VMAF_MAX, VMAF_MIN, Calibration
from vqcast.regressor.spec import Spec
from vqcast.vocab import FEATURES

OPSET = 17
IR_VERSION = 8
SCORE, STD, LOWER, UPPER = OUTPUTS = INTERVAL_OUTPUTS
"""The ensemble graph's outputs in order, float32 ``[N]`` each."""
LEVEL = 0.90
"""Nominal coverage of ``lower..upper`` where no other is asked for."""

_BATCH = "N"
_STD_FLOOR = 1e-8
"""A feature that never varied is not divided by its deviation (as the predictor does)."""
_MAX_WIDENING = 1e30
"""Past any use and short of float32's end, so that no bound becomes infinity minus infinity."""

Array = NDArray[np.float64]
Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]


def build(layers: Layers, spec: Spec, model_id: str) -> bytes:
    """The ONNX bytes of one network.

    ``layers`` holds ``(W[in, out], b[out])``, input side first, float32; the
    last has one output.
    """
    graph = _Graph()
    for name, value in (("sqrt2", np.sqrt(2.0)), ("one", 1.0), ("half", 0.5)):
        graph.constant(name, [value])
    graph.constant("last_axis", [1], np.int64)
    value = spec.feature_input
    if spec.codec_input is not None:
        value = graph.add("Concat", value, spec.codec_input, output="joined", name="join", axis=1)
    for index, (matrix, bias) in enumerate(layers):
        weights, offset = graph.constant(f"w{index}", matrix), graph.constant(f"b{index}", bias)
        value = graph.add(
            "Gemm", value, weights, offset, output=f"linear{index}", name=f"gemm{index}"
        )
        if index < len(layers) - 1:
            value = _gelu_of_network(graph, value, index)
    graph.add("Squeeze", value, "last_axis", output=spec.output, name="squeeze")
    return graph.to_bytes(spec, model_id, (spec.output,))


def _gelu_of_network(graph: _Graph, value: str, index: int) -> str:
    """Exact GELU: x * 0.5 * (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel, 2016, eq. 1)."""
    scaled, erf, shifted, gate = (f"{name}{index}" for name in ("scaled", "erf", "shifted", "gate"))
    graph.add("Div", value, "sqrt2", output=scaled, name=f"scale{index}")
    graph.add("Erf", scaled, output=erf, name=f"erf_node{index}")
    graph.add("Add", erf, "one", output=shifted, name=f"shift{index}")
    graph.add("Mul", shifted, "half", output=gate, name=f"halve{index}")
    return graph.add("Mul", value, gate, output=f"gelu{index}", name=f"apply{index}")


def layers_of(data: bytes, depth: int) -> Layers:
    """The ``(W, b)`` pairs that ``build`` put into a graph of ``depth`` hidden layers.

    Raises KeyError where the graph is none of its making.
    """
    model = onnx.ModelProto.FromString(data)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [(held[f"w{index}"], held[f"b{index}"]) for index in range(depth + 1)]


def build_ensemble(
    members: Sequence[Layers],
    feature_mean: ArrayLike,
    feature_std: ArrayLike,
    calibration: Calibration,
    slot_rows: Mapping[str, int],
    spec: Spec,
    model_id: str,
    level: float = LEVEL,
    *,
    reduce_l2: bool = False,
) -> bytes:
    """The ONNX bytes of an ensemble with its interval at ``level``.

    ``members`` are networks of one shape, as ``build`` takes them; they share the scaler
    ``feature_mean``, ``feature_std`` ``[6]``. A slot without training rows
    in ``slot_rows`` widens the interval. ``reduce_l2`` writes the graph as releases up to 0.2
    did, for comparison. Raises EvidenceError where ``calibration`` has no quantile for ``level``.
    """
    graph = _Graph(reduce_l2)
    mean32 = np.asarray(feature_mean, dtype=np.float64).astype(np.float32).astype(np.float64)
    centred = graph.add("Sub", spec.feature_input, graph.constant("feature_mean", mean32))
    joined = centred
    if spec.codec_input is not None:
        joined = graph.add("Concat", joined, spec.codec_input, axis=1)
    scores = _networks(
        graph, joined, _stack(members, np.asarray(feature_mean) - mean32, feature_std)
    )
    mean = graph.add("ReduceMean", scores, axes=[0], keepdims=0)
    std = _spread(graph, scores, mean, len(members))

    centre, reach = _centre_and_reach(graph, mean, calibration, calibration.quantile(level))
    width = graph.add("Add", std, graph.constant("spread_floor", calibration.spread_floor))
    width = graph.add("Mul", width, reach)
    width = graph.add("Mul", width, _widening(graph, centred, mean32, calibration))
    if spec.codec_input is not None:
        unseen = [slot_rows.get(slot, 0) == 0 for slot in spec.vocabulary]
        factor = _unseen_factor(graph, spec.codec_input, unseen, calibration.unseen_slot_factor)
        width = graph.add("Mul", width, factor)
    lower, upper = graph.add("Sub", centre, width), graph.add("Add", centre, width)
    graph.clip(lower, VMAF_MIN, VMAF_MAX, output=LOWER)
    graph.clip(upper, VMAF_MIN, VMAF_MAX, output=UPPER)
    return graph.to_bytes(spec, model_id, OUTPUTS)


def _stack(
    members: Sequence[Layers], feature_mean: ArrayLike, feature_std: ArrayLike
) -> list[tuple[Array, Array]]:
    """Layers ``(W[members, out, in], b[members, out, 1])``, of raw features."""
    layers = [
        (
            np.stack([matrix.astype(np.float64).T for matrix, _ in layer]),
            np.stack([bias.astype(np.float64)[:, None] for _, bias in layer]),
        )
        for layer in zip(*members, strict=True)
    ]
    weights, bias = layers[0]
    std = np.asarray(feature_std, dtype=np.float64)
    scaled = weights[:, :, : len(FEATURES)] / np.where(std < _STD_FLOOR, 1.0, std)
    shift = scaled @ np.asarray(feature_mean, dtype=np.float64)[:, None]
    layers[0] = (np.concatenate([scaled, weights[:, :, len(FEATURES) :]], axis=2), bias - shift)
    return layers


def _networks(graph: _Graph, joined: str, layers: list[tuple[Array, Array]]) -> str:
    """Every member's clipped scores, ``[members, 1, N]``."""
    weights, bias = layers[0]
    size, hidden, inputs = weights.shape
    value = graph.add(
        "Gemm",
        graph.constant("w0", weights.reshape(size * hidden, inputs)),
        joined,
        graph.constant("b0", bias.reshape(size * hidden, 1)),
        transB=1,
    )
    by_member = graph.constant("by_member", [size, hidden, -1], np.int64)
    value = graph.add("Reshape", value, by_member)
    for index, (weights, bias) in enumerate(layers[1:], start=1):
        value = _gelu(graph, value)
        value = graph.add("MatMul", graph.constant(f"w{index}", weights), value)
        value = graph.add("Add", value, graph.constant(f"b{index}", bias))
    return graph.clip(value, VMAF_MIN, VMAF_MAX)


def _gelu(graph: _Graph, value: str) -> str:
    """Exact GELU, ``0.5 * (x * (1 + erf(x / sqrt 2)))``, in the order that a runtime fuses."""
    erf = graph.add("Erf", graph.add("Div", value, graph.constant("sqrt2", np.sqrt(2.0))))
    doubled = graph.add("Mul", value, graph.add("Add", erf, graph.constant("one", 1.0)))
    return graph.add("Mul", doubled, graph.constant("half", 0.5))


def _spread(graph: _Graph, scores: str, mean: str, size: int) -> str:
    """Standard deviation of the members (ddof 1; 0 for one member), ``[N]``."""
    length = graph.length(graph.add("Sub", scores, mean), [0, 1])
    return graph.add("Mul", length, graph.constant("ddof", max(size - 1, 1) ** -0.5), output=STD)


def _centre_and_reach(
    graph: _Graph, mean: str, calibration: Calibration, quantile: float
) -> tuple[str, str]:
    """The corrected, clipped centre and quantile * difficulty, ``[N]`` each.

    The mean ``[1, N]`` lies in 0..100, where ``mean + correction`` is linear
    between the knots: a first value, and a rise over each piece. Difficulty is
    one more ramp, falling from 1 as the mean rises. The last ramp is always 1.
    """
    edges = np.unique([VMAF_MIN, *calibration.knots, VMAF_MAX])
    values = edges + calibration.correction(edges)
    start, span = calibration.difficulty_start, calibration.difficulty_span
    slopes = np.array([*(1.0 / np.diff(edges)), -1.0 / span, 0.0])
    offsets = np.array([*(-edges[:-1] / np.diff(edges)), start / span, 1.0])
    ramps = graph.add(
        "Gemm",
        graph.constant("ramp_slopes", slopes[:, None]),
        mean,
        graph.constant("ramp_offsets", offsets[:, None]),
    )
    ramps = graph.clip(ramps, 0.0, 1.0)
    rises = [*np.diff(values), 0.0, values[0]]
    centre = graph.add("MatMul", graph.constant("centre_rises", rises), ramps)
    harder = [*np.zeros(len(values) - 1), quantile, quantile]
    reach = graph.add("MatMul", graph.constant("difficulty_rises", harder), ramps)
    return graph.clip(centre, VMAF_MIN, VMAF_MAX, output=SCORE), reach


def _widening(graph: _Graph, features: str, mean32: Array, calibration: Calibration) -> str:
    """``1 + gain * max(0, distance - 1)`` as ``max(1, gain * distance - (gain - 1))``, ``[N]``."""
    gain = calibration.distance_gain
    whitening = np.asarray(calibration.whitening) * (gain / calibration.distance_limit)
    offset = (mean32 - np.asarray(calibration.feature_mean)) @ whitening
    whitened = graph.add(
        "Gemm",
        graph.constant("whitening", whitening.T),
        features,
        graph.constant("whitening_offset", offset[:, None]),
        transB=1,
    )
    length = graph.length(whitened, [0])
    factor = graph.add("Sub", length, graph.constant("free_distance", gain - 1.0))
    return graph.clip(factor, 1.0, _MAX_WIDENING)


def _unseen_factor(graph: _Graph, codec: str, unseen: list[bool], factor: float) -> str:
    """``factor`` where the row's slot is unseen, else 1, ``[N]``."""
    extra = [factor - 1.0 if each else 0.0 for each in unseen]
    extra += [0.0, 0.0]  # preset_norm, crf_norm
    row = graph.add(
        "Gemm",
        graph.constant("unseen_slots", [extra]),
        codec,
        graph.constant("seen_factor", [1.0]),
        transB=1,
    )
    return graph.add("Squeeze", row, graph.constant("first_axis", [0], np.int64))


class _Graph:
    """Nodes in order and constants by name; a value is named after its node's operator."""

    def __init__(self, reduce_l2: bool = False) -> None:
        self._reduce_l2 = reduce_l2
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        array = np.ascontiguousarray(np.asarray(value).astype(dtype))
        shaped = array.reshape(np.shape(value))
        self._constants[name] = numpy_helper.from_array(shaped, name)
        return name

    def add(
        self, operator: str, *inputs: str, output: str = "", name: str = "", **attributes: Any
    ) -> str:
        output = output or f"{operator.lower()}{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [output], name or f"make_{output}", **attributes)
        self._nodes.append(node)
        return output

    def length(self, value: str, axes: list[int]) -> str:
        """Euclidean length over ``axes``, which are gone afterwards."""
        if self._reduce_l2:
            return self.add("ReduceL2", value, axes=axes, keepdims=0)
        name = self.constant("axes_" + "_".join(map(str, axes)), axes, np.int64)
        squares = self.add("ReduceSum", self.add("Mul", value, value), name, keepdims=0)
        return self.add("Sqrt", squares)

    def clip(self, value: str, low: float, high: float, output: str = "") -> str:
        return self.add(
            "Clip",
            value,
            self.constant(f"at_least_{low:g}", low),
            self.constant(f"at_most_{high:g}", high),
            output=output,
        )

    def to_bytes(self, spec: Spec, model_id: str, outputs: Sequence[str]) -> bytes:
        inputs = [_tensor(spec.feature_input, [_BATCH, len(FEATURES)])]
        if spec.codec_input is not None:
            inputs.append(_tensor(spec.codec_input, [_BATCH, spec.num_codecs]))
        graph = helper.make_graph(
            self._nodes,
            model_id,
            inputs,
            [_tensor(name, [_BATCH]) for name in outputs],
            initializer=list(self._constants.values()),
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


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
