"""The network: its weights, how they start, and its forward pass in float64.

``[Linear -> GELU -> Dropout] x depth -> Linear(1)``. GELU is the exact one,
``x * Phi(x)`` (Hendrycks and Gimpel, arXiv:1606.08415), not its tanh form.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from vqcast.regressor import streams


@dataclass(frozen=True, slots=True)
class Weights:
    """One ``(W[in, out], b[out])`` per linear layer, float32, input side first."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


def widths(inputs: int, hidden: int, depth: int) -> tuple[int, ...]:
    """Columns before, between and after the linear layers: ``depth + 2`` of them."""
    return (inputs, *(hidden,) * depth, 1)


def count(shape: tuple[int, ...]) -> int:
    """Parameters of a network with these ``widths``."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(shape))


def pack(weights: Weights) -> NDArray[np.float32]:
    """All parameters in one row ``[P]``: W by rows, then b, layer by layer."""
    return np.concatenate([part.ravel() for layer in weights.layers for part in layer])


def unpack(row: NDArray[np.float32], shape: tuple[int, ...]) -> Weights:
    """The inverse of `pack`; the weights are copies."""
    layers = []
    start = 0
    for fan_in, fan_out in pairwise(shape):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        layers.append((row[start:middle].reshape(fan_in, fan_out).copy(), row[middle:end].copy()))
        start = end
    return Weights(tuple(layers))


def initial(seed: int, shape: tuple[int, ...]) -> Weights:
    """Weights before training: uniform in +-1/sqrt(fan_in), weight and bias alike.

    A function of the seed and the shape, so all folds of a seed start the same.
    """
    stream = streams.weight_stream(seed)
    layers = []
    for fan_in, fan_out in pairwise(shape):
        bound = fan_in**-0.5
        matrix = streams.uniform(stream, fan_in * fan_out, bound).reshape(fan_in, fan_out)
        layers.append((matrix, streams.uniform(stream, fan_out, bound)))
    return Weights(tuple(layers))


def with_shared_slots(weights: Weights, rows_per_slot: NDArray[np.float64]) -> Weights:
    """The same network with each untrained slot's input weights the mean of the trained ones.

    ``rows_per_slot`` ``[slots]`` counts training rows. The slots' columns come
    after the features, before ``preset_norm`` and ``crf_norm``. Weight decay
    takes an untrained column to zero, and a network without any slot's share
    of the first layer is where it was never trained: 5 to 9 VMAF points off on
    an encoder left out, against 0.2 with the mean, weighed by rows (ADR-0004).
    """
    trained = rows_per_slot > 0
    if trained.all() or not trained.any():
        return weights
    matrix, bias = weights.layers[0]
    first = len(matrix) - len(rows_per_slot) - 2
    columns = matrix[first:-2]
    share = rows_per_slot / rows_per_slot.sum()
    mean = (share @ columns.astype(np.float64)).astype(np.float32)
    changed = matrix.copy()
    changed[first:-2] = np.where(trained[:, None], columns, mean)
    return Weights(((changed, bias), *weights.layers[1:]))


def forward(weights: Weights, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores ``[N]`` in VMAF points, not clipped, of standardised inputs ``[N, in]``.

    Computed in float64, dropout off.
    """
    value = np.asarray(inputs, dtype=np.float64)
    for index, (matrix, bias) in enumerate(weights.layers):
        value = value @ matrix.astype(np.float64) + bias
        if index < len(weights.layers) - 1:
            value = value * ndtr(value)
    scores: NDArray[np.float64] = value[:, 0]
    return scores
