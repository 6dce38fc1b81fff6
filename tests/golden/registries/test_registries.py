"""Artefacts of past releases stay loadable, verifiable, and give the numbers they gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vqcast
from vqcast.errors import SignatureRefused
from vqcast.registry import law
from vqcast.serve.trust import Trust

HERE = Path(__file__).parent
SIGNED = HERE / "signed" / "registry"
PUBLIC = HERE / "signed" / "public.pem"
SAME = 1e-3
"""Points of VMAF by which processors may differ in float32."""


def expected(name: str) -> dict[str, Any]:
    return json.loads((HERE / name / "expected.json").read_bytes())


def assert_predicts(predictor: vqcast.Predictor, name: str) -> None:
    for frame in expected(name)["frames"]:
        prediction = predictor.predict(
            [frame["features"]], encoder=frame["encoder"], cq=frame["cq"], preset=frame["preset"]
        )
        assert prediction.pooled_mean == pytest.approx(frame["predicted"], abs=SAME)
        assert prediction.warnings == ()


def test_0_1_0_is_sound_and_predicts_what_it_did() -> None:
    registry = HERE / "0.1.0" / "registry"
    assert law.verify(registry) == []
    assert_predicts(vqcast.load(expected("0.1.0")["model"], registry), "0.1.0")


def test_the_ensemble_of_one_preset_an_encoder_is_sound_and_predicts_what_it_did() -> None:
    """Its one graph holds ReduceL2, its verdict the lowest seed under ``per_seed_min``."""
    registry = HERE / "one_preset" / "registry"
    assert law.verify(registry) == []
    document = expected("one_preset")
    predictor = vqcast.load(document["model"], registry)
    assert_predicts(predictor, "one_preset")
    for frame in document["frames"]:
        made = predictor.predict(
            [frame["features"]], encoder=frame["encoder"], cq=frame["cq"], preset=frame["preset"]
        )
        assert made.interval is not None and made.interval.level == 0.9
        given = (made.interval.lower[0], made.interval.upper[0])
        assert given == pytest.approx((frame["lower"], frame["upper"]), abs=SAME)
        assert made.probability(made.interval.pooled_lower - 0.01) >= 0.9


def test_the_first_signature_still_verifies() -> None:
    document = expected("signed")
    trust = Trust(public_key=PUBLIC, require_signature=True, min_serial=document["serial"])
    assert law.verify(SIGNED, trust) == []
    predictor = vqcast.load(
        document["model"],
        SIGNED,
        allow_smoke=True,
        trust=trust,
    )
    assert_predicts(predictor, "signed")


def test_the_first_signed_registry_still_loads_without_its_key() -> None:
    predictor = vqcast.load(expected("signed")["model"], SIGNED, allow_smoke=True)
    assert_predicts(predictor, "signed")


def test_its_serial_is_the_first_and_no_later_one() -> None:
    with pytest.raises(SignatureRefused, match="its serial is 1, and 2 was asked for"):
        vqcast.load(registry=SIGNED, trust=Trust(PUBLIC, min_serial=2))


def test_the_numbers_are_close_to_what_was_measured() -> None:
    """A golden file of nonsense would hold anything: these frames were measured by libvmaf."""
    for name in ("0.1.0", "signed", "one_preset"):
        frames = expected(name)["frames"]
        errors = [frame["predicted"] - frame["measured"] for frame in frames]
        assert np.abs(errors).max() < 5.0


def test_no_private_key_lies_here() -> None:
    for path in HERE.rglob("*"):
        if path.is_file() and path != Path(__file__):
            assert b"PRIVATE KEY" not in path.read_bytes()
