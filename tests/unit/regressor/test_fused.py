"""The fused graph: five networks and their calibration, against float64 NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from vqcast.corpus.table import load
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError
from vqcast.evidence.conformal import calibrate
from vqcast.evidence.folder import in_registry
from vqcast.interval import Calibration, LevelQuantile
from vqcast.regressor import graph
from vqcast.regressor.dataset import out_of_fold
from vqcast.regressor.graph import OPSET, Layers
from vqcast.regressor.net import Weights, forward
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder
from vqcast.serve.guard import CheckedGraph
from vqcast.vocab import codec_block

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

ROOT = Path(__file__).parents[3]
REGISTRY = ROOT / "model" / "tiny"
CORPUS = ROOT / "data" / "networks" / "per_frame_canonical6.jsonl.gz"
TOLERANCE = 1e-3

CONTRACT = {
    *("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Erf", "Sqrt", "Concat", "Reshape"),
    *("Squeeze", "ReduceMean", "ReduceSum", "ReduceMin", "ReduceMax", "Min", "Max", "Clip"),
}
MEAN = np.array([0.95, 0.63, 0.86, 0.91, 0.94, 3.7])
STD = np.array([0.05, 0.19, 0.14, 0.11, 0.09, 3.9])
SLOTS = {slot: 100 for slot in ENSEMBLE.vocabulary} | {"av1_qsv": 0}
SEEN, UNSEEN = ENSEMBLE.vocabulary.index("libx264"), ENSEMBLE.vocabulary.index("av1_qsv")

CALIBRATION = Calibration(
    knots=(20.0, 60.0, 90.0),
    corrections=(-3.0, 2.0, 1.0),
    spread_floor=0.5,
    difficulty_start=80.0,
    difficulty_span=45.0,
    feature_mean=tuple(MEAN + 0.01),
    whitening=tuple(map(tuple, np.diag(1 / STD) + np.triu(np.full((6, 6), 0.3), 1))),
    distance_limit=4.0,
    distance_gain=3.0,
    unseen_slot_factor=4.0,
    frame=(LevelQuantile(0.8, 0.6), LevelQuantile(0.9, 1.1), LevelQuantile(0.95, None)),
    pooled=(),
    n_groups=9,
    n_cells=90,
    n_rows=900,
)


def networks(size: int = 5, hidden: int = 8, depth: int = 2, seed: int = 0) -> list[Layers]:
    """Random networks whose scores spread over 0..100 and past both ends."""
    random = np.random.default_rng(seed)
    widths = [6 + ENSEMBLE.num_codecs, *[hidden] * depth, 1]
    members: list[Layers] = []
    for _ in range(size):
        layers = [
            (
                random.normal(0, 0.6, (a, b)).astype(np.float32),
                random.normal(0, 0.3, b).astype(np.float32),
            )
            for a, b in pairwise(widths)
        ]
        last, bias = layers[-1]
        layers[-1] = (last * np.float32(20), bias + np.float32(50))
        members.append(layers)
    return members


def constant(*scores: float) -> list[Layers]:
    """Networks that give these scores whatever they see."""
    shape = (6 + ENSEMBLE.num_codecs, 1)
    return [[(np.zeros(shape, np.float32), np.array([score], np.float32))] for score in scores]


def built(members: list[Layers], calibration: Calibration = CALIBRATION, **more: float) -> bytes:
    return graph.build_ensemble(members, MEAN, STD, calibration, SLOTS, ENSEMBLE, "x", **more)


def run(data: bytes, features: Array | Floats, codec: Floats) -> list[Floats]:
    """What the guard's session gives, which also proves that the guard accepts the graph."""
    session = CheckedGraph(
        data,
        sha256=sha256_bytes(data),
        input_names=ENSEMBLE.input_names,
        output_names=graph.OUTPUTS,
        where="fused",
    )
    return session.run(features.astype(np.float32), codec)


def codec_of(slots: int | NDArray[np.int64], rows: int, seed: int = 2) -> Floats:
    codec = np.zeros((rows, ENSEMBLE.num_codecs), np.float32)
    codec[np.arange(rows), slots] = 1
    codec[:, -2:] = np.random.default_rng(seed).random((rows, 2))
    return codec


def reference(
    members: list[Layers],
    mean: Array,
    std: Array,
    calibration: Calibration,
    slot_rows: Mapping[str, int],
    features: Array,
    codec: Floats,
    level: float = 0.9,
) -> tuple[Array, Array, Array, Array]:
    """The same in float64, from the features as the graph gets them."""
    given = features.astype(np.float32).astype(np.float64)
    inputs = np.hstack([(given - mean) / std, codec])
    scores = np.clip([forward(Weights(tuple(m)), inputs) for m in members], 0, 100)
    centre, spread = scores.mean(axis=0), scores.std(axis=0, ddof=1)
    slots = np.argmax(codec[:, :-2], axis=1)
    lower, upper = np.empty(len(given)), np.empty(len(given))
    for slot, name in enumerate(ENSEMBLE.vocabulary):
        rows = slots == slot
        lower[rows], upper[rows] = calibration.interval(
            centre[rows],
            spread[rows],
            given[rows],
            level,
            unseen_slot=slot_rows.get(name, 0) == 0,
        )
    return calibration.centre(centre), spread, lower, upper


