"""What a source's damage is told as."""

from __future__ import annotations

from vqcast.documents.base import Document


class DamagedSpan(Document, frozen=True, kw_only=True):
    """Frames that a damaged packet may have spoilt."""

    first_frame: int
    last_frame: int
    """Inclusive; both counted among the frames that decode."""
    start_s: float
    end_s: float


class Damage(Document, frozen=True, kw_only=True):
    """What of a source does not decode as it was meant to."""

    frames: int
    """How many frames the spans hold."""
    lost: int
    """Packets that give no frame, such as those before a recording's first key frame."""
    spans: list[DamagedSpan]
    said: str
    """The first of ffmpeg's complaints."""
