"""What a corpus of thousands of titles costs, from what a cell costs here.

    python bench/scaling.py --clips DIR --json docs/evidence/scaling.json --markdown docs/scaling.md

Encode times are read from a corpus; scoring, reading and the curve at one and two workers are
measured on a few clips; the plan is arithmetic on these and on assumptions that it names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vqcast.corpus.plan import plan
from vqcast.corpus.table import load
from vqcast.corpus.writing import convert
from vqcast.media.measure import encode, score
from vqcast.media.source import probe
from vqcast.media.threads import usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks

TITLES, QUALITIES = 10_000, 8
WIDTH, HEIGHT, FPS = 1920, 1080, 25
SOURCE_MBIT_S = 40.0
CORES = (64, 512)
NETWORK_GBIT_S = 10.0
DECISIONS_PER_S = 200.0
SECONDS = {"a minute of each title": 60, "whole titles of ten minutes": 600}
SWEEP = {"libx264": (21, 26, 31, 36), "libsvtav1": (25, 35, 45, 55)}


def cost_of(corpus: Path) -> list[dict[str, Any]]:
    """Each encoder and size: cells, frames, wall seconds and bits of its encodes."""
    cells: dict[tuple[Any, ...], dict[str, Any]] = {}
    frames: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in load(corpus).frame.rows():
        key = (row["encoder"], row["score_width"], row["score_height"])
        cell = (*key, row["src"], row["preset"], row["cq"])
        cells[cell], frames[cell] = row, frames[cell] + 1
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell, row in cells.items():
        encoder, width, height = cell[:3]
        entry = found.setdefault(
            cell[:3],
            {"encoder": encoder, "preset": row["preset"], "width": width, "height": height}
            | {"cells": 0, "frames": 0, "encode_s": 0.0, "bytes": 0},
        )
        entry["cells"] += 1
        entry["frames"] += frames[cell]
        entry["encode_s"] += row["enc_time_ms"] / 1000
        entry["bytes"] += row["enc_bytes"]
    return [
        entry
        | {
            "encode_s": round(entry["encode_s"], 2),
            "s_per_megapixel": entry["encode_s"]
            / (entry["width"] * entry["height"] * entry["frames"] / 1e6),
        }
        for entry in (found[key] for key in sorted(found))
    ]


def processor_s(work: Callable[[], Any], repeats: int = 3) -> float:
    """Median processor seconds of the children that ``work`` runs."""
    taken = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        work()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(taken)


def fixed_costs(clips: list[Path]) -> list[dict[str, Any]]:
    """Processor seconds a megapixel of reading a source, and of scoring with and without v1."""
    tool, found = find_ffmpeg(), []
    for clip in clips:
        source = probe(clip, tool)
        megapixels = source.width * source.height * source.frames / 1e6
        with tempfile.TemporaryDirectory() as name:
            made = encode(source, "libx264", "medium", 26, tool, Path(name) / "e.mp4")
            entry = {"clip": clip.stem, "width": source.width, "height": source.height}
            entry |= {"frames": source.frames}
            entry["read"] = processor_s(lambda c=clip: probe(c, tool)) / megapixels
            for also in ((), ("vmaf-v1",)):
                taken = processor_s(
                    lambda s=source, m=made, a=also: score(s, m.path, tool, depth=8, also=a)
                )
                entry["score_v1" if also else "score"] = taken / megapixels
        found.append(entry)
    return found


def curve(clips: list[Path]) -> list[dict[str, Any]]:
    """The same small grid by one and by two workers, from nothing."""
    tool = find_ffmpeg()
    cells = len(plan([probe(clip, tool) for clip in clips], SWEEP, {}))
    found = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            words = [sys.executable, "-m", "vqcast.cli.main", "corpus", "build", *map(str, clips)]
            for encoder, qualities in SWEEP.items():
                values = ",".join(map(str, qualities))
                words += ["--encoder", encoder, "--cq", f"{encoder}:{values}"]
            words += ["--no-v1", "--jobs", str(workers), "--out", str(Path(name) / "c.jsonl")]
            load, start = os.getloadavg()[0], time.perf_counter()
            cpu_s = processor_s(
                lambda w=words: subprocess.run(w, check=True, stdout=sys.stderr), repeats=1
            )
            wall_s = time.perf_counter() - start
        found.append(
            {"workers": workers, "cells": cells, "wall_s": wall_s, "cpu_s": cpu_s, "load": load}
        )
    return found


def bytes_a_row(corpus: Path) -> dict[str, float]:
    """What a frame's row takes: in its cell's file, as gzipped lines, and as Parquet."""
    rows = len(load(corpus))
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "c.parquet"
        convert(corpus, out)
        parquet = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    kept = [path.stat().st_size for path in corpus.with_name(f"{corpus.name}.cells").glob("*.json")]
    found = {"gzip": corpus.stat().st_size / rows, "parquet": parquet / rows}
    return found | ({"cell": sum(kept) / rows} if kept else {})


def plan_of(measured: dict[str, Any], title_s: float) -> dict[str, Any]:
    """The grid of all titles: core hours, storage, traffic, and what holds it up. Pure."""
    encoders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in measured["cost"]:
        encoders[entry["encoder"]].append(entry)
    a_megapixel = {
        name: sum(e["encode_s"] for e in each)
        / sum(e["width"] * e["height"] * e["frames"] / 1e6 for e in each)
        for name, each in encoders.items()
    }
    score_s = statistics.mean(each["score"] for each in measured["fixed"])
    read_s = statistics.mean(each["read"] for each in measured["fixed"])
    frames = title_s * FPS
    megapixels = WIDTH * HEIGHT * frames / 1e6
    cells = TITLES * len(encoders) * QUALITIES
    encode_h = TITLES * QUALITIES * megapixels * sum(a_megapixel.values()) / 3600
    score_h = cells * megapixels * score_s / 3600
    read_h = TITLES * megapixels * read_s / 3600
    source_bytes = title_s * SOURCE_MBIT_S * 1e6 / 8
    rows = cells * frames
    cell_bytes = measured["bytes_a_row"].get("cell", measured["bytes_a_row"]["gzip"])
    traffic = TITLES * (len(encoders) * QUALITIES + 1) * source_bytes
    hours = {
        f"{cores} cores": {
            "measuring": (encode_h + score_h) / cores,
            "sources over the network": traffic * 8 / (NETWORK_GBIT_S * 1e9) / 3600,
            "scheduler": cells / DECISIONS_PER_S / 3600,
            "reading sources, by the one that plans": read_h,
        }
        for cores in CORES
    }
    return {
        "title_s": title_s,
        "cells": cells,
        "rows": rows,
        "encode_core_h": encode_h,
        "score_core_h": score_h,
        "sources_bytes": TITLES * source_bytes,
        "cells_bytes": rows * cell_bytes,
        "parquet_bytes": rows * measured["bytes_a_row"]["parquet"],
        "traffic_bytes": traffic,
        "hours": hours,
        "first": {name: max(each, key=lambda key: each[key]) for name, each in hours.items()},
    }


def page(result: dict[str, Any]) -> str:
    """The page's text."""
    lines = [
        f"Measured on {result['machine']}, {result['cores']} cores, by `bench/scaling.py`; the "
        "figures are in `docs/evidence/scaling.json`.",
        "",
        "### What a cell costs",
        "",
        f"Wall time of the encode, one thread, from `{result['corpus']}` (that machine ran other "
        "work as well):",
        "",
        "| encoder | preset | size | cells | ms a frame | s a megapixel |",
        "|---|---|---|---:|---:|---:|",
    ]
    for each in result["cost"]:
        lines.append(
            f"| {each['encoder']} | {each['preset']} | {each['width']}x{each['height']} | "
            f"{each['cells']} | {each['encode_s'] / each['frames'] * 1e3:.1f} | "
            f"{each['s_per_megapixel']:.4f} |"
        )
    lines += [
        "",
        "Processor seconds a megapixel of what every cell needs besides, measured here (a score "
        "decodes the source too):",
        "",
        "| clip | size | read the source | score | score with VMAF v1 |",
        "|---|---|---:|---:|---:|",
    ]
    for each in result["fixed"]:
        lines.append(
            f"| {each['clip']} | {each['width']}x{each['height']} | {each['read']:.4f} | "
            f"{each['score']:.4f} | {each['score_v1']:.4f} |"
        )
    one, two = result["curve"]
    lines += [
        "",
        "### Workers",
        "",
        f"The same {one['cells']} cells from nothing, the command's start and the reading of "
        "sources included:",
        "",
        "| workers | wall time | processor time | speed-up | load average before |",
        "|---:|---:|---:|---:|---:|",
    ]
    for each in result["curve"]:
        lines.append(
            f"| {each['workers']} | {each['wall_s']:.1f} s | {each['cpu_s']:.1f} s | "
            f"{one['wall_s'] / each['wall_s']:.2f} x | {each['load']:.1f} |"
        )
    busy = max(one["load"], two["load"])
    if busy > 1.0:
        lines += ["", f"Other work ran beside it (load {busy:.1f}): the speed-up is a lower bound."]
    lines += ["", "More than two workers were not measured.", ""]
    encoders = len({each["encoder"] for each in result["cost"]})
    lines += [
        f"### The plan: {TITLES:,} titles x {encoders} encoders x {QUALITIES} qualities",
        "",
        "Assumed, not measured:",
        "",
        f"- Titles are {WIDTH}x{HEIGHT} at {FPS} frames a second, their files {SOURCE_MBIT_S:g} "
        "Mbit/s; each is read in 8 bits and scored with VMAF v0.6.1 alone.",
        "- A megapixel costs what it costs above at smaller sizes, on cores as fast as these.",
        f"- One network of {NETWORK_GBIT_S:g} Gbit/s to the store; a scheduler that places "
        f"{DECISIONS_PER_S:g} cells a second; workers that fetch a title anew for every cell "
        "(the worst case: each keeps the last few, and cells are planned title by title).",
        "- One process plans: it reads every source once, one after another.",
        "",
        f"| | {' | '.join(result['plans'])} |",
        f"|---|{'---:|' * len(result['plans'])}",
    ]
    plans = list(result["plans"].values())

    def row(label: str, say: Callable[[dict[str, Any]], str]) -> str:
        return f"| {label} | {' | '.join(say(each) for each in plans)} |"

    tera = 1e12
    lines += [
        row("cells", lambda p: f"{p['cells']:,}"),
        row("rows", lambda p: f"{p['rows']:,.0f}"),
        row("core hours, encoding", lambda p: f"{p['encode_core_h']:,.0f}"),
        row("core hours, scoring", lambda p: f"{p['score_core_h']:,.0f}"),
        row("sources", lambda p: f"{p['sources_bytes'] / tera:,.1f} TB"),
        row("cell files", lambda p: f"{p['cells_bytes'] / tera:,.2f} TB"),
        row("as Parquet", lambda p: f"{p['parquet_bytes'] / tera:,.2f} TB"),
        row("source traffic at worst", lambda p: f"{p['traffic_bytes'] / tera:,.0f} TB"),
    ]
    for cores in plans[0]["hours"]:
        for what in plans[0]["hours"][cores]:
            lines.append(
                row(
                    f"hours, {what}, {cores}",
                    lambda p, c=cores, w=what: f"{p['hours'][c][w]:,.0f}",
                )
            )
        lines.append(row(f"**holds it up first, {cores}**", lambda p, c=cores: p["first"][c]))
    lines += [
        "",
        "Reading the sources by the one that plans does not shrink with workers. Where it holds "
        "the build up, plan in slices: several builds of some titles each, with one `--cells` "
        "URL, share every finished cell.",
        "",
        "A corpus of JSON Lines is assembled in memory and capped at 2 GiB of text; at this "
        "scale write `--out NAME.parquet`, which is written part by part.",
    ]
    return "\n".join(lines) + "\n"


