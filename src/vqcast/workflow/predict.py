"""An encode's predicted VMAF from its pictures, beside what libvmaf measured on them.

found = predict("reference.mp4", "encode.mp4", encoder="libx264", cq=28, preset="medium")
found.prediction.pooled_mean, found.measured.mean(), found.prediction.probability(93)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.forecast.scale import pooled
from vqcast.media.filters import UNFILTERED, Filters
from vqcast.media.pair import Align, score_pair
from vqcast.media.tool import find_ffmpeg
from vqcast.metric import METRICS, ScoreSize
from vqcast.serve.load import load
from vqcast.serve.predictor import Prediction, Predictor


@dataclass(frozen=True, slots=True)
class PairPrediction:
    """A prediction, and libvmaf's scores of the same frames."""

    prediction: Prediction
    measured: NDArray[np.float64]
    """VMAF v0.6.1 of each frame, ``[N]``, points, 0..100."""
    notes: tuple[str, ...] = ()
    """What to know of the two files, in words."""
    offset: int = 0
    """Frame n of the encode was scored against frame n + offset of the reference."""
    others: Mapping[str, float] = field(default_factory=dict)
    """Metric -> its mean over the frames, on its own scale."""
    size: tuple[int, int] = (0, 0)
    """Width and height at which the two were compared."""


def predict(
    reference: str | Path,
    distorted: str | Path,
    predictor: Predictor | None = None,
    *,
    encoder: str | None = None,
    cq: float | None = None,
    preset: str | None = None,
    crf_norm: float | None = None,
    preset_norm: float | None = None,
    level: float | None = None,
    align: Align = "off",
    metrics: Sequence[str] = (),
    score_size: ScoreSize | None = None,
    filters: Filters = UNFILTERED,
    ffmpeg: Path | None = None,
) -> PairPrediction:
    """Measure canonical-6 of ``distorted`` against ``reference``, and predict VMAF from them.

    ``predictor`` is what `load` gives (default: the shipped ensemble); the other arguments are
    those of `Predictor.predict`. ``align`` "auto" undoes an offset of a few frames, ``metrics`` are
    measured beside VMAF, ``score_size`` is where the two are compared: (width, height), ``source``
    (the reference's) or ``auto``, ``filters`` are what the reference goes through first, as when it
    was encoded, ``ffmpeg`` is what scores them. Raises MediaError where the two files do not match
    frame by frame, and as `Predictor.predict` does.
    """
    model = predictor or load()
    pair = score_pair(
        Path(reference), Path(distorted), find_ffmpeg(ffmpeg), align_by=align, size=score_size,
        metrics=metrics, filters=filters,
    )  # fmt: skip
    prediction = model.predict(
        pair.scores.features(), encoder=encoder, cq=cq, preset=preset, crf_norm=crf_norm,
        preset_norm=preset_norm, level=level,
    )  # fmt: skip
    columns = pair.scores.columns
    others = {name: pooled(METRICS[name], columns, "mean", 25.0) for name in metrics}
    size = (pair.scores.width, pair.scores.height)
    return PairPrediction(prediction, columns["vmaf"], pair.notes, pair.offset, others, size)
