"""A small corpus in columns, shaped like the real one."""

from __future__ import annotations

import numpy as np

from vqcast.regressor import streams
from vqcast.regressor.job import Columns


def made_columns(rows: int, *, codecs: int = 14, units: int = 4, seed: int = 7) -> Columns:
    """``rows`` rows of a smooth, learnable score over six features and a codec block."""
    random = np.random.default_rng(seed)
    quality = random.uniform(0.0, 1.0, rows)
    unit = np.sort(np.arange(rows) % units)
    noise = random.normal(0.0, 0.02, (rows, 6))
    steep = np.array([0.3, 0.7, 0.5, 0.4, 0.3, 0.0])
    features = 1.0 - steep * (1.0 - quality[:, None]) ** 1.5 + noise
    features[:, 5] = 2.0 + 3.0 * unit + random.uniform(0.0, 1.0, rows)
    codec = np.zeros((rows, codecs))
    if codecs:
        codec[np.arange(rows), random.integers(0, max(codecs - 2, 1), rows)] = 1.0
        codec[:, -1] = 1.0 - quality
    vmaf = np.clip(100.0 * quality**0.7 + random.normal(0.0, 1.0, rows), 0.0, 100.0)
    return Columns(
        features.astype(np.float32),
        codec.astype(np.float32),
        vmaf.astype(np.float32),
        unit.astype(np.int32),
    )


def keep_masks(
    stream: streams.WordStream, steps: int, batch_size: int, hidden: int, depth: int, dropout: float
) -> np.ndarray:
    """Which units stay in the next ``steps`` steps: ``[steps, depth, batch, hidden]``."""
    per_step = streams.words_per_step(batch_size, hidden, depth)
    pieces = stream.words(steps * per_step).view(np.uint16).reshape(steps, -1)
    pieces = pieces[:, : depth * batch_size * hidden]
    keep = pieces >= streams.drop_threshold(dropout)
    return keep.reshape(steps, depth, batch_size, hidden)
