"""What lies beside a shipped graph: sidecars and the ensemble's manifest (CONTRACTS §6)."""

from __future__ import annotations

from vqcast.documents.base import Document, Omitting
from vqcast.documents.evidence import FoldReport
from vqcast.interval import Calibration


class SidecarCorpus(Document, frozen=True, kw_only=True):
    """The corpus that a model was fitted on."""

    path: str
    sha256: str
    n_rows: int
    cq_min: float
    cq_max: float


ORDINAL, CONSTANT = "ordinal", "constant"
LEFT_SLOTS, SHARED_SLOTS = "as trained", "mean of trained slots"


class PresetUse(Document, frozen=True, kw_only=True):
    """Which presets of an encoder trained a model, and what ``preset_norm`` was for them."""

    seen: list[str | None]
    """Fastest first; null for rows that record none, or one that is not the encoder's."""
    used: str
    """``ordinal``, or ``constant`` (0.5) where there was one preset only."""


class TrainingRecipe(Document, frozen=True, kw_only=True):
    """How a shipped network was fitted."""

    in_features: int
    hidden: int
    depth: int
    dropout: float
    num_codecs: int
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    optimizer: str = "Adam"
    loss: str = "MSE"
    fit_set: str = "full_corpus"
    scaler: str = "fit_on_full_corpus"
    untrained_slots: str = LEFT_SLOTS
    """Input weights of slots without training rows."""


class SidecarGate(Document, frozen=True, kw_only=True):
    """The verdict's figures, repeated beside the weights they speak for."""

    verdict: str
    mean_plcc: float | None
    mean_plcc_threshold: float
    plcc_spread: float | None
    plcc_spread_max: float
    per_seed_min_threshold: float
    this_seed_loso_plcc: float | None
    passed: bool


class Sidecar(Document, frozen=True, kw_only=True):
    """``<stem>.json`` beside each ONNX file (CONTRACTS §6)."""

    id: str
    ensemble_id: str
    seed: int
    kind: str
    codec_aware: bool
    codec_block_layout: list[str]
    encoder_vocab: list[str]
    encoder_vocab_version: int | None
    feature_order: list[str]
    feature_mean: list[float]
    feature_std: list[float]
    input_names: list[str]
    output_names: list[str]
    onnx: str
    opset: int
    sha256: str
    corpus: SidecarCorpus
    training_recipe: TrainingRecipe
    slot_rows: dict[str, int]
    unknown_encoders: dict[str, int]
    presets: dict[str, PresetUse] | None = None
    """By encoder; null in earlier releases, as is ``cq_ranges``."""
    cq_ranges: dict[str, list[float]] | None = None
    gate: SidecarGate
    loso_mean_plcc: float | None
    notes: str
    parent_adrs: list[str]


class TrainingTrace(Document, frozen=True, kw_only=True):
    """A single model's whole cross-validation, beside its weights."""

    dataset: str
    gate_passed: bool
    loso_folds: list[FoldReport]
    loso_mean_plcc: float | None
    loso_std_plcc: float | None
    loso_min_plcc: float | None
    loso_max_plcc: float | None
    loso_mean_srocc: float | None
    loso_mean_rmse: float | None
    n_rows: int
    ship_gate_mean_plcc: float
    smoke: bool


class MeanSidecar(Document, frozen=True, kw_only=True):
    """``<ensemble>_mean.json``: the whole ensemble as one graph, calibration inside.

    The graph standardises by itself, so ``feature_mean`` is 0 and ``feature_std`` is 1.
    """

    id: str
    ensemble_id: str
    kind: str
    codec_aware: bool
    codec_block_layout: list[str]
    encoder_vocab: list[str]
    encoder_vocab_version: int | None
    feature_order: list[str]
    feature_mean: list[float]
    feature_std: list[float]
    input_names: list[str]
    output_names: list[str]
    onnx: str
    opset: int
    sha256: str
    corpus: SidecarCorpus
    members: list[Member]
    level: float
    """Of the interval that the graph gives."""
    slot_rows: dict[str, int]
    unknown_encoders: dict[str, int]
    presets: dict[str, PresetUse] | None = None
    """By encoder; null in earlier releases, as is ``cq_ranges``."""
    cq_ranges: dict[str, list[float]] | None = None
    gate: SidecarGate
    notes: str
    parent_adrs: list[str]


class SingleSidecar(Document, frozen=True, kw_only=True):
    """``<stem>.json`` beside the ONNX file of a model that is one network (CONTRACTS §6)."""

    id: str
    seed: int
    kind: str
    codec_aware: bool
    codec_block_layout: list[str]
    encoder_vocab: list[str]
    encoder_vocab_version: int | None
    feature_order: list[str]
    feature_mean: list[float]
    feature_std: list[float]
    input_names: list[str]
    output_names: list[str]
    onnx: str
    opset: int
    sha256: str
    corpus: str
    corpus_sha256: str
    cq_min: float
    cq_max: float
    training_recipe: TrainingRecipe
    slot_rows: dict[str, int]
    unknown_encoders: dict[str, int]
    presets: dict[str, PresetUse] | None = None
    """By encoder; null in earlier releases, as is ``cq_ranges``."""
    cq_ranges: dict[str, list[float]] | None = None
    rows_excluded: dict[str, int]
    loso_mean_plcc: float | None
    gate_passed: bool
    training: TrainingTrace
    notes: str
    parent_adrs: list[str]


class Member(Document, frozen=True, kw_only=True):
    """One network of an ensemble."""

    id: str
    onnx: str
    seed: int
    sha256: str


class Confidence(Omitting, frozen=True, kw_only=True):
    """How an ensemble's interval is made."""

    method: str
    nominal_coverage: float
    gaussian_z: float
    conformal_q_residual: float | None
    """q of mean ± q * std of the raw members at the nominal coverage, in VMAF points.

    Earlier releases kept the quantile of ``calibration`` here.
    """
    calibration: Calibration | None = None


class ManifestFigures(Document, frozen=True, kw_only=True):
    """The gate's figures, for readers of the manifest alone."""

    mean_loso_plcc: float | None
    plcc_spread: float | None
    n_sources: int | None


class Manifest(Document, frozen=True, kw_only=True):
    """``fr_regressor_v2_ensemble_v1.json``: what the ensemble is made of (CONTRACTS §6)."""

    id: str
    kind: str
    ensemble_size: int
    members: list[Member]
    feature_order: list[str]
    feature_mean: list[float]
    feature_std: list[float]
    encoder_vocab: list[str]
    encoder_vocab_version: int | None
    codec_vocab: list[str]
    codec_vocab_version: int | None
    confidence: Confidence
    eval: ManifestFigures
    smoke: bool
