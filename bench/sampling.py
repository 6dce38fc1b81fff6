"""What short looks say of a title, beside all of it: learnt on some titles, judged on others.

    python bench/sampling.py --learn DIR --judge DIR --evidence docs/evidence/sampling.json
    python bench/sampling.py --report docs/evidence/sampling.json --table --markdown docs/tune.md

Each folder's titles are joined into one film (scaled, at most so many frames of each). The film is
encoded whole, and in looks as `vqcast tune` does. *Start* is what a look changes: its score less
that of the same frames in the whole encode. *Sample* is what the choice of frames changes. What is
learnt on the first film corrects the second. ``--table`` writes it where `vqcast tune` reads it. A
killed run goes on from the encodes that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqcast.documents import codec
from vqcast.documents.looks import ColdStart, ColdStarts
from vqcast.durable.files import write_atomic
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.reel import Reel, gather_through
from vqcast.media.source import Source, probe
from vqcast.media.threads import Threads
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.tuning import cold_start, sampling

CELLS: dict[str, tuple[str, tuple[float, ...]]] = {
    "libx264:veryfast": ("libx264", (20, 26)),
    "libx264:medium": ("libx264", (20, 26)),
    "libx265:superfast": ("libx265", (20, 26)),
    "libx265:medium": ("libx265", (20, 26)),
    "libsvtav1:10": ("libsvtav1", (28, 40)),
    "libsvtav1:8": ("libsvtav1", (28, 40)),
    "libvpx-vp9:5": ("libvpx-vp9", (28, 40)),
    "libaom-av1:6": ("libaom-av1", (34,)),
    "libvvenc:faster": ("libvvenc", (30,)),
}
SUFFIXES = (".mp4", ".mkv", ".webm")
KEY_EVERY = {
    "libx264": 250.0, "libx265": 250.0, "libsvtav1": 161.0, "libvpx-vp9": 128.0,
    "libaom-av1": 9999.0, "libvvenc": 24.0,
}  # fmt: skip
"""Frames from one key frame to the next where no scene changes, at 25 frames a second: the
encoders' own defaults, as their streams showed them."""
PARTS = sampling.FIRST_PARTS
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Film:
    """Titles that were joined, and where each begins."""

    source: Source
    names: list[str]
    edges: list[int]


