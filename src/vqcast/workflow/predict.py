"""An encode's predicted VMAF from its pictures, beside what libvmaf measured on them.

found = predict("reference.mp4", "encode.mp4", encoder="libx264", cq=28, preset="medium")
found.prediction.pooled_mean, found.measured.mean(), found.prediction.probability(93)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.media.pair import Align, score_pair
from vqcast.media.tool import find_ffmpeg
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
    score_size: tuple[int, int] | None = None,
    ffmpeg: Path | None = None,
) -> PairPrediction:
    """Measure canonical-6 of ``distorted`` against ``reference``, and predict VMAF from them.

    ``predictor`` is what `load` gives (default: the shipped ensemble); the other arguments are
    those of `Predictor.predict`. ``align`` "auto" undoes an offset of a few frames, ``score_size``
    (width, height) is what both are scaled to, ``ffmpeg`` what scores them. Raises MediaError where
    the two files do not match frame by frame, and as `Predictor.predict` does.
    """
    model = predictor or load()
    pair = score_pair(
        Path(reference), Path(distorted), find_ffmpeg(ffmpeg), align_by=align, size=score_size
    )
    prediction = model.predict(
        pair.scores.features(), encoder=encoder, cq=cq, preset=preset, crf_norm=crf_norm,
        preset_norm=preset_norm, level=level,
    )  # fmt: skip
    return PairPrediction(prediction, pair.scores.columns["vmaf"], pair.notes, pair.offset)
