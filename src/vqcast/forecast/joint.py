"""One Gaussian over a title's curves with every encoder and preset (`crf_forecast_v2`).

A kind is an encoder with a preset. Each has the covariance that `vqcast.forecast.prior` gives it;
what two kinds share of a title depends on whether they are of one encoder: coregionalisation with
three levels, title, encoder and preset (Alvarez, Rosasco and Lawrence 2012, section 4.2). So a
probe of any encoder tells of all others::

    prior = joint(library, ("libsvtav1", "10"), recipe, context=[(("libx264", "veryfast"), seen)])
    gaussian = prior([])  # of libsvtav1's curve, before its own first probe
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.forecast import ForecastRecipe, JointRecipe
from vqcast.errors import InputError
from vqcast.forecast.gaussian import Gaussian, Observation, at_position
from vqcast.forecast.prior import MIN_CURVES, Kind, Stack, shrunk, step_to
from vqcast.vocab import preset_norm

Array = NDArray[np.float64]
Context = Sequence[tuple[Kind, Observation]]
"""Probes of the title with other encoders or presets."""

_LEAST = 1e-9
"""Of a variance beside the largest, so that a root exists."""


@dataclass(frozen=True, slots=True)
class Library:
    """Measured curves by title and kind; kinds of few curves only shift a mean."""

    kinds: tuple[Kind, ...]
    vectors: Array
    """``[titles, kinds, channels * nodes]``, 0 where ``present`` is false."""
    present: NDArray[np.bool_]
    """``[titles, kinds]``."""
    stacks: dict[Kind, Stack]
    """Every kind's curves, those of few among them."""

    @classmethod
    def of(cls, stacks: dict[Kind, Stack]) -> Library:
        """The curves of every kind that has enough of them."""
        kinds = tuple(kind for kind, stack in stacks.items() if len(stack.sources) >= MIN_CURVES)
        titles = sorted({source for kind in kinds for source in stacks[kind].sources})
        size = max((stacks[kind].vectors.shape[1] for kind in kinds), default=0)
        vectors = np.zeros((len(titles), len(kinds), size))
        present = np.zeros((len(titles), len(kinds)), dtype=bool)
        for index, kind in enumerate(kinds):
            rows = [titles.index(source) for source in stacks[kind].sources]
            vectors[rows, index], present[rows, index] = stacks[kind].vectors, True
        return cls(kinds, vectors, present, stacks)

    def nearest(self, kind: Kind) -> tuple[int, Array]:
        """The kind of enough curves whose preset is nearest, and the step from its mean.

        Raises InputError where none is of that encoder.
        """
        speed = preset_norm(*kind)
        own = [each for each in self.kinds if each[0] == kind[0]]
        if not own:
            raise InputError(f"fewer than {MIN_CURVES} measured curves are of {kind[0]}")
        base = min(own, key=lambda each: abs(preset_norm(*each) - speed))
        return self.kinds.index(base), step_to(self.stacks, base, kind[0], speed)