INTRO = """# A corpus on many machines

`vqcast corpus build … --scheduler tcp://HOST:PORT` (`pip install 'vqcast[media,cluster]'`) gives
the cells to the workers of a Dask cluster that is already there; without it the cores of this
machine measure them. Both call the same function.

```
dask scheduler
dask worker tcp://HOST:8786 --nworkers 8 --nthreads 1                  # on every machine
dask worker tcp://HOST:8786 --nthreads 3 --resources "NVENC=3"         # where a card encodes
vqcast corpus build s3://titles/a.mkv s3://titles/b.mkv \\
  --encoder libx264,h264_nvenc --cq 20,26,32 \\
  --scheduler tcp://HOST:8786 --resource NVENC=1 --cells s3://corpus/cells --out corpus.parquet
```

- Workers need the same vqcast and the same ffmpeg (its digest is compared), and must reach sources
  and `--cells`: URLs that fsspec reads, or one shared file system under one path.
- Each finished cell is a file of its own, named by what its numbers depend on. A lost worker, a
  lost scheduler (waited for up to five minutes) and a second build repeat none of them. Whoever
  can write to the cells decides what is in the corpus: keep the store's rights, and the
  scheduler's port, to those who may.
- A hardware encoder's cell takes one of its device's resource (NVENC, QSV, AMF, VAAPI), or what
  `--resource` says; any other name in `--resource` is taken by every cell.
- A worker fetches a remote source once, checks its digest and keeps the last few. A small 8-bit
  Matroska or WebM source is also decoded once for all its cells; `enc_time_ms` is then the
  encoder's time alone.
- Credentials and endpoints come from the environment of each process.

`--out NAME.parquet` is a folder, `encoder=E/src=S/part.parquet`; `vqcast corpus convert` goes
between it and JSON Lines without loss, and every command reads both. Its sha256 is that of the
list that `sha256sum` makes of its parts, sorted by name:

```
cd NAME.parquet && find * -name '*.parquet' | LC_ALL=C sort | xargs sha256sum | sha256sum
```

"""


def main() -> None:
    """Measure, plan, print, write."""
    parser = argparse.ArgumentParser(description="What a large corpus costs, from small ones.")
    add = parser.add_argument
    add("--clips", type=Path, required=True, help="a folder of .mkv clips")
    add("--names", nargs="+", default=["bee_flower", "dog_fetch"], help="their stems")
    add("--corpus", type=Path, default=Path("data/phase_a/per_frame_canonical6.jsonl.gz"))
    add("--json", type=Path, help="write all figures to this file")
    add("--markdown", type=Path, help="write the page")
    options = parser.parse_args()
    clips = [(options.clips / f"{name}.mkv").resolve() for name in options.names]
    result: dict[str, Any] = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "corpus": options.corpus.as_posix(),
        "cost": cost_of(options.corpus),
        "bytes_a_row": bytes_a_row(options.corpus),
        "fixed": fixed_costs(clips),
        "curve": curve(clips),
    }
    result["plans"] = {name: plan_of(result, seconds) for name, seconds in SECONDS.items()}
    text = page(result)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(INTRO, encoding="utf-8")
        blocks.write(options.markdown, "bench/scaling.py", text, heading="## What it costs")


if __name__ == "__main__":
    main()
