"""From measured curves at several heights to the table of `vqcast.forecast.heights`.

table = fit(curves)                      # steps and what is left of a title's own
table = calibrated(table, curves, made)  # with widths from titles that made no part of it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.documents.heights import HeightTable, HeightTitle
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.heights import CHANNELS, Heights, hints
from vqcast.forecast.latent import BITS, SCORE, to_latent

Array = NDArray[np.float64]

NODES = 7
_RIDGE = 0.3
"""Weight of small slopes beside the measured ones, in titles: picked by error out of group."""
_SHRINKAGE, _LENGTH = 0.15, 0.7
"""Weight of a smooth covariance beside the measured one, and its length on the axis 0..1."""
_LEVELS = (0.5, 0.8, 0.9, 0.95)
_NORMAL = [0.674, 1.282, 1.645, 1.96]
_MIDDLE = NODES // 2
_SECOND_CRFS = (2, 5, 3)
"""Of the measured CRFs of a height, those that calibration probes, in turn: 0, 1 or 2 of them."""


@dataclass(frozen=True, slots=True)
class HeightCurve:
    """One title at one height with the table's encoder, at rising CRFs."""

    group: str
    share: float
    ceiling: float
    """Latent score of its pictures scaled to it and not encoded."""
    crfs: Array
    scores: Array
    bits_per_pixel: Array
    """Of the title's own pixels."""
    features: Array
    """Means of canonical-6, ``[qualities, 6]``."""

    def probe(self, index: int) -> Probe:
        """One of its measurements."""
        return Probe(
            float(self.crfs[index]), float(self.scores[index]), float(self.bits_per_pixel[index]),
            self.features[index],
        )  # fmt: skip

    def at_nodes(self, axis: tuple[float, float]) -> Array:
        """Latent score and log2 bits, ``[2, nodes]``; straight on beyond what was measured."""
        at = np.linspace(*axis, NODES)
        rows = (to_latent(self.scores), np.log2(self.bits_per_pixel))
        inside = np.clip(at, self.crfs[0], self.crfs[-1])
        found = []
        for row in rows:
            spline = PchipInterpolator(self.crfs, row)
            found.append(spline(inside) + (at - inside) * (row[1] - row[0])
                         / (self.crfs[1] - self.crfs[0]))  # fmt: skip
        return np.array(found)


@dataclass(frozen=True, slots=True)
class TitleCurves:
    """A title at its own height, then at each share, falling."""

    own: HeightCurve
    lower: tuple[HeightCurve, ...]

    @property
    def motion(self) -> float:
        """ln(1 + motion2), which no encode changes."""
        return float(np.log1p(self.own.features[:, 5].mean()))

    @property
    def ceilings(self) -> Array:
        """Latent, by share."""
        return np.array([each.ceiling for each in self.lower])


def titles_of(curves: Sequence[HeightCurve]) -> list[TitleCurves]:
    """The curves by title."""
    found = []
    for _, part in groupby(curves, key=lambda each: each.group):
        own, *lower = sorted(part, key=lambda each: -each.share)
        found.append(TitleCurves(own, tuple(lower)))
    return found


def fit(
    titles: Sequence[TitleCurves], encoder: str, preset: str | None, axis: tuple[float, float]
) -> HeightTable:
    """Steps, their covariance, and what is known before any encode; nothing is calibrated yet."""
    shares = [each.share for each in titles[0].lower]
    own = np.array([title.own.at_nodes(axis) for title in titles])
    lower = np.array([[each.at_nodes(axis) for each in title.lower] for title in titles])
    steps = lower - own[:, None]
    tops = np.array([title.ceilings for title in titles])
    count = len(titles)
    coefficients = np.zeros((len(shares), len(CHANNELS), NODES, 4))
    left = np.zeros_like(steps)
    for k, c, n in np.ndindex(len(shares), len(CHANNELS), NODES):
        seen = np.column_stack([np.ones(count), own[:, SCORE, n], own[:, BITS, n], tops[:, k]])
        coefficients[k, c, n] = _ridge(seen, steps[:, k, c, n])
        left[:, k, c, n] = _left_out(seen, steps[:, k, c, n])
    flat = left.reshape(count, -1)
    covariance = flat.T @ flat / count
    known = np.column_stack([np.ones(count), [title.motion for title in titles], tops[:, -2:]])
    before, doubt = [], []
    for channel in CHANNELS:
        values = own[:, channel, _MIDDLE]
        before.append(_ridge(known, values).tolist())
        doubt.append(float(np.sqrt(np.mean(np.square(_left_out(known, values))))))
    return HeightTable(
        encoder=encoder, preset=preset, shares=shares, nodes=NODES,
        coefficients=np.round(coefficients, 6).tolist(),
        covariance=np.round(_shrunk(covariance, len(shares) * len(CHANNELS)), 8).tolist(),
        levels=list(_LEVELS), score=[_NORMAL], bits=[_NORMAL], before=before,
        before_deviation=doubt, widened=[[1.0, 1.0], [1.0, 1.0]],
        titles=[
            HeightTitle(group=title.own.group, motion=round(title.motion, 4),
                        ceilings=[round(float(each), 4) for each in title.ceilings])
            for title in titles
        ],
    )  # fmt: skip


