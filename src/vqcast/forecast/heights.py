"""A title's curves at lower heights, from those at its own, all scored at one size.

At the same CRF, an encode of smaller pictures takes fewer bits and scores less. How much less
follows from the score and the bits at the own height, and from the ceiling: the score of pictures
that are scaled down and up and not encoded at all. What is left of a title's own is Gaussian, so
that a probe at one height tells of all others::

    curves = Heights.of(forecaster, table, ceilings={0.5: 1.8}, seen=[(1.0, probe), (0.5, other)])
    curves.forecast(0.5, crfs).score
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import codec
from vqcast.documents.heights import HeightTable
from vqcast.forecast.forecaster import Forecast, Forecaster, Probe, Spread, falling
from vqcast.forecast.gaussian import Observation, condition, interpolation
from vqcast.forecast.latent import BITS, SCORE

Array = NDArray[np.float64]

TABLE = Path(__file__).with_name("heights.json")
CHANNELS = (SCORE, BITS)
MOTION = 7
"""The channel of a forecaster that no encode changes."""
_OTHER_ENCODER = 1.5
"""Deviations of steps that were measured with another encoder, over those of its own."""
_BELOW = 0.5
"""Added to the deviation's factor for each octave below the lowest share that was measured."""


@cache
def load() -> HeightTable:
    """The table that travels with vqcast."""
    return codec.from_bytes(HeightTable, TABLE.read_bytes(), where=TABLE.name)


@dataclass(frozen=True, slots=True)
class Heights:
    """The curves of one title with one encoder and preset at every height."""

    forecaster: Forecaster
    table: HeightTable
    ceilings: Mapping[float, float]
    """Share of the display height -> latent score of pictures scaled to it and not encoded."""
    mean: Array
    """Of the own height's curves, ``[channels * nodes]``, then of the steps' own part."""
    covariance: Array
    probes: Mapping[float, int]
    """Share -> how many there were."""
    noise: tuple[float, float]
    widening: float
    """What surprises at the own height widens."""

    @classmethod
    def of(
        cls,
        forecaster: Forecaster,
        table: HeightTable,
        ceilings: Mapping[float, float],
        seen: Sequence[tuple[float, Probe]],
        hints: Sequence[Observation] = (),
        *,
        alike: bool = True,
    ) -> Heights:
        """Given ``ceilings``, latent scores by share, and probes, each with its share.

        ``hints`` is what is known before any probe; not ``alike``: the table was measured with
        another encoder.
        """
        own = [forecaster.observed(probe) for share, probe in seen if share == 1.0]
        prior = forecaster.prior(own)
        if not own:
            prior = condition(prior, hints)
        size, steps = len(prior.mean), len(table.covariance)
        wider = 1.0 if alike else _OTHER_ENCODER
        covariance = np.zeros((size + steps, size + steps))
        covariance[:size, :size] = prior.covariance
        covariance[size:, size:] = wider**2 * np.array(table.covariance)
        recipe = forecaster.recipe
        counts: dict[float, int] = {}
        for share, _ in seen:
            counts[share] = counts.get(share, 0) + 1
        before = cls(
            forecaster, table, ceilings, np.concatenate([prior.mean, np.zeros(steps)]), covariance,
            counts, (recipe.score_noise, recipe.side_noise), forecaster.wider(own),
        )  # fmt: skip
        return before._conditioned(seen, own)

    def _conditioned(
        self, seen: Sequence[tuple[float, Probe]], own: Sequence[Observation]
    ) -> Heights:
        """The same once all probes are known, those at the own height with all their channels."""
        if not seen:
            return self
        nodes = self.forecaster.recipe.nodes
        rows, away, noise = [], [], []
        for each in own:
            at = interpolation(np.array([each.position]), nodes)[0]
            for channel, value, deviation in zip(
                each.channels, each.values, each.noise, strict=True
            ):
                row = np.zeros(len(self.mean))
                row[channel * nodes : (channel + 1) * nodes] = at
                rows.append(row)
                away.append(value - row @ self.mean)
                noise.append(deviation**2)
        for share, probe in seen:
            if share == 1.0:
                continue
            each = self.forecaster.observed(probe)
            for channel in CHANNELS:
                weights, constant = self._seeing(share, np.array([each.position]), channel)
                rows.append(weights[0])
                away.append(each.values[channel] - constant[0] - weights[0] @ self.mean)
                noise.append(each.noise[channel] ** 2)
        matrix = np.array(rows)
        shared = self.covariance @ matrix.T
        gain = np.linalg.solve(matrix @ shared + np.diag(noise), shared.T).T
        left = self.covariance - gain @ shared.T
        return Heights(
            self.forecaster, self.table, self.ceilings, self.mean + gain @ np.array(away),
            (left + left.T) / 2, self.probes, self.noise, self.widening,
        )  # fmt: skip

    def _seeing(self, share: float, axis: Array, channel: int) -> tuple[Array, Array]:
        """What a channel at ``share`` sees of the state at ``axis``: weights, and a constant."""
        nodes, table = self.forecaster.recipe.nodes, self.table
        at, coarse = interpolation(axis, nodes), interpolation(axis, table.nodes)
        rows, constant = np.zeros((len(axis), len(self.mean))), np.zeros(len(axis))
        own = [rows[:, each * nodes : (each + 1) * nodes] for each in CHANNELS]
        own[channel] += at
        start = len(CHANNELS) * table.nodes
        size = len(self.mean) - len(table.covariance)
        for index, weight in enumerate(weights_of(table.shares, share)):
            if weight == 0.0:
                continue
            base, score, bits, top = coarse_of(table, index, channel) @ coarse.T
            constant += weight * (base + top * self._ceiling(table.shares[index]))
            own[SCORE] += weight * score[:, None] * at
            own[BITS] += weight * bits[:, None] * at
            first = size + index * start + channel * table.nodes
            rows[:, first : first + table.nodes] += weight * coarse
        return rows, constant

    def _ceiling(self, share: float) -> float:
        """The latent score of pictures scaled to ``share``, between those that were measured."""
        known = sorted(self.ceilings)
        if not known:
            mean = np.mean([each.ceilings for each in self.table.titles], axis=0)
            return float(mean[self.table.shares.index(share)])
        octaves = np.log2(known)
        return float(np.interp(np.log2(share), octaves, [self.ceilings[each] for each in known]))

    def state(self, share: float, crfs: Array) -> tuple[Array, Array, Array, Array]:
        """Weights and constants of score and of bits at ``crfs``: of `mean` and its samples."""
        axis = self.forecaster.position(crfs)
        score, bits = (self._seeing(share, axis, channel) for channel in CHANNELS)
        return score[0], score[1], bits[0], bits[1]

    def forecast(self, share: float, crfs: Array) -> Forecast:
        """Score and bits a pixel of the display at the rising grid ``crfs``."""
        score, base, bits, bits_base = self.state(share, crfs)
        latent, log2_bits = score @ self.mean + base, bits @ self.mean + bits_base
        wider = self.widening * (1.0 if share == 1.0 else beyond(self.table.shares, share))
        widths = [wider * each for each in self.table.widened[bool(self.probes)]]
        covariance = score @ self.covariance @ score.T
        variance = np.einsum("ij,jk,ik->i", bits, self.covariance, bits)
        count = self.probes.get(share, 0)
        spreads = self._spreads(share, count)
        return Forecast(
            crfs=crfs,
            latent=falling(latent),
            covariance=widths[0] ** 2 * (covariance + self.noise[0] ** 2 * np.eye(len(crfs))),
            log2_bits=falling(log2_bits),
            bits_deviation=widths[1] * np.sqrt(np.maximum(variance, 0.0) + self.noise[1] ** 2),
            score_spread=spreads[0],
            bits_spread=spreads[1],
            metric=self.forecaster.metric,
        )

    def _spreads(self, share: float, count: int) -> tuple[Spread, Spread]:
        if share == 1.0:
            known = self.forecaster.score_spreads, self.forecaster.bits_spreads
            return known[0][min(count, len(known[0]) - 1)], known[1][min(count, len(known[1]) - 1)]
        levels = np.array(self.table.levels)
        score, bits = (
            Spread(levels, np.array(widths[min(count, len(widths) - 1)]))
            for widths in (self.table.score, self.table.bits)
        )
        return score, bits


