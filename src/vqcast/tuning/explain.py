"""What is known of a video before any encode: complexity, titles like it, forecasts.

explain(Path("film.mkv")).nearest[0].group
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vqcast.documents.explain import Complexity, ExplainPoint, ExplainResult, NearTitle
from vqcast.documents.heights import HeightTable
from vqcast.forecast import heights
from vqcast.forecast.latent import to_score
from vqcast.media.encoders import encoder as adapter
from vqcast.media.source import Intake, Source
from vqcast.serve.trust import Trust
from vqcast.tuning.glimpse import Glimpse
from vqcast.tuning.machine import Machine
from vqcast.tuning.surface import Surface, surface

USUAL = {"libx264": (19, 23, 27, 31), "libx265": (21, 25, 29, 33)}
"""CRFs that people encode at; those of other encoders are `_USUAL_AV1`'s."""
_USUAL_AV1 = (24, 30, 36, 42)
ENCODERS = (("libx264", "medium"), ("libx265", "medium"), ("libsvtav1", "8"))
NEAREST = 3


def explain(
    source: str | Path | Source,
    *,
    encoders: Sequence[tuple[str, str | None]] = ENCODERS,
    confidence: float = 0.95,
    registry: Path | None = None,
    trust: Trust | None = None,
    machine: Machine | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
) -> ExplainResult:
    """All that is known of ``source`` without an encode, in seconds.

    ``encoders`` are those that forecasts are made for, each with its preset. Other arguments and
    what is raised are those of `vqcast.tune`.
    """
    began = time.monotonic()
    for name, _ in encoders:
        adapter(name)
    with surface(
        source, confidence=confidence, registry=registry, trust=trust, machine=machine,
        cancel=cancel, intake=intake, keep=False, quick=True,
    ) as found:  # fmt: skip
        taken, table = found.source, heights.load()
        points, notes = [], []
        for name, preset in encoders:
            made = found.ground(name, preset)
            if not made.calibrated:
                notes.append(f"{name}: nothing has calibrated its forecast, intervals are wide")
            points += _points(found, name, preset)
        return ExplainResult(
            name=taken.path.name, width=taken.width, height=taken.height, frames=taken.frames,
            fps=round(found.fps, 3), looked_at=found.before.frames, confidence=confidence,
            complexity=complexity(found.before, table), nearest=nearest(found.before, table),
            points=points, notes=[*taken.notes, *notes], wall_s=round(time.monotonic() - began, 3),
        )  # fmt: skip


def _points(found: Surface, name: str, preset: str | None) -> list[ExplainPoint]:
    points = []
    for crf in USUAL.get(name, _USUAL_AV1):
        point = found.point(name, preset, float(crf))
        score, rate = point.score, point.bitrate_kbps
        points.append(
            ExplainPoint(
                encoder=name, preset=preset, crf=crf, score=round(score.value, 2),
                lower=round(score.lower, 2), upper=round(score.upper, 2),
                bitrate_kbps=round(rate.value, 1), bitrate_lower=round(rate.lower, 1),
                bitrate_upper=round(rate.upper, 1),
            )
        )  # fmt: skip
    return points


def complexity(seen: Glimpse, table: HeightTable) -> Complexity:
    """Motion and detail, and where they stand among the corpus's titles."""
    half, third = (seen.ceilings[share] for share in table.shares[-2:])
    motions = np.array([each.motion for each in table.titles])
    detail = np.array([each.ceilings[-1] for each in table.titles])
    return Complexity(
        motion=round(float(np.expm1(seen.motion)), 3),
        motion_rank=round(float((motions < seen.motion).mean()), 3),
        half_score=round(float(to_score(np.array(half))), 2),
        third_score=round(float(to_score(np.array(third))), 2),
        detail_rank=round(float((detail > third).mean()), 3),
    )


def nearest(seen: Glimpse, table: HeightTable) -> list[NearTitle]:
    """The corpus's titles that move and lose detail most alike."""
    known = np.array([[each.motion, *each.ceilings[-2:]] for each in table.titles])
    own = np.array([seen.motion, *(seen.ceilings[share] for share in table.shares[-2:])])
    away = np.sqrt((((known - own) / known.std(axis=0)) ** 2).mean(axis=1))
    return [
        NearTitle(group=table.titles[at].group, distance=round(float(away[at]), 3))
        for at in np.argsort(away)[:NEAREST]
    ]
