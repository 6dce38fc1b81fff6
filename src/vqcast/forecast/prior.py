"""What is known of a title's curves before any probe: from measured ones, or next to nothing.

``measured`` takes the curves of other titles; a preset that few of them were encoded with gets
its mean from those few, paired with the encoder's main preset, and one between two known presets
lies between them. ``generic`` is for an encoder that no curve has: wide, and said so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.forecast import ForecastRecipe, LibraryCurve
from vqcast.errors import InputError
from vqcast.forecast.gaussian import Gaussian, Observation, at_position
from vqcast.forecast.latent import CHANNELS
from vqcast.vocab import preset_norm

Array = NDArray[np.float64]
Kind = tuple[str, str | None]
"""An encoder with a preset."""

MIN_CURVES = 8
"""A kind with fewer curves gets its mean by pairing, and no covariance of its own."""
GENERIC_ID = "generic_gaussian"
_GENERIC_LENGTH = 0.5
"""Length scale of the generic prior's bends, on the axis 0..1."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The curves of one kind as vectors, ``[curves, channels * nodes]``, and whose they are."""

    sources: tuple[str, ...]
    vectors: Array


def stacks(
    curves: Sequence[LibraryCurve], score: str, channels: int, without: Collection[str]
) -> dict[Kind, Stack]:
    """Curves by kind, those of groups in ``without`` and those that lack ``score`` left out."""
    found: dict[Kind, list[LibraryCurve]] = {}
    for curve in curves:
        if curve.group not in without and score in curve.score:
            found.setdefault((curve.encoder, curve.preset), []).append(curve)
    return {
        kind: Stack(
            tuple(curve.src for curve in members),
            np.array(
                [
                    np.concatenate([curve.score[score], *curve.side[: channels - 1]])
                    for curve in members
                ]
            ),
        )
        for kind, members in found.items()
    }


