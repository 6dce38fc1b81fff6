"""What 10 bits a sample save: clips of 8 bits encoded in 8 and in 10, at equal VMAF.

    python bench/depth.py --clips DIR --cells DIR --evidence docs/evidence/depth.json
    python bench/depth.py --report docs/evidence/depth.json --markdown docs/howto/options.md

Bjontegaard's difference in rate (VCEG-M33), through monotone cubics over the range of scores that
both depths reach; clips are resampled for its interval. An encode is scored at its own depth.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.durable.files import write_atomic
from vqcast.measured.cell import Cell
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.options import EncoderOptions
from vqcast.media.source import probe
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks

GRIDS = {
    ("libsvtav1", "8"): (28, 36, 44, 54),
    ("libx265", "fast"): (20, 25, 30, 36),
}
DEPTHS = (8, 10)
SEED, DRAWS = 20261129, 10_000
Row = dict[str, Any]


def bd_rate(base: Row, other: Row) -> float:
    """Share of bytes that ``other`` takes more than ``base`` at equal score; -0.1: a tenth less."""
    curves = []
    for row in (base, other):
        order = np.argsort(row["vmaf"])
        curves.append((np.array(row["vmaf"])[order], np.log(np.array(row["bytes"])[order])))
    low = max(float(score[0]) for score, _ in curves)
    high = min(float(score[-1]) for score, _ in curves)
    areas = [float(PchipInterpolator(score, rate).integrate(low, high)) for score, rate in curves]
    return float(np.expm1((areas[1] - areas[0]) / (high - low)))


def curve(clip: Path, encoder: str, preset: str, depth: int, store: FolderStore) -> Row:
    """Scores and bytes over the grid."""
    tool = find_ffmpeg()
    source = probe(clip, tool)
    made = [
        measure_once(
            Cell(source, encoder, preset, crf, options=EncoderOptions(depth=depth)), tool, store
        )[0]
        for crf in GRIDS[encoder, preset]
    ]
    return {
        "vmaf": [round(float(np.mean(each.column("vmaf"))), 4) for each in made],
        "bytes": [each.enc_bytes for each in made],
    }


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of the mean: clips drawn with replacement."""
    drawn = np.random.default_rng(SEED).choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def report(document: Row) -> str:
    """The page's block."""
    lines = [
        "| encoder | clips | bytes at equal VMAF, 10 bits against 8: mean (95 % interval) "
        "| median | least, most | clips that save |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, clips in document["encoders"].items():
        rates = 100 * np.array([bd_rate(each["8"], each["10"]) for each in clips.values()])
        low, high = interval(rates)
        lines.append(
            f"| {name} | {len(rates)} | {rates.mean():+.2f} % ({low:+.2f} to {high:+.2f}) "
            f"| {np.median(rates):+.2f} % | {rates.min():+.2f} %, {rates.max():+.2f} % "
            f"| {(rates < 0).sum()} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder of .mkv clips of 8 bits")
    parser.add_argument("--cells", type=Path, default=Path("runs/depth"), help="measured cells")
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "encoders": {}}
    if given.report is not None:
        document = json.loads(given.report.read_text())
    else:
        for clip in sorted(given.clips.glob("*.mkv")):
            for encoder, preset in GRIDS:
                row = {
                    str(depth): curve(clip, encoder, preset, depth, FolderStore(given.cells))
                    for depth in DEPTHS
                }
                document["encoders"].setdefault(f"{encoder} {preset}", {})[clip.stem] = row
                rate = 100 * bd_rate(row["8"], row["10"])
                print(f"{clip.stem} {encoder}: {rate:+.2f} %", file=sys.stderr, flush=True)
        if given.evidence:
            write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/depth.py", report(document))
    else:
        print(report(document))


if __name__ == "__main__":
    main()
