"""What an encode shot by shot saves, and what it takes, on real titles.

    python bench/shots.py FILE... --work FOLDER --evidence docs/evidence/shots.json

Each objective is run as a user would, from an empty cache; then the whole title is encoded at
single CRFs about its answer, in one, until they enclose its mean and its worst second. All frames
of all encodes are scored. Seconds are wall-clock's, with processor seconds of all ffmpeg processes,
scoring included. A film of many titles is made by `bench/film.py --only films`, and scaled down.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from vqcast.documents import to_dict
from vqcast.documents.shots import ShotsResult
from vqcast.durable.files import write_atomic
from vqcast.forecast.scale import pooled
from vqcast.media.deliver import deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.in_parts import Scoring, Stop, Work, make_one
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
GRID = {"libx264": (18, 38, 4), "libsvtav1": (24, 60, 6), "libx265": (18, 38, 4)}
RIVAL_PROBES, RIVAL_BEARS = 4, 0.01
Row = dict[str, Any]


class Clock:
    """What goes by from here on."""

    def __init__(self) -> None:
        self.began, self.used = time.monotonic(), self._cpu_s()

    @staticmethod
    def _cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def told(self) -> Row:
        """Wall-clock and processor seconds."""
        return {"wall_s": round(time.monotonic() - self.began, 1),
                "cpu_s": round(self._cpu_s() - self.used, 1)}  # fmt: skip


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
        clock = Clock()
        made: ShotsResult = encode_per_shot(
            self.source, self.work / "shots.mkv", asked, objective, overwrite=True, cache=cache,
            allow_larger=True,
        )  # fmt: skip
        row = {
            "target": TARGETS[objective], "score": made.score, "mean": made.mean,
            "worst_second": made.worst_second, "video_bytes": made.output.video_bytes,
            "encodes_a_frame": made.encodes_a_frame, **clock.told(),
            "crf": made.output.crf, "shots": [to_dict(each) for each in made.shots],
        }  # fmt: skip
        row["missed"] = max(abs(each.score - row["target"]) for each in made.shots if each.selected)
        return row

    def single(self, crf: float) -> Row:
        """The whole title at one CRF, in one."""
        planned = plan(self.source, self.entry, self.work / "one.mkv", self.tool, overwrite=True)
        clock = Clock()
        made = deliver(
            self.source, planned, self.preset, crf, self.tool, scoring=Scoring(),
            threads=plan_threads(usable_cores(), 1),
        )  # fmt: skip
        scores = made.scores
        if scores is None:  # sound goes with it, so it is scored afterwards
            scores = measure_delivered(self.source, made, self.tool, threads=usable_cores())
        fps = self.source.fps or 25.0
        return {
            "crf": crf, "video_bytes": made.video_bytes, **clock.told(),
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
        stop = Stop(None)
        for part in shots(self.source, self.entry, self.tool).parts:
            made.append(make_one(work, part, Threads(), stop, lambda step, frames: None))
        columns = {"vmaf": np.concatenate([each.kept.scores["vmaf"] for each in made])}
        fps = self.source.fps or 25.0
        shutil.rmtree(kept.folder)
        return {
            "crf": crf, "video_bytes": sum(each.bytes for each in made),
            "mean": round(pooled(VMAF, columns, "mean", fps), 4),
            "worst_second": round(pooled(VMAF, columns, "worst-second", fps), 4),
        }  # fmt: skip

    def grid(self) -> list[Row]:
        """Every shot at CRFs six or four apart: on these what others would do is played."""
        kept, stop, rows = Parts(self.work / "parts"), Stop(None), []
        kept.folder.mkdir(exist_ok=True)
        low, high, step = GRID[self.name]
        for crf in np.arange(low, high + step / 2, step):
            work = Work(self.source, self.entry, self.preset, float(crf), self.tool, kept,
                        Scoring(), stitched=True)  # fmt: skip
            for number, part in enumerate(shots(self.source, self.entry, self.tool).parts):
                made = make_one(work, part, Threads(), stop, lambda step, frames: None)
                vmaf = {"vmaf": np.array(made.kept.scores["vmaf"])}
                fps = self.source.fps or 25.0
                rows.append({
                    "shot": number, "frames": part.frames, "crf": float(crf), "bytes": made.bytes,
                    "mean": round(pooled(VMAF, vmaf, "mean", fps), 3),
                    "worst": round(pooled(VMAF, vmaf, "worst-second", fps), 3),
                })  # fmt: skip
        shutil.rmtree(kept.folder)
        return rows

    def plain(self) -> Row:
        """Tune and encode at one CRF, as `vqcast encode` does."""
        cache = self.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        asked = TuneRequest(encoder=self.name, preset=self.preset, target=TARGETS["pooled"])
        clock = Clock()
        made = encode(
            self.source, self.work / "plain.mkv", asked, overwrite=True, cache=cache,
            allow_larger=True,
        )  # fmt: skip
        return {"crf": made.crf, "score": made.score, "video_bytes": made.video_bytes,
                **clock.told()}  # fmt: skip

    def bare(self, crf: float) -> Row:
        """One encode of the title on all cores, not scored."""
        planned = plan(self.source, self.entry, self.work / "one.mkv", self.tool, overwrite=True)
        clock = Clock()
        deliver(
            self.source, planned, self.preset, crf, self.tool,
            threads=plan_threads(usable_cores(), 1),
        )  # fmt: skip
        return {"crf": crf, **clock.told()}


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
    if "bare" not in row:
        row["bare"] = bench.bare(row["joined"]["crf"])
        save()
    if plain and "plain" not in row:
        row["plain"] = bench.plain()
        save()


@dataclass(frozen=True)
class Curves:
    """The shots of a grid, interpolated: monotone cubics of score and log2 of the bytes."""

    frames: Any
    crfs: Any
    mean: Any
    """``[shots, crfs]``, as the others."""
    worst: Any
    bytes: Any

    @classmethod
    def of(cls, rows: list[Row]) -> Curves:
        """From a grid's rows."""
        crfs = np.array(sorted({row["crf"] for row in rows}))
        fine = np.arange(crfs[0], crfs[-1] + 0.1, 0.25)
        numbers = sorted({row["shot"] for row in rows})
        by = {(row["shot"], row["crf"]): row for row in rows}

        def curve(key: str, number: int) -> Any:
            values = np.array([by[number, crf][key] for crf in crfs], float)
            values = np.log2(values) if key == "bytes" else values
            found = PchipInterpolator(crfs, values)(fine)
            return 2**found if key == "bytes" else found

        mean, worst, size = (
            np.array([curve(key, number) for number in numbers])
            for key in ("mean", "worst", "bytes")
        )
        frames = np.array([by[number, crfs[0]]["frames"] for number in numbers], float)
        return cls(frames, fine, mean, worst, size)

    def single(self, key: str, value: float) -> float:
        """Bytes of the same shots at the one CRF that gives a score."""
        one = self.frames @ self.mean / self.frames.sum() if key == "mean" else self.worst.min(0)
        return float(2 ** np.interp(-value, -one, np.log2(self.bytes.sum(0))))

    def field(self, target: float) -> Row:
        """Up to four probes a shot, two by halves and two by interpolation, within 1 %."""
        chosen, encodes = [], 0.0
        for shot, frames in enumerate(self.frames):
            low, high, seen = 0, len(self.crfs) - 1, {}
            for number in range(RIVAL_PROBES):
                at = (low + high) // 2
                if number >= 2:
                    ordered = sorted(seen.items(), key=lambda each: -each[0])
                    places, scores = zip(*ordered, strict=True)
                    at = round(float(np.interp(target, scores, places)))
                    if at in seen:
                        break
                seen[at] = self.mean[shot, at]
                if abs(seen[at] - target) <= RIVAL_BEARS * target:
                    break
                low, high = (at, high) if seen[at] > target else (low, at)
            encodes += frames * (len(seen) + 1)
            chosen.append(min(seen, key=lambda at: abs(seen[at] - target)))
        return self._told(np.array(chosen), encodes / self.frames.sum())

    def best(self, target: float) -> Row:
        """Equal slope over shots, all curves known."""
        low, high = 1e-6, 1e12
        for _ in range(80):
            slope = (low * high) ** 0.5
            at = (self.bytes - slope * self.frames[:, None] * self.mean).argmin(1)
            reached = self.frames @ self.mean[range(len(at)), at] / self.frames.sum()
            low, high = (slope, high) if reached < target else (low, slope)
        return self._told(at, 0.0)

    def best_worst(self, target: float) -> Row:
        """The highest CRF of each shot whose worst second reaches the target."""
        fit = self.worst >= target
        return self._told(np.maximum(fit.sum(1) - 1, 0), 0.0)

    def _told(self, at: Any, encodes: float) -> Row:
        rows = range(len(at))
        mean = float(self.frames @ self.mean[rows, at] / self.frames.sum())
        worst, size = float(self.worst[rows, at].min()), float(self.bytes[rows, at].sum())
        return {
            "mean": mean, "worst": worst, "encodes": encodes,
            "saves_mean": 1 - size / self.single("mean", mean),
            "saves_worst": 1 - size / self.single("worst", worst),
        }  # fmt: skip


