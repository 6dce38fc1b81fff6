"""A Gaussian over whole curves, and what a few probes leave of it.

The latent vector is every channel at every node of the quality axis, ``[channels * nodes]``.
Conditioning is the textbook one (Rasmussen and Williams 2006, eq. 2.23-2.24).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Mean ``[channels * nodes]`` and covariance, square, of a title's curves."""

    mean: Array
    covariance: Array
    nodes: int

    def channel(self, index: int) -> Gaussian:
        """The marginal of one channel."""
        part = slice(index * self.nodes, (index + 1) * self.nodes)
        return Gaussian(self.mean[part], self.covariance[part, part], self.nodes)

    def at(self, axis: Array) -> tuple[Array, Array]:
        """Mean and covariance of a single channel at positions ``axis`` of the quality axis."""
        weights = interpolation(axis, self.nodes)
        return weights @ self.mean, weights @ self.covariance @ weights.T


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe says: some channels at one position of the axis, 0..1."""

    position: float
    channels: Sequence[int]
    values: Array
    noise: Array
    """Standard deviation of each value."""


def interpolation(axis: Array, nodes: int) -> Array:
    """Natural cubic spline weights ``[len(axis), nodes]``; straight lines beyond the ends."""
    step, curvature = 1.0 / (nodes - 1), _curvature(nodes)
    inside = np.clip(axis, 0.0, 1.0)
    left = np.minimum((inside / step).astype(int), nodes - 2)
    b = inside / step - left
    a = 1.0 - b
    unit = np.eye(nodes)
    value = a[:, None] * unit[left] + b[:, None] * unit[left + 1]
    value += (step**2 / 6) * (
        (a**3 - a)[:, None] * curvature[left] + (b**3 - b)[:, None] * curvature[left + 1]
    )
    slope_low = (unit[1] - unit[0]) / step - step / 6 * curvature[1]
    slope_high = (unit[-1] - unit[-2]) / step + step / 6 * curvature[-2]
    beyond = axis - inside
    value += np.minimum(beyond, 0.0)[:, None] * slope_low
    value += np.maximum(beyond, 0.0)[:, None] * slope_high
    return np.asarray(value)


@lru_cache(maxsize=8)
def _curvature(nodes: int) -> Array:
    """Second derivatives at the nodes of the splines through the unit vectors."""
    step = 1.0 / (nodes - 1)
    matrix, right = np.eye(nodes), np.zeros((nodes, nodes))
    for row in range(1, nodes - 1):
        matrix[row, row - 1 : row + 2] = step / 6, 2 * step / 3, step / 6
        right[row, row - 1 : row + 2] = 1 / step, -2 / step, 1 / step
    return np.asarray(np.linalg.solve(matrix, right))


@lru_cache(maxsize=1024)
def at_position(position: float, nodes: int) -> Array:
    """`interpolation` of one position, ``[nodes]``; not to be written to."""
    return np.asarray(interpolation(np.array([position]), nodes)[0])


def condition(prior: Gaussian, observations: Sequence[Observation]) -> Gaussian:
    """The Gaussian given the observations."""
    if not observations:
        return prior
    seeing, values, noise = _stacked(prior, observations)
    shared = prior.covariance @ seeing.T
    gain = np.linalg.solve(seeing @ shared + np.diag(noise), shared.T).T
    mean = prior.mean + gain @ (values - seeing @ prior.mean)
    covariance = prior.covariance - gain @ shared.T
    return Gaussian(mean, (covariance + covariance.T) / 2, prior.nodes)


def surprise(prior: Gaussian, observations: Sequence[Observation]) -> tuple[float, int]:
    """Squared Mahalanobis distance of the observations from ``prior``, and their number."""
    seeing, values, noise = _stacked(prior, observations)
    away = values - seeing @ prior.mean
    spread = seeing @ prior.covariance @ seeing.T + np.diag(noise)
    return float(away @ np.linalg.solve(spread, away)), len(values)


def _stacked(prior: Gaussian, observations: Sequence[Observation]) -> tuple[Array, Array, Array]:
    """What each value sees of the latent vector, the values, and their variances."""
    rows, values, noise = [], [], []
    for seen in observations:
        weights = at_position(seen.position, prior.nodes)
        for channel, value, deviation in zip(seen.channels, seen.values, seen.noise, strict=True):
            row = np.zeros(len(prior.mean))
            row[channel * prior.nodes : (channel + 1) * prior.nodes] = weights
            rows.append(row)
            values.append(value)
            noise.append(deviation**2)
    return np.array(rows), np.array(values), np.array(noise)
