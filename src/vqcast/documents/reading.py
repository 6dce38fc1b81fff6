"""What a loader needs of other people's sidecars and manifests; all else is ignored."""

from __future__ import annotations

from vqcast.documents.base import Document
from vqcast.documents.model import PresetUse, SidecarCorpus
from vqcast.interval import Calibration


class MemberInfo(Document, frozen=True, kw_only=True):
    """What a loader needs of an ensemble's member."""

    id: str
    sha256: str


class ConfidenceInfo(Document, frozen=True, kw_only=True):
    """What a loader uses of a manifest's confidence, where it is there."""

    calibration: Calibration | None = None


class ManifestInfo(Document, frozen=True, kw_only=True):
    """What a loader needs of any ensemble's manifest."""

    id: str
    members: list[MemberInfo]
    confidence: ConfidenceInfo | None = None


class Origin(Document, frozen=True, kw_only=True):
    """Where an imported model came from."""

    registry: str
    sha256: str


class ModelInfo(Document, frozen=True, kw_only=True):
    """What a loader needs of any sidecar, and what it uses where it is there."""

    id: str
    kind: str
    onnx: str
    sha256: str
    feature_order: list[str]
    feature_mean: list[float]
    feature_std: list[float]
    input_names: list[str]
    output_names: list[str]
    encoder_vocab: list[str] | None = None
    codec_vocab: list[str] | None = None
    encoder_vocab_version: int | None = None
    corpus: SidecarCorpus | str | None = None
    cq_min: float | None = None
    cq_max: float | None = None
    slot_rows: dict[str, int] | None = None
    unknown_encoders: dict[str, int] | None = None
    presets: dict[str, PresetUse] | None = None
    cq_ranges: dict[str, list[float]] | None = None
    """Smallest and largest quality that each encoder was trained with."""
    untrained_slots: list[str] | None = None
    """Found by an import where nobody counted ``slot_rows``."""
    imported_from: Origin | None = None
    level: float | None = None
    """Of the interval that an ensemble's one graph gives."""
