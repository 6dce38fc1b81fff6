"""Forecast a title's score and size at every CRF, given what its probes measured::

forecaster = Forecaster.from_table(table, "libx264", "medium")
forecast = forecaster.forecast([Probe(28.0, 91.2, 0.061, features)], crfs)
forecast.score, forecast.probability(93.0)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray

from vqcast.documents.forecast import ForecastRecipe, ForecastTable
from vqcast.errors import InputError
from vqcast.forecast import prior, scale
from vqcast.forecast.gaussian import Gaussian, Observation, condition, surprise
from vqcast.forecast.joint import Library, joint
from vqcast.forecast.latent import BITS, CHANNELS, SCORE, side_channels
from vqcast.forecast.prior import MIN_CURVES, Kind, Stack
from vqcast.interval import gaussian_z
from vqcast.metric import METRICS, VMAF, Metric

Array = NDArray[np.float64]

_LEAST_VARIANCE = 1e-12
_GENERIC_SPREAD = 1.5
"""Half widths of the generic prior over the Gaussian's: nothing has calibrated it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One quality of the title, measured."""

    crf: float
    score: float
    """Pooled, on its metric's own scale."""
    bits_per_pixel: float
    """Video bits over all pixels of all frames."""
    features: Array
    """Means of canonical-6, ``[6]``; NaN where they were not measured."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How much wider than the Gaussian the truth was on titles that made no part of it."""

    levels: Array
    """Coverages, rising."""
    widths: Array
    """Half widths in standard deviations at those coverages."""

    def width(self, level: float) -> float:
        """Half width of an interval that covers ``level``, in standard deviations."""
        gaussian = np.array([gaussian_z(each) for each in self.levels])
        own = gaussian_z(level)
        return own * float(np.interp(level, self.levels, self.widths / gaussian))

    def cumulative(self, deviations: Array) -> Array:
        """P(error < deviations), a symmetric distribution with these widths."""
        tops = np.concatenate([[0.0], self.levels])
        edges = np.concatenate([[0.0], np.maximum.accumulate(self.widths)])
        away = np.abs(deviations)
        inside = np.interp(away, edges, tops)
        last = float(self.levels[-1])
        ratio = self.width(last) / gaussian_z(last)
        beyond = np.array([2 * NormalDist().cdf(each / ratio) - 1 for each in away.ravel()])
        covered = np.where(away > edges[-1], beyond.reshape(away.shape), inside)
        return np.asarray(np.where(deviations < 0, (1 - covered) / 2, (1 + covered) / 2))