@dataclass(frozen=True, slots=True)
class JointPrior:
    """The prior of a title with one kind; titles weigh by how near they pass to all that was seen.

    Called with the kind's own probes, as `vqcast.forecast.prior.MeasuredPrior` is.
    """

    known: Library
    own: int
    step: Array
    recipe: ForecastRecipe
    joint: JointRecipe
    context: tuple[tuple[int, Observation], ...] = ()
    """Probes of other kinds, less their kinds' steps."""

    def __call__(self, seen: Sequence[Observation]) -> Gaussian:
        """The title's curves, given its probes of other kinds, before its own condition them."""
        mine = [(self.own, less(probe, self.step, self.recipe.nodes)) for probe in seen]
        moments = self.moments(self._weights([*self.context, *mine]))
        mean, covariance = moments.means[self.own], moments.block(self.own, self.own)
        if self.context:
            mean, covariance = self._told(moments, mean, covariance)
        return Gaussian(mean + self.step, covariance, self.recipe.nodes)

    def moments(self, weights: Array) -> Moments:
        """Means and covariances of every kind, by the titles' ``weights``, which sum to 1."""
        return Moments(self, weights)

    def _told(self, moments: Moments, mean: Array, covariance: Array) -> tuple[Array, Array]:
        """Mean and covariance of the own kind's curves once the context is known."""
        rows = [_seeing(probe, covariance.shape[0], self.recipe.nodes) for _, probe in self.context]
        kinds = [kind for kind, _ in self.context]
        shared = np.hstack(
            [moments.block(self.own, kind) @ row.T for kind, row in zip(kinds, rows, strict=True)]
        )
        seen = np.block(
            [
                [a @ moments.block(i, j) @ b.T for j, b in zip(kinds, rows, strict=True)]
                for i, a in zip(kinds, rows, strict=True)
            ]
        )
        noise = np.concatenate([probe.noise**2 for _, probe in self.context])
        away = np.concatenate(
            [
                probe.values - row @ moments.means[kind]
                for (kind, probe), row in zip(self.context, rows, strict=True)
            ]
        )
        gain = np.linalg.solve(seen + np.diag(noise), shared.T).T
        left = covariance - gain @ shared.T
        return mean + gain @ away, (left + left.T) / 2

    def _weights(self, seen: Sequence[tuple[int, Observation]]) -> Array:
        """Weight of each title, ``[titles]``, summing to 1."""
        titles = len(self.known.present)
        squares = [self._squares(kind, probe) for kind, probe in seen]
        if not squares:
            return np.full(titles, 1.0 / titles)
        stacked = np.array(squares)
        known = np.isfinite(stacked)
        counted = known.sum(axis=0)
        mean = np.where(known, stacked, 0.0).sum(axis=0) / np.maximum(counted, 1)
        mean = np.where(counted > 0, mean, mean[counted > 0].mean())
        near = np.exp(-0.5 * mean / self.recipe.nearness**2) + self.recipe.farthest_weight
        return np.asarray(near / near.sum())

    def _squares(self, kind: int, probe: Observation) -> Array:
        """Mean squared distance of each title's curve from a probe; NaN where it has none."""
        there, nodes = self.known.present[:, kind], self.recipe.nodes
        at = at_position(probe.position, nodes)
        channels = list(probe.channels)
        passes = (self.known.vectors[:, kind].reshape(len(there), -1, nodes) @ at)[:, channels]
        spread = passes[there].std(axis=0, ddof=1)
        distance = (((passes - probe.values) / spread) ** 2).mean(axis=1)
        return np.where(there, distance, np.nan)


def joint(
    library: Library,
    kind: Kind,
    recipe: ForecastRecipe,
    shared: JointRecipe,
    context: Context = (),
) -> JointPrior:
    """The prior of ``kind``. Raises InputError where too few curves are of its encoder.

    Probes of the context whose encoder has no curves are left out.
    """
    own, step = library.nearest(kind)
    known = {each[0] for each in library.kinds}
    told = []
    for each, probe in context:
        if each[0] in known:
            index, its_step = library.nearest(each)
            told.append((index, less(probe, its_step, recipe.nodes)))
    return JointPrior(library, own, step, recipe, shared, tuple(told))


def less(probe: Observation, step: Array, nodes: int) -> Observation:
    """What a probe would have seen of the kind that a step leads away from."""
    at = at_position(probe.position, nodes)
    away = (step.reshape(-1, nodes) @ at)[list(probe.channels)]
    return Observation(probe.position, probe.channels, probe.values - away, probe.noise)


def _seeing(probe: Observation, size: int, nodes: int) -> Array:
    """What a probe sees of a kind's vector, ``[channels seen, size]``."""
    rows = np.zeros((len(probe.channels), size))
    for row, channel in enumerate(probe.channels):
        rows[row, channel * nodes : (channel + 1) * nodes] = at_position(probe.position, nodes)
    return rows


