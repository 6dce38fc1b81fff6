"""What an encode shot by shot says: JSON lines, a line a shot and one at the end."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document
from vqcast.documents.tune import EncodeResult, TuneQuestion

Objective = Literal["pooled", "even", "worst"]
"""pooled: fewest bytes for the title's mean. even: each shot's mean at the target. worst: the
title's worst second at the target."""


class ShotsStart(TuneQuestion, frozen=True, kw_only=True):
    """The first line."""

    event: Literal["shots_start"] = "shots_start"
    objective: Objective
    shots: int
    notes: list[str]
    """What is converted before encoding, in words."""


class ShotEncode(Document, frozen=True, kw_only=True):
    """One encode of one shot, and what was forecast of it."""

    shot: int
    """Number of the shot, from 0."""
    start: int
    """Its first frame in the title."""
    frames: int
    start_s: float
    """When that frame is shown, seconds from the title's first."""
    crf: float
    score: float
    """Mean of its frames."""
    worst: float
    """The lowest mean of any second of it."""
    bytes: int
    """Of its video."""
    kilobits_s: float
    forecast: float | None = None
    """Of the objective's score or worst second, before; null: an earlier run made it."""
    forecast_deviation: float | None = None
    """Standard deviation of that forecast."""
    forecast_bytes: int | None = None
    reused: bool = False
    """Whether an earlier run had made it."""
    selected: bool = True
    """Whether it is in the output; in ``shot`` lines always true."""


class ShotMade(Document, frozen=True, kw_only=True):
    """One line an encode of a shot, as it ends."""

    schema_version: Literal[1] = 1
    event: Literal["shot"] = "shot"
    encode: ShotEncode
    again: bool
    """Whether the shot had been encoded at another CRF."""
    done: int
    """Shots that are encoded."""
    shots: int


class ShotsResult(Document, frozen=True, kw_only=True):
    """What ``vqcast encode --per-shot`` made: the last line."""

    schema_version: Literal[1] = 1
    event: Literal["shots"] = "shots"
    objective: Objective
    output: EncodeResult
    """As of any encode; its ``crf`` is the frames' mean."""
    score: float
    """Of the objective: the mean, or the worst second."""
    mean: float
    worst_second: float
    frames_encoded: int
    """Of all encodes in this run: those of shots that were made again among them."""
    encodes_a_frame: float
    """All encodes of shots, earlier runs' among them, over the title's frames."""
    shots: list[ShotEncode]
    """Every encode, by shot; ``selected`` ones are the output."""
