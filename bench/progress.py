"""How right the time left is, that `vqcast tune` and `vqcast encode` tell: probes, and the encode.

    python bench/progress.py FILE... --evidence docs/evidence/progress.json --markdown PAGE

Each step (a probe, the encode) is timed from the event before it to its own. From a tenth of it on,
every line that the command would show says when the step should end; told is the worst error of
the whole step's duration by these lines, in percent of what it took.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import vqcast
from vqcast.cli import render
from vqcast.documents.tune import TuneProbed
from vqcast.durable.files import write_atomic
from vqcast.media.threads import usable_cores
from vqcast.pages import blocks

PRESETS = {"libsvtav1": "10", "libx264": "veryfast", "libx265": "superfast"}
TARGET, FROM, GOAL = 90.0, 0.1, 20.0
_LEFT = re.compile(r"about (\d+) s left")
Row = dict[str, Any]


class Watched:
    """One command's lines and events, each with its time."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.lines: list[tuple[float, float]] = []
        """When it was said, and how many seconds it said were left."""
        self.steps: list[Row] = []

    def say(self, line: str) -> None:
        """A line of progress."""
        if found := _LEFT.search(line):
            self.lines.append((time.monotonic(), float(found[1])))

    def event(self, event: Any) -> None:
        """An event: a step begins, and where it was a probe, one ends."""
        if isinstance(event, TuneProbed) and not event.probe.reused:
            self.end(f"probe {len(self.steps) + 1}")
        self.lines, self.began = [], time.monotonic()

    def end(self, name: str) -> None:
        """A step ends."""
        end = time.monotonic()
        took = end - self.began
        late = [(at, left) for at, left in self.lines if at - self.began >= FROM * took]
        errors = [100 * (at + left - end) / took for at, left in late]
        worst = max(errors, key=abs, default=None)
        self.steps.append({
            "step": name, "wall_s": round(took, 2), "lines": len(late),
            "worst_percent": None if worst is None else round(worst, 1),
        })  # fmt: skip


def measured(path: Path, name: str, extra: Row) -> list[Row]:
    """Every step of one `encode`, with nothing kept from before."""
    seen = Watched()
    asked = vqcast.TuneRequest(encoder=name, preset=PRESETS[name], target=TARGET)
    with tempfile.TemporaryDirectory() as folder:
        tuning, encoding = (render.remaining(what, seen.say) for what in ("probing", "encoding"))
        cache = Path(folder) / "cache"
        vqcast.tune(path, asked, cache=cache, on_event=seen.event, on_progress=tuning)
        vqcast.encode(
            path, Path(folder) / "out.mkv", asked, cache=cache, on_event=seen.event,
            on_progress=encoding, allow_larger=True, **extra,
        )  # fmt: skip
        seen.end("encode")
    return seen.steps


def report(document: Row) -> str:
    """The page's block."""
    lines = [
        f"Measured on {document['machine']}, {document['cores']} cores (`bench/progress.py`): "
        f"target {TARGET:g}; the worst error of a step's whole duration that any line told after "
        "its first tenth, in percent of what it took.", "",
        "| title | encoder | step | took | lines | worst error |", "|---|---|---|---:|---:|---:|",
    ]  # fmt: skip
    worst = 0.0
    for row in document["steps"]:
        told = row["worst_percent"]
        worst = max(worst, abs(told or 0.0))
        cell = "none was told" if told is None else f"{told:+.0f} %"
        lines.append(
            f"| {row['title']} | {row['encoder']} {PRESETS[row['encoder']]} | {row['step']} "
            f"| {row['wall_s']:.0f} s | {row['lines']} | {cell} |"
        )
    met = "met" if worst <= GOAL else "not met"
    return "\n".join([*lines, "", f"Goal: {GOAL:g} %; worst: {worst:.0f} %: {met}."]) + "\n"


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--encoder", action="append", choices=list(PRESETS))
    parser.add_argument("--no-parts", action="store_true")
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "steps": []}
    if given.evidence.exists():
        document = json.loads(given.evidence.read_text())
    document |= {"machine": f"{platform.system()} {platform.machine()}", "cores": usable_cores()}
    for path in given.titles:
        for name in given.encoder or PRESETS:
            steps = measured(path, name, {"parts": False} if given.no_parts else {})
            for step in steps:
                step["step"] += " in one" * (given.no_parts and step["step"] == "encode")
                row = {"title": path.stem, "encoder": name, **step}
                print(row, file=sys.stderr, flush=True)
                document["steps"] = [
                    each for each in document["steps"]
                    if any(each[key] != row[key] for key in ("title", "encoder", "step"))
                ] + [row]  # fmt: skip
            write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/progress.py", report(document))


if __name__ == "__main__":
    main()
