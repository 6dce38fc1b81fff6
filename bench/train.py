"""How fast training is: the engine against a plain PyTorch loop, in one run.

    python bench/train.py --markdown docs/performance.md

The job is the published one: 5,640 rows, 9 sources, 5 seeds, so 45 fits of 200
epochs. Both sides run a few epochs in turns, and their times are scaled to the
whole job; ``--full-job`` runs all of it once. Rows are generated from a fixed
seed: the time does not depend on their values.
"""

# ruff: noqa: E402 - thread counts are read when NumPy is imported

from __future__ import annotations

import os

for _library in ("OPENBLAS", "MKL", "OMP", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vqcast.media.threads import usable_cores
from vqcast.pages import blocks
from vqcast.regressor import net
from vqcast.regressor.engine import Columns, Fit, train
from vqcast.regressor.spec import ENSEMBLE, Recipe
from vqcast.regressor.trainer import Trainer
from vqcast.vocab import FEATURES

ROWS, SOURCES, SEEDS = 5640, 9, 5
RECIPE = Recipe()
SCALING_ROWS = (5_000, 50_000, 500_000)
MEMORY_ROWS = 1_000_000


@dataclass(frozen=True)
class Timing:
    """One measured piece of work."""

    steps: int
    wall_s: float
    cpu_s: float

    def job_s(self) -> float:
        """Wall time of the whole job at this speed."""
        return self.wall_s / self.steps * job_steps()

    def job_cpu_s(self) -> float:
        """Processor time of the whole job at this speed."""
        return self.cpu_s / self.steps * job_steps()


def made_columns(rows: int, sources: int = SOURCES) -> Columns:
    """``rows`` random rows, spread evenly over ``sources``."""
    random = np.random.default_rng(0)
    codec = random.random((rows, ENSEMBLE.num_codecs), dtype=np.float32)
    features = random.random((rows, len(FEATURES)), dtype=np.float32)
    vmaf = random.random(rows, dtype=np.float32) * np.float32(100)
    return Columns(features, codec, vmaf, (np.arange(rows) % sources).astype(np.int32))


def job_fits() -> list[Fit]:
    """All folds of all seeds."""
    return [Fit(seed, f"s{code}", (code,)) for seed in range(SEEDS) for code in range(SOURCES)]


def fold_steps() -> int:
    """Steps of one epoch of one fold."""
    rows = ROWS - ROWS // SOURCES
    return -(-rows // RECIPE.batch_size)


def job_steps() -> int:
    """Steps of the whole job."""
    return SEEDS * SOURCES * RECIPE.epochs * fold_steps()


def step_flop() -> int:
    """Matrix arithmetic of one step: 2 * rows * (3 W - W1).

    W counts the weights of all layers, W1 those of the first: each weight
    multiplies once forward, once for its own gradient, and, but for the first
    layer, once for the gradient of its input. Biases, GELU, dropout and Adam
    are not counted.
    """
    shape = net.widths(len(FEATURES) + ENSEMBLE.num_codecs, RECIPE.hidden, RECIPE.depth)
    weights = [fan_in * fan_out for fan_in, fan_out in pairwise(shape)]
    return 2 * RECIPE.batch_size * (3 * sum(weights) - weights[0])


def time_plain(columns: Columns, epochs: int) -> Timing:
    """The loop of a textbook, one thread, on one fold for a few epochs."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    kept = columns.unit != 0
    features = columns.features[kept]
    scaled = (features - features.mean(0)) / features.std(0)
    inputs = torch.from_numpy(np.hstack([scaled, columns.codec[kept]]))
    target = torch.from_numpy(columns.vmaf[kept])
    layers: list[nn.Module] = []
    width = inputs.shape[1]
    for _ in range(RECIPE.depth):
        layers += [nn.Linear(width, RECIPE.hidden), nn.GELU(), nn.Dropout(RECIPE.dropout)]
        width = RECIPE.hidden
    model = nn.Sequential(*layers, nn.Linear(width, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=RECIPE.lr, weight_decay=RECIPE.weight_decay)
    loss_of = nn.MSELoss()

    def epoch() -> None:
        order = torch.randperm(len(target))
        for start in range(0, len(target), RECIPE.batch_size):
            batch = order[start : start + RECIPE.batch_size]
            optimiser.zero_grad()
            loss_of(model(inputs[batch]).squeeze(1), target[batch]).backward()
            optimiser.step()

    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(epochs):
        epoch()
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return Timing(epochs * fold_steps(), wall_s, cpu_s)


def time_engine(columns: Columns, epochs: int, workers: int) -> Timing:
    """All fits of the job, for ``epochs`` epochs."""
    recipe = replace(RECIPE, epochs=epochs)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in train(columns, job_fits(), recipe, workers=workers):
        pass
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return Timing(SEEDS * SOURCES * epochs * fold_steps(), wall_s, cpu_s)


def ceiling_gflops(threads: int, size: int = 1024, repeats: int = 8) -> float:
    """Float32 products of large square matrices, one BLAS thread in each thread."""
    matrix = np.ones((size, size), np.float32)

    def multiply(_: int) -> None:
        out = np.empty_like(matrix)
        for _ in range(repeats):
            np.matmul(matrix, matrix, out=out)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(multiply, range(threads)))  # threads exist and memory is touched
        start = time.perf_counter()
        list(pool.map(multiply, range(threads)))
        return 2 * size**3 * repeats * threads / (time.perf_counter() - start) / 1e9


def measure_job(options: argparse.Namespace) -> dict[str, Any]:
    """Rounds of: plain loop, engine at each worker count, ceiling."""
    columns = made_columns(ROWS)
    time_plain(columns, 1)
    time_engine(columns, 1, 1)
    rounds = []
    for _ in range(options.rounds):
        plain = time_plain(columns, options.plain_epochs)
        turn: dict[str, Any] = {"plain": asdict(plain), "plain_job_s": plain.job_s()}
        turn["plain_job_cpu_s"] = plain.job_cpu_s()
        for workers in options.workers:
            ceiling = ceiling_gflops(workers)
            engine = time_engine(columns, options.epochs, workers)
            gflops = step_flop() * engine.steps / engine.wall_s / 1e9
            turn[f"engine_{workers}"] = {
                **asdict(engine),
                "job_s": engine.job_s(),
                "job_cpu_s": engine.job_cpu_s(),
                "cpu_us_per_step": engine.cpu_s / engine.steps * 1e6,
                "ratio": plain.job_s() / engine.job_s(),
                "cpu_ratio": plain.job_cpu_s() / engine.job_cpu_s(),
                "gflops": gflops,
                "ceiling_gflops": ceiling,
                "fraction": gflops / ceiling,
            }
        rounds.append(turn)
    return {"step_flop": step_flop(), "job_steps": job_steps(), "rounds": rounds}


def measure_scaling() -> dict[str, Any]:
    """Processor time of an epoch of one fit as rows grow, and the exponent."""
    seconds = []
    for rows in SCALING_ROWS:
        trainer = Trainer(made_columns(rows), Fit(0, None), RECIPE)
        trainer.epoch()
        best = float("inf")
        for _ in range(max(2, 20_000 // rows)):
            start = time.thread_time()
            trainer.epoch()
            best = min(best, time.thread_time() - start)
        seconds.append(best)
    exponent = float(np.polyfit(np.log(SCALING_ROWS), np.log(seconds), 1)[0])
    return {"rows": list(SCALING_ROWS), "epoch_cpu_s": seconds, "exponent": exponent}


def measure_memory(workers: int) -> dict[str, Any]:
    """Peak memory of a process that trains on a million rows."""
    command = [sys.executable, __file__, "--memory-probe", str(workers)]
    probe = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"rows": MEMORY_ROWS, "workers": workers, "peak_rss_bytes": int(probe.stdout)}


def memory_probe(workers: int) -> None:
    """In a process of its own: train, then print the peak resident size in bytes."""
    fits = job_fits()[: 2 * workers]
    for _ in train(made_columns(MEMORY_ROWS), fits, replace(RECIPE, epochs=1), workers=workers):
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def median(result: dict[str, Any], *path: str) -> float:
    """Median over the rounds of one figure."""
    values = []
    for turn in result["job"]["rounds"]:
        value = turn
        for key in path:
            value = value[key]
        values.append(float(value))
    return statistics.median(values)


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    options, job = result["options"], result["job"]
    lines = [
        f"Measured on {result['machine']}, {result['cores']} cores. Medians of "
        f"{len(job['rounds'])} rounds, in each of which all rows of the table took turns.",
        f"Scaled to the whole job ({job['job_steps']:,} steps of {RECIPE.batch_size} rows) from "
        f"{options['plain_epochs']} epochs of one fit (plain loop) and {options['epochs']} of "
        f"{RECIPE.epochs} epochs of all fits (engine).",
        "",
        "| | whole job | processor time | against the plain loop | GFLOP/s | matmul ceiling |"
        " fraction |",
        "|---|---:|---:|---:|---:|---:|---:|",
        f"| plain PyTorch loop, 1 thread | {median(result, 'plain_job_s'):,.0f} s | "
        f"{median(result, 'plain_job_cpu_s'):,.0f} s | 1 | "
        f"{job['step_flop'] * job['job_steps'] / median(result, 'plain_job_s') / 1e9:.1f} | | |",
    ]
    for workers in options["workers"]:
        key = f"engine_{workers}"
        lines.append(
            f"| engine, {workers} worker{'s' if workers > 1 else ''} | "
            f"{median(result, key, 'job_s'):.1f} s | {median(result, key, 'job_cpu_s'):.1f} s | "
            f"{median(result, key, 'ratio'):.0f} x | {median(result, key, 'gflops'):.1f} | "
            f"{median(result, key, 'ceiling_gflops'):.1f} | "
            f"{median(result, key, 'fraction'):.0%} |"
        )
    lines += [
        "",
        f"FLOP of a step: 2 x rows x (3 W - W1) = {job['step_flop']:,}, with W all weights and W1 "
        "the first layer's; biases, GELU, dropout and Adam are not counted. The ceiling is "
        "a float32 product of 1024 x 1024 matrices, one BLAS thread a worker, in the same round.",
    ]
    one = f"engine_{options['workers'][0]}"
    lines.append(
        "\nBy processor time, which other load on the machine hardly changes, a step takes "
        f"{median(result, one, 'cpu_us_per_step'):.1f} us and one core does the work of "
        f"{median(result, one, 'cpu_ratio'):.0f} plain loops."
    )
    if "full_job" in result:
        full = result["full_job"]
        lines.append(
            f"\nThe whole job, not scaled, {full['workers']} workers: {full['wall_s']:.1f} s "
            f"({full['cpu_s']:.1f} s of processor time)."
        )
    if "scaling" in result:
        scaling = result["scaling"]
        lines += ["", "| rows | processor time of an epoch of one fit |", "|---:|---:|"]
        for rows, seconds in zip(scaling["rows"], scaling["epoch_cpu_s"], strict=True):
            lines.append(f"| {rows:,} | {seconds * 1e3:,.1f} ms |")
        lines.append(f"\nTime grows as rows to the power {scaling['exponent']:.3f}.")
    if "memory" in result:
        memory = result["memory"]
        lines.append(
            f"Peak memory at {memory['rows']:,} rows with {memory['workers']} workers: "
            f"{memory['peak_rss_bytes'] / 2**30:.2f} GiB."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(
        description="Time the training engine against a plain PyTorch loop."
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="how often all measurements take turns")
    add("--plain-epochs", type=int, default=2, help="epochs of one fit in the plain loop")
    add("--epochs", type=int, default=20, help=f"engine epochs (the recipe has {RECIPE.epochs})")
    add("--workers", type=int, nargs="+", default=[1, 2], help="worker counts to time")
    add("--full-job", action="store_true", help="also run the whole job once, unscaled")
    add("--no-scaling", action="store_true", help="leave out the rows and memory sections")
    add("--json", type=Path, help="write all figures to this file")
    add("--markdown", type=Path, help="write the table into this file")
    add("--memory-probe", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_probe:
        memory_probe(options.memory_probe)
        return

    shown = ("rounds", "plain_epochs", "epochs", "workers")
    result: dict[str, Any] = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "options": {name: getattr(options, name) for name in shown},
        "job": measure_job(options),
    }
    if options.full_job:
        workers = max(options.workers)
        full = time_engine(made_columns(ROWS), RECIPE.epochs, workers)
        result["full_job"] = {"workers": workers, **asdict(full)}
    if not options.no_scaling:
        result["scaling"] = measure_scaling()
        result["memory"] = measure_memory(max(options.workers))
    text = table(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        blocks.write(options.markdown, "bench/train.py", text, heading="## Training")


if __name__ == "__main__":
    main()
