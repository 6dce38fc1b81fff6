"""One part of a title that was encoded in parts: what is kept beside its file."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class PartDocument(Document, frozen=True, kw_only=True):
    """A finished part."""

    schema_version: Literal[1] = 1
    sha256: str
    """Of its file."""
    frame_bytes: list[int]
    """Of each frame's packet, in the order in which frames are shown."""
    scores: dict[str, list[float]]
    """Column -> values of the frames that were scored; empty: none were."""
    start: int | None = None
    """Its first frame's number in the title."""
    crf: float | None = None
