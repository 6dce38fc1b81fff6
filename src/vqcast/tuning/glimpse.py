"""What a title is like before anything is encoded: how it moves, and how much detail it has.

Detail is what pictures lose by being scaled down and up again. A long title is looked at in a few
places::

    seen = glimpse(source, tool, shares=(1 / 2, 1 / 3))
    seen.motion, seen.ceilings[1 / 2]
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.durable.scratch import scratch
from vqcast.forecast import scale
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import measure
from vqcast.media.reel import Reel, gather_by_seeking
from vqcast.media.source import MIN_SIDE, Source
from vqcast.media.threads import plan
from vqcast.media.tool import Tool
from vqcast.metric import METRICS
from vqcast.tuning import sampling
from vqcast.tuning.machine import Machine

WHOLE = 120
"""Frames of a title that is scored whole."""
PLACES = 5
"""Places of a longer one."""
QUICK_PLACES = 3


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What was seen."""

    motion: float
    """ln(1 + motion2), averaged."""
    ceilings: Mapping[float, float]
    """Share of the display height -> score of pictures scaled to it and not encoded, latent."""
    frames: int
    """That were looked at."""


def glimpse(
    source: Source,
    tool: Tool,
    shares: Sequence[float],
    *,
    display: tuple[int, int] | None = None,
    metric: str = "vmaf",
    places: int = PLACES,
    machine: Machine | None = None,
    cancel: threading.Event | None = None,
) -> Glimpse:
    """Scale pictures of ``source`` to each share of ``display`` and back, and score them.

    ``display`` is the size they are compared at; None: their own. A long source is looked at in
    ``places``. Raises ToolFailure or MediaError
    as `vqcast.media.measure` does.
    """
    machine = machine or Machine()
    threads = plan(machine.cores, 1)
    with scratch(machine.temp_dir) as folder:
        taken, spliced = source, 0
        if source.frames > WHOLE and source.index is not None and source.raw is None:
            starts = sampling.starts(source.frames, 0)[:: sampling.LOOKS // places]
            reel = Reel(source, starts, sampling.LENGTH, Path(folder) / "looks.yuv")
            gather_by_seeking(reel, tool, threads=threads.decoder, cancel=cancel)
            taken, spliced = reel.video, sampling.LENGTH
        width, height = display or (source.width, source.height)
        ceilings, motion = {}, 0.0
        scored = METRICS[metric]
        for share in shares:
            coded = even(width * share), even(height * share)
            cell = Cell(
                taken, "libx264", None, 0, size=display, coded=coded, uncoded=True,
                every=sampling.EVERY, threads=threads, also=(metric,) * (metric != "vmaf"),
                spliced=spliced,
            )  # fmt: skip
            made = measure(cell, tool, cancel)
            columns = {name: made.column(name) for name in made.columns}
            score = scale.pooled(scored, columns, "mean", 25.0)
            ceilings[share] = float(scale.to_latent(scored, score))
            motion = float(np.log1p(columns["motion2"].mean()))
    return Glimpse(motion, ceilings, taken.frames)


def even(side: float) -> int:
    """The nearest even number of pixels that can be encoded."""
    return max(2 * round(side / 2), MIN_SIDE)
