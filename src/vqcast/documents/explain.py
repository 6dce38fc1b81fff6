"""What ``vqcast explain`` says: all that is known of a video before any encode."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class Complexity(Document, frozen=True, kw_only=True):
    """How a title moves and how much detail it has, each among the titles of the corpus."""

    motion: float
    """VMAF's motion2, averaged."""
    motion_rank: float
    """Share of the corpus's titles that move less, 0..1."""
    half_score: float
    """VMAF of its pictures scaled to half their height and back."""
    third_score: float
    detail_rank: float
    """Share of the corpus's titles that have less detail, 0..1."""


class NearTitle(Document, frozen=True, kw_only=True):
    """A title of the corpus."""

    group: str
    distance: float
    """In the corpus's standard deviations of motion and detail."""


class ExplainPoint(Document, frozen=True, kw_only=True):
    """A forecast without any probe; bounds hold with the stated confidence."""

    encoder: str
    preset: str | None
    crf: float
    score: float
    lower: float
    upper: float
    bitrate_kbps: float
    bitrate_lower: float
    bitrate_upper: float


class ExplainResult(Document, frozen=True, kw_only=True):
    """The answer of ``vqcast explain --json``."""

    schema_version: Literal[1] = 1
    event: Literal["explanation"] = "explanation"
    name: str
    width: int
    height: int
    frames: int
    fps: float
    looked_at: int
    """Frames that the answer rests on."""
    confidence: float
    complexity: Complexity
    nearest: list[NearTitle]
    points: list[ExplainPoint]
    notes: list[str]
    wall_s: float
