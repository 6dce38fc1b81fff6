"""Changes to a sound ONNX graph that a loader must not let pass, and the sound graph itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vqcast.regressor import graph
from vqcast.regressor.spec import ENSEMBLE

INPUTS, OUTPUTS = ["features", "codec_onehot"], ["score"]


def honest(hidden: int = 4, value: float = 0.1) -> bytes:
    first = np.full((20, hidden), value, np.float32), np.zeros(hidden, np.float32)
    last = np.full((hidden, 1), 0.2, np.float32), np.zeros(1, np.float32)
    return graph.build([first, last], ENSEMBLE, "honest")


def model() -> onnx.ModelProto:
    return onnx.load_from_string(honest())


def changed(change: Callable[[onnx.ModelProto], object]) -> Callable[[], bytes]:
    def make() -> bytes:
        made = model()
        change(made)
        return made.SerializeToString()

    return make


def add(made: onnx.ModelProto, operator: str, **attributes: object) -> onnx.NodeProto:
    """A node on the features whose result nobody reads."""
    domain = str(attributes.pop("domain", ""))
    node = helper.make_node(operator, ["features"], ["stray"], "stray", domain=domain, **attributes)
    made.graph.node.append(node)
    return made.graph.node[-1]


def external(tensor: onnx.TensorProto, location: str = "weights.bin") -> onnx.TensorProto:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def body() -> onnx.GraphProto:
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1])
    inside = external(numpy_helper.from_array(np.zeros(1, np.float32), "o"))
    return helper.make_graph([], "body", [], [out], initializer=[inside])


def with_external(location: str) -> Callable[[], bytes]:
    return changed(lambda m: external(m.graph.initializer[0], location))


def external_entry_only(made: onnx.ModelProto) -> None:
    made.graph.initializer[0].external_data.add(key="location", value="x")


def external_in_attribute(made: onnx.ModelProto) -> None:
    tensor = external(numpy_helper.from_array(np.zeros(1, np.float32), "t"))
    node = add(made, "ReduceMax")
    node.attribute.append(helper.make_attribute("value", tensor))


def external_in_attribute_list(made: onnx.ModelProto) -> None:
    attribute = onnx.AttributeProto(name="values", type=onnx.AttributeProto.TENSORS)
    attribute.tensors.append(external(numpy_helper.from_array(np.zeros(1, np.float32), "t")))
    add(made, "ReduceMax").attribute.append(attribute)


def subgraph_in_allowed_operator(made: onnx.ModelProto) -> None:
    add(made, "ReduceMax").attribute.append(helper.make_attribute("body", body()))


def subgraph_list(made: onnx.ModelProto) -> None:
    attribute = onnx.AttributeProto(name="bodies", type=onnx.AttributeProto.GRAPHS)
    attribute.graphs.append(body())
    add(made, "ReduceMax").attribute.append(attribute)


def sparse() -> onnx.SparseTensorProto:
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    return helper.make_sparse_tensor(values, places, [3])


def sparse_attribute(made: onnx.ModelProto) -> None:
    attribute = onnx.AttributeProto(name="s", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.CopyFrom(sparse())
    add(made, "ReduceMax").attribute.append(attribute)


def reference_attribute(made: onnx.ModelProto) -> None:
    attribute = onnx.AttributeProto(name="keepdims", ref_attr_name="outer")
    attribute.type = onnx.AttributeProto.INT
    add(made, "ReduceMax").attribute.append(attribute)


def local_function(made: onnx.ModelProto) -> None:
    inner = helper.make_node("Add", ["a", "a"], ["b"])
    imports = [helper.make_opsetid("", 17)]
    made.functions.append(helper.make_function("local", "F", ["a"], ["b"], [inner], imports))


def opset(version: int) -> Callable[[], bytes]:
    return changed(lambda m: setattr(m.opset_import[0], "version", version))


def rename(kind: str) -> Callable[[], bytes]:
    def change(made: onnx.ModelProto) -> None:
        if kind == "input":
            made.graph.input[0].name = "elsewhere"
            made.graph.node[0].input[0] = "elsewhere"
        else:
            made.graph.output[0].name = made.graph.node[-1].output[0] = "elsewhere"

    return changed(change)


def input_type(kind: int) -> Callable[[], bytes]:
    return changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", kind))


def sequence_input(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.Clear()
    made.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT


def extra_input(made: onnx.ModelProto) -> None:
    made.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["N"]))


def extra_output(made: onnx.ModelProto) -> None:
    add(made, "Sqrt")
    made.graph.output.append(helper.make_tensor_value_info("stray", TensorProto.FLOAT, None))


def cycle(made: onnx.ModelProto) -> None:
    made.graph.node[0].input[0] = made.graph.node[-1].output[0]


def twice_written(made: onnx.ModelProto) -> None:
    made.graph.node.append(made.graph.node[0])


def short_weights(made: onnx.ModelProto) -> None:
    big = max(made.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    big.raw_data = big.raw_data[:-4]


def endless_weights(made: onnx.ModelProto) -> None:
    big = max(made.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    big.dims[0] = 1 << 60


def negative_weights(made: onnx.ModelProto) -> None:
    made.graph.initializer[-1].dims[0] = -1


def bytes_name(old: bytes, new: bytes) -> Callable[[], bytes]:
    """``honest`` with a name of the same length that is not UTF-8."""
    assert len(old) == len(new)
    return lambda: honest().replace(old, new)


def domain_that_is_no_text() -> bytes:
    made = model()
    made.opset_import.append(helper.make_opsetid("QQQQ", 1))
    return made.SerializeToString().replace(b"QQQQ", b"\xff\xfe\xfd\xfc")


def shadowing_initializer(made: onnx.ModelProto) -> None:
    """The caller's features would be replaced by a constant."""
    made.graph.initializer.append(numpy_helper.from_array(np.ones((1, 6), np.float32), "features"))


