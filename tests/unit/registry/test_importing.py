"""Taking over a registry whose weights lie outside its graphs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper

import vqcast
from vqcast.durable.files import sha256_file
from vqcast.errors import RegistryError
from vqcast.registry import law
from vqcast.registry.importing import import_registry

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
MEMBER = "fr_regressor_v2_ensemble_v1_seed0"
FEATURES = [[0.97, 0.60, 0.90, 0.94, 0.96, 4.2], [0.8, 0.4, 0.7, 0.8, 0.85, 9.0]]
NORMS = {"crf_norm": 0.4, "preset_norm": 0.5}


def externalise(path: Path) -> None:
    """Move a graph's weights into ``NAME.onnx.data``, as other exporters do."""
    model = onnx.load(path)
    external_data_helper.convert_model_to_external_data(
        model, location=f"{path.name}.data", size_threshold=0, convert_attribute=False
    )
    path.unlink()
    onnx.save(model, path)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """One member with outside weights, ``codec_vocab``, no cq range, a row of other keys."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    graph = folder / f"{MEMBER}.onnx"
    graph.write_bytes((SHIPPED / graph.name).read_bytes())
    externalise(graph)
    ours = json.loads((SHIPPED / f"{MEMBER}.json").read_text())
    sidecar = {key: ours[key] for key in ("id", "kind", "feature_order", "input_names")}
    (folder / f"{MEMBER}.json").write_text(json.dumps(sidecar))
    digest = sha256_file(graph)
    manifest = {
        "id": "their_ensemble",
        "members": [{"id": MEMBER, "sha256": digest}, {"id": "absent", "sha256": digest}],
        "codec_vocab": ours["encoder_vocab"],
        "feature_mean": ours["feature_mean"],
        "feature_std": ours["feature_std"],
    }
    (folder / "their_ensemble.json").write_text(json.dumps(manifest))
    row = {"id": MEMBER, "kind": "fr", "onnx": graph.name, "sha256": digest, "owner": "them"}
    (folder / "registry.json").write_text(json.dumps({"models": [row]}))
    return folder


def test_an_imported_model_predicts_what_the_original_does(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    imported = vqcast.load(MEMBER, tmp_path / "ours")
    original = vqcast.load(MEMBER, SHIPPED)
    ask = {"encoder": "libx264", **NORMS}
    assert np.array_equal(
        imported.predict(FEATURES, **ask).mean, original.predict(FEATURES, **ask).mean
    )
    assert vqcast.load("their_ensemble", tmp_path / "ours").size == 1


def test_everything_odd_is_named(foreign: Path, tmp_path: Path) -> None:
    found = "\n".join(import_registry(foreign, tmp_path / "ours").findings)
    assert f"bytes of weights in {MEMBER}.onnx.data, which no digest covered" in found
    assert "row keys left out: owner" in found
    assert "lacks feature_mean, taken from elsewhere" in found
    assert "names a member that is not there" in found
    assert "codec_vocab, read as encoder_vocab" in found


def test_what_is_written_is_self_contained_and_keeps_the_old_digest(
    foreign: Path, tmp_path: Path
) -> None:
    old = sha256_file(foreign / f"{MEMBER}.onnx")
    import_registry(foreign, tmp_path / "ours")
    assert not list((tmp_path / "ours").glob("*.data"))
    sidecar = json.loads((tmp_path / "ours" / f"{MEMBER}.json").read_text())
    assert sidecar["imported_from"]["sha256"] == old
    assert sidecar["sha256"] == sha256_file(tmp_path / "ours" / f"{MEMBER}.onnx") != old


def test_an_imported_model_stands_on_no_verdict(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    assert any(MEMBER in problem for problem in law.verify(tmp_path / "ours"))


def test_without_a_range_the_caller_gives_the_norms(foreign: Path, tmp_path: Path) -> None:
    import_registry(foreign, tmp_path / "ours")
    with pytest.raises(vqcast.VqcastError, match="records no quality range"):
        vqcast.load(MEMBER, tmp_path / "ours").predict(FEATURES, encoder="libx264", cq=28)


def test_a_changed_graph_is_named(foreign: Path, tmp_path: Path) -> None:
    document = json.loads((foreign / "registry.json").read_text())
    document["models"][0]["sha256"] = "0" * 64
    (foreign / "registry.json").write_text(json.dumps(document))
    found = import_registry(foreign, tmp_path / "ours").findings
    assert any("does not have the digest" in finding for finding in found)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link"])
def test_weights_from_outside_the_registry_are_refused(
    foreign: Path, tmp_path: Path, location: str
) -> None:
    (tmp_path / "secret").write_bytes(bytes(100_000))
    os.symlink(tmp_path / "secret", foreign / "link")
    path = foreign / f"{MEMBER}.onnx"
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for pair in tensor.external_data:
            if pair.key == "location":
                pair.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RegistryError, match="leads out of the registry"):
        import_registry(foreign, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_weights_that_were_cut_are_refused(foreign: Path, tmp_path: Path) -> None:
    data = foreign / f"{MEMBER}.onnx.data"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(RegistryError, match="beyond the end"):
        import_registry(foreign, tmp_path / "ours")


def test_an_existing_folder_is_never_written_over(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    with pytest.raises(RegistryError, match="exists already"):
        import_registry(foreign, tmp_path / "ours")
