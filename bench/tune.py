"""How many encodes a tuning takes, and how often its answer holds, against other searches.

    python bench/tune.py --clips DIR --titles DIR --evidence docs/evidence/tune.json
    python bench/tune.py --report docs/evidence/tune.json --markdown docs/tune.md

Every search gets the same encoder, preset, metric, grid and frames (the whole title). Each encode
is made and scored once, kept, and charged in full, with its own wall time, to every search that
asks for it: that is a cold cache for each. `vqcast tune` never sees a curve of the title's content
group. Killed, the same command goes on from the encodes that are there.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tune_rules as rules
from scipy.stats import binomtest

from vqcast.durable.files import write_atomic
from vqcast.measured.cell import Cell
from vqcast.measured.probe import Prober
from vqcast.media.source import Source, probe
from vqcast.media.tool import find_ffmpeg
from vqcast.tuning.grid import grid_of
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import Session

PRESETS = {"libx264": "veryfast", "libx265": "superfast", "libsvtav1": "10"}
"""The encoders and presets of the race: quick ones, since every CRF near the answer is encoded."""
RIVALS: dict[str, Callable[..., float | None]] = {
    "ab-av1's rule": rules.ab_av1,
    "bisection": rules.bisection,
}
CONFIDENCE = 0.9


@dataclass
class Whole:
    """Whole-title scores of one source with one encoder; each search is charged what it asks."""

    prober: Prober
    asked: dict[float, Any] = field(default_factory=dict)

    def score(self, crf: float) -> float:
        """Mean VMAF of the whole title."""
        if crf not in self.asked:
            self.asked[crf], _ = self.prober.measure(crf)
        return float(self.asked[crf].column("vmaf").mean())

    def wall_s(self) -> float:
        """Seconds of everything that was asked for."""
        return sum(measured.wall_s for measured in self.asked.values())


def race(source: Source, encoder: str, target: float, cache: Path) -> dict[str, Any]:
    """One source, encoder and target: every search's answer and price, and the oracle's."""
    preset, tool = PRESETS[encoder], find_ffmpeg()
    prober = Prober(Cell(source, encoder, preset, 0), tool, cache)
    grid = grid_of(encoder)
    bounds = (grid.low, grid.high, grid.step)
    best = Whole(prober)
    highest = rules.oracle(best.score, target, *bounds)
    row: dict[str, Any] = {
        "source": source.name, "group": source.group, "encoder": encoder, "preset": preset,
        "target": target, "frames": source.frames, "pixels": source.width * source.height,
        "oracle": None if highest is None else _answer(best, highest, target),
        "searches": {},
    }  # fmt: skip
    for name, rule in RIVALS.items():
        whole = Whole(prober)
        crf = rule(whole.score, target, *bounds)
        row["searches"][name] = _priced(whole, crf, target, verified=True)
    asked = TuneRequest(
        encoder=encoder,
        target=target,
        preset=preset,
        confidence=CONFIDENCE,
        each=True,
        whole=True,
    )
    own = {source.group} if source.group else set()
    result = Session(asked, source, tool, cache, without=own, alone=True).run(lambda event: None)
    whole = Whole(prober)
    for each in result.probes:
        whole.score(each.crf)
    crf = None if result.status == "best_effort" else result.crf
    mine = _priced(whole, crf, target, verified=result.basis == "verified")
    mine |= {"forecast": result.score, "lower": result.lower, "upper": result.upper,
             "forecast_bytes": result.bytes, "forecaster": result.forecaster.id}  # fmt: skip
    row["searches"]["vqcast"] = mine
    return row


def _answer(whole: Whole, crf: float, target: float) -> dict[str, Any]:
    measured, _ = whole.prober.measure(crf)
    score = float(measured.column("vmaf").mean())
    return {"crf": crf, "score": score, "bytes": measured.enc_bytes, "met": score >= target}


def _priced(whole: Whole, crf: float | None, target: float, *, verified: bool) -> dict[str, Any]:
    price = {
        "probes": len(whole.asked),
        "frames": len(whole.asked) * whole.prober.source.frames,
        "wall_s": round(whole.wall_s(), 3),
        "verified": verified,
    }
    return price | ({"crf": None} if crf is None else _answer(whole, crf, target))


def sources_of(folder: Path, only: Sequence[str]) -> list[Source]:
    """The folder's videos with their content groups from MANIFEST.tsv."""
    with (folder / "MANIFEST.tsv").open(newline="", encoding="utf-8") as stream:
        entries = list(csv.DictReader(stream, delimiter="\t"))
    tool = find_ffmpeg()
    return [
        probe(folder / entry["file"], tool, group=entry["group"])
        for entry in entries
        if not only or any(word in entry["file"] for word in only)
    ]


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every race that is asked for, two at a time; finished encodes are kept in the cache."""
    rows: list[dict[str, Any]] = []
    lock = threading.Lock()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        waiting = {}
        for kind, folder in (("title", arguments.titles), ("clip", arguments.clips)):
            if folder is None:
                continue
            for source in sources_of(folder, arguments.only):
                for encoder in arguments.encoder or PRESETS:
                    for target in arguments.target:
                        future = pool.submit(race, source, encoder, target, arguments.cache)
                        waiting[future] = kind
        for count, future in enumerate(as_completed(waiting), 1):
            row = future.result() | {"kind": waiting[future]}
            with lock:
                rows.append(row)
            mine, best = row["searches"]["vqcast"], row["oracle"]
            print(
                f"{count}/{len(waiting)} {row['source']} {row['encoder']} {row['target']:g}: "
                f"{mine['crf']} after {mine['probes']}, oracle {best and best['crf']}, "
                f"ab-av1 {row['searches']['ab-av1' + chr(39) + 's rule']['probes']}",
                file=sys.stderr,
            )
    rows.sort(key=lambda row: (row["kind"], row["encoder"], row["target"], row["source"]))
    return {"schema_version": 1, "confidence": CONFIDENCE, "presets": PRESETS, "rows": rows}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Encodes, frames and time of each search, and how good its answers are."""
    lines = [
        "| encoder | search | n | probes, mean | p90 | with every answer verified, mean | frames "
        "| wall time | met | overshoot, mean | size over the oracle: mean | p95 | most |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    encoders = [name for name in PRESETS if any(row["encoder"] == name for row in rows)]
    for encoder in [*encoders, "all"]:
        mine = [row for row in rows if row["oracle"] and encoder in (row["encoder"], "all")]
        base = [row["searches"]["ab-av1's rule"] for row in mine]
        for name in ("vqcast", *RIVALS):
            own = [row["searches"][name] for row in mine]
            lines.append("| " + " | ".join(_cells(encoder, name, mine, own, base)) + " |")
    return "\n".join(lines) + "\n"


def _cells(
    encoder: str,
    name: str,
    rows: Sequence[dict[str, Any]],
    own: Sequence[dict[str, Any]],
    base: Sequence[dict[str, Any]],
) -> list[str]:
    probes = [each["probes"] for each in own]
    whole = [each["probes"] + (not each["verified"]) for each in own]
    answered = [(row, each) for row, each in zip(rows, own, strict=True) if each["crf"] is not None]
    over = [each["score"] - row["target"] for row, each in answered]
    size = [100 * (each["bytes"] / row["oracle"]["bytes"] - 1) for row, each in answered]
    frames = sum(each["frames"] for each in own) / sum(each["frames"] for each in base)
    wall = statistics.median(a["wall_s"] / b["wall_s"] for a, b in zip(own, base, strict=True))
    met = sum(each.get("met", False) for each in own)
    return [
        encoder, name, str(len(own)), f"{statistics.mean(probes):.2f}",
        f"{np.quantile(probes, 0.9):.1f}", f"{statistics.mean(whole):.2f}", f"{frames:.2f}",
        f"{wall:.2f}", f"{met}/{len(own)}", f"{statistics.mean(over):.2f}",
        f"{statistics.mean(size):.2f} %", f"{np.quantile(size, 0.95):.2f} %", f"{max(size):.2f} %",
    ]  # fmt: skip


def answers(rows: Sequence[dict[str, Any]]) -> str:
    """Answers that a whole-title probe verified, and those that are forecasts, apart."""
    lines = [
        "| answers of vqcast | n | met | share | 95 % interval, exact |",
        "|---|---:|---:|---:|---:|",
    ]
    own = [row["searches"]["vqcast"] for row in rows if row["oracle"]]
    forecasts = [each for each in own if not each["verified"] and each["crf"] is not None]
    inside = [each["lower"] <= each["score"] <= each["upper"] for each in forecasts]
    for name, held in (
        ("verified by a whole-title probe, met by construction",
         [each.get("met", False) for each in own if each["verified"]]),
        ("forecast", [each.get("met", False) for each in own if not each["verified"]]),
        ("forecasts whose measured score lies inside their interval", inside),
    ):  # fmt: skip
        lines.append(f"| {name} | {len(held)} | {sum(held)} | {_share(held)} |")
    sizes = [100 * abs(each["forecast_bytes"] / each["bytes"] - 1) for each in forecasts]
    if sizes:
        lines += ["", f"The size forecast is off by {statistics.mean(sizes):.2f} % on average, "
                  f"{np.quantile(sizes, 0.95):.2f} % at the 95th percentile, {max(sizes):.2f} % at "
                  "most."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _share(held: Sequence[bool]) -> str:
    """Share and Clopper-Pearson interval."""
    if not held:
        return "- | -"
    exact = binomtest(sum(held), len(held)).proportion_ci(0.95, method="exact")
    return (
        f"{100 * sum(held) / len(held):.1f} % | {100 * exact.low:.0f} to {100 * exact.high:.0f} %"
    )


def report(document: dict[str, Any]) -> str:
    """The page's block: titles and clips apart."""
    parts = []
    for kind, heading in (("title", "Titles"), ("clip", "Clips")):
        rows = [row for row in document["rows"] if row["kind"] == kind]
        if not rows:
            continue
        targets = ", ".join(f"{each:g}" for each in sorted({row["target"] for row in rows}))
        names = {row["source"] for row in rows}
        out = [row for row in rows if row["oracle"] is None]
        parts.append(
            f"### {heading}: {len(names)} sources, target {targets}, "
            f"confidence {document['confidence']:g}\n\n"
            + table(rows) + "\n" + answers(rows)
            + (f"\nOut of reach on the grid, and left out above: {len(out)} of {len(rows)}.\n"
               if out else "")
        )  # fmt: skip
    presets = ", ".join(f"{name} {preset}" for name, preset in document["presets"].items())
    return (
        f"Presets: {presets}. Frames and wall time are beside ab-av1's rule (frames summed, wall "
        "time the median of ratios). Size is beside the oracle's: the highest CRF of the same grid "
        "that reaches the target. The two rules verify every answer; of vqcast, the column that "
        "has every answer verified counts one more encode for each forecast.\n\n" + "\n".join(parts)
    )


def main() -> None:
    """Run the races, or write the page of those that were run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="folder with MANIFEST.tsv")
    parser.add_argument("--titles", type=Path, help="folder with MANIFEST.tsv")
    parser.add_argument("--only", action="append", default=[], help="part of a file's name")
    parser.add_argument("--encoder", action="append", choices=list(PRESETS))
    parser.add_argument("--target", type=float, action="append", help="default 93")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path("runs/tune-cache"))
    parser.add_argument("--evidence", type=Path, help="where the rows are written or added")
    parser.add_argument("--report", type=Path, help="evidence to make a page of; runs nothing")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    arguments.target = arguments.target or [93.0]
    if arguments.report:
        document = json.loads(arguments.report.read_text())
    else:
        document = run(arguments)
        if arguments.evidence:
            if arguments.evidence.exists():
                document = merged(json.loads(arguments.evidence.read_text()), document)
            text = json.dumps(document, indent=1) + "\n"
            write_atomic(arguments.evidence, text.encode())
    text = report(document)
    print(text)
    if arguments.markdown:
        from vqcast.pages import blocks

        blocks.write(arguments.markdown, "tune-bench", text, heading="## Against other searches")


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Both runs' rows; where both raced the same, the new one's."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["kind"], row["encoder"], row["target"], row["source"]

    rows = {key(row): row for row in (*old["rows"], *new["rows"])}
    return new | {"rows": [rows[each] for each in sorted(rows)]}


if __name__ == "__main__":
    main()
