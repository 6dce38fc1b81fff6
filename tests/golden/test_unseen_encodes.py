"""Three encodes of a clip that no model saw, whose presets an earlier release got wrong.

``unseen_encodes.json`` holds what libvmaf measured of them, every fifth frame, and what the
ensemble of one preset an encoder answered: 4.1 points too high, 1.9 too low, 2.0 too high, each
far outside its interval and without a word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vqcast

HERE = Path(__file__).parent
ENCODES = json.loads((HERE / "unseen_encodes.json").read_bytes())["encodes"]
NAMES = [f"{each['encoder']} {each['preset']} {each['cq']}" for each in ENCODES]


@pytest.mark.parametrize("encode", ENCODES, ids=NAMES)
def test_the_shipped_ensemble_holds_them(encode: dict[str, Any]) -> None:
    about = {name: encode[name] for name in ("encoder", "preset", "cq")}
    made = vqcast.load().predict(encode["features"], **about)
    measured = float(np.mean(encode["vmaf"]))
    assert made.warnings == ()
    assert made.pooled_mean == pytest.approx(measured, abs=0.5)
    assert made.interval is not None and made.interval.level == 0.9
    assert made.interval.pooled_lower <= measured <= made.interval.pooled_upper
    before = encode["one_preset"]
    assert not before["lower"] <= measured <= before["upper"]


@pytest.mark.parametrize("encode", ENCODES, ids=NAMES)
def test_the_earlier_release_still_answers_as_it_did(encode: dict[str, Any]) -> None:
    registry = HERE / "registries" / "one_preset" / "registry"
    about = {name: encode[name] for name in ("encoder", "preset", "cq")}
    made = vqcast.load(registry=registry).predict(encode["features"], **about)
    assert made.pooled_mean == pytest.approx(encode["one_preset"]["predicted"], abs=0.01)


def test_a_preset_that_training_never_had_is_said_and_its_interval_wider() -> None:
    encode = ENCODES[0]
    predictor = vqcast.load()
    about = {"encoder": encode["encoder"], "cq": encode["cq"]}
    seen = predictor.predict(encode["features"], preset="medium", **about)
    unseen = predictor.predict(encode["features"], preset="placebo", **about)
    assert seen.warnings == ()
    assert any("preset 'placebo' of libx264 was never in training" in w for w in unseen.warnings)
    assert any("times as wide, as measured on" in w for w in unseen.warnings)
    assert seen.interval is not None and unseen.interval is not None
    assert unseen.interval.scale > seen.interval.scale
