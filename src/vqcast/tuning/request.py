"""What is asked of a title: one frozen value for the command line, Python and batches alike::

    TuneRequest(encoder="libsvtav1", target=93, preset="8", max_size_percent=40)

Every field is an option of ``vqcast tune`` and ``vqcast encode``, with its text here as the help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, get_args

from annotated_doc import Doc

from vqcast.documents.shots import Objective
from vqcast.documents.tune import Pool
from vqcast.errors import InputError
from vqcast.media.filters import UNFILTERED, Filters
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.tool import Tool
from vqcast.media.unlisted import described
from vqcast.metric import METRICS, MetricName, ScoreSize, beside, compared_at

TOLERANCE_PERCENT = 4.0
"""Expected waste of size that is not worth another probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What is asked of a title. Raises InputError for a value out of its range.

    The encoder's own limits (CRF range, presets) are checked where the search starts.
    """

    encoder: Annotated[str, Doc("The encoder, by ffmpeg's name.")]
    target: Annotated[
        float, Doc("The score to reach: VMAF points below 100, dB of XPSNR and PSNR, SSIM below 1.")
    ]
    confidence: Annotated[
        float,
        Doc(
            "Share of titles whose answers are to reach the target, over many runs: from 0.5 to "
            "below 1."
        ),
    ] = 0.95
    each: Annotated[
        bool, Doc("Every answer must be that sure by itself, not titles on the whole: more probes.")
    ] = False
    preset: Annotated[str | None, Doc("The encoder's preset. Default: a medium one.")] = None
    metric: Annotated[
        MetricName,
        Doc(
            "vmaf (v0.6.1), vmaf-v1, vmaf-neg, vmaf-4k, vmaf-phone, xpsnr (weighted, dB), psnr "
            "(dB) or ssim (0 to 1)."
        ),
    ] = "vmaf"
    pool: Annotated[
        Pool, Doc("One score from all frames: mean, harmonic, p1 (1st percentile) or worst-second.")
    ] = "mean"
    score_size: Annotated[
        ScoreSize | None,
        Doc(
            "Where pictures are compared: WIDTHxHEIGHT, or auto, the model's own viewing size "
            "(small pictures scaled up to 1080 lines). Default: source, their own size."
        ),
    ] = None
    max_size_percent: Annotated[
        float | None, Doc("Largest video, in percent of the source file.")
    ] = None
    min_crf: Annotated[float | None, Doc("Lowest CRF allowed.")] = None
    max_crf: Annotated[float | None, Doc("Highest CRF allowed.")] = None
    crf_step: Annotated[float | None, Doc("Step between CRFs. Default: 0.5 for x264, else 1.")] = (
        None
    )
    tolerance_percent: Annotated[
        float,
        Doc("Stop probing once this many percent of the size, or less, could still be saved."),
    ] = TOLERANCE_PERCENT
    whole: Annotated[
        bool | None,
        Doc("Probe all frames, or short looks. Default: looks at a video of 2,300 frames or more."),
    ] = None
    verify: Annotated[
        bool, Doc("Measure the full video at the chosen CRF before answering with it.")
    ] = False
    options: Annotated[EncoderOptions, Doc("What is added to the encoder's words.")] = PLAIN
    filters: Annotated[
        Filters, Doc("What the source's pictures go through before they are encoded.")
    ] = UNFILTERED

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise InputError(
                f"{self.confidence:g} is not from 0.5 to below 1",
                field="confidence",
                hint="at 0.95 one title in twenty misses the target",
            )
        for field, known in (("metric", get_args(MetricName)), ("pool", get_args(Pool))):
            if getattr(self, field) not in known:
                raise InputError(
                    f"{getattr(self, field)!r} is not known",
                    field=field,
                    hint=f"use one of: {', '.join(known)}",
                )
        metric = METRICS[self.metric]
        if not 0 < self.target < metric.most:
            raise InputError(
                f"{self.target:g} is not between 0 and {metric.most:g} {metric.unit}",
                field="target",
            )
        if self.pool == "harmonic" and metric.scale != "points":
            raise InputError(
                f"the harmonic mean is for scores of 0 to 100, not for {self.metric}",
                field="pool", hint="use mean, p1 or worst-second",
            )  # fmt: skip
        for field in ("max_size_percent", "tolerance_percent"):
            value = getattr(self, field)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{value:g} is not a number of percent above 0", field=field)
        if isinstance(self.score_size, tuple) and min(self.score_size) < 1:
            raise InputError("is not a width and a height in pixels", field="score_size")
        compared_at(self.score_size, (16, 16), metric)

    @property
    def also(self) -> tuple[str, ...]:
        """What is scored beside VMAF v0.6.1."""
        return beside([self.metric])

    def described(self, tool: Tool) -> TuneRequest:
        """The same, with what ``tool`` says of an encoder that the table lacks."""
        return replace(self, options=described(self.encoder, self.options, tool))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerShot:
    """Whether, and what for, each shot gets a CRF of its own. Raises InputError for half of it."""

    per_shot: Annotated[
        bool,
        Doc(
            "Encode each shot at a CRF of its own, with no probes; for films of some twenty shots "
            "and more. It saves less than was aimed at: docs/shots.md."
        ),
    ] = False
    objective: Annotated[
        Objective | None,
        Doc(
            "With --per-shot. pooled (default): fewest bytes for the mean of all frames; even: "
            "each shot's mean at the target; worst: the worst second at the target."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.objective is not None and not self.per_shot:
            raise InputError("--objective is of shots", hint="say --per-shot, too")
        if self.objective not in (None, *get_args(Objective)):
            raise InputError(
                f"{self.objective!r} is not known", field="objective",
                hint=f"use one of: {', '.join(get_args(Objective))}",
            )  # fmt: skip

    @property
    def wanted(self) -> Objective | None:
        """What shots are encoded for; None: they are not."""
        return (self.objective or "pooled") if self.per_shot else None