@dataclass(frozen=True, slots=True)
class MeasuredPrior:
    """The prior of a title with one encoder and preset, fitted most to titles like it.

    Called with what the probes saw: every curve then weighs by how near it passes; without
    probes, all weigh the same.
    """

    vectors: Array
    """Curves of every kind that has enough of them, kind after kind."""
    starts: NDArray[np.intp]
    """First row of each kind."""
    kinds: NDArray[np.intp]
    """Kind of each row, ``[curves]``."""
    own: int
    """The kind whose mean and covariance the title's are taken from."""
    step: Array
    """From that kind's mean curve to the title's preset."""
    recipe: ForecastRecipe

    def __call__(self, seen: Sequence[Observation]) -> Gaussian:
        """The title's curves before its probes condition them."""
        weights = self._nearness(seen)
        means = self._sums(self.vectors * weights[:, None])
        away = self.vectors - means[self.kinds]
        sizes = 1.0 / self._sums(weights**2)  # Kish's effective number of curves
        shares = weights * (sizes / (sizes - 1))[self.kinds]
        mine = self.kinds == self.own
        pooled = (away * shares[:, None]).T @ away / len(self.starts)
        own = (away[mine] * shares[mine, None]).T @ away[mine]
        covariance = self.recipe.own_weight * own + (1 - self.recipe.own_weight) * pooled
        mean = means[self.own] + self.step
        return Gaussian(mean, shrunk(covariance, self.recipe), self.recipe.nodes)

    def _sums(self, values: Array) -> Array:
        """Sums over each kind's rows."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def _nearness(self, seen: Sequence[Observation]) -> Array:
        """Weight of each curve, summing to 1 in every kind."""
        counts = self._sums(np.ones(len(self.kinds)))[:, None]
        if not seen:
            return np.asarray(1.0 / counts[self.kinds, 0])
        squares = []
        for probe in seen:
            at = at_position(probe.position, self.recipe.nodes)
            passes = self.vectors.reshape(len(self.kinds), -1, self.recipe.nodes) @ at
            away = passes - (self._sums(passes) / counts)[self.kinds]
            spread = np.sqrt(self._sums(away**2) / (counts - 1))[self.kinds]
            channels = list(probe.channels)
            distance = (passes[:, channels] - probe.values) / spread[:, channels]
            squares.append((distance**2).mean(axis=1))
        near = np.exp(-0.5 * np.mean(squares, axis=0) / self.recipe.nearness**2)
        near = near + self.recipe.farthest_weight
        return np.asarray(near / self._sums(near)[self.kinds])


def measured(
    known: dict[Kind, Stack], encoder: str, preset: str | None, recipe: ForecastRecipe
) -> MeasuredPrior:
    """The prior from measured curves. Raises InputError where too few are of that encoder."""
    main = [kind for kind, stack in known.items() if len(stack.sources) >= MIN_CURVES]
    own = [kind for kind in main if kind[0] == encoder]
    if not own:
        raise InputError(f"fewer than {MIN_CURVES} measured curves are of {encoder}")
    speed = preset_norm(encoder, preset)
    nearest = min(own, key=lambda kind: abs(preset_norm(*kind) - speed))
    counts = [len(known[kind].sources) for kind in main]
    return MeasuredPrior(
        vectors=np.concatenate([known[kind].vectors for kind in main]),
        starts=np.cumsum([0, *counts[:-1]]),
        kinds=np.repeat(np.arange(len(main)), counts),
        own=main.index(nearest),
        step=step_to(known, nearest, encoder, speed),
        recipe=recipe,
    )


def shrunk(covariance: Array, recipe: ForecastRecipe) -> Array:
    """The measured covariance with a share of a smooth one: full rank, and not overconfident."""
    spread = np.sqrt(np.diag(covariance))
    smooth = _blocks(len(spread) // recipe.nodes, recipe.nodes, recipe.length_scale)
    weight = recipe.shrinkage
    return np.asarray((1 - weight) * covariance + weight * np.outer(spread, spread) * smooth)


@lru_cache(maxsize=8)
def _blocks(channels: int, nodes: int, length_scale: float) -> Array:
    """The smooth correlation of every channel with itself alone."""
    return np.asarray(np.kron(np.eye(channels), _smooth(nodes, length_scale)))


def _smooth(nodes: int, length_scale: float) -> Array:
    axis = np.linspace(0.0, 1.0, nodes)
    away = (axis[:, None] - axis[None, :]) / length_scale
    return np.asarray(np.exp(-0.5 * away**2))


def step_to(known: dict[Kind, Stack], base: Kind, encoder: str, speed: float) -> Array:
    """From the base kind's mean curve to that of a preset of ``speed``, by the nearest presets."""
    steps = {
        preset_norm(*kind): _paired_step(known, base, kind) for kind in known if kind[0] == encoder
    }
    speeds = sorted(steps)
    table = np.array([steps[each] for each in speeds])
    return np.array([np.interp(speed, speeds, column) for column in table.T])


def _paired_step(known: dict[Kind, Stack], base: Kind, kind: Kind) -> Array:
    """Mean difference of a kind's curves from the base kind's, over the sources of both."""
    there = dict(zip(known[base].sources, known[base].vectors, strict=True))
    steps = [
        vector - there[source]
        for source, vector in zip(known[kind].sources, known[kind].vectors, strict=True)
        if source in there
    ]
    return np.asarray(np.mean(steps, axis=0)) if steps else np.zeros(known[base].vectors.shape[1])


def generic(recipe: ForecastRecipe) -> Gaussian:
    """A prior for any encoder: score and bits alone, wide, falling along the axis.

    The level, slope and spreads are round figures picked by hand, and nothing has calibrated them:
    `tune` verifies every answer that rests on them.
    """
    axis = np.linspace(0.0, 1.0, recipe.nodes)
    line = np.stack([np.ones_like(axis), axis - 0.5])
    score = 1.35 - 1.5 * (axis - 0.5)
    bits = -4.2 - 5.0 * (axis - 0.5)
    covariances = []
    for level, slope, bend in ((0.4, 0.6, 0.1), (1.2, 1.5, 0.3)):
        covariance = line.T @ np.diag([level**2, slope**2]) @ line
        covariances.append(covariance + bend**2 * _smooth(recipe.nodes, _GENERIC_LENGTH))
    nodes, size = recipe.nodes, len(CHANNELS) * recipe.nodes
    mean, covariance = np.zeros(size), np.eye(size)
    mean[: 2 * nodes] = np.concatenate([score, bits])
    covariance[:nodes, :nodes], covariance[nodes : 2 * nodes, nodes : 2 * nodes] = covariances
    return Gaussian(mean, covariance, nodes)
