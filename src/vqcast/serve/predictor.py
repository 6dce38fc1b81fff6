"""Scores from features: the ensemble's mean and spread, and what the caller should know.

predictor = load("fr_regressor_v2_ensemble_v1")
prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
prediction.mean          # [frames], VMAF points, 0..100
prediction.warnings      # ["..."] where the answer stands on thin ground
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vqcast.durable import documents
from vqcast.errors import DocumentError, FeatureError, InputError, ModelRefused
from vqcast.schemas import ManifestInfo, ModelInfo, Row, SidecarCorpus, Status
from vqcast.serve.folder import STATUS_NAME, Folder, packaged_registry
from vqcast.serve.guard import Session
from vqcast.vocab import FEATURES, NEUTRAL, UNKNOWN, crf_norm, preset_norm, slot_of

VMAF_MIN, VMAF_MAX = 0.0, 100.0
_STD_FLOOR = 1e-8


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted VMAF of N frames, in points, each member clipped to 0..100."""

    members: NDArray[np.float64]
    """``[members, N]``"""
    warnings: tuple[str, ...]
    slot: str | None
    slot_rows: int | None
    """Training rows of the encoder's slot; None where the sidecar does not say."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Ensemble mean per frame, ``[N]``."""
        mean: NDArray[np.float64] = self.members.mean(axis=0)
        return mean

    @property
    def std(self) -> NDArray[np.float64]:
        """Spread of the members per frame (ddof 1; 0 for one member), ``[N]``."""
        return _spread(self.members)

    @property
    def pooled_mean(self) -> float:
        """The clip's predicted VMAF: the mean over frames."""
        return float(self.members.mean())

    @property
    def pooled_std(self) -> float:
        """Spread of the members' pooled scores."""
        return float(_spread(self.members.mean(axis=1, keepdims=True))[0])