def joined(folder: Path, skip: list[str], frames: int, height: int, out: Path) -> Film:
    """The titles of ``folder`` as one lossless film of ``height`` lines, 25 frames a second."""
    tool, listed = find_ffmpeg(), out.with_suffix(".json")
    if not (out.exists() and listed.exists()):
        titles = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
        titles = [path for path in titles if not any(word in path.name for word in skip)]
        made: list[tuple[str, int]] = []
        width = round(height * 16 / 9 / 2) * 2
        shape = f"scale={width}:{height}:flags=bicubic,setsar=1,format=yuv420p,setpts=N/25/TB"
        with (
            tempfile.TemporaryDirectory(dir=out.parent) as name,
            out.with_suffix(".yuv").open("wb") as file,
        ):
            for path in titles:
                part = Path(name) / "part.yuv"
                command = [str(tool.path), "-v", "error", "-nostdin", "-y", "-i", str(path)]
                command += ["-map", "0:V:0", "-frames:v", str(frames), "-vf", shape]
                command += ["-fps_mode", "passthrough", "-f", "rawvideo", str(part)]
                if subprocess.run(command, capture_output=True).returncode:
                    continue  # one that needs a decoder named for it
                file.write(part.read_bytes())
                made.append((path.stem, part.stat().st_size * 2 // (3 * width * height)))
        raw = ["-f", "rawvideo", "-video_size", f"{width}x{height}", "-framerate", "25"]
        command = [str(tool.path), "-v", "error", "-nostdin", "-y", *raw]
        command += ["-i", str(out.with_suffix(".yuv")), "-c:v", "ffv1", "-g", "12", str(out)]
        subprocess.run(command, check=True)
        out.with_suffix(".yuv").unlink()
        listed.write_text(json.dumps(made))
    made = json.loads(listed.read_text())
    edges = np.cumsum([0, *(count for _, count in made)]).tolist()
    return Film(probe(out, tool), [name for name, _ in made], edges)


def measured(film: Film, which: str, crf: float, work: Path) -> Row:
    """One film at one quality, whole and in looks."""
    tool, store = find_ffmpeg(), FolderStore(work / "cells")
    encoder, preset = which.split(":")
    source = film.source
    # Of one stretch, its packets' sizes are kept; that changes no encode.
    whole, _ = measure_once(
        Cell(source, encoder, preset, crf, spliced=source.frames, threads=Threads()), tool, store
    )
    reels = [
        Reel(source, sampling.starts(source.frames, part), sampling.LENGTH, work / f"{part}.yuv")
        for part in range(PARTS)
    ]
    if not all(reel.path.exists() and reel.path.stat().st_size == reel.bytes for reel in reels):
        gather_through(reels, tool, threads=2)
    looks = []
    for reel in reels:
        cell = Cell(
            reel.video, encoder, preset, crf, spliced=sampling.LENGTH, every=sampling.EVERY,
            threads=Threads(),
        )  # fmt: skip
        looks.append(measure_once(cell, tool, store)[0])
    return _row(film, which, crf, whole, reels, looks)


def _row(
    film: Film,
    which: str,
    crf: float,
    whole: Measurement,
    reels: list[Reel],
    looks: list[Measurement],
) -> Row:
    frames, length = film.source.frames, sampling.LENGTH
    scores = whole.column("vmaf")
    sizes = np.array(whole.frame_bytes, dtype=float)
    first = [start for reel in reels for start in reel.starts]
    seen = np.concatenate(
        [sampling.means_of(each.column("vmaf"), sampling.LOOKS) for each in looks]
    )
    same = []  # the very frames that the looks scored
    for reel in reels:
        all_of_it = np.concatenate([scores[start : start + length] for start in reel.starts])
        same.append(sampling.means_of(all_of_it[:: sampling.EVERY], sampling.LOOKS))
    true = sampling.estimate(first, np.concatenate(same), frames).mean
    packets = np.concatenate([
        np.array(each.frame_bytes, dtype=float).reshape(-1, length) for each in looks
    ])  # fmt: skip
    title = np.searchsorted(film.edges, np.array(first) + length // 2, side="right") - 1
    found = sampling.estimate(first, seen, frames)
    largest = packets.max(axis=1)
    others = (packets.sum(axis=1) - largest) / (length - 1)
    return {
        "preset": which, "crf": crf, "frames": frames, "looks": len(first),
        "looked_at": len(first) * length, "scored": sum(each.frames for each in looks),
        "whole": float(scores.mean()), "estimate": found.mean, "stated": found.deviation,
        "start": found.mean - true, "sample": true - float(scores.mean()),
        "bytes": float(sizes.mean()),
        "largest": sampling.estimate(first, largest, frames).mean,
        "others": sampling.estimate(first, others, frames).mean,
        "titles": [
            {
                "title": film.names[each], "looks": int((title == each).sum()),
                "whole": float(np.concatenate(same)[title == each].mean()),
                "seen": float(seen[title == each].mean()),
                "bytes": float(sizes[film.edges[each] : film.edges[each + 1]].mean()),
                "others": float(others[title == each].mean()),
                "largest": float(largest[title == each].mean()),
            }
            for each in sorted(set(title.tolist()))
        ],
    }  # fmt: skip


def learnt(rows: list[Row]) -> ColdStart:
    """The correction that one encoder and preset's rows of the first film teach."""
    encoder, preset = rows[0]["preset"].split(":")
    weight = np.array([t["looks"] for t in rows[0]["titles"]], dtype=float)
    seen, whole = (
        np.array([[t[name] for t in row["titles"]] for row in rows]) for name in ("seen", "whole")
    )
    mean = float((weight * (whole - seen)).sum() / (weight * (100 - seen)).sum())
    left = whole - seen - mean * (100 - seen)
    spread = float((weight * left**2).sum() / (weight * (100 - seen) ** 2).sum())
    keys = KEY_EVERY[encoder]

    def size(row: Row) -> np.ndarray[Any, Any]:
        looks = np.array([
            (1 - 1 / keys) * t["others"] + t["largest"] / keys for t in row["titles"]
        ])  # fmt: skip
        return np.log2(np.array([t["bytes"] for t in row["titles"]]) / looks)

    logs = [size(row) for row in rows]
    centre = float(np.mean([
        math.log2(row["bytes"] / ((1 - 1 / keys) * row["others"] + row["largest"] / keys))
        for row in rows
    ]))  # fmt: skip
    size_spread = np.mean([np.average((each - centre) ** 2, weights=weight) for each in logs])
    return ColdStart(
        encoder=encoder, preset=preset, titles=len(rows[0]["titles"]),
        score_share=round(mean, 4), score_deviation=round(float(np.sqrt(spread)), 4),
        size_log2=round(centre, 4), size_deviation=round(float(np.sqrt(size_spread)), 4),
        key_every=keys,
    )  # fmt: skip


def teach(document: dict[str, Any]) -> list[ColdStart]:
    """One row an encoder and preset."""
    names = dict.fromkeys(row["preset"] for row in document["learn"])
    return [learnt([row for row in document["learn"] if row["preset"] == name]) for name in names]


def report(document: dict[str, Any]) -> str:
    """The page's block: the film that judges, corrected by what the other taught."""
    if not document["judge"]:
        return "Not measured yet.\n"
    lines = [
        "| encoder | CRF | whole | start | sample | error, corrected | stated deviation "
        "| size, corrected |",
        "|---|---|---|---|---|---|---|---|",
    ]
    table = {f"{row.encoder}:{row.preset}": cold_start.learnt(row) for row in teach(document)}
    errors, ratios, sizes = [], [], []
    for row in document["judge"]:
        own = table[row["preset"]]
        missing = 100.0 - row["estimate"]
        error = own.score(row["estimate"], missing) - row["whole"]
        scenes = len(row["titles"])
        stated = math.hypot(row["stated"], own.score_deviation(missing, scenes))
        size = own.bytes(row["largest"], row["others"], 25.0) / row["bytes"] - 1
        errors.append(error)
        ratios.append(abs(error) / stated)
        sizes.append(size)
        lines.append(
            f"| {row['preset'].replace(':', ' ')} | {row['crf']:g} | {row['whole']:.2f} "
            f"| {row['start']:+.2f} | {row['sample']:+.2f} | {error:+.2f} | {stated:.2f} "
            f"| {100 * size:+.1f} % |"
        )
    row = document["judge"][0]
    return (
        "\n".join(lines)
        + f"\n\n{row['looks']} looks of {sampling.LENGTH} frames, {row['looked_at']} of "
        f"{row['frames']:,} frames encoded and {row['scored']} scored. Error: root mean square "
        f"{np.sqrt(np.mean(np.square(errors))):.2f} points; within 1.645 stated deviations "
        f"{sum(each <= 1.645 for each in ratios)} of {len(ratios)} (90 % should be). Size: median "
        f"error {100 * float(np.median(np.abs(sizes))):.1f} %. The film has {len(row['titles'])} "
        f"titles, none of them among the {len(document['learn'][0]['titles'])} that taught the "
        "correction.\n"
    )


def main() -> None:
    """Measure, and write evidence, table and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learn", type=Path, help="folder of titles")
    parser.add_argument("--judge", type=Path, help="folder of other titles")
    parser.add_argument("--preset", action="append", choices=list(CELLS), help="ENCODER:PRESET")
    parser.add_argument("--frames", type=int, default=250, help="most of one title")
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--skip", action="append", default=[], help="part of a name")
    parser.add_argument("--work", type=Path, default=Path("runs/sampling"))
    parser.add_argument("--evidence", type=Path, help="file that rows are added to")
    parser.add_argument("--report", type=Path, help="evidence that is there")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    path = arguments.report or arguments.evidence
    document: dict[str, Any] = {"schema_version": 2, "learn": [], "judge": []}
    if path is not None and path.exists():
        document = json.loads(path.read_text())
    for role in ("learn", "judge"):
        folder = getattr(arguments, role)
        if folder is None or arguments.report:
            continue
        work = arguments.work / role
        (work / "cells").mkdir(parents=True, exist_ok=True)
        film = joined(folder, arguments.skip, arguments.frames, arguments.height, work / "film.mkv")
        for which in arguments.preset or CELLS:
            for crf in CELLS[which][1]:
                row = measured(film, which, crf, work)
                rows = document[role]
                rows[:] = [r for r in rows if (r["preset"], r["crf"]) != (which, crf)] + [row]
                told = f"start {row['start']:+.2f} sample {row['sample']:+.2f}"
                print(f"{role} {which} {crf:g}: {told}", file=sys.stderr)
                if arguments.evidence:
                    text = json.dumps(document, indent=1) + "\n"
                    write_atomic(arguments.evidence, text.encode())
    if arguments.table:
        write_atomic(cold_start.TABLE, codec.to_bytes(ColdStarts(rows=teach(document))))
    text = report(document)
    print(text)
    if arguments.markdown:
        blocks.write(arguments.markdown, "sampling", text, heading="## Looks instead of the whole")


if __name__ == "__main__":
    main()
