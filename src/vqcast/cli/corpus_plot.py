"""``vqcast corpus plot``: what a corpus measured, in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.corpus.table import load


def plot(
    file: Annotated[Path, typer.Argument(help="The corpus.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture: .png or .svg.")],
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="Sources to draw, one row each. Default: all in one row."),
    ] = None,
) -> None:
    """Draw VMAF over bits and over the quality number, a curve for each encoder."""
    extras.require("corpus plot")
    from vqcast.pages import curve_charts, ink, picture, points

    found = points.points_of(load(file))
    names = options.split(source or [])
    with ink.style():
        if names:
            chosen = points.of_sources(found, names)
            drawn = curve_charts.by_source(chosen, f"{file.name}: {', '.join(names)}")
        else:
            count = len({point.source for point in found})
            drawn = curve_charts.overview(found, f"{file.name}: {count} sources")
        picture.write(drawn, out)
    render.say(f"wrote {out}")