def near(rows: int, spread: float = 1.0, seed: int = 1) -> Array:
    return MEAN + STD * np.random.default_rng(seed).normal(0, spread, (rows, 6))


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_graph_is_the_members_and_numpy(size: int, depth: int, level: float) -> None:
    members = networks(size, depth=depth)
    features = near(3000)
    codec = codec_of(np.arange(3000) % len(ENSEMBLE.vocabulary), 3000)
    expected = reference(members, MEAN, STD, CALIBRATION, SLOTS, features, codec, level)
    for actual, wanted in zip(
        run(built(members, level=level), features, codec), expected, strict=True
    ):
        assert actual.dtype == np.float32
        assert actual.shape == (3000,)
        assert np.ptp(wanted) > 5
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("spread", [30.0, 1e3, 1e9])
def test_far_features_give_the_same_finite_answer(spread: float) -> None:
    members = networks()
    features, codec = near(500, spread), codec_of(SEEN, 500)
    expected = reference(members, MEAN, STD, CALIBRATION, SLOTS, features, codec)
    for actual, wanted in zip(run(built(members), features, codec), expected, strict=True):
        # float32 members differ by their own rounding where they are steep.
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=5e-3)


@pytest.fixture(scope="module")
def shipped() -> tuple[list[Layers], Array, Array, Mapping[str, int]]:
    """The installed members' weights, their scaler and rows per slot."""
    folder = Folder(REGISTRY)
    members: list[Layers] = []
    for seed in ENSEMBLE.seeds:
        row = folder.row(ENSEMBLE.member_id(seed))
        graph = onnx.ModelProto.FromString(folder.files[row.onnx]).graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        members.append([(values[f"w{index}"], values[f"b{index}"]) for index in range(3)])
    info = folder.info(row)
    return members, np.array(info.feature_mean), np.array(info.feature_std), info.slot_rows or {}


@pytest.mark.slow
def test_the_shipped_ensemble_on_its_whole_corpus_and_beyond_it(
    shipped: tuple[list[Layers], Array, Array, Mapping[str, int]],
) -> None:
    members, mean, std, slot_rows = shipped
    corpus = load(CORPUS)
    found = in_registry(Folder(REGISTRY).files, ENSEMBLE.id)
    calibration = calibrate(out_of_fold(found, corpus, ENSEMBLE))
    data = graph.build_ensemble(members, mean, std, calibration, slot_rows, ENSEMBLE, "x")
    codec = codec_block(
        *(corpus.encoder, corpus.preset, corpus.cq.tolist(), ENSEMBLE.vocabulary),
        *(corpus.cq_min, corpus.cq_max),
    )
    unseen = codec.copy()
    unseen[:, :-2] = 0
    unseen[:, UNSEEN] = 1
    further = corpus.features + std * np.array([0, 0, 0, 0, 0, 3.0])
    for features, block in ((corpus.features, codec), (further, unseen)):
        expected = reference(
            members, mean, std, calibration, slot_rows, features, block.astype(np.float32)
        )
        for actual, wanted in zip(run(data, features, block), expected, strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=0, atol=TOLERANCE)


def test_each_member_is_clipped_before_the_mean() -> None:
    score, std, lower, upper = run(built(constant(-40, 140, 50)), near(3), codec_of(SEEN, 3))
    expected = 50 + np.interp(50, CALIBRATION.knots, CALIBRATION.corrections)
    assert score == pytest.approx(expected, abs=1e-4)
    assert std == pytest.approx(np.std([0, 100, 50], ddof=1), abs=1e-4)
    assert np.all(lower == 0)
    assert np.all(upper == 100)


@pytest.mark.parametrize(("raw", "end"), [(-500.0, 0.0), (500.0, 100.0)])
def test_scores_and_bounds_stay_within_0_and_100(raw: float, end: float) -> None:
    calibration = replace(CALIBRATION, knots=(0.0, 100.0), corrections=(-7.0, 7.0))
    data = built(constant(raw, raw), calibration)
    score, _, lower, upper = run(data, near(200, 5), codec_of(UNSEEN, 200))
    assert np.all(score == end)
    assert np.all((lower >= 0) & (upper <= 100) & (lower <= score) & (score <= upper))


