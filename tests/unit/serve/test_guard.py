"""What the guard refuses before ONNX Runtime: switches, sizes, parts; and what a session takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import vqcast
from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, ModelRefused
from vqcast.serve import guard
from vqcast.serve.guard import CheckedGraph

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
FEATURES = [[0.97, 0.60, 0.90, 0.94, 0.96, 4.2]]


def node(operator: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def constant(name: str, values: object, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def model(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto] = (), **claims: list[int]
) -> onnx.ModelProto:
    """A graph from ``features[N, 6]`` to ``score``; ``claims`` are shapes that it states itself."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("features", TensorProto.FLOAT, ["N", 6])],
        [value("score", TensorProto.FLOAT, claims.pop("score", ["N"]))],
        initializer=list(constants),
        value_info=[value(name, TensorProto.FLOAT, shape) for name, shape in claims.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def mean(of: str = "features") -> onnx.NodeProto:
    """To one number a frame."""
    return node("ReduceMean", [of], "score", axes=[1], keepdims=0)


def parse(made: onnx.ModelProto) -> onnx.ModelProto:
    return guard.parse(made.SerializeToString(), where="m.onnx")


def session(made: onnx.ModelProto) -> CheckedGraph:
    data = made.SerializeToString()
    return CheckedGraph(
        data,
        sha256=sha256_bytes(data),
        input_names=["features"],
        output_names=["score"],
        where="m.onnx",
    )


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise AssertionError("ONNX Runtime was reached")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)


def chain(length: int) -> list[onnx.NodeProto]:
    """Each Concat doubles the width."""
    names = ["features", *(f"c{index}" for index in range(length))]
    doubled = [node("Concat", [a, a], b, axis=1) for a, b in pairwise(names)]
    return [*doubled, mean(names[-1])]


def outer() -> list[onnx.NodeProto]:
    """Frames times frames: 4 MB for a thousand of them, 4 TB for a million."""
    return [node("Gemm", ["features", "features"], "square", transB=1), mean("square")]


def side(name: str) -> list[onnx.NodeProto]:
    """A score, and beside it ``name``, which nobody reads."""
    return [mean(), node("Sqrt", [name], "stray")]


def of_nothing() -> onnx.TensorProto:
    return onnx.TensorProto(name="none", dims=[0, 1 << 40], data_type=TensorProto.FLOAT)