def huge_constant(made: onnx.ModelProto) -> None:
    """Megabytes that the shape promises and the file does not hold."""
    tensor = made.graph.initializer.add(name="huge", data_type=TensorProto.FLOAT)
    tensor.dims.extend([1 << 20, 1 << 10])


def overflowing_dims(made: onnx.ModelProto) -> None:
    """A shape whose product is 0 modulo 2^64."""
    tensor = made.graph.initializer.add(name="wrap", data_type=TensorProto.FLOAT)
    tensor.dims.extend([1 << 32, 1 << 32])


def typed(kind: int) -> Callable[[], bytes]:
    """A constant of a type that no graph of ours holds."""

    def change(made: onnx.ModelProto) -> None:
        made.graph.initializer.add(name="odd", data_type=kind, dims=[1])

    return changed(change)


def string_weights(made: onnx.ModelProto) -> None:
    tensor = made.graph.initializer.add(name="words", data_type=TensorProto.STRING, dims=[2])
    tensor.string_data.extend([b"/etc/passwd", b"x" * 1000])


def twice_named_weights(made: onnx.ModelProto) -> None:
    made.graph.initializer.append(made.graph.initializer[0])


def wide_product(made: onnx.ModelProto) -> None:
    """Two narrow constants whose sum by broadcasting takes a quarter of a terabyte."""
    side = 1 << 18
    for name, shape in (("tall", (side, 1)), ("wide", (1, side))):
        made.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    made.graph.node.append(helper.make_node("Add", ["tall", "wide"], ["stray"]))


def wide_matmul(made: onnx.ModelProto) -> None:
    """The same by an outer product that is reduced again, and enters the score."""
    side = 1 << 18
    for name, shape in (("tall", (side, 1)), ("wide", (1, side))):
        made.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    last = made.graph.node[-1].output[0]
    made.graph.node[-1].output[0] = "honest_score"
    made.graph.node.extend([
        helper.make_node("MatMul", ["tall", "wide"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["most"], keepdims=0),
        helper.make_node("Add", ["honest_score", "most"], [last]),
    ])  # fmt: skip


def doubling_chain(made: onnx.ModelProto) -> None:
    """Forty Concats, each twice as long as the one before."""
    before = "features"
    for number in range(40):
        name = f"doubled_{number}"
        made.graph.node.append(helper.make_node("Concat", [before, before], [name], axis=0))
        before = name


def long_chain(made: onnx.ModelProto) -> None:
    """A hundred thousand nodes."""
    before = "features"
    for number in range(100_000):
        made.graph.node.append(helper.make_node("Sqrt", [before], [f"n{number}"]))
        before = f"n{number}"


def session_settings(made: onnx.ModelProto) -> None:
    """What ONNX Runtime takes for its options where ORT_LOAD_CONFIG_FROM_MODEL is set."""
    settings = '{"session_options": {"intra_op_num_threads": 512}}'
    made.metadata_props.add(key="ort_config", value=settings)


def missing_output(made: onnx.ModelProto) -> None:
    made.graph.node[-1].output[0] = "elsewhere"


def nested(depth: int) -> Callable[[], bytes]:
    """Graphs in attributes of graphs, to exhaust a parser's stack."""

    def make() -> bytes:
        inner = onnx.GraphProto(name="g")
        for _ in range(depth):
            outer = onnx.GraphProto(name="g")
            node = outer.node.add(op_type="Add")
            node.attribute.add(name="g", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)
            inner = outer
        made = model()
        made.graph.node.append(inner.node[0])
        return made.SerializeToString()

    return make


def nested_bytes(depth: int) -> Callable[[], bytes]:
    """The same as raw bytes, deeper than a library would write."""

    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    def make() -> bytes:
        data = b""
        for _ in range(depth):
            data = field(1, field(5, field(6, data)))  # node, attribute, graph
        return honest() + field(7, data)

    return make


def external_in_function(made: onnx.ModelProto) -> None:
    tensor = external(numpy_helper.from_array(np.zeros(1, np.float32), "t"))
    inner = helper.make_node("Constant", [], ["b"])
    inner.attribute.append(helper.make_attribute("value", tensor))
    imports = [helper.make_opsetid("", 17)]
    made.functions.append(helper.make_function("local", "F", [], ["b"], [inner], imports))


def external_in_constant(made: onnx.ModelProto) -> None:
    tensor = external(numpy_helper.from_array(np.zeros(1, np.float32), "t"))
    add(made, "Constant").attribute.append(helper.make_attribute("value", tensor))


def external_sparse(made: onnx.ModelProto) -> None:
    kept = sparse()
    external(kept.values)
    made.graph.sparse_initializer.append(kept)


def external_in_training(made: onnx.ModelProto) -> None:
    inside = external(numpy_helper.from_array(np.zeros(1, np.float32), "t"))
    made.training_info.add().algorithm.initializer.append(inside)


def node_without_outputs(made: onnx.ModelProto) -> None:
    made.graph.node.append(helper.make_node("Add", ["features", "features"], []))


def too_many_inputs(made: onnx.ModelProto) -> None:
    made.graph.node.append(helper.make_node("Sqrt", ["features"] * 1000, ["stray"]))


def wrong_attribute(made: onnx.ModelProto) -> None:
    node = add(made, "ReduceMax")
    node.attribute.append(helper.make_attribute("axes", "all of them"))


def unknown_attribute(made: onnx.ModelProto) -> None:
    add(made, "Sqrt").attribute.append(helper.make_attribute("library", "libevil.so"))


def twice_named_input(made: onnx.ModelProto) -> None:
    made.graph.input.append(made.graph.input[0])
