"""What ``vqcast compare`` says: a row for each encoder and preset."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document
from vqcast.documents.tune import Basis, Status, TuneSource


class CompareRow(Document, frozen=True, kw_only=True):
    """The title with one encoder and preset, at the CRF that reaches the target.

    Bounds hold with the comparison's confidence.
    """

    encoder: str
    preset: str | None
    status: Status
    crf: float
    score: float
    lower: float
    upper: float
    basis: Basis
    """``verified``: the whole title was encoded and scored at this CRF."""
    bytes: int
    bytes_lower: int
    bytes_upper: int
    encode_s: float
    """Seconds that encoding the title takes on this machine."""
    encode_s_lower: float
    encode_s_upper: float
    energy_j: float | None
    """Joules that the processor takes for it; null: this machine does not tell."""
    probes: int
    frames_encoded: int
    """Of this run's probes; those that an earlier run had made are not among them."""
    front: bool
    """Whether no other row is both smaller and faster."""


class CompareResult(Document, frozen=True, kw_only=True):
    """The answer of ``vqcast compare --json``: the last line."""

    schema_version: Literal[1] = 1
    event: Literal["comparison"] = "comparison"
    source: TuneSource
    target: float
    confidence: float
    metric: str
    pool: str
    rows: list[CompareRow]
    """As they were asked for."""
    budget: str | None
    """As it was asked for; null: none was."""
    chosen: int | None
    """Index of the row that the budget picks: the smallest that is fast enough, or the fastest
    that is small enough; null: no budget, or no row is within it."""
    reason: str
    notes: list[str]
    wall_s: float
