"""How much wider intervals must be where a title's probes surprise: degrees of freedom, compared.

    python -m studies.surprise --corpus a.jsonl.gz --corpus b.jsonl.gz --page PAGE.md

A Student-t process widens a forecast by how far its probes lie from what the curves lead to expect.
Every content group is held out in turn, and its intervals have the widths of the other groups;
groups weigh alike. vmaf/mean, counted curves, 90 % intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastRecipe, ForecastTable
from vqcast.forecast import curves as measured
from vqcast.forecast.curves import MeasuredCurve
from vqcast.forecast.family import V2
from vqcast.forecast.fit import Residuals, conformal_width, empty_table, residuals
from vqcast.pages import blocks

Array = NDArray[np.float64]
MEASURE, NAME, LEVEL = "vmaf/mean", "studies.surprise", 0.9
FREEDOMS = (2.0, 4.0, 6.0, 8.0, 16.0, 32.0)
PROBES = (1, 2, 3)
SURPRISING = 0.9
"""Quantile of the widening above which a curve is called surprising."""


def main() -> None:
    """Measure every candidate, print the table, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--page", type=Path, help="the page that holds the table")
    given = parser.parse_args()
    curves, pins = measured.read([load(path) for path in given.corpus])
    table = empty_table(curves, pins, ForecastRecipe())
    gaussian = _counted(table, curves, None)
    six = _counted(table, curves, V2.recipe.freedom)  # type: ignore[arg-type]
    wider = [np.median(a.deviations / b.deviations) for a, b in zip(gaussian, six, strict=True)]
    lines = [
        "In each cell: interval score in VMAF points (Gneiting and Raftery 2007, eq. 43; lower is "
        "better), coverage of all, of the tenth of the curves that surprises most, and of the "
        "group that is covered least.", "",
        "| degrees of freedom | 1 probe | 2 probes | 3 probes |", "|---|---|---|---|",
    ]  # fmt: skip
    for freedom in (None, *FREEDOMS):
        found = gaussian if freedom is None else _counted(table, curves, freedom)
        cells = [_cell(found, wider, probes) for probes in PROBES]
        ships = " (ships)" if freedom == V2.recipe.freedom else ""
        name = "none: a Gaussian" if freedom is None else f"{freedom:g}{ships}"
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if given.page is not None:
        blocks.write(given.page, NAME, "\n".join(lines))


def _counted(
    table: ForecastTable, curves: Sequence[MeasuredCurve], freedom: float | None
) -> list[Residuals]:
    recipe = ForecastRecipe() if freedom is None else ForecastRecipe(freedom=freedom)
    found = residuals(msgspec.structs.replace(table, recipe=recipe), curves, MEASURE)
    return [each for each in found if each.counted]


def _cell(found: Sequence[Residuals], wider: Sequence[float], probes: int) -> str:
    """One candidate with one number of probes."""
    mine = [(each, by) for each, by in zip(found, wider, strict=True) if each.probes == probes]
    edge = float(np.quantile([by for _, by in mine], SURPRISING))
    covered: dict[str, float] = {}
    scores, surprising = [], []
    for group in sorted({each.group for each, _ in mine}):
        others = [(e.group, e.deviations) for e, _ in mine if e.group != group]
        width = conformal_width(others, LEVEL)
        own = [(each, by) for each, by in mine if each.group == group]
        inside = [each.deviations <= width for each, _ in own]
        covered[group] = float(np.concatenate(inside).mean())
        scores.append(np.concatenate([_interval_score(each, width) for each, _ in own]).mean())
        surprising += [part.mean() for part, (_, by) in zip(inside, own, strict=True) if by >= edge]
    return (
        f"{np.mean(scores):.2f}, {np.mean(list(covered.values())):.1%}, "
        f"{np.mean(surprising):.0%}, {min(covered.values()):.0%}"
    ).replace("%", " %")


def _interval_score(each: Residuals, width: float) -> Array:
    """Width of each interval, and what it missed by, at 2 / (1 - level) for a point."""
    deviation = each.model / np.maximum(each.deviations, 1e-9)
    missed = np.maximum(each.model - width * deviation, 0.0)
    return np.asarray(2 * width * deviation + 2 / (1 - LEVEL) * missed)


if __name__ == "__main__":
    main()