@dataclass(frozen=True, slots=True)
class Forecast:
    """Score and size of the whole title at each CRF of a rising grid, ``[grid]`` each."""

    crfs: Array
    latent: Array
    """Mean latent score, not rising."""
    covariance: Array
    """Of the latent scores, ``[grid, grid]``, one encode's own scatter included."""
    log2_bits: Array
    bits_deviation: Array
    score_spread: Spread
    bits_spread: Spread
    metric: Metric = VMAF

    @property
    def score(self) -> Array:
        """The most likely score, on its metric's own scale."""
        return scale.to_score(self.metric, self.latent)

    def latent_of(self, score: float) -> float:
        """A score on the latent scale."""
        return float(scale.to_latent(self.metric, score))

    @property
    def deviation(self) -> Array:
        """Standard deviation of the latent score."""
        return np.sqrt(np.maximum(np.diag(self.covariance), _LEAST_VARIANCE))

    def bounds(self, level: float, extra: float = 0.0) -> tuple[Array, Array]:
        """Lower and upper score that hold the title's with probability ``level``.

        ``extra`` adds a standard deviation of the score, such as that of sampling.
        """
        half = self.score_spread.width(level) * self._deviation_with(extra)
        lower = scale.to_score(self.metric, _from_right(self.latent - half))
        upper = scale.to_score(self.metric, np.minimum.accumulate(self.latent + half))
        return lower, upper

    def probability(self, target: float, extra: float = 0.0) -> Array:
        """P(score >= target) at each CRF, not rising; ``extra`` adds a deviation."""
        away = (self.latent - self.latent_of(target)) / self._deviation_with(extra)
        return _from_right(self.score_spread.cumulative(away))

    def _deviation_with(self, extra: float) -> Array:
        added = extra / scale.slope(self.metric, self.latent)
        return np.sqrt(self.deviation**2 + added**2)

    def after(self, index: int, latent: float, spread: Spread) -> Forecast:
        """What would be left if a probe at ``crfs[index]`` scored ``latent``: one rank less."""
        column = self.covariance[:, index]
        gain = column / column[index]
        return replace(
            self,
            latent=self.latent + gain * (latent - self.latent[index]),
            covariance=self.covariance - np.outer(gain, column),
            score_spread=spread,
        )

    def bits_per_pixel(self, level: float, extra: float = 0.0) -> tuple[Array, Array, Array]:
        """Most likely, lower and upper bits a pixel; ``extra`` adds a deviation of their log2."""
        half = self.bits_spread.width(level) * np.hypot(self.bits_deviation, extra)
        return tuple(
            2.0**each for each in (self.log2_bits, self.log2_bits - half, self.log2_bits + half)
        )  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A prior over curves of one encoder and preset, ready to be conditioned."""

    id: str
    prior: Callable[[Sequence[Observation]], Gaussian]
    """The title's curves before its probes condition them; what they saw picks its neighbours."""
    axis: tuple[float, float]
    recipe: ForecastRecipe
    channels: int
    score_spreads: tuple[Spread, ...]
    """By number of probes; the last for all more."""
    bits_spreads: tuple[Spread, ...]
    metric: Metric = VMAF
    few_curves: bool = False
    """Whether too few curves are of the preset; if the table tells, widths are those of such."""

    @classmethod
    def from_table(
        cls,
        table: ForecastTable,
        encoder: str,
        preset: str | None,
        *,
        metric: str = "vmaf",
        pool: str = "mean",
        without: Collection[str] = (),
        channels: int = len(CHANNELS),
        told: Sequence[tuple[Kind, Probe]] = (),
        unmeasured: bool = False,
    ) -> Forecaster:
        """From a table of measured curves, those of the groups ``without`` left out.

        With ``unmeasured`` those of the preset are left out, too.

        ``told`` are probes of the title with other encoders or presets, which a joint table's
        forecasts take into account. ``channels=1`` looks at scores alone. Raises InputError for an
        encoder that no curve is of.
        """
        measure = f"{metric}/{pool}"
        if encoder not in table.axes or measure not in table.calibration:
            raise InputError(
                f"{table.id} holds no curve of {encoder} with {measure}",
                hint=f"encoders: {', '.join(table.axes)}; scores: {', '.join(table.calibration)}",
            )
        known, kind = prior.stacks(table.curves, measure, channels, without), (encoder, preset)
        if unmeasured:
            known.pop(kind, None)
        few = kind not in known or len(known[kind].sources) < MIN_CURVES
        calibration = table.calibration[measure]
        levels, score, bits = np.array(calibration.levels), calibration.score, calibration.bits
        if few and not isinstance(calibration.score_off, UnsetType):
            score = calibration.score_off
        if few and not isinstance(calibration.bits_off, UnsetType):
            bits = calibration.bits_off
        return cls(
            id=table.id,
            prior=_prior_of(table, known, kind, told, channels, METRICS[metric]),
            axis=(table.axes[encoder][0], table.axes[encoder][1]),
            recipe=table.recipe,
            channels=channels,
            score_spreads=tuple(Spread(levels, np.array(widths)) for widths in score),
            bits_spreads=tuple(Spread(levels, np.array(widths)) for widths in bits),
            metric=METRICS[metric],
            few_curves=few,
        )

    @classmethod
    def generic(cls, axis: tuple[float, float], metric: Metric = VMAF) -> Forecaster:
        """For an encoder or a metric that no measured curve has: wide, and uncalibrated."""
        level = 0.9
        half = _GENERIC_SPREAD * gaussian_z(level)
        spread = Spread(np.array([level]), np.array([half]))
        recipe = ForecastRecipe()
        return cls(
            prior.GENERIC_ID,
            lambda seen: prior.generic(recipe),
            axis,
            recipe,
            BITS + 1,
            (spread,),
            (spread,),
            metric,
        )

    @property
    def reads_features(self) -> bool:
        """Whether what probes saw of canonical-6 counts."""
        return self.channels > BITS + 1

    def position(self, crf: Array | float) -> Array:
        """Where a CRF lies on the axis, 0..1 between its ends."""
        low, high = self.axis
        return np.asarray((np.asarray(crf, dtype=np.float64) - low) / (high - low))

    def forecast(self, probes: Sequence[Probe], crfs: Array) -> Forecast:
        """The curves given the probes, at the rising grid ``crfs``."""
        seen = [self.observed(probe) for probe in probes]
        left = condition(self.prior(seen), seen)
        axis = self.position(crfs)
        latent, covariance = left.channel(SCORE).at(axis)
        if self.channels > BITS:
            log2_bits, bits_covariance = left.channel(BITS).at(axis)
        else:
            log2_bits, bits_covariance = np.zeros(len(crfs)), np.eye(len(crfs))
        count = len(probes)
        noise, wider = self.recipe.score_noise, self.wider(seen)
        return Forecast(
            crfs=crfs,
            latent=falling(latent),
            covariance=wider**2 * (covariance + noise**2 * np.eye(len(crfs))),
            log2_bits=falling(log2_bits),
            bits_deviation=wider
            * np.sqrt(np.maximum(np.diag(bits_covariance), 0.0) + self.recipe.side_noise**2),
            score_spread=self.score_spreads[min(count, len(self.score_spreads) - 1)],
            bits_spread=self.bits_spreads[min(count, len(self.bits_spreads) - 1)],
            metric=self.metric,
        )

    def wider(self, seen: Sequence[Observation]) -> float:
        """Factor of all deviations: over 1 where the probes surprise the prior of all titles.

        The conditional of a Student-t process (Shah, Wilson and Ghahramani 2014, lemma 3).
        """
        freedom = self.recipe.freedom
        if isinstance(freedom, UnsetType) or not seen:
            return 1.0
        squared, count = surprise(self.prior([]), seen)
        return float(np.sqrt((freedom + squared) / (freedom + count)))

    def observed(self, probe: Probe) -> Observation:
        """A probe at its place on the axis, on latent scales."""
        position = float(self.position(probe.crf))
        return _observed(probe, position, self.recipe, self.channels, self.metric)


