"""What probes of other encoders and presets tell of a title, every content group held out in turn.

    python -m studies.joint_forecast --corpus a.jsonl.gz --corpus b.jsonl.gz --page PAGE.md

One row for what is known beside the encoder's own probes. Mean absolute error of vmaf/mean at
unprobed qualities of the densest curves, groups weighing alike; in brackets where the truth is
85 to 97. The encoder that is told of is libx264 veryfast, and its own curves are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastRecipe, ForecastTable, JointRecipe
from vqcast.forecast import curves as measured
from vqcast.forecast.curves import MeasuredCurve
from vqcast.forecast.fit import POSITIONS, empty_table
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.prior import Kind
from vqcast.pages import blocks

Array = NDArray[np.float64]
MEASURE, NAME = "vmaf/mean", "studies.joint_forecast"
SCOUT: Kind = ("libx264", "veryfast")
LEAST = 10
"""Qualities of a curve that is asked about."""
ROWS: tuple[tuple[str, JointRecipe | None, tuple[float, ...]], ...] = (
    ("nothing: each kind by itself (`crf_forecast_v1`)", None, ()),
    ("nothing: all kinds together", JointRecipe(), ()),
    ("one probe of libx264 veryfast", JointRecipe(), (0.5,)),
    ("three probes of it", JointRecipe(), (0.15, 0.5, 0.9)),
    ("one probe, 4 directions shared", JointRecipe(rank=4), (0.5,)),
    ("one probe, 24 directions shared", JointRecipe(rank=24), (0.5,)),
)


def main() -> None:
    """Measure every row, print it, and write the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--page", type=Path, help="the page that holds the table")
    given = parser.parse_args()
    curves, pins = measured.read([load(path) for path in given.corpus])
    table = empty_table(curves, pins, ForecastRecipe())
    asked = [each for each in curves if len(each.cq) >= LEAST and each.encoder != SCOUT[0]]
    groups = len({each.group for each in asked})
    lines = [
        f"{len(asked)} curves of {groups} groups.", "",
        "| known of the title | no own probe | 1 | 2 | 3 |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    scouts = {each.src: each for each in curves if (each.encoder, each.preset) == SCOUT}
    for name, recipe, places in ROWS:
        joint = msgspec.structs.replace(table, joint=recipe or msgspec.UNSET)
        cells = [
            _error(joint, [each for each in asked if each.src in scouts], scouts, places, own[0])
            for own in POSITIONS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if given.page is not None:
        blocks.write(given.page, NAME, "\n".join(lines))


def _error(
    table: ForecastTable,
    asked: Sequence[MeasuredCurve],
    scouts: dict[str, MeasuredCurve],
    places: Sequence[float],
    own: Sequence[float],
) -> str:
    """Mean error, and that of truths of 85 to 97."""
    groups: dict[str, list[tuple[Array, Array]]] = {}
    for curve in asked:
        scout = scouts[curve.src]
        told = [(SCOUT, _probe(scout, index)) for index in _nearest(table, scout, places)]
        model = Forecaster.from_table(
            table, curve.encoder, curve.preset, without={curve.group}, told=told
        )
        probed = _nearest(table, curve, own)
        rest = [index for index in range(len(curve.cq)) if index not in probed]
        truth = curve.score[MEASURE][rest]
        found = model.forecast([_probe(curve, index) for index in probed], curve.cq[rest])
        groups.setdefault(curve.group, []).append((np.abs(found.score - truth), truth))
    errors = [
        (np.concatenate([error for error, _ in parts]), np.concatenate([each for _, each in parts]))
        for parts in groups.values()
    ]
    inside = [error[(truth >= 85) & (truth <= 97)] for error, truth in errors]
    all_ = np.mean([error.mean() for error, _ in errors])
    return f"{all_:.2f} ({np.mean([each.mean() for each in inside if len(each)]):.2f})"


def _nearest(table: ForecastTable, curve: MeasuredCurve, places: Sequence[float]) -> list[int]:
    low, high = table.axes[curve.encoder]
    position = (curve.cq - low) / (high - low)
    return sorted({int(np.argmin(np.abs(position - each))) for each in places})


def _probe(curve: MeasuredCurve, index: int) -> Probe:
    return Probe(
        float(curve.cq[index]), float(curve.score[MEASURE][index]),
        float(curve.bits_per_pixel[index]), curve.features[index],
    )  # fmt: skip


if __name__ == "__main__":
    main()
