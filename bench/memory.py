"""What a file of ten hours takes: memory of vqcast and of ffmpeg apart, and temporary disk.

    python bench/memory.py --title FILE --evidence docs/evidence/memory.json --markdown PAGE

FILE is repeated by stream copy. `vqcast tune` and `vqcast encode` then run on it, and four times a
second the resident memory of the process, the sum of its children's, and the bytes below its
folder of temporary files are taken from /proc and the folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vqcast.durable.files import write_atomic
from vqcast.media.source import probe
from vqcast.media.threads import usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks

ASKED = ("--encoder", "libx264", "--preset", "ultrafast", "--target", "80")
GOAL_BYTES, EACH_S = 1.5e9, 0.25
Row = dict[str, Any]


def repeated(title: Path, hours: float, out: Path) -> Path:
    """``title`` again and again for ``hours``, in Matroska."""
    tool = find_ffmpeg()
    source = probe(title, tool)
    times = math.ceil(hours * 3600 / (source.frames / (source.fps or 25.0)))
    listed = out.with_suffix(".txt")
    listed.write_text(f"file '{title.absolute()}'\n" * times)
    words = [tool.path, "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", listed]
    subprocess.run([*words, "-map", "0:v:0", "-c", "copy", out], check=True)
    listed.unlink()
    return out


def resident(pid: int) -> int:
    """Bytes of a process that are in memory; 0 where it has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def children(pid: int) -> list[int]:
    """All that descend from a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def below(folder: Path) -> int:
    """Bytes of the files in and below ``folder``."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).stat().st_blocks * 512
    return total


def watched(words: list[object], temporary: Path) -> Row:
    """Run vqcast, and the most that it took of each. Raises SystemExit where it fails."""
    began, most = time.monotonic(), {"own_bytes": 0, "children_bytes": 0, "disk_bytes": 0}
    command = [sys.executable, "-m", "vqcast.cli.main", *map(str, words)]
    command += ["--temp-dir", str(temporary), "--json"]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as lines:
        process = subprocess.Popen(
            command, stdout=lines, stderr=said, env={**os.environ, "TMPDIR": str(temporary)}
        )
        while process.poll() is None:
            pids = children(process.pid)
            seen = (resident(process.pid), sum(map(resident, pids)), below(temporary))
            most = {key: max(value, now) for (key, value), now in zip(most.items(), seen,
                                                                     strict=True)}  # fmt: skip
            time.sleep(EACH_S)
        if process.returncode not in (0, 3):
            said.seek(0)
            raise SystemExit(said.read().decode()[-2000:])
        lines.seek(0)
        events = [json.loads(line) for line in lines]
    notes = [note for note in events[0]["notes"] if "temporary folder" in note]
    return most | {"wall_s": round(time.monotonic() - began), "notes": notes,
                   "left_bytes": below(temporary)}  # fmt: skip


def report(document: Row) -> str:
    """The page's block."""
    lines = [
        f"Measured on {document['machine']}, {document['cores']} cores (`bench/memory.py`): a file "
        f"of {document['hours']:g} hours, {document['frames']:,} frames of "
        f"{document['width']}x{document['height']}, libx264 ultrafast. The most of resident memory "
        "and of temporary files, taken four times a second.", "",
        "| command | wall | vqcast itself | all its ffmpegs | temporary files | left of them |",
        "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    worst = 0
    for name, row in document["commands"].items():
        worst = max(worst, row["own_bytes"])
        cells = [f"{row[key] / 1e6:,.0f} MB" for key in
                 ("own_bytes", "children_bytes", "disk_bytes", "left_bytes")]  # fmt: skip
        lines.append(f"| `vqcast {name}` | {row['wall_s']:,} s | {' | '.join(cells)} |")
    met = "met" if worst <= GOAL_BYTES else "not met"
    return (
        "\n".join([*lines, "", f"Goal: 1.5 GB beside the encoders' own: {met} by what was run."])
        + "\n"
    )


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--title", type=Path, metavar="FILE")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--only", action="append", choices=["tune", "tune --decode-all", "encode"])
    parser.add_argument("--work", type=Path, default=Path("runs/memory"))
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "commands": {}}
    if given.evidence.exists():
        document = json.loads(given.evidence.read_text())
    if given.title:
        given.work.mkdir(parents=True, exist_ok=True)
        film = given.work.absolute() / "long.mkv"
        if not film.exists():
            repeated(given.title, given.hours, film)
        source = probe(film, find_ffmpeg())
        document |= {
            "machine": f"{platform.system()} {platform.machine()}", "cores": usable_cores(),
            "hours": given.hours, "frames": source.frames, "width": source.width,
            "height": source.height, "bytes": film.stat().st_size,
        }  # fmt: skip
        for name in given.only or ["tune", "encode"]:
            with tempfile.TemporaryDirectory(dir=given.work.absolute()) as folder:
                temporary = Path(folder) / "temporary"
                temporary.mkdir()
                words: list[object] = [*name.split(), film, *ASKED, "--cache", Path(folder) / "c"]
                words += ["-o", Path(folder) / "o.mkv", "--allow-larger"] * (name == "encode")
                document["commands"][name] = row = watched(words, temporary)
            print(name, json.dumps(row), file=sys.stderr, flush=True)
            write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/memory.py", report(document), heading="## Ten hours")


if __name__ == "__main__":
    main()
