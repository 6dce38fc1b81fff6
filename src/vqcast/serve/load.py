"""A predictor from a registry folder, which must be whole, and signed where that is asked for::

predictor = load("fr_regressor_v2_ensemble_v1")
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vqcast import documents
from vqcast.documents.reading import ManifestInfo, ModelInfo
from vqcast.documents.registry import Row, Status
from vqcast.errors import DocumentError, ModelRefused
from vqcast.interval import INTERVAL_OUTPUTS
from vqcast.serve.codec import cq_range, vocabulary_of
from vqcast.serve.folder import STATUS_NAME, Folder, packaged_registry
from vqcast.serve.guard import CheckedGraph
from vqcast.serve.predictor import Networks, Predictor
from vqcast.serve.signature import opened
from vqcast.serve.trust import Trust
from vqcast.vocab import FEATURES

_ONE_GRAPH = "_mean"
"""Ends the id of an ensemble as one graph (CONTRACTS §6)."""


def load(
    model_id: str = "fr_regressor_v2_ensemble_v1",
    registry: str | Path | None = None,
    *,
    allow_smoke: bool = False,
    trust: Trust | None = None,
) -> Predictor:
    """Load a model or an ensemble by id, checked from digest to session.

    ``registry`` is a registry folder; None means the one that travels with
    vqcast. ``trust`` asks for a folder that is signed.

    Raises RegistryError where the folder breaks its checksums or lacks
    the model, SignatureRefused where it is not signed as asked, ModelRefused
    where a graph fails the guard or is a smoke scaffold (``allow_smoke`` loads
    it all the same).
    """
    root = Path(registry) if registry is not None else packaged_registry()
    return from_folder(opened(root, trust), model_id, allow_smoke=allow_smoke)


def from_folder(folder: Folder, model_id: str, *, allow_smoke: bool = False) -> Predictor:
    """A model or an ensemble of a folder that is known to be whole. Raises as ``load`` does."""
    ensemble_id = model_id.removesuffix(_ONE_GRAPH)
    manifest = _manifest(folder, ensemble_id)
    notices = _standing(folder, model_id) or _standing(folder, ensemble_id)
    if manifest is None:
        info, session = _open(folder, folder.row(model_id), allow_smoke=allow_smoke)
        return Predictor(model_id, Networks((info,), (session,)), notices)
    fused = _fused(folder, manifest, allow_smoke=allow_smoke)
    if fused is None and model_id != ensemble_id:
        folder.row(model_id)  # refuses an id that is not there
    return Predictor(
        model_id, fused or _members(folder, manifest, allow_smoke=allow_smoke), notices
    )


def _fused(folder: Folder, manifest: ManifestInfo, *, allow_smoke: bool) -> Networks | None:
    """The ensemble as one graph, where the registry has one and a calibration for it."""
    mean_id = f"{manifest.id}{_ONE_GRAPH}"
    if all(row.id != mean_id for row in folder.registry().models):
        return None
    calibration = manifest.confidence.calibration if manifest.confidence else None
    if calibration is None:
        return None
    info, session = _open(folder, folder.row(mean_id), allow_smoke=allow_smoke)
    return Networks((info,), (session,), calibration, size=len(manifest.members))


def _members(folder: Folder, manifest: ManifestInfo, *, allow_smoke: bool) -> Networks:
    """The ensemble's networks, each with its own session."""
    if not manifest.members:
        raise ModelRefused(f"{manifest.id}: its manifest has no members")
    opened = []
    for member in manifest.members:
        row = folder.row(member.id)
        if row.sha256 != member.sha256:
            raise ModelRefused(f"{manifest.id}: its manifest pins another {member.id}")
        opened.append(_open(folder, row, allow_smoke=allow_smoke))
    infos, sessions = zip(*opened, strict=True)
    if len({(*vocabulary_of(info), cq_range(info)) for info in infos}) > 1:
        raise ModelRefused(f"{manifest.id}: its members read different codec blocks")
    return Networks(infos, sessions, size=len(infos))


def _standing(folder: Folder, model_id: str) -> list[str]:
    """What the registry says against using the model; empty where all is well."""
    if STATUS_NAME not in folder.files:
        return []
    status = documents.from_bytes(Status, folder.files[STATUS_NAME], where=STATUS_NAME)
    entry = status.models.get(model_id)
    if entry is None:
        return []
    instead = f" by {entry.superseded_by}" if entry.superseded_by else ""
    return [f"{model_id} is {entry.state}{instead}: {entry.reason}"]


def _manifest(folder: Folder, model_id: str) -> ManifestInfo | None:
    name = f"{model_id}.json"
    if name not in folder.files or f"{model_id}.onnx" in folder.files:
        return None
    try:
        return documents.from_bytes(ManifestInfo, folder.files[name], where=name)
    except DocumentError as error:
        raise ModelRefused(error.message) from error


def _open(folder: Folder, row: Row, *, allow_smoke: bool) -> tuple[ModelInfo, CheckedGraph]:
    if row.is_smoke and not allow_smoke:
        raise ModelRefused(
            f"{row.id} is a smoke scaffold: it proves the load path and scores nothing",
            hint="pass allow_smoke=True (--allow-smoke) to load it by name all the same",
        )
    info = folder.info(row)
    if row.onnx not in folder.files:
        raise ModelRefused(f"{row.id}: {row.onnx} is not in the registry")
    if info.feature_order != list(FEATURES):
        raise ModelRefused(f"{row.id}: its features are not canonical-6 in order")
    if info.sha256 != row.sha256:
        raise ModelRefused(f"{row.id}: sidecar and registry pin different digests")
    scaler = (info.feature_mean, info.feature_std)
    if any(len(each) != len(FEATURES) or not np.all(np.isfinite(each)) for each in scaler):
        raise ModelRefused(
            f"{row.id}: its scaler is not {len(FEATURES)} finite means and deviations"
        )
    inputs = 2 if vocabulary_of(info) else 1
    one_graph = info.output_names == list(INTERVAL_OUTPUTS)
    if len(info.input_names) != inputs or not (one_graph or len(info.output_names) == 1):
        raise ModelRefused(f"{row.id}: {inputs} inputs and one output are needed")
    session = CheckedGraph(
        folder.files[row.onnx],
        sha256=row.sha256,
        input_names=info.input_names,
        output_names=info.output_names,
        where=row.onnx,
    )
    return info, session
