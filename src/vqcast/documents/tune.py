"""What a tuning says: JSON lines for other programs, each with its event and version."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document
from vqcast.documents.source import Damage, Hdr, StreamFate

Pool = Literal["mean", "harmonic", "p1", "worst-second"]
"""How the frames' scores become the title's."""
Status = Literal["met", "best_effort", "size_cap"]
Basis = Literal["verified", "forecast"]
Measure = Literal["whole", "sample"]
"""How much of a finished encode is scored."""


class TuneSource(Document, frozen=True, kw_only=True):
    """The video that is tuned, as its decoder gives it."""

    name: str
    sha256: str | None
    """Null for a file so large that not all of it was read; ``identity`` then tells it apart."""
    width: int
    height: int
    score_width: int
    score_height: int
    frames: int
    duration_s: float
    bytes: int
    """Of the whole file."""
    video_bytes: int | None = None
    """Of its video stream's packets."""
    identity: str = ""
    """What the cache knows it by: its sha256, or that of its size, packets and samples."""
    damage: Damage | None = None
    """What of it does not decode as it was meant to; null: nothing."""
    chain: str | None = None
    """FFmpeg's filters that its pictures go through; the numbers here are those behind them."""
    hwaccel: str | None = None
    """FFmpeg's name of what decodes it on a device; null: software does."""


class TuneProbe(Document, frozen=True, kw_only=True):
    """One quality that was encoded and scored."""

    crf: float
    score: float
    """The title's, pooled as asked for; where only looks were encoded, as they tell it."""
    bytes: int
    """Video bytes of the frames that were encoded."""
    frames: int
    """Encoded."""
    whole: bool
    """Whether every frame of the title was encoded."""
    reused: bool
    """Whether an earlier run had measured it."""
    wall_s: float
    """Of encode and score when they ran, reused or not."""
    looks: int | None = None
    """Places of the title that were encoded; null: all of it."""
    scored: int | None = None
    """Frames that were scored; null: all."""
    deviation: float = 0.0
    """Standard deviation of ``score`` about the whole title's, points."""
    scatter: float | None = None
    """How far frames nine apart differ, in points of VMAF or what is as much."""
    title_bytes: int | None = None
    """The whole title's video, as the looks tell it; null: ``bytes`` are that."""
    encode_s: float | None = None
    """Seconds of the encodes alone, all cores busy; null: they were not timed."""
    energy_j: float | None = None
    """Joules of the processor in that time; null: not timed, or this machine does not tell."""


class CurvePoint(Document, frozen=True, kw_only=True):
    """The whole title's forecast at one quality; bounds hold with the stated confidence."""

    crf: float
    score: float
    lower: float
    upper: float
    probability: float
    """That the title reaches the target here, 0..1."""
    bytes: int
    bytes_lower: int
    bytes_upper: int


class ForecasterInfo(Document, frozen=True, kw_only=True):
    """Which forecast model answered."""

    id: str
    sha256: str | None
    """Null for the generic Gaussian, which no registry holds."""


class TuneQuestion(Document, frozen=True, kw_only=True):
    """What is asked, of which video, and who answers."""

    schema_version: Literal[1] = 1
    event: str
    source: TuneSource
    encoder: str
    preset: str | None
    metric: str
    pool: str
    target: float
    confidence: float
    """Share of titles that are to meet the target, 0..1; of each answer's probability: ``each``."""
    forecaster: ForecasterInfo
    each: bool = False
    """Whether every answer must be as probable as ``confidence`` by itself."""
    options: str | None = None
    """What was added to the encoder's words, as a command line says it; null: nothing."""
    filters: str | None = None
    """What the pictures were asked to go through, as a command line says it; null: nothing."""
    film_grain: bool = False
    """Whether film grain that decoders draw is asked for; encodes are scored without it."""
    indicative: bool = False
    """Whether scores are of HDR pictures, by a model that was made for SDR."""


class TuneStart(TuneQuestion, frozen=True, kw_only=True):
    """The first line."""

    event: Literal["start"] = "start"
    notes: list[str]
    """What is converted before encoding, in words."""


class TuneProbed(Document, frozen=True, kw_only=True):
    """One line a probe, as it ends."""

    schema_version: Literal[1] = 1
    event: Literal["probe"] = "probe"
    probe: TuneProbe


class TuneResult(TuneQuestion, frozen=True, kw_only=True):
    """The answer: the last line of ``vqcast tune --json``."""

    event: Literal["result"] = "result"
    status: Status
    reason: str
    """One sentence: why this is the answer."""
    crf: float
    basis: Basis
    """``verified``: the whole title was encoded and scored at this CRF."""
    score: float
    lower: float
    upper: float
    probability: float
    bytes: int
    bytes_lower: int
    bytes_upper: int
    size_percent: float
    """Of the source file's bytes."""
    probes: list[TuneProbe]
    curve: list[CurvePoint]
    frames_encoded: int
    """In this run: those of reused probes are not among them."""
    wall_s: float
    ceiling: float | None = None
    """The source's score against itself, where the target was out of reach; null: not asked."""


class EncodeResult(Document, frozen=True, kw_only=True):
    """What ``vqcast encode`` made, measured: the line after the tuning's result."""

    schema_version: Literal[1] = 1
    event: Literal["encoded"] = "encoded"
    output: str
    crf: float
    score: float
    target: float
    met: bool
    bytes: int
    """Of the whole output file."""
    video_bytes: int
    size_percent: float
    left_out: list[str]
    """Streams of the source that are not in the output; ``streams`` tells why."""
    wall_s: float
    streams: tuple[StreamFate, ...] = ()
    """What became of every stream of the source."""
    source_video_bytes: int | None = None
    """Of the source's video stream."""
    notes: tuple[str, ...] = ()
    """What is left out or converted, and what else to know of the output, in words."""
    frames: int = 0
    """Of the output."""
    measured: Measure = "whole"
    """Whether every frame of the output was scored, or a sample of them."""
    scored: int = 0
    """How many were."""
    score_half_width: float = 0.0
    """The score of all frames lies this near to ``score`` with 95 %; points, 0 where all were."""
    sha256: str = ""
    """Of the output file."""
    film_grain: bool = False
    """Whether decoders draw film grain on it; it was scored without."""
    indicative: bool = False
    """Whether the score is of HDR pictures, by a model that was made for SDR."""
    xpsnr: float | None = None
    """Beside an indicative score: weighted PSNR of the samples as they are coded, dB, averaged."""
    hdr: Hdr | None = None
    """What of the source's HDR is in the output, read back from it; null: it is SDR."""
    parts: int = 1
    """In how many the pictures were encoded."""
    parts_reused: int = 0
    """How many of them an earlier run had finished."""
    metric: str = "vmaf"
    """Of ``score`` and ``target``."""


class NotWritten(Document, frozen=True, kw_only=True):
    """The last line where an encode was larger than the source's video, and was not kept."""

    schema_version: Literal[1] = 1
    event: Literal["not_written"] = "not_written"
    output: str
    crf: float
    video_bytes: int
    """Of the encode: made, or forecast with certainty."""
    source_video_bytes: int
    reason: str
