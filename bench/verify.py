"""How long a registry's verification takes, process start and imports aside.

    python bench/verify.py --markdown docs/trust.md

``law.verify`` reads the folder, digests every file, parses every document and
graph, judges the evidence again and builds the one graph anew. The median of
20 runs is given in wall time and in processor time, which other load hardly
changes; the first run, whose files may not be in the cache, is given apart.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

from vqcast.pages import blocks
from vqcast.registry import law
from vqcast.serve.folder import Folder, packaged_registry

RUNS = 20
GOAL_MS = 100.0


def once(root: Path) -> tuple[float, float]:
    """Wall and processor time of one verification, in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    problems = law.verify(root)
    took = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
    if problems:
        raise SystemExit(f"{root}: {problems[0]}")
    return took


def main() -> None:
    """Time every check of a registry and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registry", type=Path, default=packaged_registry())
    parser.add_argument("--markdown", type=Path, help="the page whose block is written")
    arguments = parser.parse_args()
    root: Path = arguments.registry
    first = once(root)
    runs = [once(root) for _ in range(RUNS)]
    wall, cpu = (statistics.median(each) for each in zip(*runs, strict=True))
    folder = Folder(root)
    graphs = sum(name.endswith(".onnx") for name in folder.files)
    size = sum(map(len, folder.files.values()))
    lines = [
        f"`python bench/verify.py`, {platform.machine()}, Python {platform.python_version()}: "
        f"{graphs} graphs, {len(folder.files)} files, {size / 1e6:.1f} MB; load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        "",
        "| | wall time | processor time |",
        "|---|---|---|",
        f"| first run | {first[0]:.0f} ms | {first[1]:.0f} ms |",
        f"| median of {RUNS} | {wall:.0f} ms | {cpu:.0f} ms |",
        "",
        f"Goal: under {GOAL_MS:.0f} ms of processor time. {'Met' if cpu < GOAL_MS else 'Not met'}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if arguments.markdown is not None:
        blocks.write(arguments.markdown, "verify", text, heading="## How long verification takes")


if __name__ == "__main__":
    main()
