"""How fast scoring is: the fused graph, five sessions, and libvmaf itself, in one run.

    python bench/predict.py --markdown docs/performance.md

All ways take turns in every round, and the ratios are medians over the rounds.
Five sessions are timed three times: behind ``vqcast.serve.predictor``, whose
checks and codec block are in its time; with the leanest NumPy that gives what
the fused graph gives (score, spread, interval); and bare, giving five scores.
Processor time is kept too, since other load hardly changes it. The fused
graph is the registry's own where it has one, else it is built from the
members. Frames and calibration are generated from a fixed seed: the time does
not depend on their values.
"""

# ruff: noqa: E402 - thread counts are read when NumPy is imported

from __future__ import annotations

import os

for _library in ("OPENBLAS", "MKL", "OMP", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from vqcast.durable.files import sha256_bytes
from vqcast.interval import Calibration, LevelQuantile
from vqcast.media import measure
from vqcast.media.run import run
from vqcast.media.source import probe
from vqcast.media.threads import usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.regressor import graph
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder, packaged_registry
from vqcast.serve.guard import CheckedGraph
from vqcast.serve.predictor import Networks, Predictor
from vqcast.vocab import FEATURES

BATCHES = (1, 48, 1_000, 100_000)
PIECE = 1_000
"""A larger batch is cut into pieces of so many frames, which stay in the cache."""
TARGET_S = 0.1
"""About so long each measurement of a small batch repeats its call."""
GOAL_BATCH, GOAL_RATIO = 48, 3.0
GOAL_FRAMES_PER_S = 1_000_000
GOAL_START_S = 0.6
CLIP_SIZE, CLIP_FRAMES = "640x360", 60
MODEL_ID = f"{ENSEMBLE.id}_mean"

Table = np.ndarray[Any, np.dtype[np.float32]]
Way = Callable[[Table, Table], object]

START_FUSED = """
import sys
from vqcast.serve.guard import CheckedGraph
import numpy as np
path, sha256, inputs, outputs = sys.argv[1:]
data = open(path, "rb").read()
session = CheckedGraph(data, sha256=sha256, input_names=inputs.split(","),
                  output_names=outputs.split(","), where=path)
codec = np.zeros((1, 14), np.float32)
codec[0, 0] = 1
session.run(np.ones((1, 6), np.float32), codec)
print("done", flush=True)
"""
START_LOAD = """
import sys
from pathlib import Path
from vqcast.serve.load import load
predictor = load(sys.argv[1], Path(sys.argv[2]))
predictor.predict([[1.0] * 6], encoder="libx264", cq=28, preset="medium")
print("done", flush=True)
"""


@dataclass(frozen=True)
class Ensemble:
    """The fused graph and what it is made of."""

    fused_bytes: bytes
    fused: CheckedGraph
    members: list[CheckedGraph]
    predictor: Predictor
    feature_mean: np.ndarray[Any, np.dtype[np.float64]]
    feature_std: np.ndarray[Any, np.dtype[np.float64]]
    calibration: Calibration

    def one_graph(self, features: Table, codec: Table) -> object:
        """Score, spread and bounds by the fused graph."""
        return self.fused.run(features, codec)

    def five_predicted(self, features: Table, codec: Table) -> object:
        """The same by the predictor of five members, for frames of one encode."""
        found = self.predictor.predict(
            features, encoder=ENSEMBLE.vocabulary[0], crf_norm=float(codec[0, -1]), preset="medium"
        )
        mean, std = found.mean, found.std
        bounds = self.calibration.interval(mean, std, features.astype(np.float64), graph.LEVEL)
        return self.calibration.centre(mean), std, bounds

    def five_sessions(self, features: Table, codec: Table) -> object:
        """The same by five sessions and as little else as can be."""
        table = features.astype(np.float64)
        scaled = ((table - self.feature_mean) / self.feature_std).astype(np.float32)
        scores = [session.run(scaled, codec)[0].astype(np.float64) for session in self.members]
        members = np.clip(np.stack(scores), 0.0, 100.0)
        mean, std = members.mean(axis=0), members.std(axis=0, ddof=1)
        lower, upper = self.calibration.interval(mean, std, table, graph.LEVEL)
        return self.calibration.centre(mean), std, lower, upper

    def five_bare_scores(self, features: Table, codec: Table) -> object:
        """Five scores of features that were standardised before, and nothing else."""
        return [session.run(features, codec) for session in self.members]


def stand_in_calibration() -> Calibration:
    """A calibration of the real one's shape; its values do not change the time."""
    return Calibration(
        knots=(20.0, 40.0, 60.0, 75.0, 85.0, 92.0, 97.0, 100.0),
        corrections=(2.0, 1.0, 0.5, 0.0, 0.0, -0.5, -1.0, -1.0),
        spread_floor=0.5,
        difficulty_start=80.0,
        difficulty_span=45.0,
        feature_mean=(0.95, 0.63, 0.86, 0.91, 0.94, 3.7),
        whitening=tuple(map(tuple, np.eye(len(FEATURES)).tolist())),
        distance_limit=6.0,
        distance_gain=3.0,
        unseen_slot_factor=4.0,
        frame=(LevelQuantile(graph.LEVEL, 0.5),),
        pooled=(LevelQuantile(graph.LEVEL, 0.5),),
        n_groups=9,
        n_cells=9,
        n_rows=9,
    )


def ensemble(registry: Path) -> Ensemble:
    """The registry's ensemble, and its fused graph: the registry's own or a new one."""
    folder = Folder(registry)
    folder.require_whole()
    calibration = stand_in_calibration()
    sessions, networks, infos = [], [], []
    for seed in ENSEMBLE.seeds:
        row = folder.row(ENSEMBLE.member_id(seed))
        data = folder.files[row.onnx]
        sessions.append(session_of(data, [ENSEMBLE.output]))
        infos.append(folder.info(row))
        graph = onnx.ModelProto.FromString(data).graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        depth = sum(name.startswith("w") for name in values)
        networks.append([(values[f"w{index}"], values[f"b{index}"]) for index in range(depth)])
    info = infos[0]
    mean, std = np.array(info.feature_mean), np.array(info.feature_std)
    data = folder.files.get(f"{MODEL_ID}.onnx") or graph.build_ensemble(
        networks, mean, std, calibration, info.slot_rows or {}, ENSEMBLE, MODEL_ID
    )
    session = session_of(data, graph.OUTPUTS)
    five = Networks(tuple(infos), tuple(sessions), size=len(sessions))
    predictor = Predictor(ENSEMBLE.id, five)
    return Ensemble(data, session, sessions, predictor, mean, std, calibration)


def session_of(data: bytes, outputs: Sequence[str]) -> CheckedGraph:
    """One checked graph on one thread."""
    return CheckedGraph(
        data,
        sha256=sha256_bytes(data),
        input_names=ENSEMBLE.input_names,
        output_names=outputs,
        where="bench",
    )


def made_frames(rows: int) -> tuple[Table, Table]:
    """``rows`` random frames: features and codec block."""
    random = np.random.default_rng(0)
    codec = np.zeros((rows, ENSEMBLE.num_codecs), np.float32)
    codec[:, 0] = 1
    codec[:, -2:] = random.random((rows, 2))
    return random.random((rows, len(FEATURES)), dtype=np.float32), codec


def frames_per_s(
    way: Way, batch: int, threads: int, pool: ThreadPoolExecutor
) -> tuple[float, float]:
    """Frames per second of ``threads`` callers, by the clock and by processor time.

    They share the pieces of a large batch, and repeat a small one.
    """
    features, codec = made_frames(batch)
    if batch > PIECE:
        starts = range(0, batch, PIECE)
        pieces = [(features[at : at + PIECE], codec[at : at + PIECE]) for at in starts]
    else:
        once = time.perf_counter()
        way(features, codec)
        repeats = max(1, int(TARGET_S / (time.perf_counter() - once)))
        pieces = [(features, codec)] * (repeats * threads)

    def work(first: int) -> float:
        start = time.thread_time()
        for piece in pieces[first::threads]:
            way(*piece)
        return time.thread_time() - start

    start = time.perf_counter()
    cpu_s = sum(pool.map(work, range(threads)))
    frames = sum(len(piece) for piece, _ in pieces)
    return frames / (time.perf_counter() - start), frames / cpu_s


def measure_rates(model: Ensemble, rounds: int, threads: Sequence[int]) -> list[dict[str, Any]]:
    """Each round's frames per second of every way, batch and thread count."""
    ways = {
        "fused": model.one_graph,
        "predictor": model.five_predicted,
        "five": model.five_sessions,
        "bare": model.five_bare_scores,
    }
    cells = [(batch, count) for batch in BATCHES for count in threads]
    wall = {cell: {name: list[float]() for name in ways} for cell in cells}
    cpu = {cell: {name: list[float]() for name in ways} for cell in cells}
    with ThreadPoolExecutor(max(threads)) as pool:
        for turn in range(rounds + 1):
            for batch, count in cells:
                for name, way in ways.items():
                    rate, cpu_rate = frames_per_s(way, batch, count, pool)
                    if turn:  # the first round warms up
                        wall[batch, count][name].append(rate)
                        cpu[batch, count][name].append(cpu_rate)
    return [
        {
            "batch": batch,
            "threads": count,
            "frames_per_s": wall[batch, count],
            "frames_per_cpu_s": cpu[batch, count],
        }
        for batch, count in cells
    ]


def measure_uncut(model: Ensemble, rounds: int) -> list[float]:
    """Frames per second where the largest batch is one call on one thread."""
    features, codec = made_frames(BATCHES[-1])
    rates = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model.one_graph(features, codec)
        rates.append(len(features) / (time.perf_counter() - start))
    return rates[1:]


def measure_libvmaf(rounds: int) -> dict[str, Any]:
    """Frames per second of a real libvmaf comparison, decoding and start included."""
    tool = find_ffmpeg()
    rates = []
    with tempfile.TemporaryDirectory(prefix="vqcast-bench-") as name:
        reference, distorted = Path(name) / "reference.mkv", Path(name) / "distorted.mkv"
        draw = [str(tool.path), "-hide_banner", "-nostdin", "-loglevel", "error"]
        draw += ["-f", "lavfi", "-i", f"testsrc2=s={CLIP_SIZE}:r=25,format=yuv420p"]
        draw += ["-frames:v", str(CLIP_FRAMES), "-c:v", "ffv1"]
        for extra, path in (([], reference), (["-vf", "boxblur=2:1"], distorted)):
            finished = run([*draw, *extra, str(path)], deadline_s=120)
            if finished.returncode:
                raise SystemExit(f"ffmpeg can't draw the clip: {finished.stderr.strip()}")
        source = probe(reference, tool)
        for _ in range(rounds):
            start = time.perf_counter()
            measure.score(source, distorted, tool, depth=8)
            rates.append(CLIP_FRAMES / (time.perf_counter() - start))
    return {"size": CLIP_SIZE, "frames": CLIP_FRAMES, "frames_per_s": rates}


def measure_start(model: Ensemble, registry: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds from the start of a Python process to its first prediction."""
    seconds: dict[str, list[float]] = {"fused": [], "load": []}
    with tempfile.TemporaryDirectory(prefix="vqcast-bench-") as name:
        path = Path(name) / "fused.onnx"
        path.write_bytes(model.fused_bytes)
        names = [",".join(ENSEMBLE.input_names), ",".join(graph.OUTPUTS)]
        digest = sha256_bytes(model.fused_bytes)
        commands = {
            "fused": [sys.executable, "-c", START_FUSED, str(path), digest, *names],
            "load": [sys.executable, "-c", START_LOAD, ENSEMBLE.id, str(registry)],
        }
        for turn in range(rounds + 1):
            for way, command in commands.items():
                elapsed = first_line_s(command)
                if turn:  # the first round reads the files into memory
                    seconds[way].append(elapsed)
    return seconds


def first_line_s(command: Sequence[str]) -> float:
    """Seconds until the process has printed its first line, which it must."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - start
    if process.returncode or line != "done\n":
        raise SystemExit(f"the process that was timed failed with status {process.returncode}")
    return elapsed


def ratio(rates: dict[str, list[float]], way: str) -> float:
    """Median over the rounds of the fused graph's speed against another way's."""
    return statistics.median(a / b for a, b in zip(rates["fused"], rates[way], strict=True))


def goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals, each with what was measured."""
    small = next(
        row for row in result["rates"] if row["batch"] == GOAL_BATCH and row["threads"] == 1
    )
    largest = [row for row in result["rates"] if row["batch"] == BATCHES[-1]]
    best = max(statistics.median(row["frames_per_s"]["fused"]) for row in largest)
    best_cpu = max(statistics.median(row["frames_per_cpu_s"]["fused"]) for row in largest)
    against = ratio(small["frames_per_s"], "predictor")
    lean, bare = (ratio(small["frames_per_s"], way) for way in ("five", "bare"))
    start = statistics.median(result["start_s"]["fused"])
    return [
        {
            "goal": f"fused at least {GOAL_RATIO:g} x five sessions at batch {GOAL_BATCH}",
            "measured": f"{against:.1f} x the predictor's way, {lean:.1f} x the leanest NumPy, "
            f"{bare:.1f} x bare scores",
            "met": against >= GOAL_RATIO,
        },
        {
            "goal": f"{GOAL_FRAMES_PER_S:,} frames/s at batch {BATCHES[-1]:,}",
            "measured": f"{best:,.0f} ({best_cpu:,.0f} a second of processor time)",
            "met": best >= GOAL_FRAMES_PER_S,
        },
        {
            "goal": f"start to first prediction under {GOAL_START_S:g} s",
            "measured": f"{start:.2f} s",
            "met": start < GOAL_START_S,
        },
    ]


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    vmaf = statistics.median(result["libvmaf"]["frames_per_s"])
    lines = [
        f"Measured on {result['machine']}, {result['cores']} cores. Medians of "
        f"{result['rounds']} rounds, in each of which all ways took turns; ratios are medians "
        "of each round's ratio. Frames per second:",
        "",
        "| batch | threads | fused graph | predictor of five | five, leanest NumPy | "
        "five bare scores | fused / predictor | fused / leanest | fused / bare | "
        "fused / libvmaf |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["rates"]:
        rates = row["frames_per_s"]
        middle = {way: statistics.median(values) for way, values in rates.items()}
        lines.append(
            f"| {row['batch']:,} | {row['threads']} | {middle['fused']:,.0f} | "
            f"{middle['predictor']:,.0f} | {middle['five']:,.0f} | {middle['bare']:,.0f} | "
            f"{ratio(rates, 'predictor'):.1f} x | {ratio(rates, 'five'):.1f} x | "
            f"{ratio(rates, 'bare'):.1f} x | {middle['fused'] / vmaf:,.0f} x |"
        )
    uncut = statistics.median(result["uncut_frames_per_s"])
    start = {way: statistics.median(values) for way, values in result["start_s"].items()}
    lines += [
        "",
        f"Each thread is one caller with batches of that size; {BATCHES[-1]:,} frames are cut "
        f"into calls of {PIECE:,} that the threads share. As a single call on one thread they "
        f"run at {uncut:,.0f} frames/s.",
        "",
        f"libvmaf takes its features and VMAF from {result['libvmaf']['size']} video at "
        f"{vmaf:,.0f} frames/s on one thread, with decoding and ffmpeg's start "
        f"({result['libvmaf']['frames']} frames). The graph reads those features, so it spares "
        "libvmaf only where they are known already.",
        "",
        f"Process start to first prediction: {start['fused']:.2f} s with the fused graph behind "
        f"the guard, {start['load']:.2f} s with `load().predict()` on the whole registry.",
        "",
        "| goal | measured | |",
        "|---|---:|---|",
    ]
    for goal in result["goals"]:
        met = "met" if goal["met"] else "not met"
        lines.append(f"| {goal['goal']} | {goal['measured']} | {met} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(
        description="Time the fused graph against five sessions and libvmaf."
    )
    add = parser.add_argument
    add("--rounds", type=int, default=7, help="how often all measurements take turns")
    add("--threads", type=int, nargs="+", default=[1, 2], help="thread counts to time")
    add("--registry", type=Path, help="registry folder (default: the one of vqcast)")
    add("--json", type=Path, help="write all figures to this file")
    add("--markdown", type=Path, help="write the table into this file")
    options = parser.parse_args()
    if options.rounds < 1 or min(options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")

    registry = options.registry or packaged_registry()
    model = ensemble(registry)
    result: dict[str, Any] = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "rounds": options.rounds,
        "rates": measure_rates(model, options.rounds, sorted({1, *options.threads})),
        "uncut_frames_per_s": measure_uncut(model, options.rounds),
        "libvmaf": measure_libvmaf(min(options.rounds, 3)),
        "start_s": measure_start(model, registry, options.rounds),
    }
    result["goals"] = goals(result)
    text = table(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        blocks.write(options.markdown, "bench/predict.py", text, heading="## Prediction")


if __name__ == "__main__":
    main()
