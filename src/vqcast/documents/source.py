"""What is told of a source: its damage, and what became of each of its streams."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document

Fate = Literal["encoded", "copied", "converted", "left out"]


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


class StreamFate(Document, frozen=True, kw_only=True):
    """What became of one stream of the source."""

    index: int
    kind: str
    """video, audio, subtitle, data, attachment, or cover: a still picture beside the film."""
    codec: str
    """FFmpeg's name of it; empty where it has none."""
    fate: Fate
    written_as: str | None = None
    """Its codec in the output; null: it is not there."""
    reason: str | None = None
    """Why it was left out or converted."""


class HdrFact(Document, frozen=True, kw_only=True):
    """One thing that is said of the light of HDR pictures, before and after."""

    name: str
    """Such as transfer, mastering display or HDR10+."""
    source: str
    stream: str | None
    """What the output's video stream says; null: nothing."""
    container: str | None
    """What the output's container says; null: nothing."""
    kept: Literal["both", "stream", "container", "no"]
    """Where the output says what the source does."""


class Hdr(Document, frozen=True, kw_only=True):
    """What of a source's HDR the output was seen to say, read back from the file."""

    transfer: str
    """PQ, HLG or SDR."""
    facts: tuple[HdrFact, ...]
    """Everything that the source says."""
