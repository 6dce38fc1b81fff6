"""How much memory ten million rows take: a Parquet corpus checked, and trained on for one epoch.

    python bench/scale_corpus.py --json docs/evidence/scale_corpus.json --markdown docs/scaling.md

The dataset is made up, in the layout that ``vqcast corpus build --out X.parquet``
writes, in a temporary folder that is gone afterwards. Then the command line is
run on it as a user would, and each process's peak resident size is read from
the kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vqcast.corpus.frame import FLOAT, INT, TEXT, WHOLE
from vqcast.corpus.parquet import ROW, part_name
from vqcast.media.threads import usable_cores
from vqcast.pages import blocks
from vqcast.vocab import FEATURES

LIMIT_BYTES = 4 << 30
ENCODERS = {
    "libx264": "medium",
    "libx265": "medium",
    "libsvtav1": "8",
    "libaom-av1": "6",
    "libvpx-vp9": "5",
    "libvvenc": "faster",
}
QUALITIES = (18, 24, 30, 36, 42, 48)
KINDS = [
    *(["src", TEXT], ["encoder", TEXT], ["cq", WHOLE], ["frame_index", INT], ["vmaf", FLOAT]),
    *([name, FLOAT] for name in FEATURES),
    *(["enc_bytes", INT], ["enc_time_ms", FLOAT], ["preset", TEXT]),
    *(["score_width", INT], ["score_height", INT], ["group", TEXT]),
]


def make(folder: Path, rows: int, sources: int) -> int:
    """Write a dataset of at least ``rows`` rows; return how many."""
    frames = -(-rows // (sources * len(ENCODERS) * len(QUALITIES)))
    each = frames * len(QUALITIES)
    random = np.random.default_rng(0)
    slopes = np.array([0.15, 0.5, 0.3, 0.2, 0.15, 0.0])
    for source in range(sources):
        name = f"source_{source:03}"
        content = random.uniform(-0.05, 0.05, len(FEATURES))
        for number, (encoder, preset) in enumerate(ENCODERS.items()):
            cq = np.repeat(QUALITIES, frames)
            loss = (cq - QUALITIES[0]) / 30.0 * (1.0 - 0.05 * number)
            noise = random.normal(0.0, 0.01, (each, len(FEATURES)))
            features = 0.95 + content - np.outer(loss**1.5, slopes) + noise
            features[:, -1] = random.uniform(0.0, 20.0, each)
            vmaf = np.clip(100.0 * features[:, :5].mean(axis=1), 0.0, 100.0)
            first = (source * len(ENCODERS) + number) * each
            columns: dict[str, Any] = {
                ROW: np.arange(first, first + each),
                "src": [name] * each,
                "encoder": [encoder] * each,
                "cq": cq.astype(np.float64),
                "frame_index": np.tile(np.arange(frames), len(QUALITIES)),
                "vmaf": vmaf.round(6),
                **dict(zip(FEATURES, features.round(6).T, strict=True)),
                "enc_bytes": np.repeat(random.integers(10**4, 10**6, len(QUALITIES)), frames),
                "enc_time_ms": np.repeat(random.uniform(1, 9, len(QUALITIES)).round(1), frames),
                "preset": [preset] * each,
                "score_width": np.full(each, 1920),
                "score_height": np.full(each, 1080),
                "group": [f"group_{source // 2:03}"] * each,
            }
            path = folder / part_name(encoder, name)
            path.parent.mkdir(parents=True)
            pl.DataFrame(columns).write_parquet(path, metadata={"vqcast": json.dumps(KINDS)})
    return each * sources * len(ENCODERS)


def measure(*words: object) -> dict[str, Any]:
    """Run ``vqcast`` with ``words``: seconds, processor seconds, peak resident bytes."""
    command = [sys.executable, "-m", "vqcast.cli.main", *map(str, words)]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - start
        said.seek(0)
        text = said.read()
    print(text, file=sys.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "command": " ".join(["vqcast", *(str(word) for word in words if "/" not in str(word))]),
        "exit_code": child.returncode,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_bytes": usage.ru_maxrss * unit,
    }


def page(evidence: dict[str, Any]) -> str:
    """The figures as a table in Markdown."""
    lines = [
        f"`bench/scale_corpus.py`: {evidence['rows']:,} made-up rows of {evidence['sources']} "
        f"sources, {evidence['parquet_bytes'] / 1e9:.2f} GB of Parquet, on "
        f"{evidence['cores']} cores (load {evidence['load_before']:.1f} before).",
        "",
        "| | wall time | processor time | peak memory |",
        "|---|---:|---:|---:|",
    ]
    names = {
        "check": "`vqcast corpus check`",
        "train": f"`vqcast train --dry-run`: {evidence['train']['networks']} networks, each for "
        "one epoch",
    }
    for key, label in names.items():
        each = evidence[key]
        lines.append(
            f"| {label} | {each['wall_s']:.0f} s | {each['cpu_s']:.0f} s | "
            f"{each['peak_rss_bytes'] / 2**30:.2f} GiB |"
        )
    lines += ["", f"The goal is less than {evidence['limit_bytes'] / 2**30:.0f} GiB."]
    return "\n".join(lines)


def main() -> None:
    """Make, check, train, print, write; exit code 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--model", default="fr_regressor_v2")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table into this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vqcast-scale-") as name:
        corpus = Path(name) / "corpus.parquet"
        start = time.perf_counter()
        rows = make(corpus, options.rows, options.sources)
        made_s = time.perf_counter() - start
        size = sum(path.stat().st_size for path in corpus.rglob("*.parquet"))
        load = os.getloadavg()[0]
        check = measure("corpus", "check", corpus)
        train = measure(
            *("train", "--model", options.model, "--seeds", 0, "--dry-run"),
            *("--corpus", corpus, "--out-dir", Path(name) / "run"),
        )
        report = json.loads((Path(name) / "run" / "loso_seed0.json").read_bytes())
    result = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "load_before": round(load, 2),
        "polars": pl.__version__,
        "rows": rows,
        "sources": options.sources,
        "parquet_bytes": size,
        "made_s": round(made_s, 1),
        "limit_bytes": LIMIT_BYTES,
        "check": check,
        "train": train | {"networks": report["n_folds"], "mean_plcc": report["mean_plcc"]},
    }
    for what in ("check", "train"):
        each = result[what]
        print(
            f"{what}: exit {each['exit_code']}, {each['wall_s']} s, "
            f"{each['peak_rss_bytes'] / 2**30:.2f} GiB at most"
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        heading = "## Ten million rows"
        blocks.write(options.markdown, "bench/scale_corpus.py", page(result), heading=heading)
    small = all(each["peak_rss_bytes"] < LIMIT_BYTES for each in (check, train))
    sys.exit(0 if small and check["exit_code"] == train["exit_code"] == 0 else 1)


if __name__ == "__main__":
    main()
