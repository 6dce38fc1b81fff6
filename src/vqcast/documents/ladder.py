"""What ``vqcast ladder`` says: rungs, the curves they were taken from, and what was encoded."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document

Spacing = Literal["quality", "bitrate"]
DeviceName = Literal["source", "1080p", "4k", "phone"]


class LadderPoint(Document, frozen=True, kw_only=True):
    """A height and a CRF; bounds hold with the ladder's confidence."""

    height: int
    width: int
    crf: float
    score: float
    lower: float
    upper: float
    bitrate_kbps: float
    bitrate_lower: float
    bitrate_upper: float


class LadderProbe(Document, frozen=True, kw_only=True):
    """One encode that was made to choose the rungs."""

    height: int
    crf: float
    score: float
    bitrate_kbps: float
    frames: int
    whole: bool
    reused: bool


class EncodedRung(Document, frozen=True, kw_only=True):
    """A rung that was encoded, measured."""

    height: int
    crf: float
    score: float
    scored: int
    """Frames that were scored."""
    bitrate_kbps: float
    bytes: int
    """Of the video stream."""
    within: bool
    """Whether score and bitrate lie in the rung's intervals."""


class LadderResult(Document, frozen=True, kw_only=True):
    """The answer of ``vqcast ladder --json``: the last line."""

    schema_version: Literal[1] = 1
    event: Literal["ladder"] = "ladder"
    name: str
    encoder: str
    preset: str | None
    metric: str
    device: DeviceName
    display: list[int]
    """Width and height at which encodes are scored."""
    confidence: float
    spacing: Spacing
    rungs: list[LadderPoint]
    """From the best to the cheapest."""
    merged: int
    """Rungs that were asked for and left out, as their intervals overlap another's."""
    hull: list[LadderPoint]
    """From the cheapest to the best."""
    curves: list[LadderPoint]
    """Every height at every CRF."""
    probes: list[LadderProbe]
    cells: int
    """Heights times CRFs: the encodes of an exhaustive search."""
    regret: float
    """Points that the best choice of heights is expected to score above this one."""
    frames_encoded: int
    """In this run: those of reused probes are not among them."""
    encoded: list[EncodedRung]
    """What ``--encode`` made, in the order of ``rungs``; empty: nothing was encoded."""
    playlists: list[str]
    """Names of the files that players open."""
    notes: list[str]
    wall_s: float