COLUMN, ROW = constant("column", np.ones((1 << 14, 1))), constant("row", np.ones((1, 1 << 14)))
TOO_LARGE: dict[str, Callable[[], onnx.ModelProto]] = {
    "a chain of Concats": lambda: model(chain(40)),
    "a chain of Concats just too long": lambda: model(chain(12)),
    "a product of all pairs of frames": lambda: model(outer()),
    "a product of constants": lambda: model(
        [node("MatMul", ["column", "row"], "big"), *side("big")], [COLUMN, ROW]
    ),
    "constants broadcast against each other": lambda: model(
        [node("Add", ["column", "row"], "big"), *side("big")], [COLUMN, ROW]
    ),
    "a Gemm of constants": lambda: model(
        [node("Gemm", ["row", "column"], "big", transA=1, transB=1), *side("big")], [COLUMN, ROW]
    ),
    "a sum over nothing": lambda: model(
        [node("ReduceMax", ["none"], "big", axes=[0], keepdims=0), *side("big")], [of_nothing()]
    ),
    "a size hidden by the file's own claim": lambda: model(chain(40), c39=["N", 6]),
    "a size hidden by the output's claim": lambda: model(
        [*chain(40)[:-1], node("Sqrt", ["c39"], "score")], score=["N", 6]
    ),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_small_file_that_asks_for_gigabytes_is_refused(what: str, no_runtime: None) -> None:
    made = TOO_LARGE[what]()
    assert len(made.SerializeToString()) < 200_000
    with pytest.raises(ModelRefused, match=r"m\.onnx: (its values hold more|not a valid graph)"):
        session(made)


def test_what_stays_small_is_loaded() -> None:
    (score,) = session(model(chain(5))).run(np.ones((3, 6), np.float32))
    assert score.tolist() == [1.0, 1.0, 1.0]


def test_a_value_whose_size_is_computed_in_the_graph_is_refused() -> None:
    shape = [constant("a", [1 << 20, 1], np.int64), constant("b", [1 << 10, 5], np.int64)]
    nodes = [node("Add", ["a", "b"], "shape"), node("Reshape", ["features", "shape"], "x")]
    with pytest.raises(ModelRefused, match="can't be told beforehand"):
        parse(model([*nodes, mean("x")], shape))


def test_a_graph_for_one_number_of_frames_is_refused() -> None:
    fixed = constant("fixed", np.ones((guard.FRAMES_A_CALL, 6)))
    nodes = [node("Gemm", ["features", "fixed"], "x", transA=1), mean("x")]
    with pytest.raises(ModelRefused, match="any number of frames"):
        parse(model(nodes, [fixed]))


def test_too_many_nodes_are_refused() -> None:
    names = ["features", *(f"n{index}" for index in range(guard.MAX_NODES))]
    nodes = [node("Sqrt", [a], b) for a, b in pairwise(names)]
    with pytest.raises(ModelRefused, match="1001 nodes"):
        parse(model([*nodes, mean(names[-1])]))


def test_too_many_parts_are_refused() -> None:
    made = model([mean()])
    for _ in range(guard.MAX_PARTS):
        made.graph.metadata_props.add()
    with pytest.raises(ModelRefused, match="parts"):
        parse(made)


@pytest.mark.slow
def test_a_file_of_the_largest_size_is_parsed_in_bounded_memory() -> None:
    """Two bytes of file make a message of a hundred in memory: the cap on size holds it."""
    program = (
        "import resource, sys\n"
        "from vqcast.serve import guard\n"
        "from vqcast.errors import ModelRefused\n"
        "body = b'\\x0a\\x00' * ((guard.MAX_MODEL_BYTES - 64) // 2)\n"
        "size, rest = b'', len(body)\n"
        "while rest > 127: size, rest = size + bytes([rest & 127 | 128]), rest >> 7\n"
        "data = b'\\x08\\x08\\x3a' + size + bytes([rest]) + body\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: guard.parse(data, where='m.onnx')\n"
        "except ModelRefused: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 512 << 10, done.stdout  # KiB


def with_options(made: onnx.ModelProto) -> None:
    made.metadata_props.add(key="ort_config", value='{"session_options": {}}')


def with_unknown_field(made: onnx.ModelProto) -> None:
    made.MergeFromString(b"\xfa\x7f\x00")


def with_unknown_field_inside(made: onnx.ModelProto) -> None:
    made.graph.node[0].MergeFromString(b"\xfa\x7f\x00")


def with_double_constant(made: onnx.ModelProto) -> None:
    made.graph.initializer.append(constant("d", [1.0], np.float64))


def with_constant_input(made: onnx.ModelProto) -> None:
    made.graph.initializer.append(constant("features", np.zeros((1, 6))))


def with_fixed_frames(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def with_open_width(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "K"


def with_wide_input(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 40


def with_shapeless_input(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.tensor_type.ClearField("shape")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_options, "session options"),
        (with_unknown_field, "fields that ONNX does not define"),
        (with_unknown_field_inside, "fields that ONNX does not define"),
        (with_double_constant, "neither float32 nor int64"),
        (with_constant_input, "both a constant and an input"),
        (with_fixed_frames, "is not \\[N"),
        (with_open_width, "is not \\[N"),
        (with_wide_input, "is not \\[N"),
        (with_shapeless_input, "is not \\[N"),
    ],
)
def test_what_a_score_does_not_need_is_refused(
    change: Callable[[onnx.ModelProto], None], words: str, no_runtime: None
) -> None:
    made = model([mean()])
    parse(made)
    change(made)
    with pytest.raises(ModelRefused, match=words):
        session(made)


@pytest.mark.parametrize("name", guard.SWITCHES)
@pytest.mark.parametrize("value", ["1", "0", ""])
def test_a_switch_that_changes_what_is_loaded_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, no_runtime: None
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ModelRefused, match=name) as caught:
        vqcast.load(registry=SHIPPED)
    assert caught.value.hint == f"unset {name}"


def test_the_switch_is_a_real_one() -> None:
    """With it ONNX Runtime does what a model's metadata says: here, writes a profile."""
    made = model([mean()])
    made.metadata_props.add(key="ort_config", value='{"session_options": {"enable_profiling": 1}}')
    program = (
        "import sys, onnxruntime as o\n"
        "s = o.InferenceSession(sys.stdin.buffer.read(), providers=['CPUExecutionProvider'])\n"
        "print(s.end_profiling())\n"
    )
    for value, wrote in (("1", True), ("0", False)):
        done = subprocess.run(
            [sys.executable, "-c", f"import tempfile, os; os.chdir(tempfile.mkdtemp())\n{program}"],
            input=made.SerializeToString(),
            env={"ORT_LOAD_CONFIG_FROM_MODEL": value},
            capture_output=True,
        )
        assert (b"profile" in done.stdout) is wrote, done.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_no_number_gives_none(value: float) -> None:
    """Clip would make a number of infinity."""
    ends = [constant("low", 0.0), constant("high", 100.0)]
    made = model([node("Clip", ["features", "low", "high"], "x"), mean("x")], ends)
    features = np.ones((2, 6), np.float32)
    features[1, 3] = value
    with pytest.raises(FeatureError, match="features is not finite"):
        session(made).run(features)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model_id", ["fr_regressor_v1", "fr_regressor_v2_ensemble_v1"])
@pytest.mark.parametrize("value", [1e39, -1e300])
def test_a_feature_beyond_float32_is_refused(model_id: str, value: float) -> None:
    features = [[value, *FEATURES[0][1:]]]
    with pytest.raises(FeatureError, match="not finite"):
        vqcast.load(model_id, SHIPPED).predict(features, encoder="libx264", cq=28)


def test_a_session_runs_on_one_thread_whatever_the_machine_says() -> None:
    """In a process of its own: ONNX Runtime, loaded and run, adds no thread to those of import."""
    program = (
        "import os, vqcast, onnxruntime\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        f"p = vqcast.load(registry={str(SHIPPED)!r})\n"
        f"p.predict({FEATURES} * 5000, encoder='libx264', cq=28)\n"
        "print(threads() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OMP_NUM_THREADS": "4", "ORT_INTRA_OP_NUM_THREADS": "4", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "0", done.stderr
