"""The ensemble's one graph and its manifest are held to members, evidence and verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import vqcast
from vqcast import documents
from vqcast.documents import jsontext
from vqcast.documents.model import Manifest
from vqcast.documents.registry import StatusEntry
from vqcast.durable.files import sha256_bytes
from vqcast.interval import bounds
from vqcast.registry import law
from vqcast.registry.seal import mark, rollback
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import CHECKSUMS_NAME, Folder

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
FEATURES = [
    [0.959552, 0.625962, 0.914438, 0.957449, 0.975858, 4.730515],
    [0.954027, 0.608781, 0.895588, 0.943757, 0.966508, 4.975488],
]
"""Two frames of the shipped corpus: bee_flower, libx264 medium at CRF 26."""
AT = {"encoder": "libx264", "cq": 28, "preset": "medium"}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "registry"))


def reseal(registry: Path) -> None:
    """Make the checksums agree, as a careful forger would."""
    files = {name: data for name, data in Folder(registry).files.items() if name != CHECKSUMS_NAME}
    (registry / CHECKSUMS_NAME).write_bytes(jsontext.dump(law.digest_of(files)))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_bytes(jsontext.dump(document))


def test_a_forged_graph_with_matching_digests_is_named(registry: Path) -> None:
    path = registry / f"{ENSEMBLE.mean_id}.onnx"
    model = onnx.load(path)
    largest = max(model.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) / 2, largest.name))
    path.write_bytes(model.SerializeToString(deterministic=True))
    digest = sha256_bytes(path.read_bytes())
    edit(registry / f"{ENSEMBLE.mean_id}.json", lambda side: side.update(sha256=digest))
    edit(
        registry / "registry.json",
        lambda rows: [
            row.update(sha256=digest) for row in rows["models"] if row["id"] == ENSEMBLE.mean_id
        ],
    )
    reseal(registry)
    assert law.verify(registry) == [
        f"{ENSEMBLE.mean_id}: its graph is not made of its members and the calibration"
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m["confidence"].update(conformal_q_residual=0.001), "confidence"),
        (lambda m: m["confidence"]["calibration"].update(spread_floor=0.0), "confidence"),
        (lambda m: m["confidence"].update(gaussian_z=9.0), "confidence"),
        (lambda m: m["eval"].update(mean_loso_plcc=1.0), "eval"),
        (lambda m: m["encoder_vocab"].reverse(), "vocabulary"),
        (lambda m: m["feature_mean"].reverse(), "scaler"),
    ],
)
def test_a_manifest_edited_by_hand_is_named(
    registry: Path, change: Callable[[Any], object], named: str
) -> None:
    edit(registry / f"{ENSEMBLE.id}.json", change)
    reseal(registry)
    assert any(named in problem for problem in law.verify(registry))


def test_a_missing_manifest_is_named(registry: Path) -> None:
    (registry / f"{ENSEMBLE.id}.json").unlink()
    reseal(registry)
    assert any("is missing, its members are there" in each for each in law.verify(registry))


def test_the_one_graph_answers_by_its_own_id_too() -> None:
    by_ensemble = vqcast.load(ENSEMBLE.id, SHIPPED).predict(FEATURES, **AT)
    by_graph = vqcast.load(ENSEMBLE.mean_id, SHIPPED).predict(FEATURES, **AT)
    assert by_graph.interval is not None
    assert np.array_equal(by_ensemble.mean, by_graph.mean)
    assert np.array_equal(by_ensemble.interval.lower, by_graph.interval.lower)


def test_the_interval_holds_the_score_and_grows_with_the_level() -> None:
    predictor = vqcast.load(ENSEMBLE.id, SHIPPED)
    widths = []
    for level in (0.8, 0.9, 0.95):
        interval = predictor.predict(FEATURES, level=level, **AT).interval
        assert interval.level == level
        mean = predictor.predict(FEATURES, **AT).mean
        assert (interval.lower <= mean).all()
        assert (mean <= interval.upper).all()
        assert interval.pooled_lower <= mean.mean() <= interval.pooled_upper
        widths.append(float((interval.upper - interval.lower).mean()))
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_interval_is_that_of_the_members_and_the_calibration(level: float) -> None:
    folder = Folder(SHIPPED)
    manifest = documents.from_bytes(Manifest, folder.files[f"{ENSEMBLE.id}.json"], where="manifest")
    members = np.stack(
        [
            vqcast.load(ENSEMBLE.member_id(seed), SHIPPED).predict(FEATURES, **AT).mean
            for seed in ENSEMBLE.seeds
        ]
    )
    mean, std = members.mean(axis=0), members.std(axis=0, ddof=1)
    features, calibration = np.array(FEATURES), manifest.confidence.calibration
    lower, upper = calibration.interval(mean, std, features, level)
    given = vqcast.load(ENSEMBLE.id, SHIPPED).predict(FEATURES, level=level, **AT)
    assert given.mean == pytest.approx(calibration.centre(mean), abs=1e-3)
    assert given.std == pytest.approx(std, abs=1e-3)
    assert given.interval.lower == pytest.approx(lower, abs=1e-3)
    assert given.interval.upper == pytest.approx(upper, abs=1e-3)
    half = calibration.quantile(level, pooled=True) * calibration.scale(mean, std, features).mean()
    pooled = bounds(calibration.centre(mean).mean(), half)
    assert (given.interval.pooled_lower, given.interval.pooled_upper) == pytest.approx(
        pooled, abs=1e-3
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda side: side["slot_rows"].update(libx264=0),
        lambda side: side.update(level=0.5),
        lambda side: side.update(ensemble_id="fr_regressor_v2"),
        lambda side: side["members"].pop(),
        lambda side: side["members"][0].update(onnx="registry.json"),
        lambda side: side.update(feature_mean=[1.0] * 6),
    ],
)
def test_a_sidecar_of_the_one_graph_edited_by_hand_is_named(
    registry: Path, change: Callable[[Any], object]
) -> None:
    edit(registry / f"{ENSEMBLE.mean_id}.json", change)
    reseal(registry)
    assert any(ENSEMBLE.mean_id in problem for problem in law.verify(registry))


def test_far_features_widen_the_interval_to_everything_and_say_so() -> None:
    near = vqcast.load(ENSEMBLE.id, SHIPPED).predict(FEATURES, **AT)
    far = vqcast.load(ENSEMBLE.id, SHIPPED).predict(np.array(FEATURES) * 40, **AT)
    for level in (0.8, 0.95):
        wide = vqcast.load(ENSEMBLE.id, SHIPPED).predict(np.array(FEATURES) * 40, level=level, **AT)
        assert wide.interval.upper - wide.interval.lower == pytest.approx([100.0, 100.0])
    assert any("outside the training features" in warning for warning in far.warnings)
    assert not any("outside the training features" in warning for warning in near.warnings)


def test_a_level_that_was_not_calibrated_is_refused() -> None:
    with pytest.raises(vqcast.VqcastError, match="99% is out of reach"):
        vqcast.load(ENSEMBLE.id, SHIPPED).predict(FEATURES, level=0.99, **AT)


def test_a_registry_without_its_list_can_be_rolled_back(registry: Path) -> None:
    before = dict(Folder(registry).files)
    mark(registry, "fr_regressor_v1", StatusEntry(state="deprecated", reason="old"))
    (registry / "registry.json").unlink()
    rollback(registry)
    assert Folder(registry).files == before