@pytest.mark.parametrize("knots", [(50.0,), (-20.0, 40.0, 130.0), (0.0, 30.0, 100.0)])
def test_the_correction_is_numpys_interpolation_between_any_knots(knots: tuple[float]) -> None:
    corrections = tuple(np.linspace(-8, 9, len(knots)))
    calibration = replace(CALIBRATION, knots=knots, corrections=corrections)
    for raw in (0.0, 3.0, 29.9, 30.0, 55.5, 99.0, 100.0):
        score, *_ = run(built(constant(raw), calibration), near(1), codec_of(SEEN, 1))
        wanted = np.clip(raw + np.interp(raw, knots, corrections), 0, 100)
        assert score == pytest.approx(wanted, abs=1e-4)


def test_the_spread_divides_by_one_less_than_the_members() -> None:
    _, std, *_ = run(built(constant(40, 43, 49)), near(2), codec_of(SEEN, 2))
    assert std == pytest.approx(np.sqrt((16 + 1 + 25) / 2), abs=1e-4)


def test_one_member_has_no_spread_and_an_interval_all_the_same() -> None:
    _, std, lower, upper = run(built(constant(85)), MEAN[None], codec_of(SEEN, 1))
    assert np.all(std == 0)
    assert upper - lower == pytest.approx(2 * 1.1 * CALIBRATION.spread_floor, abs=1e-4)


def test_the_interval_grows_with_the_distance_and_only_past_the_edge() -> None:
    direction = np.array([0.3, -0.2, 0.5, 0.1, -0.4, 0.6]) * STD
    steps = np.linspace(0, 30, 200)
    features = np.array(CALIBRATION.feature_mean) + steps[:, None] * direction
    distance = CALIBRATION.distance(features)
    assert distance[0] < 1 < distance[-1]
    *_, lower, upper = run(built(constant(85, 85)), features, codec_of(SEEN, len(steps)))
    width = upper - lower
    assert np.all(np.diff(width[distance < 1]) == 0)
    assert np.all(np.diff(width[distance > 1]) > 0)


def test_a_gain_of_nothing_widens_nothing() -> None:
    data = built(constant(85, 85), replace(CALIBRATION, distance_gain=0.0))
    *_, lower, upper = run(data, np.vstack([MEAN, MEAN + 1e6]), codec_of(SEEN, 2))
    assert upper - lower == pytest.approx(1.1, abs=1e-4)


def test_a_slot_without_training_rows_widens_by_its_factor() -> None:
    widths = []
    for slot in (SEEN, UNSEEN):
        *_, lower, upper = run(built(constant(84, 85)), MEAN[None], codec_of(slot, 1))
        widths.append(float((upper - lower)[0]))
    assert widths[1] / widths[0] == pytest.approx(CALIBRATION.unseen_slot_factor, abs=1e-4)


def test_a_slot_that_is_not_counted_is_unseen() -> None:
    data = graph.build_ensemble(constant(85), MEAN, STD, CALIBRATION, {}, ENSEMBLE, "x")
    *_, lower, upper = run(data, MEAN[None], codec_of(SEEN, 1))
    assert upper - lower == pytest.approx(4 * 1.1, abs=1e-4)


def test_a_feature_that_never_varied_is_not_divided() -> None:
    members = networks()
    still = STD.copy()
    still[3] = 0
    data = graph.build_ensemble(members, MEAN, still, CALIBRATION, SLOTS, ENSEMBLE, "x")
    features, codec = near(50), codec_of(SEEN, 50)
    still[3] = 1
    expected = reference(members, MEAN, still, CALIBRATION, SLOTS, features, codec)
    np.testing.assert_allclose(run(data, features, codec)[0], expected[0], atol=TOLERANCE)


@pytest.mark.parametrize("rows", [1, 48, 1001])
def test_any_number_of_frames_gives_each_frame_the_same_answer(rows: int) -> None:
    data = built(networks())
    features, codec = near(1001), codec_of(np.arange(1001) % 12, 1001)
    whole, part = run(data, features, codec), run(data, features[:rows], codec[:rows])
    for all_frames, some in zip(whole, part, strict=True):
        assert some.shape == (rows,)
        np.testing.assert_allclose(some, all_frames[:rows], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("level", [0.95, 0.4])
def test_a_level_without_a_quantile_is_refused(level: float) -> None:
    with pytest.raises(EvidenceError, match=r"out of reach|outside 0\.5"):
        built(networks(), level=level)


def test_the_same_inputs_give_the_same_bytes_and_others_give_others() -> None:
    assert built(networks()) == built(networks())
    assert built(networks()) != built(networks(), level=0.8)


def test_the_graph_says_what_it_is_and_uses_the_contracts_operators_only() -> None:
    model = onnx.ModelProto.FromString(built(networks()))
    assert {node.op_type for node in model.graph.node} <= CONTRACT
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    shapes = {
        value.name: [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "features": ["N", 6],
        "codec_onehot": ["N", 14],
        **{name: ["N"] for name in ("score", "std", "lower", "upper")},
    }