GOALS = {"pooled": 5.0, "worst": 15.0}
ENCODES, LANDING, TIME = 1.3, 0.1, 1.5


def runs(document: Row) -> list[Row]:
    """Every run with what the table says of it."""
    found = []
    for title, encoders in document["titles"].items():
        for name, row in encoders.items():
            for objective, made in row.get("per_shot", {}).items():
                key = "worst_second" if objective == "worst" else "mean"
                size = made["video_bytes"] / at_equal(row["single"], key, made[key])
                found.append(
                    made | {"title": title, "encoder": name, "objective": objective,
                            "saved": 100 * (1 - size), "over": made[key] - made["target"],
                            "time": made["wall_s"] / row["bare"]["wall_s"]}
                )  # fmt: skip
    return found


def summary(found: list[Row]) -> str:
    """What was aimed at, and what came out."""

    def span(values: list[float], digits: int) -> str:
        low, high = (f"{each:.{digits}f}" for each in (min(values), max(values)))
        return low if low == high else f"{low} to {high}"

    words = []
    for objective, goal in GOALS.items():
        saved = [run["saved"] for run in found if run["objective"] == objective]
        if saved:
            words.append(
                f"`{objective}` saves {span(saved, 1)} % of the bytes (aimed at: {goal:g} %; "
                f"reached in {sum(each >= goal for each in saved)} of {len(saved)} runs)"
            )
    for name, key, most, digits in (
        ("encodes of each frame", "encodes_a_frame", ENCODES, 2),
        ("points above the target", "over", LANDING, 2),
        ("times the wall-clock time of one plain encode", "time", TIME, 2),
    ):
        values = [run[key] for run in found]
        within = sum(each <= most + 1e-9 for each in values)
        words.append(
            f"{span(values, digits)} {name} (aimed at: {most:g} at most; {within} of {len(values)})"
        )
    below = sum(run["over"] < 0 for run in found)
    ends = "no run ended below its target" if not below else f"{below} runs ended below"
    return f"In {len(found)} runs: {'; '.join(words)}; {ends}."


