"""Scores from features: their shape, their warnings, and every typed refusal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from registry_kit import MANIFEST, MEMBER, House, edit, reseal

import vqcast
from vqcast.errors import (
    EvidenceError,
    FeatureError,
    InputError,
    ModelRefused,
    RegistryError,
    VqcastError,
)
from vqcast.serve.predictor import Predictor
from vqcast.vocab import PRESETS as LISTS
from vqcast.vocab import preset_norm

FEATURES = np.array([[0.9, 0.7, 0.8, 0.85, 0.9, 3.0]] * 5)
PRESETS = LISTS["libx264"]
KNOWN = {"encoder": "libx264", "cq": 28, "preset": "medium"}


@pytest.fixture(scope="module")
def predictor(pristine: House) -> Predictor:
    return vqcast.load(registry=pristine.registry)


def only_warning(predictor: Predictor, **about: Any) -> str:
    (warning,) = predictor.predict(FEATURES, **(KNOWN | about)).warnings
    return warning


@pytest.mark.parametrize("frames", [1, 2, 500])
def test_the_shapes_and_figures_of_a_prediction(
    pristine: House, predictor: Predictor, frames: int
) -> None:
    features = np.random.default_rng(0).uniform(0.5, 1.0, (frames, 6))
    made = predictor.predict(features, **KNOWN)
    alone = np.stack(
        [
            vqcast.load(f"{MEMBER[:-1]}{seed}", pristine.registry).predict(features, **KNOWN).mean
            for seed in range(5)
        ]
    )
    assert made.mean.shape == made.std.shape == (frames,) and made.mean.dtype == np.float64
    assert made.mean == pytest.approx(alone.mean(axis=0), abs=1e-9)
    assert made.std == pytest.approx(alone.std(axis=0, ddof=1), abs=1e-9)
    assert made.pooled_mean == pytest.approx(made.mean.mean())
    assert made.pooled_std >= 0.0
    assert (made.slot, made.slot_rows, made.warnings) == ("libx264", 120, ())


@given(arrays(np.float64, (3, 6), elements=st.floats(-1e6, 1e6)))
def test_a_score_is_finite_and_on_the_scale(predictor: Predictor, features: np.ndarray) -> None:
    made = predictor.predict(features, **KNOWN)
    assert np.isfinite(made.mean).all() and np.isfinite(made.std).all()
    assert made.mean.min() >= 0.0 and made.mean.max() <= 100.0


def test_a_frame_does_not_depend_on_its_neighbours(predictor: Predictor) -> None:
    features = np.random.default_rng(1).uniform(0.5, 1.0, (40, 6))
    together = predictor.predict(features, **KNOWN).mean
    for frame in (0, 17, 39):
        alone = predictor.predict(features[frame : frame + 1], **KNOWN).mean[0]
        assert alone == pytest.approx(together[frame], abs=1e-3)


@pytest.mark.parametrize(
    "features",
    [
        [],
        [[]],
        [0.9] * 6,
        [[0.9] * 5],
        [[0.9] * 7],
        np.zeros((2, 6, 1)),
        np.zeros((0, 6)),
        [[0.9] * 6, [0.9] * 5],
        [["a"] * 6],
        [[None] * 6],
        [[{}] * 6],
        "features",
        None,
    ],
    ids=str,
)
def test_what_is_no_table_of_features_is_refused(predictor: Predictor, features: Any) -> None:
    with pytest.raises(FeatureError):
        predictor.predict(features, **KNOWN)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", range(6))
def test_a_feature_that_is_not_finite_is_refused_by_frame(
    predictor: Predictor, bad: float, column: int
) -> None:
    features = FEATURES.copy()
    features[3, column] = bad
    with pytest.raises(FeatureError, match="frame 3 "):
        predictor.predict(features, **KNOWN)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_feature_too_large_for_the_graph_is_refused_not_scored(predictor: Predictor) -> None:
    features = FEATURES.copy()
    features[0, 0] = 1e300
    with pytest.raises(FeatureError, match="not finite"):
        predictor.predict(features, **KNOWN)


def test_an_encoder_outside_the_vocabulary_is_named(predictor: Predictor) -> None:
    made = predictor.predict(FEATURES, encoder="mpeg2video", cq=28)
    assert made.slot == "unknown" and made.slot_rows == 0
    first, second = made.warnings
    assert "'mpeg2video'" in first and "never seen" in first
    assert "no training rows" in second


def test_an_encoder_that_trained_the_unknown_slot_is_named_with_its_rows(house: House) -> None:
    for seed in range(5):
        name = f"{MEMBER[:-1]}{seed}.json"
        edit(house.registry / name, lambda s: s.update(unknown_encoders={"libaom-av1": 9}))
        edit(house.registry / name, lambda s: s["slot_rows"].update(unknown=9))
    reseal(house.registry)
    predictor = vqcast.load(registry=house.registry)
    (seen,) = predictor.predict(FEATURES, encoder="libaom-av1", cq=28).warnings
    assert "'libaom-av1'" in seen and "9 rows of it" in seen
    (unseen,) = predictor.predict(FEATURES, encoder="mpeg2video", cq=28).warnings
    assert "'mpeg2video'" in unseen and "trained by libaom-av1" in unseen


def test_an_empty_slot_is_flagged(predictor: Predictor) -> None:
    about = {"encoder": "h264_nvenc", "preset": "p4"}
    assert only_warning(predictor, **about) == (
        "slot 'h264_nvenc' has no training rows: a codec-blind model (fr_regressor_v1) does not "
        "depend on it"
    )


@pytest.mark.parametrize("cq", [19.9, 44.1, -3, 1000])
def test_a_quality_outside_the_trained_range_is_flagged(predictor: Predictor, cq: float) -> None:
    assert f"quality {cq:g} is outside the trained range 20..44" in only_warning(predictor, cq=cq)


@pytest.mark.parametrize("cq", [20, 20.5, 44])
def test_a_quality_inside_is_not(predictor: Predictor, cq: float) -> None:
    assert predictor.predict(FEATURES, **(KNOWN | {"cq": cq})).warnings == ()


@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_a_normalised_quality_outside_is_flagged_too(predictor: Predictor, value: float) -> None:
    assert "outside the trained range" in only_warning(predictor, crf_norm=value)


def test_a_quality_outside_is_used_as_it_is(predictor: Predictor) -> None:
    inside, outside = (predictor.predict(FEATURES, **(KNOWN | {"cq": cq})) for cq in (44, 60))
    assert not np.array_equal(inside.mean, outside.mean)


def test_no_encoder_and_no_quality_are_flagged(predictor: Predictor) -> None:
    warnings = predictor.predict(FEATURES).warnings
    assert any("no encoder given" in warning for warning in warnings)
    assert any("no quality given" in warning for warning in warnings)


def test_a_normalised_pair_stands_for_quality_and_preset(predictor: Predictor) -> None:
    plain = predictor.predict(FEATURES, encoder="libx264", cq=26, preset="medium")
    given_ = predictor.predict(FEATURES, encoder="libx264", crf_norm=0.25, preset_norm=0.5)
    assert np.array_equal(plain.mean, given_.mean)


@pytest.mark.parametrize("about", [{"crf_norm": np.nan}, {"preset_norm": np.inf}, {"cq": np.nan}])
def test_a_block_that_is_not_finite_is_refused(predictor: Predictor, about: dict[str, Any]) -> None:
    with pytest.raises(FeatureError, match="finite"):
        predictor.predict(FEATURES, **(KNOWN | about))


def test_a_preset_that_the_encoder_lacks_is_refused(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="libx264 has no preset 'p4'") as caught:
        predictor.predict(FEATURES, encoder="libx264", cq=28, preset="p4")
    assert "ultrafast" in (caught.value.hint or "")


def test_one_member_loads_by_its_own_name(pristine: House) -> None:
    alone = vqcast.load(MEMBER, pristine.registry)
    together = vqcast.load(registry=pristine.registry)
    assert (alone.size, together.size) == (1, 5)
    one = alone.predict(FEATURES, **KNOWN)
    assert together.predict(FEATURES, **KNOWN).std.all()
    assert not one.std.any() and one.pooled_std == 0.0


def test_an_unknown_model_names_those_there_are(pristine: House) -> None:
    with pytest.raises(RegistryError, match="has no model 'x'") as caught:
        vqcast.load("x", pristine.registry)
    assert MEMBER in (caught.value.hint or "")


def mark_smoke(house: House) -> None:
    edit(house.registry / MANIFEST, lambda m: m.update(smoke=True))
    edit(
        house.registry / "registry.json",
        lambda document: [row.update(smoke=True) for row in document["models"]] and None,
    )
    reseal(house.registry)


def test_a_scaffold_is_refused_unless_asked_for_by_name(house: House) -> None:
    mark_smoke(house)
    for name in ("fr_regressor_v2_ensemble_v1", MEMBER):
        with pytest.raises(ModelRefused, match="smoke scaffold"):
            vqcast.load(name, house.registry)
        assert vqcast.load(name, house.registry, allow_smoke=True).size in (1, 5)


def test_one_smoke_member_refuses_the_whole_ensemble(house: House) -> None:
    edit(house.registry / "registry.json", lambda r: r["models"][3].update(smoke=True))
    reseal(house.registry)
    with pytest.raises(ModelRefused, match="seed3 is a smoke scaffold"):
        vqcast.load(registry=house.registry)


FORGED = {
    "no members": (MANIFEST, lambda m: m["members"].clear(), "no members"),
    "pin": (MANIFEST, lambda m: m["members"][1].update(sha256="0" * 64), "pins another"),
    "stranger": (MANIFEST, lambda m: m["members"][1].update(id="x"), "has no model 'x'"),
    "manifest key": (MANIFEST, lambda m: m.pop("members"), "members"),
    "digest": (f"{MEMBER}.json", lambda s: s.update(sha256="0" * 64), "different digests"),
    "order": (f"{MEMBER}.json", lambda s: s["feature_order"].reverse(), "canonical-6"),
    "scaler": (f"{MEMBER}.json", lambda s: s["feature_mean"].pop(), "scaler|feature_mean|shape"),
    "no input": (f"{MEMBER}.json", lambda s: s.update(input_names=[]), "inputs"),
    "one input": (f"{MEMBER}.json", lambda s: s["input_names"].pop(), "inputs"),
    "input": (f"{MEMBER}.json", lambda s: s["input_names"].reverse(), "inputs"),
    "output": (f"{MEMBER}.json", lambda s: s.update(output_names=["x"]), "outputs"),
    "blind": (f"{MEMBER}.json", lambda s: s.update(encoder_vocab=[]), "input|codec block"),
    "block": (f"{MEMBER}.json", lambda s: s["encoder_vocab"].reverse(), "codec block"),
    "range": (f"{MEMBER}.json", lambda s: s["corpus"].update(cq_max=99.0), "codec block"),
    "null": (f"{MEMBER}.json", lambda s: s.update(feature_std=None), "feature_std"),
    "row": ("registry.json", lambda r: r["models"].pop(0), "has no model"),
    "graph": ("registry.json", lambda r: r["models"][0].update(onnx="y.onnx"), "y"),
    "pinned": ("registry.json", lambda r: r["models"][0].update(sha256="0" * 64), "pin"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_document_is_refused_with_our_error(house: House, what: str) -> None:
    name, change, words = FORGED[what]
    edit(house.registry / name, lambda document: (change(document), document)[1])
    reseal(house.registry)
    with pytest.raises(VqcastError, match=words):
        vqcast.load(registry=house.registry)


@pytest.mark.parametrize("change", [{"encoder_vocab": []}, {"input_names": ["features"]}])
def test_a_block_that_the_graph_reads_and_the_sidecar_lacks_is_refused(
    house: House, change: dict[str, Any]
) -> None:
    edit(house.registry / f"{MEMBER}.json", lambda s: s.update(change))
    reseal(house.registry)
    with pytest.raises(ModelRefused, match="inputs"):
        vqcast.load(MEMBER, house.registry)


def test_a_sidecar_of_another_tool_is_enough(house: House) -> None:
    """Only the keys that CONTRACTS §6 asks of a sidecar, under the older name."""
    keys = {
        *("id", "kind", "onnx", "sha256", "feature_order", "feature_mean", "feature_std"),
        *("input_names", "output_names"),
    }

    def strip(sidecar: dict[str, Any]) -> dict[str, Any]:
        short = {key: sidecar[key] for key in keys}
        return short | {"codec_vocab": sidecar["encoder_vocab"], "from_elsewhere": [1]}

    edit(house.registry / f"{MEMBER}.json", strip)
    reseal(house.registry)
    predictor = vqcast.load(MEMBER, house.registry)
    with pytest.raises(InputError, match="records no quality range"):
        predictor.predict(FEATURES, **KNOWN)
    made = predictor.predict(FEATURES, encoder="libx264", crf_norm=0.5, preset_norm=0.5)
    assert made.slot_rows is None and np.isfinite(made.mean).all()


def test_a_vocabulary_as_wide_as_no_graph_is_refused_when_scoring(house: House) -> None:
    for seed in range(5):
        name = f"{MEMBER[:-1]}{seed}.json"
        edit(house.registry / name, lambda s: s["encoder_vocab"].append("extra"))
    reseal(house.registry)
    with pytest.raises(VqcastError):
        vqcast.load(registry=house.registry).predict(FEATURES, **KNOWN)


def test_a_model_without_an_interval_says_that_it_cant_be_sure(predictor: Predictor) -> None:
    made = predictor.predict(FEATURES, **KNOWN)
    assert made.interval is None
    for ask in (lambda: made.probability(93.0), lambda: made.reaches(93.0, 0.9)):
        with pytest.raises(EvidenceError, match="no calibrated interval"):
            ask()


def seen(house: House, presets: dict[str, Any], ranges: dict[str, list[float]]) -> Predictor:
    """The ensemble whose sidecars say which presets and qualities trained it."""
    for seed in range(5):
        name = f"{MEMBER[:-1]}{seed}.json"
        edit(house.registry / name, lambda s: s.update(presets=presets, cq_ranges=ranges))
    reseal(house.registry)
    return vqcast.load(registry=house.registry)


VARIED = {"libx264": {"seen": ["fast", "medium"], "used": "ordinal"}}
CONSTANT = {"libx264": {"seen": ["medium"], "used": "constant"}}
RANGES = {"libx264": [20.0, 36.0]}


def test_a_preset_that_training_never_had_is_named(house: House) -> None:
    predictor = seen(house, VARIED, RANGES)
    assert predictor.predict(FEATURES, **KNOWN).warnings == ()
    assert only_warning(predictor, preset="placebo") == (
        "preset 'placebo' of libx264 was never in training (fast, medium)"
    )
    assert "no preset given" in only_warning(predictor, preset=None)
    fast = predictor.predict(FEATURES, **(KNOWN | {"preset": "fast"}))
    assert not np.array_equal(fast.mean, predictor.predict(FEATURES, **KNOWN).mean)


def test_a_preset_that_never_varied_is_one_half_whatever_it_is(house: House) -> None:
    predictor = seen(house, CONSTANT, RANGES)
    made = {name: predictor.predict(FEATURES, **(KNOWN | {"preset": name})) for name in PRESETS}
    assert made["medium"].warnings == ()
    assert all(
        "never in training (medium)" in made[p].warnings[0] for p in PRESETS if p != "medium"
    )
    same = vqcast.load(registry=house.registry).predict(
        FEATURES, encoder="libx264", cq=28, preset_norm=0.5
    )
    assert same.warnings == ()
    for prediction in made.values():
        assert np.array_equal(prediction.mean, same.mean)


def test_norms_are_held_to_what_was_seen_too(house: House) -> None:
    predictor = seen(house, VARIED, RANGES)
    about = {"encoder": "libx264", "crf_norm": 0.5}
    known = [preset_norm("libx264", name) for name in ("fast", "medium")]
    assert all(predictor.predict(FEATURES, **about, preset_norm=x).warnings == () for x in known)
    (other,) = predictor.predict(FEATURES, **about, preset_norm=0.9).warnings
    assert "is of no preset in training (fast, medium)" in other
    (beyond,) = predictor.predict(
        FEATURES, encoder="libx264", crf_norm=0.8, preset_norm=known[0]
    ).warnings
    assert beyond == "crf_norm 0.8 is outside the trained range 0..0.667 of libx264"


@pytest.mark.parametrize(("cq", "inside"), [(20, True), (36, True), (37, False), (19, False)])
def test_a_quality_is_held_to_its_own_encoders_range(house: House, cq: int, inside: bool) -> None:
    made = seen(house, VARIED, RANGES).predict(FEATURES, **(KNOWN | {"cq": cq}))
    words = f"quality {cq} is outside the trained range 20..36 of libx264"
    assert made.warnings == (() if inside else (words,))


@pytest.fixture(scope="module")
def calibrated() -> Predictor:
    """The shipped ensemble, whose one graph holds an interval."""
    return vqcast.load()


def test_the_chance_of_a_target_falls_and_agrees_with_the_interval(calibrated: Predictor) -> None:
    made = calibrated.predict(FEATURES, **KNOWN)
    assert made.interval is not None
    targets = np.linspace(0.0, 100.0, 201)
    chances = [made.probability(target) for target in targets]
    assert chances == sorted(chances, reverse=True)
    reach = made.interval.calibration.n_groups / (made.interval.calibration.n_groups + 1)
    assert (chances[0], chances[-1]) == (1.0, 0.0)
    assert reach - 0.01 <= max(chances[1:]) <= reach
    assert made.probability(made.pooled_mean) <= 0.8
    # What lies below nine in ten clips by the interval is above most of the mass below.
    assert made.probability(made.interval.pooled_lower - 0.01) >= made.interval.level
    assert made.reaches(made.interval.pooled_lower - 0.01, made.interval.level)
    assert not made.reaches(made.interval.pooled_upper + 0.01, 0.5)


def test_a_confidence_that_no_calibration_gives_is_refused(calibrated: Predictor) -> None:
    made = calibrated.predict(FEATURES, **KNOWN)
    with pytest.raises(EvidenceError, match="99% is out of reach: 20 groups"):
        made.reaches(50.0, 0.99)
    for confidence in (0.0, 1.0, 90.0, -1.0):
        with pytest.raises(InputError, match="not between 0 and 1"):
            made.reaches(50.0, confidence)
    with pytest.raises(InputError, match=r"outside 0\.\.100"):
        made.probability(101.0)


def test_the_interval_is_of_the_models_own_level_unless_asked(calibrated: Predictor) -> None:
    own = calibrated.predict(FEATURES, **KNOWN).interval
    asked = calibrated.predict(FEATURES, **KNOWN, level=0.93).interval
    half = calibrated.predict(FEATURES, **KNOWN, level=0.5).interval
    assert own is not None and asked is not None and half is not None
    assert (own.level, asked.level, half.level) == (0.9, 0.93, 0.5)
    widths = [each.pooled_upper - each.pooled_lower for each in (half, own, asked)]
    assert widths == sorted(widths)
    with pytest.raises(EvidenceError, match="out of reach"):
        calibrated.predict(FEATURES, **KNOWN, level=0.96)


ALONE = """
import sys
import vqcast
predictor = vqcast.load(registry=sys.argv[1])
features = [[0.9, 0.7, 0.8, 0.85, 0.9, 3.0]]
print(predictor.predict(features, encoder="libx264", cq=28).pooled_mean)
heavy = {"torch", "numba", "polars", "av", "imageio_ffmpeg", "scipy", "typer", "rich"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
print(sorted(name for name in sys.modules if name.startswith(
    ("vqcast.media", "vqcast.measured", "vqcast.corpus", "vqcast.regressor", "vqcast.cli"))))
"""


def test_predicting_imports_neither_training_nor_video(
    pristine: House, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(pristine.registry)],
        capture_output=True, text=True, check=True, env=python_environment, cwd=tmp_path,
    )  # fmt: skip
    score, heavy, ours = done.stdout.splitlines()
    assert 0.0 <= float(score) <= 100.0
    assert (heavy, ours) == ("[]", "[]")
