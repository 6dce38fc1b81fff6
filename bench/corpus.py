"""How fast a corpus is built: ``vqcast corpus build`` against the plain way, in one run.

    python bench/corpus.py --clips DIR --markdown docs/performance.md

The plain way, one cell after another: encode to a file, decode source and encode to raw
YUV on disk, score the two on one thread. Both measure the same cells with the same encoder
arguments and take turns; every feature of every frame must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vqcast.corpus.plan import plan
from vqcast.measured.cell import Cell
from vqcast.media.encoders import encoder
from vqcast.media.source import probe
from vqcast.media.threads import usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.vocab import FEATURES

QUALITIES = {"libx264": (21, 36), "libsvtav1": (25, 55), "libx265": (21, 36)}
GOAL, TOLERANCE = 2.0, 1e-6


@dataclass(frozen=True)
class Turn:
    """One way's measured turn."""

    wall_s: float
    cpu_s: float
    peak_disk_bytes: int


def watched(folder: Path, work: Callable[[], Any]) -> tuple[Turn, Any]:
    """Run ``work``: seconds, its children's processor seconds, the most that ``folder`` held."""
    most, stop = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not stop.wait(0.02):
            held = 0
            for parent, _, names in os.walk(folder):  # which passes over what is gone meanwhile
                for name in names:
                    with suppress(OSError):
                        held += os.stat(os.path.join(parent, name)).st_blocks * 512
            most = max(most, held)

    thread = threading.Thread(target=look)
    thread.start()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    try:
        result = work()
    finally:
        wall_s = time.perf_counter() - start
        stop.set()
        thread.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Turn(wall_s, cpu_s, most), result


Scores = dict[tuple[str, str, float], list[list[float]]]


def plain(cells: list[Cell], folder: Path) -> Scores:
    """As one would write it down: three decodes' worth of files, one thread, no overlap."""
    ffmpeg = [str(find_ffmpeg().path), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]

    def run(*words: object) -> None:
        environment = os.environ | {"SVT_LOG": "1"}
        subprocess.run([*ffmpeg, *map(str, words)], check=True, cwd=folder, env=environment)

    scores: Scores = {}
    for cell in cells:
        source, depth = cell.source, cell.depth
        pix_fmt = "yuv420p" if depth == 8 else "yuv420p10le"
        options = encoder(cell.encoder).options(cell.cq, cell.preset, source.depth)
        raw = ("-fps_mode", "passthrough", "-pix_fmt", pix_fmt, "-f", "rawvideo")
        read = ("-f", "rawvideo", "-video_size", f"{source.width}x{source.height}")
        read += ("-pixel_format", pix_fmt, "-framerate", "25")
        one = ("-threads", 1)
        run(*one, "-i", source.path, "-fps_mode", "passthrough", *options, "encoded.mp4")
        run(*one, "-i", source.path, *raw, "reference.yuv")
        run(*one, "-i", "encoded.mp4", *raw, "distorted.yuv")
        graph = "libvmaf=model='version=vmaf_v0.6.1':log_fmt=json:log_path=log.json:n_threads=1"
        run(*read, "-i", "distorted.yuv", *read, "-i", "reference.yuv",
            "-filter_complex_threads", 1, "-lavfi", graph, "-f", "null", "-")  # fmt: skip
        frames = json.loads((folder / "log.json").read_bytes())["frames"]
        metrics = [frame["metrics"] for frame in frames]
        names = ["vmaf", *(f"integer_{name}" for name in FEATURES)]
        key = (source.name, cell.encoder, float(cell.cq))
        scores[key] = [[metric[name] for name in names] for metric in metrics]
    return scores


def built(clips: list[Path], jobs: int, folder: Path) -> Scores:
    """The command line, from nothing: its start and the reading of sources included."""
    out = folder / "c.jsonl"
    words = [sys.executable, "-m", "vqcast.cli.main", "corpus", "build", *map(str, clips)]
    for name, qualities in QUALITIES.items():
        words += ["--encoder", name, "--cq", f"{name}:{','.join(map(str, qualities))}"]
    words += ["--no-v1", "--jobs", str(jobs), "--out", str(out)]
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    subprocess.run(words, check=True, env=environment, stdout=sys.stderr, stderr=sys.stderr)
    scores: Scores = {}
    for line in out.read_text().splitlines():
        row = json.loads(line)
        key = (row["src"], row["encoder"], float(row["cq"]))
        scores.setdefault(key, []).append([row["vmaf"], *(row[name] for name in FEATURES)])
    return scores


