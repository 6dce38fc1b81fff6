"""What a corpus measured, as curves: VMAF over bits, and VMAF over CRF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vqcast.pages import ink
from vqcast.pages.points import Point

Look = dict[tuple[str, str | None], tuple[str, str, str]]
"""Colour, marker and dash of each (encoder, preset)."""
Across = Callable[[Point], float | None]

RATE_LABEL = "kbit per frame, log scale"
_CQ_LABEL = "quality number (CRF, QP), lower is better"
_ROW_HEIGHT = 300


def looks(points: Iterable[Point]) -> Look:
    """An encoder's colour and marker; its presets differ in dashes."""
    series = sorted({point.series for point in points}, key=lambda pair: (pair[0], pair[1] or ""))
    colours = ink.series_of(encoder for encoder, _ in series)
    look: Look = {}
    for encoder, preset in series:
        nth = sum(1 for known, _ in look if known == encoder)
        look[encoder, preset] = (*colours[encoder], ink.DASHES[nth % len(ink.DASHES)])
    return look


def named(look: Look) -> dict[str, tuple[str, str, str]]:
    """The looks under the curves' names: the encoder, and its preset where it has one."""
    return {" ".join(word for word in pair if word): each for pair, each in look.items()}


def rate(point: Point) -> float | None:
    """A curve's place across: bits."""
    return point.kbit_per_frame


def quality(point: Point) -> float | None:
    """A curve's place across: the quality number."""
    return point.cq


def small(points: Sequence[Point], look: Look, across: Across, floor: float) -> Figure:
    """One source's curves, for a page that has many of them."""
    figure = ink.canvas(280, 210)
    axes = ink.panel(figure, left=44, right=10, top=8, bottom=40)
    _curves(axes, points, look, across, size=5)
    axes.set_ylim(floor, 101)
    axes.set_ylabel("VMAF", labelpad=2)
    _across(axes, across)
    if across is quality:
        axes.set_xlabel("quality number (CRF, QP)")
    return figure


def overview(points: Sequence[Point], title: str) -> Figure:
    """Every source as a faint line, and their mean per encoder: over bits, and over CRF."""
    look = looks(points)
    figure = _sheet(1, title, look)
    means = _means(points)
    for number, across in enumerate((rate, quality)):
        axes = _panel_of(figure, 0, number, 1)
        for source in sorted({point.source for point in points}):
            _curves(
                axes, [c for c in points if c.source == source], look, across, size=0, faint=True
            )
        _curves(axes, means, look, across, size=6)
        over = "bits" if across is rate else "the quality number"
        axes.set_title(f"Over {over}: each source, and their mean")
        axes.set_ylabel("VMAF, mean of a clip's frames")
        _across(axes, across)
    return figure


def by_source(points: Sequence[Point], title: str) -> Figure:
    """One row a source: VMAF over bits, and over CRF."""
    look = looks(points)
    sources = sorted({point.source for point in points})
    figure = _sheet(len(sources), title, look)
    for row, source in enumerate(sources):
        for number, across in enumerate((rate, quality)):
            axes = _panel_of(figure, row, number, len(sources))
            _curves(axes, [c for c in points if c.source == source], look, across, size=6)
            axes.set_title(source if number == 0 else "")
            axes.set_ylabel("VMAF, mean of the frames")
            _across(axes, across)
    return figure


def _means(points: Sequence[Point]) -> list[Point]:
    """Per encoder, preset and quality: mean VMAF, geometric mean of bits, over its sources."""
    grouped: dict[tuple[str, str | None, float], list[Point]] = {}
    for point in points:
        grouped.setdefault((point.encoder, point.preset, point.cq), []).append(point)
    means = []
    for (encoder, preset, cq), same in grouped.items():
        bits = [point.kbit_per_frame for point in same if point.kbit_per_frame is not None]
        means.append(
            Point(
                source="",
                encoder=encoder,
                preset=preset,
                cq=cq,
                frames=sum(point.frames for point in same),
                vmaf=float(np.mean([point.vmaf for point in same])),
                kbit_per_frame=float(np.exp(np.mean(np.log(bits)))) if bits else None,
            )
        )
    return means


def _curves(
    axes: Axes,
    points: Sequence[Point],
    look: Look,
    across: Across,
    *,
    size: float,
    faint: bool = False,
) -> None:
    for series, (colour, marker, dash) in look.items():
        drawn = sorted(
            (place, point.vmaf)
            for point in points
            if point.series == series and (place := across(point)) is not None
        )
        axes.plot(
            [place for place, _ in drawn],
            [score for _, score in drawn],
            ls=dash,
            lw=0.7 if faint else 1.6,
            alpha=0.25 if faint else 1.0,
            marker=marker if size else "",
            ms=size,
            mec=ink.PAPER,
            mew=0.3,
            color=colour,
        )


def _across(axes: Axes, across: Across) -> None:
    if across is rate:
        ink.log_scale(axes.xaxis, axes)
        axes.set_xlabel(RATE_LABEL)
    else:
        axes.set_xlabel(_CQ_LABEL)


def _sheet(rows: int, title: str, look: Look) -> Figure:
    figure = ink.canvas(900, 80 + rows * _ROW_HEIGHT)
    height = 80.0 + rows * _ROW_HEIGHT
    figure.text(0.014, 1 - 24 / height, title, fontsize=14, fontweight="bold", color=ink.INK)
    key = figure.add_axes((0.01, 1 - 58 / height, 0.98, 20 / height))
    key.set_axis_off()
    ink.name_curves(key, named(look))
    key.legend(loc="center left", ncols=6, columnspacing=1.4, handletextpad=0.5, borderpad=0)
    return figure


def _panel_of(figure: Figure, row: int, column: int, rows: int) -> Axes:
    height = 80.0 + rows * _ROW_HEIGHT
    top = 76.0 + row * _ROW_HEIGHT
    return ink.panel(
        figure,
        left=56 + column * 450,
        right=24 + (1 - column) * 450,
        top=top + 20,
        bottom=height - top - _ROW_HEIGHT + 44,
    )