def _spread(members: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(members) < 2:
        return np.zeros(members.shape[1])
    spread: NDArray[np.float64] = members.std(axis=0, ddof=1)
    return spread


class Predictor:
    """One model of a registry, or an ensemble of its members, ready to score."""

    def __init__(
        self,
        model_id: str,
        members: list[tuple[ModelInfo, Session]],
        notices: Sequence[str] = (),
    ) -> None:
        self.model_id = model_id
        self._members = members
        self._notices = tuple(notices)
        self._info = members[0][0]

    @property
    def codec_aware(self) -> bool:
        """Whether encoder, quality and preset enter the prediction."""
        return bool(self.vocabulary)

    @property
    def vocabulary(self) -> list[str]:
        """The encoder slots, as the model's sidecar gives them."""
        return self._info.encoder_vocab or self._info.codec_vocab or []

    @property
    def size(self) -> int:
        """How many networks answer."""
        return len(self._members)

    def predict(
        self,
        features: ArrayLike,
        *,
        encoder: str | None = None,
        cq: float | None = None,
        preset: str | None = None,
        crf_norm: float | None = None,
        preset_norm: float | None = None,
    ) -> Prediction:
        """Score N frames of one encode from their canonical-6 features ``[N, 6]``.

        ``cq`` is on the encoder's own scale; ``crf_norm`` and ``preset_norm``
        replace it and ``preset`` where a sidecar records no range. Raises
        FeatureError for another shape or a value that is not finite,
        UnknownEncoderError where the vocabulary has no slot for ``encoder``.
        """
        table = self._features(features)
        warnings = list(self._notices)
        slot: str | None = None
        codec: NDArray[np.float32] | None = None
        if self.codec_aware:
            block, slot = self._codec_row(encoder, cq, preset, crf_norm, preset_norm, warnings)
            codec = np.tile(block, (len(table), 1))
        scores = []
        for info, session in self._members:
            std = np.asarray(info.feature_std)
            scaled = (table - np.asarray(info.feature_mean)) / np.where(std < _STD_FLOOR, 1.0, std)
            arrays = [scaled.astype(np.float32)] + ([codec] if codec is not None else [])
            score = session.run(*arrays)[0].astype(np.float64).reshape(-1)
            if len(score) != len(table):
                raise ModelRefused(f"{info.id}: gives {len(score)} scores for {len(table)} frames")
            scores.append(score)
        rows = self._info.slot_rows
        return Prediction(
            members=np.clip(np.stack(scores), VMAF_MIN, VMAF_MAX),
            warnings=tuple(warnings),
            slot=slot,
            slot_rows=rows.get(slot, 0) if rows is not None and slot is not None else None,
        )

    def _features(self, features: ArrayLike) -> NDArray[np.float64]:
        try:
            table = np.asarray(features, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise FeatureError(f"features are not numbers: {error}") from error
        if table.ndim != 2 or table.shape[1] != len(FEATURES) or not len(table):
            raise FeatureError(f"features have shape {table.shape}, [N, {len(FEATURES)}] is needed")
        if not np.all(np.isfinite(table)):
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise FeatureError(f"frame {row} has a feature that is not finite")
        return table

    def _codec_row(
        self,
        encoder: str | None,
        cq: float | None,
        preset: str | None,
        quality: float | None,
        speed: float | None,
        warnings: list[str],
    ) -> tuple[NDArray[np.float32], str]:
        """The codec block of one encode ``[slots + 2]``, and the slot it fell into."""
        vocabulary = self.vocabulary
        name = encoder or UNKNOWN
        index = slot_of(name, vocabulary)
        slot = vocabulary[index]
        self._note_slot(encoder, slot, warnings)
        if quality is None:
            quality = self._quality(cq, warnings)
        elif not 0.0 <= quality <= 1.0:
            warnings.append(f"crf_norm {quality:g} is outside the trained range 0..1")
        if speed is None:
            speed = preset_norm(name, preset)
        block = np.zeros(len(vocabulary) + 2, dtype=np.float32)
        block[index], block[-2], block[-1] = 1.0, speed, quality
        if not np.all(np.isfinite(block)):
            raise FeatureError("crf_norm and preset_norm must be finite")
        return block, slot

    def _note_slot(self, encoder: str | None, slot: str, warnings: list[str]) -> None:
        rows, trained = self._info.slot_rows, self._info.unknown_encoders or {}
        if encoder is None:
            warnings.append(f"no encoder given: scored in the slot {slot!r}")
        elif slot == UNKNOWN and encoder in trained:
            warnings.append(
                f"encoder {encoder!r} is outside the vocabulary: scored in the slot 'unknown', "
                f"which {trained[encoder]} rows of it trained"
            )
        elif slot == UNKNOWN and encoder != UNKNOWN:
            by = f"trained by {', '.join(sorted(trained))}" if trained else "which has no training"
            warnings.append(
                f"encoder {encoder!r} is outside the vocabulary and was never seen: scored in the "
                f"slot 'unknown', {by}"
            )
        if rows is not None and rows.get(slot, 0) == 0:
            warnings.append(f"slot {slot!r} has no training rows: its column was never learnt")

    def _quality(self, cq: float | None, warnings: list[str]) -> float:
        low, high = self._cq_range()
        if cq is None:
            warnings.append("no quality given: crf_norm is 0.5")
            return NEUTRAL
        if low is None or high is None:
            raise InputError(
                f"{self.model_id}: its sidecar records no quality range",
                hint="give crf_norm (and preset_norm) instead of cq",
            )
        value = crf_norm(float(cq), low, high)
        if not 0.0 <= value <= 1.0:
            warnings.append(f"quality {cq:g} is outside the trained range {low:g}..{high:g}")
        return value

    def _cq_range(self) -> tuple[float | None, float | None]:
        corpus = self._info.corpus
        if isinstance(corpus, SidecarCorpus):
            return corpus.cq_min, corpus.cq_max
        return self._info.cq_min, self._info.cq_max


def load(
    model_id: str = "fr_regressor_v2_ensemble_v1",
    registry: str | Path | None = None,
    *,
    allow_smoke: bool = False,
) -> Predictor:
    """Load a model or an ensemble by id, checked from digest to session.

    ``registry`` is a registry folder; None means the one that travels with
    vqcast. Raises RegistryError where the folder breaks its checksums or lacks
    the model, ModelRefused where a graph fails the guard or is a smoke
    scaffold (``allow_smoke`` loads it all the same).
    """
    folder = Folder(Path(registry) if registry is not None else packaged_registry())
    folder.require_whole()
    manifest = _manifest(folder, model_id)
    pinned = {member.id: member.sha256 for member in manifest.members} if manifest else {}
    if manifest and not pinned:
        raise ModelRefused(f"{model_id}: its manifest has no members")
    members: list[tuple[ModelInfo, Session]] = []
    for member_id in pinned or [model_id]:
        row = folder.row(member_id)
        if row.is_smoke and not allow_smoke:
            raise ModelRefused(
                f"{member_id} is a smoke scaffold: it proves the load path and scores nothing",
                hint="pass allow_smoke=True (--allow-smoke) to load it by name all the same",
            )
        if row.sha256 != pinned.get(member_id, row.sha256):
            raise ModelRefused(f"{model_id}: its manifest pins another {member_id}")
        members.append(_open(folder, row))
    if len({_block(info) for info, _ in members}) > 1:
        raise ModelRefused(f"{model_id}: its members read different codec blocks")
    return Predictor(model_id, members, notices=_standing(folder, model_id))


def _block(info: ModelInfo) -> tuple[object, ...]:
    """What the codec block of a model's input is made with."""
    vocabulary = tuple(info.encoder_vocab or info.codec_vocab or ())
    if isinstance(info.corpus, SidecarCorpus):
        return vocabulary, info.corpus.cq_min, info.corpus.cq_max
    return vocabulary, info.cq_min, info.cq_max


def _standing(folder: Folder, model_id: str) -> list[str]:
    """What the registry says against using the model; empty where all is well."""
    if STATUS_NAME not in folder.files:
        return []
    status = documents.decode(Status, folder.files[STATUS_NAME], where=STATUS_NAME)
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
        return documents.decode(ManifestInfo, folder.files[name], where=name)
    except DocumentError as error:
        raise ModelRefused(error.message) from error


def _open(folder: Folder, row: Row) -> tuple[ModelInfo, Session]:
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
    inputs = 2 if info.encoder_vocab or info.codec_vocab else 1
    if len(info.input_names) != inputs or len(info.output_names) != 1:
        raise ModelRefused(f"{row.id}: {inputs} inputs and one output are needed")
    session = Session(
        folder.files[row.onnx],
        sha256=row.sha256,
        input_names=info.input_names,
        output_names=info.output_names,
        where=row.onnx,
    )
    return info, session
