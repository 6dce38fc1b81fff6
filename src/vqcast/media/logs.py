"""What ffmpeg's filters wrote of a score, frame by frame, read back and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import ToolFailure
from vqcast.media.beside import log_name
from vqcast.metric import CAP_DB, Metric, metrics


def read(
    folder: Path, frames: int, names: Sequence[str], *, what: str, every: int = 1
) -> dict[str, NDArray[np.float64]]:
    """The columns of the filters' logs, of frames 0, every, 2 every, ... of ``frames``.

    What is infinite, a frame without error, is CAP_DB. Raises ToolFailure for a log that misses a
    frame or a value.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for metric in metrics(names):
        if not metric.filter:
            continue
        path = folder / log_name(metric)
        text = path.read_text() if path.is_file() else ""
        for column, key in metric.logged.items():
            values = re.findall(rf"^{re.escape(key)}=(\S+)$", text, re.MULTILINE)
            found[column] = _numbers(values, frames, metric, what)[::every]
        if len(metric.columns) > 1:
            planes = zip(metric.weights, metric.columns, strict=True)
            found[metric.name] = np.asarray(sum(weight * found[name] for weight, name in planes))
    return found


def _numbers(values: Sequence[str], frames: int, metric: Metric, what: str) -> NDArray[np.float64]:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = [math.nan]
    if len(numbers) != frames or any(math.isnan(value) for value in numbers):
        raise ToolFailure(f"{what}: {metric.filter} gave {len(numbers)} values for {frames} frames")
    return np.minimum(np.array(numbers, dtype=np.float64), CAP_DB)
