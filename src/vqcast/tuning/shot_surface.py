"""One Gaussian over the curves of all shots of a title: what one shot gave tells of the others.

Every shot has the forecaster's prior. What they share is a level, and a slope over each of their
traits, such as the bits that the source takes (a multi-task Gaussian process whose covariance of
tasks is linear: Bonilla, Chai and Williams 2008, eq. 3; Rasmussen and Williams 2006, section 2.1)::

    surface = ShotSurface(forecaster, traits)  # [shots, traits], log2
    surface.add(3, Probe(34.0, 92.1, 0.04, features))
    forecast = surface.forecast(5, crfs)  # score, log2_bits, deviations
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vqcast.forecast import scale
from vqcast.forecast.forecaster import Forecaster, Probe, falling
from vqcast.forecast.gaussian import Gaussian, Observation, at_position, condition
from vqcast.forecast.latent import BITS, SCORE

Array = NDArray[np.float64]

ANY, TRAIT, OWN = 5.0, 0.12, 0.2
"""Of the prior's variance: what all shots of a title share, what goes with one standard deviation
of a trait, and what is a shot's own. Picked on measured shots: docs/adr/0011-shots.md."""
LEANS = ((0.0, 1.0), (0.0, 0.0))
"""What an octave of source bits, and one of motion, is expected to add to the latent score and to
log2 of the bits, before the title says: a source that takes twice the bits does so again."""
_LEAST_SPREAD, _MOST_AWAY = 0.25, 2.5
"""Octaves that a trait's standard deviation counts as, at least, and how many of it, at most."""
_MOST_SEEN = 96
"""Encodes of other shots that a forecast rests on, at most: more change little."""


@dataclass(frozen=True, slots=True)
class ShotForecast:
    """One shot's score and size at each CRF of a grid, ``[grid]`` each."""

    latent: Array
    deviation: Array
    """Of ``latent``."""
    score: Array
    log2_bits: Array
    """A pixel."""
    bits_deviation: Array


class ShotSurface:
    """The curves of a title's shots, given the encodes that were made of them."""

    def __init__(self, forecaster: Forecaster, traits: Array) -> None:
        self.forecaster = forecaster
        self._prior = forecaster.prior([])
        size = forecaster.channels * self._prior.nodes
        self._prior = Gaussian(
            self._prior.mean[:size],
            self._prior.covariance[:size, :size], self._prior.nodes,
        )  # fmt: skip
        spread = np.maximum(traits.std(axis=0), _LEAST_SPREAD)
        away = np.clip((traits - traits.mean(axis=0)) / spread, -_MOST_AWAY, _MOST_AWAY)
        self._leans = (traits - traits.mean(axis=0)) @ np.array(LEANS)
        self._order = away.sum(axis=1)
        self._shared = ANY + TRAIT * away @ away.T + OWN * np.eye(len(traits))
        self._seen: list[tuple[int, Observation]] = []
        self._common: _Common | None = None

    def order(self, shot: int) -> float:
        """Where it stands between the title's calmest shot and its busiest."""
        return float(self._order[shot])

    def points(self, forecast: ShotForecast) -> Array:
        """Standard deviation of the forecast score, in its own unit."""
        return forecast.deviation * scale.slope(self.forecaster.metric, forecast.latent)

    @staticmethod
    def quantile(share: float) -> float:
        """Of the standard normal distribution."""
        return NormalDist().inv_cdf(share)

    def add(self, shot: int, probe: Probe) -> None:
        """``shot`` was encoded, and gave this."""
        self._seen.append((shot, self.forecaster.observed(probe)))
        self._common = None

    def forecast(self, shot: int, crfs: Array) -> ShotForecast:
        """The shot's curves at ``crfs``, rising."""
        if self._common is None:
            self._common = _Common.of(self._prior, self._seen, self._shared, self._leans)
        gaussian = self._common.of_shot(self._leaning(shot), shot, self._shared)
        gaussian = condition(gaussian, [seen for each, seen in self._common.left if each == shot])
        axis, recipe = self.forecaster.position(crfs), self.forecaster.recipe
        latent, covariance = gaussian.channel(SCORE).at(axis)
        bits, bits_covariance = gaussian.channel(BITS).at(axis)
        latent = falling(latent)
        return ShotForecast(
            latent,
            np.sqrt(np.maximum(np.diag(covariance), 0.0) + recipe.score_noise**2),
            scale.to_score(self.forecaster.metric, latent),
            falling(bits),
            np.sqrt(np.maximum(np.diag(bits_covariance), 0.0) + recipe.side_noise**2),
        )

    def _leaning(self, shot: int) -> Gaussian:
        """The prior of a shot, as its traits have it."""
        mean, nodes = self._prior.mean.copy(), self._prior.nodes
        for channel in _TELLING:
            mean[channel * nodes : (channel + 1) * nodes] += self._leans[shot, channel]
        return Gaussian(mean, self._prior.covariance, nodes)


