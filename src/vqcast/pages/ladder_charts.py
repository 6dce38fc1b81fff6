"""A comparison of encoders, and a bitrate ladder, in one picture each.

``write_comparison`` and ``write_ladder`` make a PNG or an SVG; ``comparison_figure`` and
``ladder_figure`` are the same for a page.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vqcast.documents.compare import CompareResult
from vqcast.documents.ladder import LadderResult
from vqcast.pages import ink, picture


def write_comparison(result: CompareResult, path: Path) -> None:
    """Draw size against time into ``path``, PNG or SVG by its name.

    Raises InputError for another ending, or where it can't be written.
    """
    with ink.style():
        figure = ink.canvas(720, 460)
        title = f"{ink.short(result.source.name)}: {result.metric} {result.target:g}"
        figure.text(0.02, 1 - 28 / 460, title, fontsize=15, fontweight="bold")
        figure.text(0.02, 1 - 48 / 460, result.reason, fontsize=11, color=ink.MUTED)
        draw_comparison(ink.panel(figure, left=62, right=24, top=70, bottom=46), result)
        picture.write(figure, path)


def comparison_figure(result: CompareResult) -> Figure:
    """``draw_comparison`` for a page."""
    figure = ink.canvas(ink.WIDTH, 330)
    draw_comparison(ink.panel(figure, left=56, right=12, top=10, bottom=40), result)
    return figure


def draw_comparison(axes: Axes, result: CompareResult) -> None:
    """A cross of intervals for each row, and the front as a line."""
    looks = ink.series_of(row.encoder for row in result.rows)
    for row in result.rows:
        colour, marker = looks[row.encoder]
        size, low, high = (each / 1e6 for each in (row.bytes, row.bytes_lower, row.bytes_upper))
        axes.plot([row.encode_s] * 2, [low, high], color=colour, lw=1.4, alpha=0.6)
        axes.plot([row.encode_s_lower, row.encode_s_upper], [size] * 2, color=colour, lw=1.4,
                  alpha=0.6)  # fmt: skip
        axes.plot([row.encode_s], [size], marker, color=colour, ms=8,
                  mfc=colour if row.front else ink.PAPER, zorder=4)  # fmt: skip
        label = f"{row.encoder} {row.preset}" if row.preset else row.encoder
        axes.annotate(label, (row.encode_s, size), xytext=(7, 6), textcoords="offset points",
                      color=colour, fontsize=10)  # fmt: skip
    front = sorted((row.encode_s, row.bytes / 1e6) for row in result.rows if row.front)
    axes.plot([x for x, _ in front], [y for _, y in front], color=ink.MUTED, lw=1.2, ls="--",
              zorder=1)  # fmt: skip
    ink.log_scale(axes.xaxis, axes)
    ink.log_scale(axes.yaxis, axes)
    axes.set_xlabel("seconds to encode the title, log scale")
    axes.set_ylabel("size, MB, log scale")


def write_ladder(result: LadderResult, path: Path) -> None:
    """Draw the curves of all heights, the hull and its rungs into ``path``, PNG or SVG by its name.

    Raises InputError for another ending, or where it can't be written.
    """
    with ink.style():
        figure = ink.canvas(860, 560)
        preset = f" {result.preset}" if result.preset else ""
        title = f"{ink.short(result.name)}: {result.encoder}{preset}"
        said = f"{len(result.rungs)} rungs from {len(result.probes)} encodes"
        figure.text(0.02, 1 - 28 / 560, title, fontsize=15, fontweight="bold")
        figure.text(0.02, 1 - 48 / 560, said, fontsize=11, color=ink.MUTED)
        axes = ink.panel(figure, left=62, right=24, top=88, bottom=46)
        draw_ladder(axes, result)
        ink.legend_above(axes, columns=7)
        picture.write(figure, path)


def ladder_figure(result: LadderResult) -> Figure:
    """``draw_ladder`` for a page."""
    figure = ink.canvas(ink.WIDTH, 330)
    axes = ink.panel(figure, left=50, right=12, top=66, bottom=40)
    draw_ladder(axes, result)
    ink.legend_above(axes, columns=3)
    return figure


def draw_ladder(axes: Axes, result: LadderResult) -> None:
    """Score over bitrate: a line for each height, the hull, and the rungs with their intervals."""
    heights = sorted({each.height for each in result.curves}, reverse=True)
    for index, height in enumerate(heights):
        colour, marker = ink.SERIES[index % len(ink.SERIES)]
        own = [each for each in result.curves if each.height == height]
        axes.plot([each.bitrate_kbps for each in own], [each.score for each in own], color=colour,
                  lw=1.6, label=f"{height}")  # fmt: skip
        probes = [each for each in result.probes if each.height == height]
        axes.plot([each.bitrate_kbps for each in probes], [each.score for each in probes], marker,
                  color=colour, mfc=ink.PAPER, mew=1.6, ms=8, ls="", zorder=4)  # fmt: skip
    axes.plot([each.bitrate_kbps for each in result.hull], [each.score for each in result.hull],
              color=ink.MUTED, lw=1.2, ls="--", label="hull")  # fmt: skip
    for each in result.rungs:
        axes.plot([each.bitrate_kbps] * 2, [each.lower, each.upper], color=ink.INK, lw=1.4)
        axes.plot([each.bitrate_lower, each.bitrate_upper], [each.score] * 2, color=ink.INK, lw=1.4)
    axes.plot([each.bitrate_kbps for each in result.rungs], [each.score for each in result.rungs],
              "D", color=ink.INK, ms=6, zorder=5, label="rung")  # fmt: skip
    ink.log_scale(axes.xaxis, axes)
    axes.set_xlabel("kbit/s, log scale; open marks are probes")
    axes.set_ylabel(result.metric)
    axes.set_ylim(max(min(each.lower for each in result.rungs) - 8, 0), 101)