def coarse_of(table: HeightTable, index: int, channel: int) -> Array:
    """Coefficients of one share and channel, ``[4, nodes]``."""
    return np.array(table.coefficients[index][channel]).T


def weights_of(shares: Sequence[float], share: float) -> Array:
    """Weight of each measured share's step for ``share``: straight lines over octaves."""
    octaves = np.log2([1.0, *shares])
    place = np.log2(share)
    unit = np.eye(len(octaves))
    found = np.array([np.interp(place, octaves[::-1], row[::-1]) for row in unit])
    if place < octaves[-1]:
        over = (octaves[-1] - place) / (octaves[-2] - octaves[-1])
        found += over * (unit[-1] - unit[-2])
    return found[1:]


def beyond(shares: Sequence[float], share: float) -> float:
    """Factor of the deviation of a share below all that were measured."""
    return 1.0 + _BELOW * max(float(np.log2(shares[-1] / share)), 0.0)


def hints(table: HeightTable, motion: float, ceilings: Sequence[float]) -> list[Observation]:
    """What motion and the ceilings of the last two shares tell of the own height's curve.

    ``motion`` is ln(1 + motion2), ``ceilings`` are latent scores.
    """
    seen = np.array([1.0, motion, *ceilings[-2:]])
    values = np.array(table.before) @ seen
    return [
        Observation(0.5, CHANNELS, values, np.array(table.before_deviation)),
        Observation(0.5, (MOTION,), np.array([motion]), np.array([0.02])),
    ]
