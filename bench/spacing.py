"""How far the mean of every nth frame is off, beside what neighbouring scored frames say of it.

    python bench/spacing.py --learn DIR --judge DIR --evidence docs/evidence/spacing.json
    python bench/spacing.py --report docs/evidence/spacing.json --markdown docs/performance.md

Encoders code frames in a pattern of better and worse ones, and frames an odd prime apart meet every
place of it: their mean is nearer to that of all frames than their scatter says. Each title's first
frames are encoded and all scored; every nth, from each of the n beginnings, are held to all. The
design factor (Kish 1965, section 8.2: deft) is the error that 95 % stay within, over 1.96 of the
deviations that successive differences give, the largest of any encoder; learnt on some titles,
judged on others. ``--table`` writes it where `vqcast encode` reads it. A killed run goes on from
the encodes that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from vqcast.documents import codec
from vqcast.documents.looks import DesignFactor
from vqcast.durable.files import write_atomic
from vqcast.errors import VqcastError
from vqcast.measured.cell import Cell
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.source import probe
from vqcast.media.threads import plan, usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.tuning import sampling

CELLS: dict[str, tuple[str, float]] = {
    "libx264": ("veryfast", 23.0),
    "libx265": ("superfast", 23.0),
    "libsvtav1": ("10", 33.0),
}
SPACINGS = (5, 7, 11, 13, 17)
SUFFIXES = (".mp4", ".mkv", ".webm")
MOST_SIDE = 1920
Z = NormalDist().inv_cdf(0.975)
Row = dict[str, Any]


def errors(values: Any, every: int) -> list[float]:
    """Of the mean of every nth of ``values``, in the deviations that are stated; ``[every]``."""
    found = []
    for first in range(every):
        seen = values[first::every]
        half = sampling.half_width(seen, every)
        found.append(float(Z * (seen.mean() - values.mean()) / half) if half else 0.0)
    return found


def measured(titles: Iterable[Path], frames: int, store: FolderStore, role: str) -> list[Row]:
    """A row for each title and encoder."""
    tool, rows = find_ffmpeg(), []
    for path in titles:
        try:
            source = probe(path, tool)
        except VqcastError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if max(source.width, source.height) > MOST_SIDE:
            continue
        if source.frames > frames:
            source = probe(path, tool, frames=frames)
        for name, (preset, crf) in CELLS.items():
            cell = Cell(source, name, preset, crf, threads=plan(usable_cores(), 1))
            vmaf = measure_once(cell, tool, store)[0].column("vmaf")
            rows.append({
                "role": role, "title": path.stem, "encoder": name, "frames": len(vmaf),
                "errors": {str(every): [round(each, 3) for each in errors(vmaf, every)]
                           for every in SPACINGS if len(vmaf) >= 8 * every},
            })  # fmt: skip
            print(role, path.stem, name, f"{vmaf.mean():.2f}", file=sys.stderr, flush=True)
    return rows


def _all(rows: Iterable[Row], every: int | None = None) -> Any:
    """Absolute errors of rows, each title as much as any other at each spacing: weights too."""
    values, weights = [], []
    for row in rows:
        for spacing, each in row["errors"].items():
            if every is None or int(spacing) == every:
                values += each
                weights += [1 / len(each)] * len(each)
    return np.abs(values), np.array(weights)


def factor(rows: list[Row]) -> float:
    """What 95 % of the errors stay within, over what is stated."""
    values, weights = _all(rows)
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return round(min(float(values[order][np.searchsorted(share, 0.95)]) / Z, 1.0), 2)


def covered(rows: list[Row], by: float, every: int | None = None) -> float:
    """Share of the errors that intervals ``by`` times as wide as stated hold, in percent."""
    values, weights = _all(rows, every)
    return float(100 * weights[values <= by * Z].sum() / weights.sum())


def learnt(document: Row) -> dict[str, float]:
    """Encoder -> its own design factor."""
    rows = [row for row in document["rows"] if row["role"] == "learn"]
    return {name: factor([row for row in rows if row["encoder"] == name]) for name in CELLS}


def taught(document: Row) -> DesignFactor:
    """What is used for all of them: the largest."""
    own = learnt(document)
    return DesignFactor(factor=max(own.values()), encoders=sorted(own))


def report(document: Row) -> str:
    """The page's block."""
    used = taught(document).factor
    lines = [
        "| encoder | titles that taught | own factor | titles that judge | inside, by differences "
        f"alone | inside, with {used:.2f} | "
        + " | ".join(f"every {every}" for every in SPACINGS) + " |",
        "|---|---:|---:|---:|---:|---:|" + "---:|" * len(SPACINGS),
    ]  # fmt: skip
    for name, by in learnt(document).items():
        own = [row for row in document["rows"] if row["encoder"] == name]
        learn, judge = ([row for row in own if row["role"] == role] for role in ("learn", "judge"))
        each = " | ".join(f"{covered(judge, used, every):.0f} %" for every in SPACINGS)
        lines.append(
            f"| {name} {CELLS[name][0]} | {len(learn)} | {by:.2f} | {len(judge)} "
            f"| {covered(judge, 1.0):.1f} % | {covered(judge, used):.1f} % | {each} |"
        )
    return "\n".join([
        *lines, "",
        "Inside: how often the mean of all frames lies in the 95 % interval of the mean of every "
        f"nth, n of {', '.join(map(str, SPACINGS))}, from each of n beginnings, of the first "
        f"{document['frames']} frames of a title; titles weigh alike (`bench/spacing.py`).",
    ]) + "\n"  # fmt: skip


def main() -> None:
    """Measure, and write evidence, table and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learn", type=Path, help="folder of videos")
    parser.add_argument("--judge", type=Path, help="another folder of videos")
    parser.add_argument("--frames", type=int, default=300, help="most of one title")
    parser.add_argument("--work", type=Path, default=Path("runs/spacing"))
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--report", type=Path, help="evidence that is there")
    parser.add_argument("--table", action="store_true", help="write what `vqcast encode` reads")
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    if given.report is None:
        store, rows = FolderStore(given.work), []
        for role, folder in (("learn", given.learn), ("judge", given.judge)):
            titles = sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES)
            rows += measured(titles, given.frames, store, role)
        document: Row = {"schema_version": 1, "frames": given.frames, "rows": rows}
        write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    else:
        document = json.loads(given.report.read_text())
    if given.table:
        write_atomic(sampling.TABLE, codec.to_bytes(taught(document)))
    print(report(document))
    if given.markdown:
        blocks.write(given.markdown, "bench/spacing.py", report(document))


if __name__ == "__main__":
    main()
