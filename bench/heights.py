"""Measured curves of titles at several heights and with several encoders, scored at one size.

    python bench/heights.py --titles DIR --work DIR --evidence docs/evidence/heights.json
    python bench/heights.py --evidence docs/evidence/heights.json --table FILE

A window of each title, as many frames of its middle, is encoded whole at every height and CRF, and
scored against itself at its own size: what a viewer of a screen of that size sees. ``ceiling`` is
the score of the window scaled down and up, with no encode between. Some titles are encoded with
other encoders, too, at their own height. Measurements are kept in --work: a run resumes.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vqcast import documents
from vqcast.durable.files import write_atomic
from vqcast.forecast import height_fit
from vqcast.forecast.forecaster import Forecaster
from vqcast.forecast.height_fit import HeightCurve
from vqcast.forecast.latent import to_latent
from vqcast.forecast.scale import pooled
from vqcast.forecast.table import load_table
from vqcast.measured.cell import Cell
from vqcast.measured.probe import Prober
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.metric import VMAF
from vqcast.vocab import FEATURES

Row = dict[str, Any]
WINDOW, FRAMES, EVERY = (640, 360), 24, 2
KIND = ("libsvtav1", "10")
SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3)
"""Of the title's own height: 1080, 720, 540 and 360 lines of 1080."""
CRFS = {
    "libsvtav1": (18, 25, 32, 39, 47, 55, 63),
    "libx264": (16, 20, 24, 28, 32, 37, 42),
    "libx265": (16, 20, 24, 28, 32, 37, 42),
}
OTHERS = (("libx264", "veryfast"), ("libx264", "medium"), ("libx265", "superfast"))
OTHERS_EVERY = 3
"""Every so many groups are encoded with the other encoders, too."""
SEED = 18
"""Of the order in which groups are measured: any first of them are a sample of all."""


def windows(folders: Sequence[Path], work: Path, tool: Tool) -> Iterator[tuple[str, Path]]:
    """Group and window of the first title of each group, in an order drawn once."""
    found: dict[str, tuple[Path, float]] = {}
    for folder in folders:
        with (folder / "MANIFEST.tsv").open() as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                seconds = float(row.get("seconds") or 0)
                large = 320 <= int(row["width"]) <= 1920 and int(row["height"]) >= 320
                if large and row["group"] != "gradient":
                    found.setdefault(row["group"], (folder / row["file"], seconds))
    names = np.random.default_rng(SEED).permutation(sorted(found))
    for group, (path, seconds) in ((str(name), found[str(name)]) for name in names):
        out = work / f"{group}.mkv"
        if not out.exists():
            cut = "crop=w='min(iw,{})':h='min(ih,{})',crop=w=iw-mod(iw\\,4):h=ih-mod(ih\\,4)"
            subprocess.run(
                [tool.path, "-v", "error", "-nostdin", "-y", "-ss", f"{seconds / 3:.2f}", "-i",
                 path, "-map", "0:V:0", "-frames:v", str(FRAMES), "-vf",
                 f"{cut.format(*WINDOW)},setsar=1,format=yuv420p", "-c:v", "ffv1", out], check=True
            )  # fmt: skip
        yield group, out


def scaled(source: Source, share: float) -> tuple[int, int]:
    """Even width and height of that share of the source's."""
    return 2 * round(source.width * share / 2), 2 * round(source.height * share / 2)


def curve(prober: Prober, group: str, share: float, crfs: Sequence[int]) -> Row:
    """One title's measurements with the prober's encoder at one height."""
    source, cell = prober.source, prober.cell
    size = scaled(source, share)
    prober = replace(prober, cell=replace(cell, coded=None if share == 1 else size))
    row: Row = {
        "group": group, "encoder": cell.encoder, "preset": cell.preset, "share": round(share, 4),
        "width": size[0], "height": size[1], "of": [source.width, source.height],
        "crfs": list(crfs), "score": [], "bits_per_pixel": [], "features": [],
    }  # fmt: skip
    if share < 1:
        uncoded = replace(prober, cell=replace(prober.cell, uncoded=True))
        made, _ = uncoded.measure(0)
        row["ceiling"] = round(pooled(VMAF, {"vmaf": made.column("vmaf")}, "mean", 25.0), 4)
    for crf in crfs:
        made, _ = prober.measure(crf)
        row["score"].append(round(float(made.column("vmaf").mean()), 4))
        pixels = source.width * source.height * made.frames
        row["bits_per_pixel"].append(float(f"{8 * made.enc_bytes / pixels:.6g}"))
        means = [round(float(np.mean(made.column(name))), 5) for name in FEATURES]
        row["features"].append(means)
    return row


def curves_of(rows: Sequence[Row]) -> list[HeightCurve]:
    """The rows of the table's encoder and preset, as curves."""
    return [curve_of(row) for row in rows if (row["encoder"], row["preset"]) == KIND]


def curve_of(row: Row) -> HeightCurve:
    """One row as a curve."""
    return HeightCurve(
        row["group"], row["share"], float(to_latent(row.get("ceiling", 100.0))),
        np.array(row["crfs"], dtype=float), np.array(row["score"]),
        np.array(row["bits_per_pixel"]), np.array(row["features"]),
    )  # fmt: skip


def forecaster(without: str) -> Forecaster:
    """That of the table's encoder and preset, which has not seen a group."""
    table, _ = load_table(None)
    return Forecaster.from_table(table, *KIND, without={without})


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Fit and calibrate, and write what travels with vqcast."""
    titles = height_fit.titles_of(curves_of(rows))
    away = height_fit.left_out(titles, *KIND, forecaster)
    axis = forecaster("").axis
    table = height_fit.calibrated(height_fit.fit(titles, *KIND, axis), away)
    write_atomic(path, documents.to_line(table))
    print(f"{len(titles)} titles; widths {table.score}, {table.bits}", file=sys.stderr)


def main() -> None:
    """Measure, and write the evidence after each title; or make the table of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--titles", type=Path, action="append")
    parser.add_argument("--groups", type=int, default=24, help="how many are measured")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--table", type=Path, help="make this of the evidence, measure nothing")
    parser.add_argument("--evidence", type=Path, required=True)
    given = parser.parse_args()
    if given.table:
        write_table(json.loads(given.evidence.read_text())["curves"], given.table)
        return
    tool, rows = find_ffmpeg(), []
    made = itertools.islice(windows(given.titles, given.work, tool), given.groups)
    for number, (group, path) in enumerate(made):
        source = probe(path, tool)
        kinds = [(KIND, share) for share in SHARES]
        if number % OTHERS_EVERY == 0:
            kinds += [(kind, 1.0) for kind in OTHERS]
        for (encoder, preset), share in kinds:
            prober = Prober(
                Cell(source, encoder, preset, 0, every=EVERY), tool, given.work / "cells"
            )
            rows.append(curve(prober, group, share, CRFS[encoder]))
        document = {"schema_version": 1, "frames": FRAMES, "every": EVERY, "curves": rows}
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        text = json.dumps(document | {"curves": []}).replace("[]", f"[\n{lines}\n]") + "\n"
        write_atomic(given.evidence, text.encode())
        print(f"{number + 1} of {given.groups}: {group}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
