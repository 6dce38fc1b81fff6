"""Hostile model files: each is refused before ONNX Runtime has seen a byte of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from attacks.editions import houses
from attacks.graph_tricks import INPUTS, OUTPUTS, honest, model
from attacks.graphs import HOSTILE, open_session
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from registry_kit import MEMBER, House, contents, edit, reseal

import vqcast
from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, InputError, ModelRefused
from vqcast.serve import guard
from vqcast.serve.guard import CheckedGraph


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
        ours = ("keeps its data outside the file", "of its own", "holds sparse tensors")
        assert any(words in caught.value.message for words in ours)


def test_the_digest_comes_before_the_parser(
    no_runtime: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "parse", lambda *_, **__: pytest.fail("parsed before the digest"))
    with pytest.raises(ModelRefused, match="the registry pins"):
        CheckedGraph(
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
def pristine() -> House:
    return houses()[0]


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
