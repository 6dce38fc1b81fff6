"""The gate's parts as strips: what was measured, beside the side that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from vqcast.documents.evidence import GateReport
from vqcast.pages import ink
from vqcast.regressor.results import Claim

_WIDTH, _HEIGHT = 240.0, 52.0
_ROW = 18.0


@dataclass(frozen=True, slots=True)
class _Strip:
    """A figure on a scale whose failing side is tinted."""

    mark: float | None
    threshold: float
    at_least: bool
    """Values at or above the threshold pass, else those at or below it."""
    low: float
    high: float
    """The scale; it widens to hold every value."""
    values: Sequence[float] = ()
    """What the figure is made of, as faint dots."""
    nominal: float | None = None
    """A dotted line."""

    def figure(self) -> Figure:
        """Draw it."""
        shown = [*self.values, *([] if self.mark is None else [self.mark])]
        low, high = min([self.low, *shown]), max([self.high, *shown])
        margin = 0.02 * (high - low)
        figure = ink.canvas(_WIDTH, _HEIGHT)
        axes = ink.panel(figure, left=14, right=14, top=6, bottom=20)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        ends = axes.get_xlim()
        span = (ends[0], self.threshold) if self.at_least else (self.threshold, ends[1])
        axes.axvspan(*span, color=ink.BAD_TINT, lw=0)
        axes.axvline(self.threshold, color=ink.BAD, lw=1.5)
        if self.nominal is not None:
            axes.axvline(self.nominal, color=ink.MUTED, lw=1, ls=":")
        axes.plot(self.values, [0.0] * len(self.values), "o", ms=6, color=ink.MUTED, mew=0)
        if self.mark is not None:
            colour = ink.GOOD if self._passes(self.mark) else ink.BAD
            axes.plot([self.mark], [0.0], "D", ms=8, color=colour, mec=ink.PAPER, mew=1.2)
        ticks = [low, self.threshold, high]
        axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
        return figure

    def _passes(self, value: float) -> bool:
        return value >= self.threshold if self.at_least else value <= self.threshold


def correlation(gate: GateReport) -> Figure:
    """Mean PLCC, and each seed's, beside the threshold."""
    return _Strip(
        mark=gate.mean_plcc,
        values=[value for value in gate.per_seed_plccs.values() if value is not None],
        threshold=gate.mean_plcc_threshold,
        at_least=True,
        low=0.9,
        high=1.0,
    ).figure()


def spread(gate: GateReport) -> Figure:
    """The spread of PLCC over seeds beside the most that passes."""
    most = gate.plcc_spread_max
    return _Strip(
        mark=gate.plcc_spread, threshold=most, at_least=False, low=0.0, high=1.4 * most
    ).figure()


def coverage(claim: Claim) -> Figure:
    """The share of intervals that held, beside the least that passes and the nominal share."""
    return _Strip(
        mark=claim.covered,
        threshold=claim.least,
        at_least=True,
        low=70.0,
        high=100.0,
        nominal=claim.nominal,
    ).figure()


def slot_rows(rows: dict[str, int]) -> Figure:
    """Training rows behind each slot of a vocabulary; a slot without any says so."""
    figure = ink.canvas(ink.WIDTH, len(rows) * _ROW + 30)
    axes = ink.panel(figure, left=ink.label_width(rows), right=58, top=4, bottom=24)
    names = list(rows)
    axes.barh(range(len(names)), list(rows.values()), height=0.62, color=ink.SERIES[0][0])
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max(*rows.values(), 1) * 1.02)
    axes.grid(False, axis="y")
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for place, count in enumerate(rows.values()):
        axes.annotate(
            f"{count:,}" if count else "no rows: never trained",
            (count, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=ink.INK if count else ink.BAD,
            fontsize=11,
        )
    return figure