def report(document: Row) -> str:
    """The page's block."""
    found = runs(document)
    lines = [
        summary(found), "",
        f"`bench/shots.py`, {document['cores']} cores; VMAF v0.6.1 of every frame. Bytes are those "
        "of the video, cuts and joins included, against one CRF for the whole title, encoded in "
        "one, at the same score.", "",
        "| title | encoder | objective | asked | mean | worst second | bytes | encodes a frame | "
        "wall |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for run in found:
        lines.append(
            f"| {run['title']} | {run['encoder']} {PRESETS[run['encoder']]} | {run['objective']} | "
            f"{run['target']:g} | {run['mean']:.2f} | {run['worst_second']:.2f} | "
            f"{-run['saved']:+.1f} % | {run['encodes_a_frame']:.2f} | {run['time']:.2f} |"
        )
    lines += ["", "Wall: over that of one encode of the whole title at a single CRF on all cores, "
              "which is not scored. Each was run once, alone on the machine."]  # fmt: skip
    for title, encoders in document["titles"].items():
        for name, row in encoders.items():
            lines += _beside(title, name, row) if row.get("per_shot") else []
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
        ours = row["per_shot"]["pooled"]["wall_s"] / plain["wall_s"]
        words.append(
            f"`vqcast encode` without `--per-shot`: CRF {plain['crf']:g}, {plain['score']:.2f}, "
            f"{plain['wall_s']:.0f} s, probes included; `pooled` takes {ours:.2f} of that."
        )
    if (grid := row.get("grid")) is not None:
        curves = Curves.of(grid)
        field, best = curves.field(TARGETS["even"]), curves.best(TARGETS["pooled"])
        worst = curves.best_worst(TARGETS["worst"])
        words.append(
            f"Played on curves measured at {len({each['crf'] for each in grid})} CRFs a shot, "
            "against the same shots at one CRF: the field's probes (each shot within 1 % of "
            f"{TARGETS['even']:g}) save {100 * field['saves_mean']:.1f} % at equal mean and "
            f"{100 * field['saves_worst']:.1f} % at equal worst second, with "
            f"{field['encodes']:.1f} encodes of each frame, the last one included; knowing every "
            f"curve would save {100 * best['saves_mean']:.1f} % for the mean and "
            f"{100 * worst['saves_worst']:.1f} % for the worst second."
        )
    return ["", f"{title}, {name}: " + " ".join(words)] if words else []


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--encoder", default="libsvtav1", choices=sorted(PRESETS))
    parser.add_argument("--objectives", default="pooled,worst,even")
    parser.add_argument("--grid", action="store_true", help="Also every shot at many CRFs.")
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
        if given.grid and "grid" not in row:
            row["grid"] = bench.grid()
            save()
    if given.markdown is not None:
        blocks.write(given.markdown, "bench/shots.py", report(document))


if __name__ == "__main__":
    main()