@dataclass(slots=True)
class Moments:
    """Means and covariances of all kinds, titles weighing as they are told."""

    prior: JointPrior
    weights: Array
    means: Array = field(init=False)
    """``[kinds, size]``."""
    _away: Array = field(init=False)
    """Of each curve from its kind's mean, ``[titles, kinds, size]``."""
    _pooled: Array = field(init=False)
    _between: tuple[Array, Array] | None = None
    _roots: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        there = self.prior.known.present * self.weights[:, None]
        shares = there / there.sum(axis=0)
        self.means = np.einsum("tk,tkd->kd", shares, self.prior.known.vectors)
        away = self.prior.known.vectors - self.means
        away[~self.prior.known.present] = 0.0
        sizes = 1.0 / (shares**2).sum(axis=0)  # Kish's effective number of curves
        self._away = away * np.sqrt(sizes / (sizes - 1))[:, None]
        self._pooled = self._mean_of(self._away.reshape(-1, self._away.shape[2]), there.ravel())

    @staticmethod
    def _mean_of(rows: Array, weights: Array) -> Array:
        return np.asarray((rows * (weights / weights.sum())[:, None]).T @ rows)

    def block(self, one: int, other: int) -> Array:
        """Covariance of two kinds' vectors, ``[size, size]``."""
        covariance, root = self._own(one)
        if one != other:
            kinds = self.prior.known.kinds
            same, any_ = self._shared()
            alike = same if kinds[one][0] == kinds[other][0] else any_
            covariance = root @ alike @ self._own(other)[1]
        return covariance

    def _own(self, kind: int) -> tuple[Array, Array]:
        """Covariance of a kind's vector, and its root."""
        if kind not in self._roots:
            recipe, there = self.prior.recipe, self.prior.known.present[:, kind]
            own = self._mean_of(self._away[there, kind], self.weights[there])
            covariance = recipe.own_weight * own + (1 - recipe.own_weight) * self._pooled
            covariance = shrunk(covariance, recipe)
            values, vectors = np.linalg.eigh(covariance)
            roots = np.sqrt(np.maximum(values, _LEAST * values[-1]))
            self._roots[kind] = covariance, (vectors * roots) @ vectors.T
        return self._roots[kind]

    def _shared(self) -> tuple[Array, Array]:
        """What two kinds share, of one encoder and of any two, as correlations.

        In the main directions of the pooled curves; eigenvalues are kept within 0 and 1, and what
        any two share within what two of one encoder do, so that the whole is a covariance.
        """
        if self._between is None:
            kinds = self.prior.known.kinds
            encoders = [
                [index for index, kind in enumerate(kinds) if kind[0] == name]
                for name in dict.fromkeys(kind[0] for kind in kinds)
            ]
            same_sum, same_count = self._pairs(encoders)
            all_sum, all_count = self._pairs([list(range(len(kinds)))])
            values, vectors = np.linalg.eigh(shrunk(self._pooled, self.prior.recipe))
            rank = self.prior.joint.rank
            main = vectors[:, -rank:]
            white = main / np.sqrt(values[-rank:])
            others = (all_sum - same_sum) / max(all_count - same_count, _LEAST)
            any_ = _positive(white.T @ others @ white)
            same = any_ + _positive(white.T @ (same_sum / max(same_count, _LEAST)) @ white - any_)
            top = self.prior.joint.most_shared
            scale = min(top / max(float(np.linalg.eigvalsh(same)[-1]), _LEAST), 1.0)
            self._between = (
                main @ (scale * same) @ main.T,
                main @ (scale * any_) @ main.T,
            )
        return self._between

    def _pairs(self, groups: Sequence[Sequence[int]]) -> tuple[Array, float]:
        """Sum of the products of two kinds' curves of one title, over pairs of one group."""
        size = self._away.shape[2]
        total, count = np.zeros((size, size)), 0.0
        for group in groups:
            rows, there = self._away[:, group], self.prior.known.present[:, group].sum(axis=1)
            sums = rows.sum(axis=1)
            flat = rows.reshape(-1, size)
            total += (sums * self.weights[:, None]).T @ sums
            total -= (flat * np.repeat(self.weights, len(group))[:, None]).T @ flat
            count += float(self.weights @ (there * (there - 1)))
        return total, count


def _positive(matrix: Array) -> Array:
    """The nearest symmetric matrix whose eigenvalues lie in 0..1."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.clip(values, 0.0, 1.0)) @ vectors.T)
