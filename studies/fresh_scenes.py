"""How a promoted forecaster does on a corpus that made no part of it.

    python -m studies.fresh_scenes --corpus scenes.jsonl.gz --evidence FILE
    python -m studies.fresh_scenes --report FILE --page docs/tune.md

Every curve is forecast at its unprobed qualities by the shipped table, with the table's own
intervals. Content groups that the table knows are left out; groups weigh alike.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastTable
from vqcast.durable.files import write_atomic
from vqcast.forecast import curves as measured
from vqcast.forecast.curves import MeasuredCurve
from vqcast.forecast.fit import POSITIONS
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.table import load_table
from vqcast.pages import blocks

Array = NDArray[np.float64]
MEASURE, NAME, LEVELS = "vmaf/mean", "studies.fresh_scenes", (0.5, 0.8, 0.9, 0.95)
USEFUL = (80.0, 97.0)
"""Scores of targets that people ask for."""


def main() -> None:
    """Forecast and write the evidence, or write its tables into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--registry", type=Path, help="default: the forecaster that ships")
    parser.add_argument("--evidence", type=Path, help="where the figures are written")
    parser.add_argument("--report", type=Path, help="evidence that is there")
    parser.add_argument("--page", type=Path, help="the page that holds the tables")
    given = parser.parse_args()
    if given.report is not None:
        document = json.loads(given.report.read_text())
    else:
        document = measure(given.registry, given.corpus)
    if given.evidence is not None:
        write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    text = report(document)
    print(text)
    if given.page is not None:
        blocks.write(given.page, NAME, text)


def measure(registry: Path | None, corpora: Sequence[Path]) -> dict[str, Any]:
    """What the table of ``registry`` says of the corpora's groups that it does not know."""
    table, row = load_table(registry)
    known = {curve.group for curve in table.curves}
    read = [load(path) for path in corpora]
    curves, _ = measured.read(read)
    fresh = [curve for curve in curves if curve.group not in known]
    return {
        "schema_version": 1, "model": row.id, "table_sha256": row.sha256,
        "corpora": [corpus.sha256 for corpus in read], "curves": len(fresh),
        "groups": sorted({curve.group for curve in fresh}),
        "rows": [_row(table, fresh, choices[0]) for choices in POSITIONS],
    }  # fmt: skip


def report(document: dict[str, Any]) -> str:
    """The page's block."""
    levels = document["rows"][0]["covered"]
    lines = [
        f"`{document['model']}` (sha256 `{document['table_sha256'][:16]}`) on "
        f"{document['curves']} curves of {len(document['groups'])} content groups that made no "
        f"part of it: {', '.join(document['groups'])}. VMAF points at unprobed qualities; groups "
        "weigh alike.",
        "",
        "| probes | error, mean | of scores 80 to 97 | size error, mean "
        + "".join(f"| {100 * float(level):g} % covers " for level in levels)
        + "| 90 %, scores 80 to 97 | group that 90 % covers least |",
        "|---:|---:|---:|---:|" + "---:|" * (len(levels) + 1) + "---|",
    ]
    for row in document["rows"]:
        shares = [*row["covered"].values(), row["covered_useful"]]
        cells = [
            str(row["probes"]), f"{row['error']:.2f}", f"{row['error_useful']:.2f}",
            f"{row['size_error']:.1%}", *(f"{share:.1%}" for share in shares),
            f"{row['worst']} ({row['worst_covered']:.0%})",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |".replace("%", " %"))
    return "\n".join(lines)


def _row(
    table: ForecastTable, curves: Sequence[MeasuredCurve], places: Sequence[float]
) -> dict[str, Any]:
    """One number of probes."""
    found: dict[str, list[Array]] = {}
    for curve in curves:
        found.setdefault(curve.group, []).append(_points(table, curve, places))
    groups = {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
    useful = {
        name: points[:, (points[0] >= USEFUL[0]) & (points[0] <= USEFUL[1])]
        for name, points in groups.items()
    }
    useful = {name: points for name, points in useful.items() if points.shape[1]}
    nine = 3 + LEVELS.index(0.9)
    worst = min(groups, key=lambda name: float(groups[name][nine].mean()))
    return {
        "probes": len(places), "error": _mean(groups, 1), "error_useful": _mean(useful, 1),
        "size_error": _mean(groups, 2),
        "covered": {f"{level:g}": _mean(groups, 3 + i) for i, level in enumerate(LEVELS)},
        "covered_useful": _mean(useful, nine), "worst": worst,
        "worst_covered": round(float(groups[worst][nine].mean()), 5),
    }  # fmt: skip


def _mean(groups: dict[str, Array], row: int) -> float:
    return round(float(np.mean([points[row].mean() for points in groups.values()])), 5)


def _points(table: ForecastTable, curve: MeasuredCurve, places: Sequence[float]) -> Array:
    """Truth, error, relative size error, and whether inside at each level, ``[3 + 4, points]``."""
    model = Forecaster.from_table(table, curve.encoder, curve.preset)
    position, truth = model.position(curve.cq), curve.score[MEASURE]
    probed = sorted({int(np.argmin(np.abs(position - each))) for each in places})
    rest = [index for index in range(len(position)) if index not in probed]
    probes = [
        Probe(
            float(curve.cq[i]), float(truth[i]), float(curve.bits_per_pixel[i]), curve.features[i]
        )
        for i in probed
    ]
    forecast = model.forecast(probes, curve.cq[rest])
    rows = [truth[rest], np.abs(forecast.score - truth[rest]),
            np.abs(2.0**forecast.log2_bits / curve.bits_per_pixel[rest] - 1.0)]  # fmt: skip
    for level in LEVELS:
        lower, upper = forecast.bounds(level)
        rows.append(((lower <= truth[rest]) & (truth[rest] <= upper)).astype(np.float64))
    return np.stack(rows)


if __name__ == "__main__":
    main()
