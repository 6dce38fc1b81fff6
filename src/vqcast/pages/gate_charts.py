"""The gate's parts as strips: what was measured, beside the side that fails."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from vqcast.documents.evidence import GateReport
from vqcast.pages import ink
from vqcast.regressor.results import Claim

_WIDTH, _HEIGHT = 240.0, 52.0
_ROW = 18.0


def _strip(
    mark: float | None,
    threshold: float,
    scale: tuple[float, float],
    *,
    at_least: bool = True,
    values: Sequence[float] = (),
    nominal: float | None = None,
) -> Figure:
    """A figure on a scale, which widens to hold it, whose failing side is tinted.

    ``values`` are what it is made of, as faint dots; ``nominal`` is a dotted line.
    """
    shown = [*scale, *values, *([] if mark is None else [mark])]
    low, high = min(shown), max(shown)
    margin = 0.02 * (high - low)
    figure = ink.canvas(_WIDTH, _HEIGHT)
    axes = ink.panel(figure, left=14, right=14, top=6, bottom=20)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    ends = axes.get_xlim()
    failing = (ends[0], threshold) if at_least else (threshold, ends[1])
    axes.axvspan(*failing, color=ink.BAD_TINT, lw=0)
    axes.axvline(threshold, color=ink.BAD, lw=1.5)
    if nominal is not None:
        axes.axvline(nominal, color=ink.MUTED, lw=1, ls=":")
    axes.plot(values, [0.0] * len(values), "o", ms=6, color=ink.MUTED, mew=0)
    if mark is not None:
        passes = mark >= threshold if at_least else mark <= threshold
        colour = ink.GOOD if passes else ink.BAD
        axes.plot([mark], [0.0], "D", ms=8, color=colour, mec=ink.PAPER, mew=1.2)
    ticks = [low, threshold, high]
    axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
    return figure


def correlation(gate: GateReport) -> Figure:
    """Mean PLCC, and each seed's, beside the threshold."""
    seeds = [value for value in gate.per_seed_plccs.values() if value is not None]
    return _strip(gate.mean_plcc, gate.mean_plcc_threshold, (0.9, 1.0), values=seeds)


def spread(gate: GateReport) -> Figure:
    """The spread of PLCC over seeds beside the most that passes."""
    most = gate.plcc_spread_max
    return _strip(gate.plcc_spread, most, (0.0, 1.4 * most), at_least=False)


def coverage(claim: Claim) -> Figure:
    """The share of intervals that held, beside the least that passes and the nominal share."""
    return _strip(claim.covered, claim.least, (70.0, 100.0), nominal=claim.nominal)


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