def farthest(one: Scores, two: Scores) -> float:
    """The largest difference of any number; infinite where cells or frames differ."""
    if one.keys() != two.keys() or any(len(one[key]) != len(two[key]) for key in one):
        return float("inf")
    return max(
        abs(a - b)
        for key in one
        for left, right in zip(one[key], two[key], strict=True)
        for a, b in zip(left, right, strict=True)
    )


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rounds = result["rounds"]

    def median(way: str, what: str) -> float:
        return statistics.median(turn[way][what] for turn in rounds)

    def row(label: str, way: str) -> str:
        disk = median(way, "peak_disk_bytes") / 2**20
        return (
            f"| {label} | {median(way, 'wall_s'):.1f} s | {median(way, 'cpu_s'):.1f} s "
            f"| {disk:.1f} MiB |"
        )

    wall, cpu = (median("plain", w) / median("build", w) for w in ("wall_s", "cpu_s"))
    load = ", ".join(f"{turn['load']:.1f}" for turn in rounds)
    lines = [
        f"Measured on {result['machine']}, {result['cores']} cores: {result['cells']} cells, "
        f"{result['frames']} frames ({', '.join(result['clips'])}; {', '.join(QUALITIES)}, two "
        f"qualities each, VMAF v0.6.1). Medians of {len(rounds)} rounds in which both took turns; "
        f"load average before each: {load}.",
        "",
        "| | wall time | processor time | most on disk |",
        "|---|---:|---:|---:|",
        row("the plain way, one cell after another", "plain"),
        row(f"`vqcast corpus build`, {result['jobs']} jobs", "build"),
        "",
        f"Ratio of medians: {wall:.2f} x by wall time (goal {GOAL:.0f} x: "
        f"{'met' if wall >= GOAL else 'not met'}), {cpu:.2f} x by processor time. Largest "
        f"difference of any score or feature: {result['difference']:.1e}.",
        "",
        *(
            [
                "Other work ran beside it, and wall time then favours the way that runs more at "
                f"once. By processor time alone, {result['jobs']} free cores would give "
                f"{result['jobs'] * cpu:.1f} x.",
                "",
            ]
            if max(turn["load"] for turn in rounds) > 1.0
            else []
        ),
        "The processor time of a cell is the encode and the score; the build decodes a small "
        "source once for all its cells, scores without raw files of the encode, and pays for "
        "Python's start and for counting each source's frames. The plain way leaves out every "
        "check.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse, measure, compare, print, write; exit code 1 where the results differ."""
    parser = argparse.ArgumentParser(description="Race the corpus build against the plain way.")
    add = parser.add_argument
    add("--clips", type=Path, required=True, help="a folder of .mkv clips")
    add("--names", nargs="+", default=["bee_flower", "park_chase", "roof_pan"], help="their stems")
    add("--rounds", type=int, default=3, help="how often both take turns")
    add("--jobs", type=int, default=2, help="cells at a time in the build")
    add("--json", type=Path, help="write all figures to this file")
    add("--markdown", type=Path, help="write the table into this file")
    options = parser.parse_args()
    tool = find_ffmpeg()
    clips = [(options.clips / f"{name}.mkv").resolve() for name in options.names]
    cells = plan([probe(clip, tool) for clip in clips], QUALITIES, {})
    rounds, difference = [], 0.0
    for number in range(options.rounds):
        turn: dict[str, Any] = {"load": os.getloadavg()[0]}
        scores = {}
        for way in ("plain", "build") if number % 2 == 0 else ("build", "plain"):
            with tempfile.TemporaryDirectory(prefix="vqcast-race-") as name:
                folder = Path(name)
                work = (
                    partial(plain, cells) if way == "plain" else partial(built, clips, options.jobs)
                )
                measured, scores[way] = watched(folder, partial(work, folder))
            turn[way] = asdict(measured)
        difference = max(difference, farthest(scores["plain"], scores["build"]))
        rounds.append(turn)
    result = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "ffmpeg": re.sub(r"[^\w.+-].*", "", tool.version),
        "clips": options.names,
        "cells": len(cells),
        "frames": sum(cell.source.frames for cell in cells),
        "jobs": options.jobs,
        "rounds": rounds,
        "difference": difference,
    }
    text = table(result)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        blocks.write(options.markdown, "bench/corpus.py", text, heading="## Building a corpus")
    sys.exit(0 if difference <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
