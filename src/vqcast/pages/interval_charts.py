"""Do intervals hold what they say? Coverage by encoder, and nominal against observed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from vqcast.documents.evidence import IntervalGate, IntervalReport
from vqcast.evidence.evaluation import Figures, Slice
from vqcast.pages import ink
from vqcast.regressor.results import NOUNS

_ROW = 24.0


def by_encoder(report: IntervalReport, gate: IntervalGate) -> Figure:
    """Coverage of each encoder's frames and clip means at the nominal level."""
    encoders = sorted({name for each in report.coverage.values() for name in each.encoders})
    figure = ink.canvas(ink.WIDTH, len(encoders) * _ROW + 70)
    axes = ink.panel(
        figure, left=ink.label_width(map(ink.short, encoders)), right=14, top=30, bottom=40
    )
    for number, (target, measured) in enumerate(sorted(report.coverage.items())):
        colour, marker = ink.SERIES[number]
        shown = [(measured.encoders.get(name), place) for place, name in enumerate(encoders)]
        axes.plot(
            [100 * covered for covered, _ in shown if covered is not None],
            [place + 0.32 * number - 0.16 for covered, place in shown if covered is not None],
            marker,
            ms=7,
            color=colour,
            label=NOUNS[target],
        )
    values = [v for each in report.coverage.values() for v in each.encoders.values()]
    low = 100 * min([gate.encoder_coverage_min - 0.05, *values])
    axes.set_xlim(low, 100.8)
    axes.axvspan(low, 100 * gate.encoder_coverage_min, color=ink.BAD_TINT, lw=0, zorder=0)
    axes.axvline(100 * report.nominal_coverage, color=ink.MUTED, lw=1.2, ls=":", label="nominal")
    axes.set_yticks(range(len(encoders)), [ink.short(name) for name in encoders])
    axes.set_ylim(len(encoders) - 0.4, -0.6)
    axes.set_xlabel("intervals that held the measured score, %")
    ink.legend_above(axes)
    return figure


def reliability(
    overall: Sequence[Figures],
    encoders: Sequence[Slice],
    target: str,
    colours: dict[str, tuple[str, str]],
) -> Figure:
    """Observed over nominal coverage: all rows with their bootstrap range, and each encoder."""
    figure = ink.canvas(ink.WIDTH, 330)
    axes = ink.panel(figure, left=44, right=14, top=10, bottom=40)
    axes.plot([0, 100], [0, 100], color=ink.RULE, lw=1)
    for name, (colour, marker) in colours.items():
        found = [each for each in encoders if (each.name, each.target) == (name, target)]
        axes.plot(
            [100 * each.level for each in found],
            [100 * each.measured.coverage for each in found],
            marker=marker,
            ms=4,
            lw=1,
            color=colour,
            alpha=0.9,
        )
    levels, middle, low, high = [], [], [], []
    for each in overall:
        if each.target == target and each.measured is not None:
            levels.append(100 * each.level)
            middle.append(100 * each.measured.coverage)
            low.append(100 * (each.measured.low or each.measured.coverage))
            high.append(100 * (each.measured.high or each.measured.coverage))
    axes.fill_between(levels, low, high, color=ink.MUTED, alpha=0.2, lw=0)
    axes.plot(levels, middle, color=ink.INK, lw=2.5)
    axes.set_xlim(47, 98)
    axes.set_ylim(min([45.0, *low]), 101)
    axes.set_xlabel("nominal level, %")
    axes.set_ylabel(f"{NOUNS[target]} held, %")
    return figure
