"""What an encode of several films says: a line a film, and one at the end."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document

FilmStatus = Literal["encoded", "finished", "missed", "larger", "kept", "failed"]
"""finished: an earlier run wrote it. missed: written, below its target. larger: not written, since
it would be larger than its source. kept: written, and not swapped for its source."""


class FilmResult(Document, frozen=True, kw_only=True):
    """One film of a batch."""

    schema_version: Literal[1] = 1
    event: Literal["film"] = "film"
    source: str
    output: str
    status: FilmStatus
    replaced: bool = False
    """Whether the output stands in its source's place."""
    crf: float | None = None
    score: float | None = None
    metric: str = "vmaf"
    """Of ``score``."""
    indicative: bool = False
    """Whether the score is of HDR pictures, by a model that was made for SDR."""
    source_bytes: int | None = None
    bytes: int | None = None
    """Of the output."""
    reason: str | None = None
    """Why it failed, missed or was kept: one sentence."""
    hint: str | None = None
    notes: tuple[str, ...] = ()
    wall_s: float = 0.0


class BatchResult(Document, frozen=True, kw_only=True):
    """The last line of a batch."""

    schema_version: Literal[1] = 1
    event: Literal["batch"] = "batch"
    films: int
    counts: dict[str, int]
    """Status -> films."""
    source_bytes: int
    """Of the films that have an output."""
    bytes: int
    """Of those outputs."""
    wall_s: float