def _ridge(seen: Array, values: Array) -> Array:
    """Least squares with slopes drawn to 0, in units of their columns' spreads."""
    centre, spread = seen[:, 1:].mean(axis=0), seen[:, 1:].std(axis=0) + 1e-9
    white = (seen[:, 1:] - centre) / spread
    gram = white.T @ white + _RIDGE * np.eye(white.shape[1])
    slopes = np.linalg.solve(gram, white.T @ (values - values.mean())) / spread
    return np.array([values.mean() - slopes @ centre, *slopes])


def _left_out(seen: Array, values: Array) -> Array:
    """Errors of each value by a fit to all others."""
    return np.array(
        [
            values[i] - seen[i] @ _ridge(np.delete(seen, i, 0), np.delete(values, i))
            for i in range(len(values))
        ]
    )


def _shrunk(covariance: Array, blocks: int) -> Array:
    spread = np.sqrt(np.diag(covariance)) + 1e-3
    axis = np.linspace(0.0, 1.0, NODES)
    away = (axis[:, None] - axis[None, :]) / _LENGTH
    smooth = np.kron(np.eye(blocks), np.exp(-0.5 * away**2))
    mixed = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.outer(spread, spread) * smooth
    return np.asarray(mixed)


Away = list[tuple[Array, Array]]
"""Deviations of a title's scores and bits from its forecasts, by probes at a height: 0, 1, 2."""


def left_out(
    titles: Sequence[TitleCurves],
    encoder: str,
    preset: str | None,
    forecaster: Callable[[str], Forecaster],
) -> list[Away]:
    """Each title's deviations, forecast by a table and a ``forecaster`` without its group."""
    found = []
    for index, title in enumerate(titles):
        made = forecaster(title.own.group)
        others = [*titles[:index], *titles[index + 1 :]]
        table = fit(others, encoder, preset, made.axis)
        away = []
        for count in range(len(_SECOND_CRFS)):
            parts = [_away(made, table, title, each, count) for each in title.lower]
            away.append(
                (np.concatenate([each[0] for each in parts]),
                 np.concatenate([each[1] for each in parts]))
            )  # fmt: skip
        found.append(away)
    return found


def calibrated(table: HeightTable, away: Sequence[Away]) -> HeightTable:
    """``table`` with widths that cover the titles' deviations."""
    counts = range(len(away[0]))
    return replace(
        table,
        score=[_widths([each[count][0] for each in away]) for count in counts],
        bits=[_widths([each[count][1] for each in away]) for count in counts],
    )


def _away(
    forecaster: Forecaster, table: HeightTable, title: TitleCurves, asked: HeightCurve, count: int
) -> tuple[Array, Array]:
    """Deviations of the truth at one height's unprobed CRFs after ``count`` probes there."""
    chosen = _SECOND_CRFS[:count]
    middle = len(title.own.crfs) // 2
    seen = [(1.0, title.own.probe(middle))]
    seen += [(asked.share, asked.probe(each)) for each in chosen]
    tops = {each.share: each.ceiling for each in title.lower}
    curves = Heights.of(
        forecaster, table, tops, seen, hints(table, title.motion, title.ceilings.tolist())
    )
    made = curves.forecast(asked.share, asked.crfs)
    kept = [index for index in range(len(asked.crfs)) if index not in chosen]
    score = np.abs(made.latent - to_latent(asked.scores)) / made.deviation
    bits = np.abs(made.log2_bits - np.log2(asked.bits_per_pixel)) / made.bits_deviation
    return score[kept], bits[kept]


def _widths(groups: Sequence[Array]) -> list[float]:
    """Half widths that cover each level of groups that weigh alike, conformal over them."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in groups])
    order = np.argsort(values)
    covered = np.cumsum(weights[order]) / (len(groups) + 1)
    at = [min(int(np.searchsorted(covered, each)), len(values) - 1) for each in _LEVELS]
    return [round(float(values[order[index]]), 4) for index in at]