def _observed(
    probe: Probe, position: float, recipe: ForecastRecipe, channels: int, metric: Metric
) -> Observation:
    """A probe at its place on the axis, on latent scales."""
    z = scale.to_latent(metric, probe.score)
    side = side_channels(probe.bits_per_pixel, probe.features)
    noise = np.full(channels, recipe.side_noise)
    noise[SCORE] = recipe.score_noise
    return Observation(position, range(channels), np.concatenate([[z], side])[:channels], noise)


def _prior_of(
    table: ForecastTable,
    known: dict[Kind, Stack],
    kind: Kind,
    told: Sequence[tuple[Kind, Probe]],
    channels: int,
    metric: Metric,
) -> Callable[[Sequence[Observation]], Gaussian]:
    """The prior of ``kind``, by what the table says of how encoders are forecast."""
    if isinstance(table.joint, UnsetType):
        return prior.measured(known, *kind, table.recipe)
    context = []
    for each, probe in told:
        if each[0] in table.axes:
            low, high = table.axes[each[0]]
            position = (probe.crf - low) / (high - low)
            context.append((each, _observed(probe, position, table.recipe, channels, metric)))
    return joint(Library.of(known), kind, table.recipe, table.joint, context)


def _from_right(values: Array) -> Array:
    """Each value or the largest after it: on a falling curve what holds there holds here."""
    return np.maximum.accumulate(values[::-1])[::-1]


def falling(values: Array) -> Array:
    """The closest non-rising sequence in least squares (pool adjacent violators)."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            mean, weight = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * weight) / (last[1] + weight)
            last[1] += weight
    return np.concatenate([np.full(int(weight), mean) for mean, weight in blocks])
