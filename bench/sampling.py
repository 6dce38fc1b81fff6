"""How far segments are from the whole title, and how far they are said to be.

    python bench/sampling.py --titles DIR --evidence FILE.json --markdown docs/tune.md

For every title of 25 s or more, encoder and CRF: the segments that `vqcast tune --sample` would
encode first are encoded and scored, and so is the whole. *Cut* is what starting each segment anew
changes: the segments' mean less the whole encode's mean over the very same frames. *Sample* is
what the choice of frames changes: that mean less the whole title's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tune import PRESETS, sources_of

from vqcast.durable.files import write_atomic
from vqcast.measured.probe import Prober
from vqcast.media.segment import find
from vqcast.media.source import Source
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.tuning import sampling
from vqcast.tuning.title import duration_s

LEAST_S = 25.0
CRFS = {"libx264": (20.0, 26.0), "libx265": (20.0, 26.0), "libsvtav1": (30.0, 42.0)}


def sampled(source: Source, encoder: str, crf: float, cache: Path) -> dict[str, Any]:
    """One title at one quality, in segments and whole."""
    tool = find_ffmpeg()
    prober = Prober(source, encoder, PRESETS[encoder], tool, cache)
    length = sampling.segment_frames(source.frames / duration_s(source))
    first = sampling.starts(source.frames, length, sampling.FIRST_SEGMENTS)
    parts = [
        prober.measure(crf, find(source, start, length, tool)).columns["vmaf"] for start in first
    ]
    whole = prober.measure(crf).columns["vmaf"]
    same = np.concatenate([whole[start : start + length] for start in first])
    means = [float(part.mean()) for part in parts]
    mean = statistics.fmean(means)
    return {
        "source": source.name, "encoder": encoder, "preset": PRESETS[encoder], "crf": crf,
        "segments": len(first), "share": len(same) / source.frames, "whole": float(whole.mean()),
        "cut": mean - float(same.mean()), "sample": float(same.mean() - whole.mean()),
        "error": mean - float(whole.mean()),
        "stated": sampling.error(means, source.frames, length),
    }  # fmt: skip


def report(rows: list[dict[str, Any]]) -> str:
    """The page's block."""
    lines = [
        "| title | encoder | CRF | share | whole | cut | sample | error | stated deviation |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['source']} | {row['encoder']} | {row['crf']:g} | {100 * row['share']:.0f} % "
            f"| {row['whole']:.2f} | {row['cut']:+.2f} | {row['sample']:+.2f} "
            f"| {row['error']:+.2f} | {row['stated']:.2f} |"
        )
    cuts = [row["cut"] for row in rows]
    ratios = [abs(row["error"]) / row["stated"] for row in rows]
    return (
        "\n".join(lines) + f"\n\nCut: mean {statistics.fmean(cuts):+.3f}, root mean square "
        f"{np.sqrt(np.mean(np.square(cuts))):.3f} points. Errors within 1.645 stated deviations "
        f"(90 % of them should be): {sum(ratio <= 1.645 for ratio in ratios)} of {len(ratios)}, on "
        f"{len({row['source'] for row in rows})} titles.\n"
    )


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--titles", type=Path, required=True, help="folder with MANIFEST.tsv")
    parser.add_argument("--cache", type=Path, default=Path("runs/tune-cache"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    sources = [each for each in sources_of(arguments.titles, ()) if duration_s(each) >= LEAST_S]
    cells = [(each, name, crf) for each in sources for name in CRFS for crf in CRFS[name]]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = []
        for row in pool.map(lambda cell: sampled(*cell, arguments.cache), cells):
            rows.append(row)
            print(f"{len(rows)}/{len(cells)} {row['source']} {row['encoder']}", file=sys.stderr)
    if arguments.evidence:
        text = json.dumps({"schema_version": 1, "rows": rows}, indent=1) + "\n"
        write_atomic(arguments.evidence, text.encode())
    text = report(rows)
    print(text)
    if arguments.markdown:
        blocks.write(
            arguments.markdown, "sampling", text, heading="## Segments instead of the whole"
        )


if __name__ == "__main__":
    main()
