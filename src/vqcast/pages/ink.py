"""How charts are drawn: one palette, one style, and the few shapes that charts share.

A chart is drawn in the light theme's colours; ``picture`` makes it a file or a part of a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

INK, MUTED, RULE, GRID = "#1c2530", "#55616e", "#a3adb8", "#e3e7ec"
GOOD, BAD, BAD_TINT = "#1a7f4b", "#b3261e", "#f7dcd8"
PAPER = "#fefefe"
SERIES = (
    ("#0a58a0", "o"),
    ("#9c3d00", "s"),
    ("#0c8a63", "^"),
    ("#6f3568", "D"),
    ("#a68a12", "v"),
    ("#808b9d", "P"),
    ("#b03050", "X"),
    ("#4e82a6", "*"),
)
"""Colour and marker of each series. The first six differ by at least 15 (CIELAB, CIE 1976) for
protan, deutan and tritan sight too (Machado et al. 2009), and by 3:1 from the ground; the marker
tells them apart without colour."""
DASHES = ("-", "--", ":", "-.")

VARIABLES = {
    INK: ("ink", "#e8ecf1"),
    MUTED: ("muted", "#a8b3bf"),
    RULE: ("rule", "#5f6b78"),
    GRID: ("grid", "#2c3540"),
    GOOD: ("good", "#52c98a"),
    BAD: ("bad", "#ff8a80"),
    BAD_TINT: ("bad-tint", "#4a2320"),
    PAPER: ("paper", "#171d24"),
    **{
        light: (f"s{number}", dark)
        for number, ((light, _), dark) in enumerate(
            zip(
                SERIES,
                (
                    "#4b96e3",
                    "#dd7340",
                    "#36e4ae",
                    "#b57fa6",
                    "#ecc54e",
                    "#d0dcf0",
                    "#ff8fa6",
                    "#a9d3ee",
                ),
                strict=True,
            )
        )
    },
}
"""Each colour's CSS variable and its value in the dark theme."""

WIDTH = 370.0
"""Pixels of a chart that stands alone in its card: near its size on a phone."""
_FONT_PX = 12
_NAME_LENGTH = 22
_STYLE: dict[Any, Any] = {
    "font.size": _FONT_PX,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelsize": _FONT_PX,
    "axes.titlesize": _FONT_PX + 1,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "xtick.labelsize": _FONT_PX - 1,
    "ytick.labelsize": _FONT_PX - 1,
    "legend.frameon": False,
    "legend.fontsize": _FONT_PX - 1,
    "figure.dpi": 72.0,
    "svg.image_inline": True,
    "path.simplify": False,
    "text.parse_math": False,
}


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings while a figure is drawn and written."""
    with matplotlib.rc_context(_STYLE):
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many pixels, without pyplot's global state."""
    return Figure(figsize=(width / 72.0, height / 72.0), dpi=72.0)


def panel(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes that leave these margins, in pixels."""
    width, height = (float(inches) * 72.0 for inches in figure.get_size_inches())
    return figure.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - top - bottom) / height,
        )
    )


def short(name: str) -> str:
    """A name that fits a chart's margin; tables have it whole."""
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def label_width(names: Iterable[str]) -> float:
    """Pixels that the longest of ``names`` takes as an axis label."""
    return max((len(short(name)) for name in names), default=0) * 6.9 + 12


def key(looks: Mapping[str, tuple[str, str, str]]) -> Figure:
    """The key to curves, alone: colour, marker and dash of each name."""
    figure = canvas(WIDTH, 19 * -(-len(looks) // 3) + 6)
    axes = panel(figure, left=0, right=0, top=0, bottom=0)
    axes.set_axis_off()
    name_curves(axes, looks)
    axes.legend(loc="center left", ncols=3, columnspacing=1.4, handletextpad=0.5, borderpad=0)
    return figure


def name_curves(axes: Axes, looks: Mapping[str, tuple[str, str, str]]) -> None:
    """Give a legend its entries, without drawing anything else."""
    for name, (colour, marker, dash) in looks.items():
        axes.plot([], [], color=colour, marker=marker, ls=dash, ms=6, label=name)


def log_scale(axis: XAxis | YAxis, axes: Axes) -> None:
    """A log scale with plain numbers at 1, 2 and 5 of each decade."""
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def legend_above(axes: Axes, *, columns: int = 4) -> None:
    """A legend over the axes, where it covers nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.4,
        borderpad=0.1,
    )


def series_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name, in the order of names; they repeat after eight."""
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(sorted(set(names)))}


def dots(axes: Axes, x: Sequence[float], y: Sequence[float], *, colour: str, size: float) -> None:
    """Many points as one path: a round cap on strokes without length."""
    vertices = [point for pair in zip(x, y, strict=True) for point in (pair, pair)]
    codes = [Outline.MOVETO, Outline.LINETO] * len(x)
    axes.add_patch(
        PathPatch(Outline(vertices, codes), fill=False, edgecolor=colour, lw=size, capstyle="round")
    )
