"""What an encode shot by shot saves, and what it takes, on real titles.

    python bench/shots.py FILE... --work FOLDER --evidence docs/evidence/shots.json

Each objective is run as a user would, from an empty cache; then the whole title is encoded at
single CRFs about its answer, in one, until they enclose its mean and its worst second. All frames
of all encodes are scored. Processor seconds are those of all ffmpeg processes, scoring included.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np

from vqcast.documents import to_dict
from vqcast.documents.shots import ShotsResult
from vqcast.durable.files import write_atomic
from vqcast.forecast.scale import pooled
from vqcast.media.deliver import deliver, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.in_parts import Scoring, Work, make_one
from vqcast.media.parts import Parts
from vqcast.media.shots import shots
from vqcast.media.source import Source, probe
from vqcast.media.threads import Threads, usable_cores
from vqcast.media.threads import plan as plan_threads
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.metric import VMAF
from vqcast.pages import blocks
from vqcast.tuning.encode import encode
from vqcast.tuning.per_shot import encode_per_shot
from vqcast.tuning.request import TuneRequest

PRESETS = {"libx264": "veryfast", "libsvtav1": "10", "libx265": "superfast"}
TARGETS = {"pooled": 93.0, "even": 93.0, "worst": 85.0}
STEP = {"libx264": 1.5, "libsvtav1": 3.0, "libx265": 2.0}
RIVAL_PROBES, RIVAL_BEARS = 4, 0.01
Row = dict[str, Any]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench:
    """One title with one encoder."""

    def __init__(self, path: Path, name: str, tool: Tool, work: Path) -> None:
        self.name, self.tool, self.work = name, tool, work
        self.preset = PRESETS[name]
        self.source: Source = probe(path, tool)
        self.entry = ENCODERS[name]

    def per_shot(self, objective: Any) -> Row:
        """One run from an empty cache."""
        cache = self.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        asked = TuneRequest(encoder=self.name, preset=self.preset, target=TARGETS[objective])
        before = _cpu_s()
        made: ShotsResult = encode_per_shot(
            self.source, self.work / "shots.mkv", asked, objective, overwrite=True, cache=cache,
            allow_larger=True,
        )  # fmt: skip
        row = {
            "target": TARGETS[objective], "score": made.score, "mean": made.mean,
            "worst_second": made.worst_second, "video_bytes": made.output.video_bytes,
            "encodes_a_frame": made.encodes_a_frame, "cpu_s": round(_cpu_s() - before, 1),
            "crf": made.output.crf, "shots": [to_dict(each) for each in made.shots],
        }  # fmt: skip
        row["missed"] = max(abs(each.score - row["target"]) for each in made.shots if each.selected)
        return row

    def single(self, crf: float) -> Row:
        """The whole title at one CRF, in one."""
        planned = plan(self.source, self.entry, self.work / "one.mkv", self.tool, overwrite=True)
        before = _cpu_s()
        made = deliver(
            self.source, planned, self.preset, crf, self.tool, scoring=Scoring(),
            threads=plan_threads(usable_cores(), 1),
        )  # fmt: skip
        scores = made.scores
        if scores is None:  # sound goes with it, so it is scored afterwards
            from vqcast.media.deliver import measure_delivered

            scores = measure_delivered(self.source, made, self.tool, threads=usable_cores())
        fps = self.source.fps or 25.0
        return {
            "crf": crf, "video_bytes": made.video_bytes, "cpu_s": round(_cpu_s() - before, 1),
            "mean": round(pooled(VMAF, scores.columns, "mean", fps), 4),
            "worst_second": round(pooled(VMAF, scores.columns, "worst-second", fps), 4),
        }  # fmt: skip

    def enclose(self, rows: list[Row], key: str, target: float, start: float) -> None:
        """Encode at single CRFs until some lie on either side of ``target``."""
        step, low, high = STEP[self.name], *self.entry.search_range[:2]
        crf = float(round(start)) if not rows else None
        while True:
            if crf is None:
                above = [row["crf"] for row in rows if row[key] >= target]
                below = [row["crf"] for row in rows if row[key] < target]
                if above and below:
                    return
                crf = max(row["crf"] for row in rows) + step if above else None
                crf = min(row["crf"] for row in rows) - step if crf is None else crf
            crf = min(max(round(crf * 2) / 2, low), high)
            if any(row["crf"] == crf for row in rows):
                return
            rows.append(self.single(crf))
            crf = None

    def joined(self, crf: float) -> Row:
        """The shots at one CRF: what cutting and joining alone cost."""
        kept, made = Parts(self.work / "parts"), []
        kept.folder.mkdir(exist_ok=True)
        work = Work(self.source, self.entry, self.preset, crf, self.tool, kept, Scoring(),
                    stitched=True)  # fmt: skip
        stop = threading.Event()
        for part in shots(self.source, self.entry, self.tool).parts:
            made.append(make_one(work, part, Threads(), stop, lambda step, frames: None))  # type: ignore[arg-type]
        columns = {"vmaf": np.concatenate([each.kept.scores["vmaf"] for each in made])}
        fps = self.source.fps or 25.0
        shutil.rmtree(kept.folder)
        return {
            "crf": crf, "video_bytes": sum(each.bytes for each in made),
            "mean": round(pooled(VMAF, columns, "mean", fps), 4),
            "worst_second": round(pooled(VMAF, columns, "worst-second", fps), 4),
        }  # fmt: skip

    def plain(self) -> Row:
        """Tune and encode at one CRF, as `vqcast encode` does."""
        cache = self.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        asked = TuneRequest(encoder=self.name, preset=self.preset, target=TARGETS["pooled"])
        before = _cpu_s()
        made = encode(
            self.source, self.work / "plain.mkv", asked, overwrite=True, cache=cache,
            allow_larger=True,
        )  # fmt: skip
        return {"crf": made.crf, "score": made.score, "video_bytes": made.video_bytes,
                "cpu_s": round(_cpu_s() - before, 1)}  # fmt: skip


def at_equal(rows: list[Row], key: str, value: float) -> float:
    """Bytes of the best single CRF at a score, by the two that enclose it, on a log scale."""
    ordered = sorted(rows, key=lambda row: row[key])
    scores = [row[key] for row in ordered]
    return float(2 ** np.interp(value, scores, np.log2([row["video_bytes"] for row in ordered])))


def measure(bench: Bench, row: Row, objectives: list[str], *, plain: bool, save: Any) -> None:
    """Fill in what is missing of one title's row."""
    for objective in objectives:
        if objective not in row.setdefault("per_shot", {}):
            row["per_shot"][objective] = bench.per_shot(objective)
            save()
    singles = row.setdefault("single", [])
    for objective, made in row["per_shot"].items():
        key = "worst_second" if objective == "worst" else "mean"
        bench.enclose(singles, key, made[key], made["crf"])
        save()
    if "joined" not in row:
        middle = sorted(each["crf"] for each in singles)[len(singles) // 2]
        row["joined"] = bench.joined(middle)
        save()
    if plain and "plain" not in row:
        row["plain"] = bench.plain()
        save()


def report(document: Row) -> str:
    """The page's block."""
    lines = [
        f"`bench/shots.py`, {document['cores']} cores; VMAF v0.6.1 of every frame. Bytes are those "
        "of the video, against one CRF for the whole title at the same score.", "",
        "| title | encoder | objective | asked | mean | worst second | bytes | encodes a frame | "
        "processor time |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for title, encoders in document["titles"].items():
        for name, row in encoders.items():
            for objective, made in row["per_shot"].items():
                key = "worst_second" if objective == "worst" else "mean"
                bytes_ = made["video_bytes"] / at_equal(row["single"], key, made[key]) - 1
                one = np.mean([each["cpu_s"] for each in row["single"]])
                lines.append(
                    f"| {title} | {name} {PRESETS[name]} | {objective} | {made['target']:g} | "
                    f"{made['mean']:.2f} | {made['worst_second']:.2f} | {100 * bytes_:+.1f} % | "
                    f"{made['encodes_a_frame']:.2f} | {made['cpu_s'] / one:.2f} |"
                )
    lines += ["", "Processor time: over that of one encode of the whole title at a single CRF, "
              "scored; no probes."]  # fmt: skip
    for title, encoders in document["titles"].items():
        for name, row in encoders.items():
            lines += _beside(title, name, row)
    return "\n".join(lines) + "\n"


def _beside(title: str, name: str, row: Row) -> list[str]:
    words = []
    if (cut := row.get("joined")) is not None:
        whole = next(each for each in row["single"] if each["crf"] == cut["crf"])
        equal = cut["video_bytes"] / at_equal(row["single"], "mean", cut["mean"]) - 1
        words.append(
            f"{len({each['shot'] for each in next(iter(row['per_shot'].values()))['shots']})} "
            f"shots at CRF {cut['crf']:g}, joined, against the title in one: "
            f"{100 * (cut['video_bytes'] / whole['video_bytes'] - 1):+.1f} % bytes, "
            f"{cut['mean'] - whole['mean']:+.2f} points; {100 * equal:+.1f} % at equal mean."
        )
    if (plain := row.get("plain")) is not None:
        ours = row["per_shot"]["pooled"]["cpu_s"] / plain["cpu_s"]
        words.append(
            f"`vqcast encode` without `--per-shot`: CRF {plain['crf']:g}, {plain['score']:.2f}, "
            f"{plain['cpu_s']:.0f} processor seconds, probes included; `pooled` takes "
            f"{ours:.2f} of that."
        )
    return ["", f"{title}, {name}: " + " ".join(words)] if words else []


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--encoder", default="libsvtav1", choices=sorted(PRESETS))
    parser.add_argument("--objectives", default="pooled,worst,even")
    parser.add_argument("--plain", action="store_true", help="Also tune and encode plainly.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "cores": usable_cores(), "titles": {}}
    if given.evidence.exists():
        document = json.loads(given.evidence.read_text())
    tool = find_ffmpeg()
    given.work.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        write_atomic(given.evidence, json.dumps(document, indent=1).encode() + b"\n")

    for path in given.titles:
        bench = Bench(path, given.encoder, tool, given.work)
        row = document["titles"].setdefault(bench.source.name, {}).setdefault(given.encoder, {})
        measure(bench, row, given.objectives.split(","), plain=given.plain, save=save)
    if given.markdown is not None:
        blocks.write(given.markdown, "bench/shots.py", report(document))


if __name__ == "__main__":
    main()
