"""How well held-out rows were predicted: by source, by encoder, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vqcast.pages import ink
from vqcast.pages.heldout import ErrorBin, Scatter
from vqcast.regressor.results import Line

MAX_LINES = 40
"""More sources than this are not drawn; the page's table has them all."""
_ROW = 18.0
_NINES = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999)


def nines(value: float) -> float:
    """-log10(1 - r): 0.9 is 1, 0.99 is 2. Below 0 it stays 0, above 0.9999999 it stays 7."""
    return -math.log10(1.0 - min(max(value, 0.0), 1.0 - 1e-7))


def correlations(lines: Sequence[Line], threshold: float) -> Figure:
    """PLCC (dots, one a seed, and their mean) and SROCC (squares) of each line, by nines."""
    figure, axes = _rows(lines)
    plcc, srocc = ink.SERIES[0][0], ink.SERIES[1][0]
    for place, line in enumerate(lines):
        seeds = [nines(value) for value in line.seed_plccs if value is not None]
        if len(seeds) > 1:
            axes.plot(seeds, [place] * len(seeds), "o", ms=3, color=plcc, alpha=0.45, mew=0)
        if line.srocc is not None:
            axes.plot(
                [nines(line.srocc)], [place], "s", ms=6, mfc="none", mec=srocc, mew=1.4, zorder=3
            )
        if line.plcc is not None:
            axes.plot([nines(line.plcc)], [place], "o", ms=7, color=plcc, zorder=4)
        else:
            axes.text(1.4, place, "undefined", color=ink.BAD, fontsize=11, va="center")
    shown = [nines(v) for line in lines for v in (*line.seed_plccs, line.srocc) if v is not None]
    low, high = min([1.0, *shown]), max([2.0, *shown])
    axes.set_xlim(low - 0.1 * (high - low), high + 0.06 * (high - low))
    axes.axvspan(axes.get_xlim()[0], nines(threshold), color=ink.BAD_TINT, lw=0, zorder=0)
    ticks = [tick for tick in _NINES if axes.get_xlim()[0] <= nines(tick) <= axes.get_xlim()[1]]
    if high > 2.5:  # the threshold's own label would touch its neighbour's
        ticks = [tick for tick in ticks if tick != 0.95]
    axes.set_xticks([nines(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("correlation, closer to 1 is better")
    axes.plot([], [], "o", ms=7, color=plcc, label="PLCC")
    if any(len(line.seed_plccs) > 1 for line in lines):
        axes.plot([], [], "o", ms=3, color=plcc, alpha=0.45, mew=0, label="its seeds")
    axes.plot([], [], "s", ms=6, mfc="none", mec=srocc, mew=1.4, label="SROCC")
    ink.legend_above(axes)
    return figure


def errors(lines: Sequence[Line]) -> Figure:
    """RMSE of each line in VMAF points, as bars with their value."""
    figure, axes = _rows(lines)
    values = [line.rmse or 0.0 for line in lines]
    axes.barh(range(len(lines)), values, height=0.62, color=ink.SERIES[2][0])
    for place, line in enumerate(lines):
        axes.annotate(
            "undefined" if line.rmse is None else f"{line.rmse:.2f}",
            (line.rmse or 0.0, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
            color=ink.INK if line.rmse is not None else ink.BAD,
        )
    axes.set_xlim(0, max(*values, 0.1) * 1.15)
    axes.set_xlabel("RMSE, VMAF points, lower is better")
    axes.locator_params(axis="x", nbins=6)
    return figure


def scatter(points: Scatter) -> Figure:
    """Predicted over measured VMAF of one source, with the diagonal."""
    figure = ink.canvas(160, 148)
    axes = ink.panel(figure, left=40, right=8, top=6, bottom=34)
    axes.plot([0, 100], [0, 100], color=ink.RULE, lw=1)
    ink.dots(
        axes, points.measured.tolist(), points.predicted.tolist(), colour=ink.SERIES[0][0], size=2.6
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 50, 100])
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_xlabel("measured", labelpad=1)
    axes.set_ylabel("predicted", labelpad=1)
    return figure


def error_by_score(bins: Sequence[ErrorBin]) -> Figure:
    """Median and 5..95 % of predicted minus measured, over measured VMAF."""
    figure = ink.canvas(ink.WIDTH, 230)
    axes = ink.panel(figure, left=40, right=10, top=30, bottom=40)
    edges = np.array([[each.low, each.high] for each in bins]).ravel()

    def steps(name: str) -> list[float]:
        return np.repeat([getattr(each, name) for each in bins], 2).tolist()

    axes.axhline(0, color=ink.RULE, lw=1)
    axes.fill_between(
        edges,
        steps("q05"),
        steps("q95"),
        color=ink.SERIES[0][0],
        alpha=0.22,
        lw=0,
        label="90 % of frames",
    )
    axes.plot(edges, steps("median"), color=ink.SERIES[0][0], lw=2, label="median")
    axes.set_xlim(0, 100)
    axes.set_xlabel("measured VMAF")
    axes.set_ylabel("predicted - measured")
    ink.legend_above(axes)
    return figure


def _rows(lines: Sequence[Line]) -> tuple[Figure, Axes]:
    figure = ink.canvas(ink.WIDTH, len(lines) * _ROW + 70)
    names = [ink.short(line.name) for line in lines]
    axes = ink.panel(figure, left=ink.label_width(names), right=14, top=30, bottom=40)
    axes.set_yticks(range(len(lines)), names)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    return figure, axes