@dataclass(frozen=True, slots=True)
class _Common:
    """What scores and bits of a spread of encodes say, solved once for all shots."""

    shots: NDArray[np.intp]
    """``[values]``, of each value that was seen."""
    seeing: Array
    """Prior covariance of the latent vector with each value, ``[latent, values]``."""
    precision: Array
    """Inverse covariance of the values, ``[values, values]``."""
    away: Array
    """Values less their prior means."""
    left: Sequence[tuple[int, Observation]]
    """What is not among them, which tells of its own shot alone."""

    @classmethod
    def of(
        cls,
        prior: Gaussian,
        seen: Sequence[tuple[int, Observation]],
        shared: Array,
        leans: Array,
    ) -> _Common:
        taken = {int(each) for each in np.linspace(0, len(seen) - 1, min(len(seen), _MOST_SEEN))}
        nodes = prior.nodes
        rows = np.zeros((len(_TELLING) * len(taken), len(prior.mean)))
        for number, index in enumerate(sorted(taken)):
            weights = at_position(seen[index][1].position, nodes)
            for channel in _TELLING:
                row = rows[len(_TELLING) * number + channel]
                row[channel * nodes : (channel + 1) * nodes] = weights
        chosen = [seen[index] for index in sorted(taken)]
        values = np.array([each.values[: len(_TELLING)] for _, each in chosen]).ravel()
        noise = np.array([each.noise[: len(_TELLING)] for _, each in chosen]).ravel()
        shots = np.repeat(np.array([shot for shot, _ in chosen], np.intp), len(_TELLING))
        seeing = prior.covariance @ rows.T
        gram = shared[np.ix_(shots, shots)] * (rows @ seeing) + np.diag(noise**2)
        left = [
            (shot, _without(each) if index in taken else each)
            for index, (shot, each) in enumerate(seen)
            if index not in taken or len(each.values) > len(_TELLING)
        ]
        precision = np.asarray(np.linalg.inv(gram), dtype=np.float64)
        leaning = leans[[shot for shot, _ in chosen]].ravel()
        return cls(shots, seeing, precision, values - rows @ prior.mean - leaning, left)

    def of_shot(self, prior: Gaussian, shot: int, shared: Array) -> Gaussian:
        """A shot's latent vector, given them; ``shared`` is what two shots have in common."""
        with_values = self.seeing * shared[shot, self.shots]
        gain = with_values @ self.precision
        covariance = shared[shot, shot] * prior.covariance - gain @ with_values.T
        return Gaussian(prior.mean + gain @ self.away, (covariance + covariance.T) / 2, prior.nodes)


_TELLING = (SCORE, BITS)
"""What of an encode tells of other shots."""


def _without(seen: Observation) -> Observation:
    """The rest of what an encode says: its features."""
    rest = slice(len(_TELLING), None)
    return Observation(
        seen.position, list(seen.channels)[rest], seen.values[rest], seen.noise[rest]
    )
