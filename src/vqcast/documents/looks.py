"""What short looks at a title change, by encoder and preset: measured, shipped with the code."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class ColdStart(Document, frozen=True, kw_only=True):
    """What looks of one encoder and preset showed beside the same frames of whole encodes."""

    encoder: str
    preset: str | None
    titles: int
    score_share: float
    """Sum of whole - looks over that of 100 - looks, scores of the same frames."""
    score_deviation: float
    """Standard deviation of that share between titles of one scene, the noise of looks included."""
    size_log2: float
    """Mean of log2(whole / looks), bytes a frame, key frames counted as they would be."""
    size_deviation: float
    key_every: float
    """Frames from one key frame to the next where no scene changes, at 25 frames a second."""


class ColdStarts(Document, frozen=True, kw_only=True):
    """One row an encoder and preset."""

    schema_version: Literal[1] = 1
    rows: list[ColdStart]


class DesignFactor(Document, frozen=True, kw_only=True):
    """Error of the mean of every nth frame over what their differences say of it."""

    schema_version: Literal[1] = 1
    factor: float
    encoders: list[str]
    """Of which it was measured."""
