"""Rolling back, deprecating, and the states that are kept for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import vqcast
from vqcast.documents.registry import StatusEntry
from vqcast.errors import RegistryError
from vqcast.registry import law, seal
from vqcast.serve.folder import Folder

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
FEATURES = [[0.97, 0.60, 0.90, 0.94, 0.96, 4.2]]
OLD = StatusEntry(state="deprecated", reason="too small a corpus")


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "registry"))


def contents(folder: Path) -> dict[str, bytes]:
    return dict(Folder(folder).files)


def test_a_rollback_restores_every_byte(registry: Path) -> None:
    before = contents(registry)
    seal.mark(registry, "fr_regressor_v1", OLD)
    assert contents(registry) != before
    seal.rollback(registry)
    assert contents(registry) == before
    assert law.verify(registry) == []


@pytest.mark.slow
def test_rollbacks_go_further_back_and_end_in_a_refusal(registry: Path) -> None:
    states = [contents(registry)]
    for number in range(3):
        seal.mark(registry, "fr_regressor_v1", StatusEntry(state="deprecated", reason=f"{number}"))
        states.append(contents(registry))
    for state in reversed(states[:-1]):
        seal.rollback(registry)
        assert contents(registry) == state
    with pytest.raises(RegistryError, match="no earlier state"):
        seal.rollback(registry)


def test_a_damaged_registry_can_be_rolled_back(registry: Path) -> None:
    before = contents(registry)
    seal.mark(registry, "fr_regressor_v1", OLD)
    (registry / "fr_regressor_v1.onnx").write_bytes(b"damage")
    seal.rollback(registry)
    assert contents(registry) == before


def test_a_damaged_state_is_not_restored(registry: Path) -> None:
    seal.mark(registry, "fr_regressor_v1", OLD)
    marked = contents(registry)
    (state,) = seal.history_of(registry).iterdir()
    (state / "fr_regressor_v2.onnx").write_bytes(b"damage")
    with pytest.raises(RegistryError, match=r"fr_regressor_v2\.onnx"):
        seal.rollback(registry)
    assert contents(registry) == marked


@pytest.mark.slow
def test_only_the_last_states_are_kept(registry: Path) -> None:
    for number in range(seal.KEPT_STATES + 3):
        seal.mark(registry, "fr_regressor_v1", StatusEntry(state="deprecated", reason=f"{number}"))
    assert len(list(seal.history_of(registry).iterdir())) == seal.KEPT_STATES


def test_a_change_that_changes_nothing_keeps_no_state(registry: Path) -> None:
    seal.change(registry, lambda state: state)
    assert not seal.history_of(registry).exists()


@pytest.mark.slow
@pytest.mark.parametrize("model_id", ["fr_regressor_v1", "fr_regressor_v2_ensemble_v1"])
def test_whoever_predicts_with_a_deprecated_model_is_told(registry: Path, model_id: str) -> None:
    at = {} if model_id.endswith("v1") and "ensemble" not in model_id else {"encoder": "libx264"}
    quiet = vqcast.load(model_id, registry).predict(FEATURES, cq=28, **at)
    seal.mark(registry, model_id, OLD)
    told = vqcast.load(model_id, registry).predict(FEATURES, cq=28, **at)
    assert told.warnings[0] == f"{model_id} is deprecated: too small a corpus"
    assert told.warnings[1:] == quiet.warnings
    assert told.pooled_mean == quiet.pooled_mean
    seal.mark(registry, model_id, None)
    assert vqcast.load(model_id, registry).predict(FEATURES, cq=28, **at).warnings == quiet.warnings


def test_a_superseded_model_names_its_successor(registry: Path) -> None:
    entry = StatusEntry(state="superseded", reason="newer", superseded_by="fr_regressor_v2")
    seal.mark(registry, "fr_regressor_v1", entry)
    warnings = vqcast.load("fr_regressor_v1", registry).predict(FEATURES).warnings
    assert "superseded by fr_regressor_v2: newer" in warnings[0]


def test_a_model_that_is_not_there_can_be_neither(registry: Path) -> None:
    before = contents(registry)
    for entry, name in (
        (OLD, "nobody"),
        (StatusEntry(state="superseded", reason="x", superseded_by="nobody"), "fr_regressor_v1"),
    ):
        with pytest.raises(RegistryError, match="has no model nobody"):
            seal.mark(registry, name, entry)
    assert contents(registry) == before
