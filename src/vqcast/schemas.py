"""Every JSON document that vqcast writes and reads back, as a frozen type.

Field names and order are the published contract: other people's tools read
these files. Unknown keys are ignored on reading, but for registry rows, which allow
no others. ``durable.documents`` turns them into bytes and back.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vqcast.interval import Calibration


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of all documents: immutable, built by name."""


class Omitting(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A document whose optional keys are absent rather than null."""


class FoldReport(Document, frozen=True, kw_only=True):
    """Metrics on one held-out source; null where undefined."""

    held_out: str
    n_train: int
    n_val: int
    plcc: float | None
    srocc: float | None
    rmse: float | None


class SliceReport(Document, frozen=True, kw_only=True):
    """Metrics of the out-of-fold predictions on one encoder's rows."""

    name: str
    n: int
    plcc: float | None
    srocc: float | None
    rmse: float | None


class GroupReport(Document, frozen=True, kw_only=True):
    """The same cross-validation with whole content groups held out."""

    n_folds: int
    folds: list[FoldReport]
    mean_plcc: float | None
    min_plcc: float | None
    mean_srocc: float | None
    mean_rmse: float | None


class Predictions(Document, frozen=True, kw_only=True):
    """Where the out-of-fold predictions are kept, and their digest."""

    path: str
    sha256: str
    n_rows: int


class LosoReport(Omitting, frozen=True, kw_only=True):
    """``loso_seed{N}.json``: one seed's leave-one-source-out evidence (CONTRACTS §4)."""

    seed: int
    corpus: str
    n_folds: int
    folds: list[FoldReport]
    mean_plcc: float | None
    std_plcc: float | None
    min_plcc: float | None
    max_plcc: float | None
    mean_srocc: float | None
    mean_rmse: float | None
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    num_codecs: int
    encoder_vocab_version: int | None
    wall_time_s: float
    corpus_sha256: str
    model: str = ""
    hold_out: str = "src"
    nan_folds: list[str] = []
    encoders: list[SliceReport] = []
    groups: GroupReport | None = None
    predictions: Predictions | None = None
    rows_excluded: dict[str, int] = {}
    note: str | None = None


class GateReport(Document, frozen=True, kw_only=True):
    """The two-part gate's findings (CONTRACTS §5)."""

    passed: bool
    mean_plcc: float | None
    mean_plcc_threshold: float
    mean_plcc_pass: bool
    plcc_spread: float | None
    plcc_spread_max: float
    plcc_spread_pass: bool
    per_seed_plccs: dict[str, float | None]
    per_seed_min: float | None
    per_seed_pass: bool
    failing_seeds: list[int]


class IntervalCoverage(Document, frozen=True, kw_only=True):
    """How often intervals held groups that neither trained nor calibrated them, 0..1."""

    overall: float
    mean_width: float
    """VMAF points."""
    encoders: dict[str, float]


class IntervalReport(Document, frozen=True, kw_only=True):
    """``intervals.json``: an ensemble's calibration and what it was measured to be worth."""

    schema_version: Literal[1] = 1
    model: str
    corpus_sha256: str
    nominal_coverage: float
    coverage: dict[str, IntervalCoverage]
    """``frame`` and ``pooled`` (a clip's mean)."""
    calibration: Calibration


class IntervalGate(Document, frozen=True, kw_only=True):
    """The gate's findings on a claim of coverage."""

    passed: bool
    nominal_coverage: float
    n_groups: int
    n_groups_min: int
    coverage: dict[str, float]
    coverage_min: float
    encoder_coverage_min: float
    lowest_encoders: dict[str, str]
    failing: list[str]
    """One sentence for each part that fails."""


class VerdictCorpus(Document, frozen=True, kw_only=True):
    """The corpus that the evidence was made on."""

    present: bool
    path: str
    sha256: str
    n_rows: int | None
    n_sources: int | None


class Verdict(Document, frozen=True, kw_only=True):
    """``PROMOTE.json`` or ``HOLD.json`` (CONTRACTS §5)."""

    schema_version: int
    verdict: str
    generated_at_utc: str
    loso_dir: str
    seeds: list[int]
    gate: GateReport
    corpus: VerdictCorpus
    recommendation: str
    adr: str
    parent_adr: str
    model: str = ""
    evidence: dict[str, str] = {}
    """File name of each piece of evidence -> its sha256."""
    intervals: IntervalGate | None = None
    """Null where the ensemble claims no coverage."""


class SidecarCorpus(Document, frozen=True, kw_only=True):
    """The corpus that a model was fitted on."""

    path: str
    sha256: str
    n_rows: int
    cq_min: float
    cq_max: float


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
    """Quantile of the normalised residual of a frame at the nominal level."""
    calibration: Calibration | None = None


class Evaluation(Document, frozen=True, kw_only=True):
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
    eval: Evaluation
    smoke: bool


Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
RowId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$(?!\n)", max_length=64)]
OnnxName = Annotated[
    str, msgspec.Meta(pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\:\x00]+\.onnx$(?!\n)", max_length=255)
]
SigstoreName = Annotated[
    str, msgspec.Meta(pattern=r"^[^/].*\.sigstore\.json$(?!\n)", max_length=255)
]


class Row(Omitting, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a registry. No other keys are allowed."""

    id: RowId
    kind: Literal["fr", "nr", "filter"]
    onnx: OnnxName
    sha256: Sha256
    opset: int | None = None
    smoke: bool | None = None
    notes: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    license: str | None = None
    license_url: str | None = None
    sigstore_bundle: SigstoreName | None = None
    quant_mode: Literal["fp32", "static", "dynamic", "qat"] | None = None
    int8_sha256: Sha256 | None = None
    quant_calibration_set: str | None = None
    quant_accuracy_budget_plcc: float | None = None

    @property
    def is_smoke(self) -> bool:
        """Whether the row is a scaffold that nothing may score with."""
        return bool(self.smoke)


class Registry(Document, frozen=True, kw_only=True):
    """``registry.json``: the rows, sorted by id."""

    schema: str = msgspec.field(name="$schema", default="./registry.schema.json")
    schema_version: Literal[1] = 1
    models: list[Row]


class StatusEntry(Document, frozen=True, kw_only=True):
    """Why a model should no longer be the first choice."""

    state: Literal["deprecated", "superseded"]
    reason: str
    superseded_by: str | None = None


class Status(Document, frozen=True, kw_only=True):
    """``status.json``: the standing of a registry's models; absent where all is well."""

    schema_version: Literal[1] = 1
    models: dict[str, StatusEntry]


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
