"""The forecast family's own documents: its table, evidence and verdict."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from vqcast.documents.base import Document
from vqcast.documents.evidence import AnyVerdict
from vqcast.documents.registry import RowId


class CorpusPin(Document, frozen=True, kw_only=True):
    """One corpus that a forecaster was made from."""

    path: str
    sha256: str
    n_rows: int


class ForecastRecipe(Document, frozen=True, kw_only=True):
    """The few constants of the Gaussian conditional; ADR-0005 has what else was tried."""

    nodes: int = 13
    """Points of the quality axis on which a curve is kept."""
    own_weight: float = 0.6
    """Weight of the encoder's own covariance beside that of all encoders."""
    shrinkage: float = 0.02
    """Weight of a smooth stationary covariance beside the measured one."""
    length_scale: float = 1.0
    """Of that smooth covariance, on the axis 0..1."""
    nearness: float = 0.6
    """Distance, in the curves' own spreads, at which another title's weight falls to 0.61."""
    farthest_weight: float = 0.03
    """Weight of a title however far it is, beside 1 for one that passes through the probes."""
    score_noise: float = 0.004
    """Standard deviation of one encode's score about a smooth curve, on the latent scale."""
    side_noise: float = 0.02
    """The same for bits and features."""
    freedom: float | UnsetType = UNSET
    """Degrees of freedom of the Student-t process that widens what surprises; unset: a Gaussian."""


class JointRecipe(Document, frozen=True, kw_only=True):
    """The constants of what encoders and presets share; ADR-0010 has what else was tried."""

    rank: int = 12
    """Main directions of a curve in which two kinds are taken to share anything."""
    most_shared: float = 0.98
    """Of the variance in any direction, so that no kind is known for certain from another."""


class LibraryCurve(Document, frozen=True, kw_only=True):
    """One source with one encoder and preset, on the nodes of the quality axis."""

    src: str
    group: str
    encoder: str
    preset: str | None
    score: dict[str, list[float]]
    """``metric/pool`` -> latent score ``[nodes]``."""
    side: list[list[float]]
    """Bits and canonical-6 on their scales, ``[7][nodes]``."""


class ForecastCalibration(Document, frozen=True, kw_only=True):
    """Out-of-group residuals over the Gaussian's own spread, by number of probes 0..3.

    Conformal over content groups; the last entry stands for three probes or more.
    """

    levels: list[float]
    """Coverages, rising."""
    score: list[list[float]]
    """``[4][levels]``: the half width in units of the posterior's standard deviation."""
    bits: list[list[float]]
    score_off: list[list[float]] | UnsetType = UNSET
    """The same for presets of which too few curves were measured; unset: all are in ``score``."""
    bits_off: list[list[float]] | UnsetType = UNSET


class ForecastTable(Document, frozen=True, kw_only=True):
    """``crf_forecast_v1.json``: the forecaster, a versioned table."""

    schema_version: Literal[1] = 1
    id: RowId
    kind: Literal["forecast"] = "forecast"
    recipe: ForecastRecipe
    top: float
    """Of the latent scale of scores."""
    channels: list[str]
    axes: dict[str, list[float]]
    """Encoder -> lowest and highest quality that all its curves span: axis 0 and 1."""
    corpora: list[CorpusPin]
    calibration: dict[str, ForecastCalibration]
    """``metric/pool`` -> its calibration."""
    curves: list[LibraryCurve]
    joint: JointRecipe | UnsetType = UNSET
    """How encoders and presets are forecast together; unset: each kind by itself (v1)."""
    options: dict[str, str] | UnsetType = UNSET
    """Encoder -> what was added to its words, as a command line says it; none: nothing."""

    def options_of(self, encoder: str) -> str | None:
        """What was added to an encoder's words in all its curves; None: nothing."""
        return None if isinstance(self.options, UnsetType) else self.options.get(encoder)


class ForecastErrors(Document, frozen=True, kw_only=True):
    """One held-out group at its unprobed qualities: errors in VMAF points, and what was covered."""

    group: str
    n: int
    model: float
    """Mean absolute error."""
    gaussian_floor: float
    """The plain Gaussian conditional's: scores alone, this encoder and preset alone."""
    linear: float | None
    """Linear interpolation between the probes; null for fewer than two."""
    scores_alone: float
    """The model's without bits and features; reported, not gated."""
    covered: dict[str, float]
    """Nominal level -> share inside the interval that the other groups calibrated."""
    fair_floor: float | UnsetType = UNSET
    """The plain Gaussian conditional's that sees bits and features, too."""


class ForecastScenario(Document, frozen=True, kw_only=True):
    """One number of probes, every group held out in turn.

    Counted are curves of at least six qualities whose encoder and preset has curves enough for a
    covariance of its own; ``others`` are the rest, by themselves.
    """

    measure: str
    """``metric/pool``."""
    probes: int
    positions: list[float]
    """On the quality axis, 0..1."""
    groups: list[ForecastErrors]
    coverage: dict[str, float]
    """Nominal level -> mean over the groups of what was covered."""
    bits_mae_percent: float
    bits_coverage: dict[str, float]
    encoders: dict[str, float]
    """Encoder and preset -> mean absolute error, VMAF points."""
    others: dict[str, float]
    """The same of those that are not counted."""
    coverage_off: dict[str, float] | UnsetType = UNSET
    """Nominal level -> mean over the groups, each preset forecast as if no curve were of it."""
    floor_ridge: float
    """Of the three tried, the one that served the floor best."""


class ForecastEvidence(Document, frozen=True, kw_only=True):
    """``forecast_evidence.json``: what the model is worth on groups that it never saw."""

    schema_version: Literal[1] = 1
    model: str
    recipe: ForecastRecipe
    corpora: list[CorpusPin]
    n_curves: int
    n_groups: int
    table_sha256: str
    """Of the table that the same run wrote."""
    scenarios: list[ForecastScenario]


class ForecastComparison(Document, frozen=True, kw_only=True):
    """The model against one rival, paired by group."""

    probes: int
    rival: str
    model_mae: float
    rival_mae: float
    difference: float
    """Rival less model, mean over the groups."""
    lower: float
    upper: float
    """90 % bootstrap interval of that mean, groups drawn again."""
    passed: bool
    """Beaten; of the fair floor: beaten, or tied with (an interval that holds 0)."""


class ForecastCoverage(Document, frozen=True, kw_only=True):
    """What the intervals of one scenario covered at one level."""

    probes: int
    nominal: float
    covered: float
    passed: bool


class ForecastGate(Document, frozen=True, kw_only=True):
    """The forecast gate's findings."""

    passed: bool
    measure: str
    n_groups: int
    n_groups_min: int
    comparisons: list[ForecastComparison]
    coverage: list[ForecastCoverage]
    coverage_tolerance: float
    failing: list[str]


class ForecastVerdict(AnyVerdict, frozen=True, kw_only=True):
    """``PROMOTE.json`` or ``HOLD.json`` of a forecast run folder."""

    schema_version: Literal[1] = 1
    verdict: Literal["PROMOTE", "HOLD"]
    generated_at_utc: str
    model: str
    gate: ForecastGate
    corpora: list[CorpusPin]
    evidence: dict[str, str]
    """File name -> sha256 of the table and of the evidence."""
    recommendation: str
