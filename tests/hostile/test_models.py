"""Hostile model files: each is refused before ONNX Runtime has seen a byte of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "registry"))

from registry_kit import MEMBER, House, build_house, contents, edit, reseal

import vqcast
from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, InputError, ModelRefused
from vqcast.export import graph
from vqcast.families import ENSEMBLE
from vqcast.serve import guard
from vqcast.serve.guard import Session

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


HOSTILE: dict[str, Callable[[], bytes]] = {
    "external data in an initializer": with_external("weights.bin"),
    "external data above the folder": with_external("../../etc/passwd"),
    "external data by absolute path": with_external("/etc/passwd"),
    "external data in a file of its own name": with_external("honest.onnx"),
    "external data without a location": changed(
        lambda m: setattr(m.graph.initializer[1], "data_location", TensorProto.EXTERNAL)
    ),
    "external entry on an inner tensor": changed(external_entry_only),
    "external data in an attribute": changed(external_in_attribute),
    "external data in a list of attributes": changed(external_in_attribute_list),
    "If": changed(lambda m: add(m, "If", then_branch=body(), else_branch=body())),
    "Loop": changed(lambda m: add(m, "Loop", body=body())),
    "Scan": changed(lambda m: add(m, "Scan", body=body(), num_scan_inputs=1)),
    "subgraph in an allowed operator": changed(subgraph_in_allowed_operator),
    "list of subgraphs": changed(subgraph_list),
    "sparse initializer": changed(lambda m: m.graph.sparse_initializer.append(sparse())),
    "sparse attribute": changed(sparse_attribute),
    "reference to an outer attribute": changed(reference_attribute),
    "function of its own": changed(local_function),
    "training of its own": changed(lambda m: m.training_info.add()),
    "Constant": changed(lambda m: add(m, "Constant", value_float=1.0)),
    "Identity": changed(lambda m: add(m, "Identity")),
    "RandomNormalLike": changed(lambda m: add(m, "RandomNormalLike")),
    "Gather": changed(lambda m: add(m, "Gather")),
    "unheard-of operator": changed(lambda m: add(m, "ReadFile")),
    "operator name in other case": changed(lambda m: add(m, "add")),
    "empty operator": changed(lambda m: add(m, "")),
    "allowed name in a foreign domain": changed(lambda m: add(m, "Add", domain="com.evil")),
    "ONNX Runtime's own domain": changed(lambda m: add(m, "Gemm", domain="com.microsoft")),
    "import of a custom domain": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("com.evil", 1))
    ),
    "import of ai.onnx.ml": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    ),
    "domain that is no text": domain_that_is_no_text,
    "one domain imported twice": changed(
        lambda m: m.opset_import.append(helper.make_opsetid("", 16))
    ),
    "no import": changed(lambda m: m.ClearField("opset_import")),
    "opset 0": opset(0),
    "opset 12": opset(12),
    "opset 99": opset(99),
    "negative opset": opset(-1),
    "ORT flatbuffer": lambda: b"\x20\x00\x00\x00ORTM" + honest(),
    "empty file": lambda: b"",
    "zeros": lambda: bytes(4096),
    "text": lambda: b"<html>not found</html>",
    "zip": lambda: b"PK\x03\x04" + honest(),
    "honest after a byte": lambda: b"\x00" + honest(),
    "over the size cap": lambda: honest() + bytes(guard.MAX_MODEL_BYTES),
    "no nodes": changed(lambda m: m.graph.ClearField("node")),
    "no output": changed(lambda m: m.graph.ClearField("output")),
    "no graph": changed(lambda m: m.ClearField("graph")),
    "renamed input": rename("input"),
    "renamed output": rename("output"),
    "inputs in another order": changed(lambda m: m.graph.input.reverse()),
    "further input": changed(extra_input),
    "further output": changed(extra_output),
    "integer input": input_type(TensorProto.INT64),
    "double input": input_type(TensorProto.DOUBLE),
    "string input": input_type(TensorProto.STRING),
    "undefined input": input_type(TensorProto.UNDEFINED),
    "sequence input": changed(sequence_input),
    "cycle": changed(cycle),
    "value written twice": changed(twice_written),
    "dangling input": changed(lambda m: m.graph.node[1].input.__setitem__(0, "nowhere")),
    "weights shorter than their shape": changed(short_weights),
    "weights of 2^60 rows": changed(endless_weights),
    "negative dimension": changed(negative_weights),
    "input name that is no text": bytes_name(b"features", b"feature\xff"),
    "operator that is no text": bytes_name(b"Squeeze", b"Squeez\xff"),
    "IR version from the future": changed(lambda m: setattr(m, "ir_version", 9999)),
}


def open_session(data: bytes) -> Session:
    return Session(
        data, sha256=sha256_bytes(data), input_names=INPUTS, output_names=OUTPUTS, where="m.onnx"
    )


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise AssertionError("ONNX Runtime was reached")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 40
    made = [make() for make in HOSTILE.values()]
    assert len(set(made)) == len(made) and honest() not in made


def test_the_honest_graph_is_loaded() -> None:
    session = open_session(honest())
    (score,) = session.run(np.ones((3, 6), np.float32), np.ones((3, 14), np.float32))
    assert score.shape == (3,) and np.isfinite(score).all()


@pytest.mark.parametrize("what", HOSTILE)
def test_it_is_refused_before_a_session_exists(what: str, no_runtime: None) -> None:
    with pytest.raises(ModelRefused, match=r"m\.onnx") as caught:
        open_session(HOSTILE[what]())
    assert caught.value.exit_status == 2
    str(caught.value).encode()
    if what.startswith("external"):  # by our rule, not because the companion happens to be absent
        assert "keeps its data outside the file" in caught.value.message


def test_the_digest_comes_before_the_parser(
    no_runtime: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "parse", lambda *_, **__: pytest.fail("parsed before the digest"))
    with pytest.raises(ModelRefused, match="the registry pins"):
        Session(
            honest() + b"\x00", sha256=sha256_bytes(honest()), input_names=INPUTS,
            output_names=OUTPUTS, where="m.onnx",
        )  # fmt: skip


def test_weights_that_are_not_numbers_give_no_score() -> None:
    for value in (np.nan, np.inf):
        session = open_session(honest(value=float(value)))
        with pytest.raises(FeatureError, match="score is not finite"):
            session.run(np.ones((1, 6), np.float32), np.ones((1, 14), np.float32))


@pytest.mark.parametrize(
    "shapes", [((2, 5), (2, 14)), ((2, 6), (2, 13)), ((2, 6), (3, 14)), ((6,), (14,))]
)
def test_a_shape_that_the_graph_refuses_is_a_typed_refusal(shapes: tuple) -> None:
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    with pytest.raises(FeatureError, match=r"m\.onnx"):
        open_session(honest()).run(*arrays)


def parsed_or_refused(data: bytes) -> bool:
    """Whether the guard lets ``data`` pass; any other error than ours fails the test."""
    try:
        guard.parse(data, where="m.onnx")
    except ModelRefused as error:
        str(error).encode()
        return False
    return True


def test_every_truncation_is_refused_by_guard_or_digest() -> None:
    whole = honest(hidden=2)
    pinned = sha256_bytes(whole)
    passed = 0
    for length in range(len(whole)):
        passed += parsed_or_refused(whole[:length])
        with pytest.raises(ModelRefused):
            guard.check_digest(whole[:length], pinned, where="m.onnx")
    # What still parses lacks nothing but fields after the graph: never many.
    assert passed < len(whole) // 100


@settings(max_examples=300)
@given(st.data())
def test_flipped_bits_never_raise_anything_but_a_refusal(data: st.DataObject) -> None:
    damaged = bytearray(honest(hidden=1))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) * 8 - 1))
        damaged[at // 8] ^= 1 << at % 8
    parsed_or_refused(bytes(damaged))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert not parsed_or_refused(data)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> House:
    return build_house(tmp_path_factory.mktemp("house"))


def test_a_hostile_graph_with_every_digest_made_to_agree_is_not_loaded(
    pristine: House, tmp_path: Path, no_runtime: None
) -> None:
    house = pristine.copy(tmp_path)
    for what in ("If", "external data in an initializer", "renamed input", "ORT flatbuffer"):
        put(house, HOSTILE[what]())
        with pytest.raises(ModelRefused):
            vqcast.load(MEMBER, house.registry)


def put(house: House, data: bytes) -> None:
    """``data`` in the first member's place, with every digest made to agree."""
    digest = sha256_bytes(data)
    (house.registry / f"{MEMBER}.onnx").write_bytes(data)
    edit(house.registry / f"{MEMBER}.json", lambda s: s.update(sha256=digest))
    edit(house.registry / "registry.json", lambda r: r["models"][0].update(sha256=digest))
    reseal(house.registry)


def test_another_number_of_scores_than_frames_is_refused(pristine: House, tmp_path: Path) -> None:
    house = pristine.copy(tmp_path)
    made = model()
    final = made.graph.node[-1]
    nodes = [node for node in made.graph.node if node is not final][:-1]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    last = nodes[-1].output[0]
    made.graph.node.append(helper.make_node("ReduceMean", [last], ["score"], axes=[0], keepdims=0))
    put(house, made.SerializeToString())
    predictor = vqcast.load(MEMBER, house.registry)
    with pytest.raises(ModelRefused, match="gives 4 scores for 3 frames"):
        predictor.predict([[0.9] * 6] * 3, encoder="libx264", cq=28)


def test_a_companion_of_weights_beside_the_graph_is_refused(
    pristine: House, tmp_path: Path
) -> None:
    house = pristine.copy(tmp_path)
    (house.registry / f"{MEMBER}.onnx.data").write_bytes(b"weights")
    with pytest.raises(InputError, match="is not listed"):
        vqcast.load(registry=house.registry)
    assert f"{MEMBER}.onnx.data" in contents(house.registry)
