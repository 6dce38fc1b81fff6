"""Evidence and verdict: what a run folder holds (CONTRACTS §4, §5)."""

from __future__ import annotations

from typing import Literal

import msgspec

from vqcast.documents.base import Document, Omitting
from vqcast.interval import Calibration


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


class OwnerOfEvidence(Document, frozen=True, kw_only=True):
    """What every family's evidence says: whose it is."""

    model: str = ""
    """Empty in other people's evidence."""


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
    """Sum of the times of its fits, in this run; several run side by side."""
    corpus_sha256: str = ""
    """Empty in other people's evidence, which can be judged and not promoted."""
    model: str = ""
    hold_out: str = "src"
    nan_folds: list[str] = msgspec.field(default_factory=list)
    encoders: list[SliceReport] = msgspec.field(default_factory=list)
    groups: GroupReport | None = None
    predictions: Predictions | None = None
    rows_excluded: dict[str, int] = msgspec.field(default_factory=dict)
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
    """The threshold that every seed must reach; earlier releases kept the lowest seed here."""
    per_seed_pass: bool
    failing_seeds: list[int]
    lowest_seed_plcc: float | None = None


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
    asked_coverage: float | None = None
    """What would have been claimed, had there been groups enough to measure it."""
    sigma_quantile: float | None = None
    """q of the plain interval mean ± q * std of the members, at the nominal coverage."""
    sigma_coverage: float | None = None
    """That interval's coverage of frames of groups left out, 0..1."""


class UnseenPart(Document, frozen=True, kw_only=True):
    """The calibrated intervals on a preset, or an encoder, held out of training entirely."""

    name: str
    n_rows: int
    n_cells: int
    n_groups: int
    bias: float
    """Mean of corrected score minus measured, VMAF points."""
    rmse: float
    ratio: float
    """By how much the interval must widen to cover the level on this part."""
    frame_coverage: float
    """Without widening, 0..1."""
    pooled_coverage: float
    factor_of_others: float
    """The factor that all other parts ask for."""
    widened_frame_coverage: float
    """With that factor, 0..1."""
    widened_pooled_coverage: float


class UnseenReport(Document, frozen=True, kw_only=True):
    """``unseen.json``: refits without each preset and encoder, and the factors they ask for."""

    schema_version: Literal[1] = 1
    model: str
    corpus_sha256: str
    level: float
    seeds: list[int]
    group_folds: int
    """Each refit leaves out one of so many parts of the content groups too."""
    preset_factor: float | None
    """Null where no encoder has several presets."""
    encoder_factor: float | None
    presets: list[UnseenPart]
    encoders: list[UnseenPart]
    predictions: Predictions


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


class AnyVerdict(Document, frozen=True, kw_only=True):
    """What every family's ``PROMOTE.json`` or ``HOLD.json`` begins with."""

    schema_version: int
    verdict: str
    generated_at_utc: str


class Verdict(AnyVerdict, frozen=True, kw_only=True):
    """The verdict on leave-one-source-out evidence (CONTRACTS §5)."""

    loso_dir: str
    seeds: list[int]
    gate: GateReport
    corpus: VerdictCorpus
    recommendation: str
    adr: str
    parent_adr: str
    model: str = ""
    evidence: dict[str, str] = msgspec.field(default_factory=dict)
    """File name of each piece of evidence -> its sha256."""
    intervals: IntervalGate | None = None
    """Null where the ensemble claims no coverage."""
