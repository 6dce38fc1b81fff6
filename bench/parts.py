"""What parts cost: a title encoded in one and in parts of several lengths, at one CRF.

    python bench/parts.py FILE... --evidence docs/evidence/parts.json --markdown docs/adr/0008-...md

Bytes are the video's, scores the mean VMAF of every nth frame of the delivered file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from vqcast.durable.files import write_atomic
from vqcast.media.deliver import deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.parts import PART_S, Parts
from vqcast.media.source import Source, probe
from vqcast.media.threads import plan as plan_threads
from vqcast.media.threads import usable_cores
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.pages import blocks

PRESETS = {"libx264": ("veryfast", 26.0), "libx265": ("superfast", 28.0),
           "libsvtav1": ("10", 38.0), "libvpx-vp9": ("8", 40.0)}  # fmt: skip
LENGTHS_S = (5.0, 10.0, PART_S, 60.0)
EVERY = 5
Row = dict[str, Any]


def measured(source: Source, name: str, tool: Tool, length_s: float | None, folder: Path) -> Row:
    """One encode; ``length_s`` None: in one."""
    preset, crf = PRESETS[name]
    output = folder / "out.mkv"
    planned = plan(source, ENCODERS[name], output, tool, overwrite=True)
    cores = usable_cores()
    parts = None if length_s is None else Parts(folder / "parts", length_s=length_s)
    made = deliver(source, planned, preset, crf, tool, threads=plan_threads(cores, 1), parts=parts)
    scores = measure_delivered(source, made, tool, every=EVERY, threads=cores)
    vmaf = round(float(scores.columns["vmaf"].mean()), 4)
    return {"parts": made.parts, "video_bytes": made.video_bytes, "vmaf": vmaf}


def report(document: Row) -> str:
    """The page's block."""
    heads = [f"{length:g} s" for length in LENGTHS_S]
    lines = [
        "Bytes more than in one, and points of VMAF more, at one CRF "
        f"(`bench/parts.py`, {document['cores']} cores).", "",
        f"| title | encoder | {' | '.join(heads)} |", "|---|---|" + "---:|" * len(heads),
    ]  # fmt: skip
    for title, encoders in document["titles"].items():
        for name, rows in encoders.items():
            one = rows["one"]
            cells = [
                f"{100 * (row['video_bytes'] / one['video_bytes'] - 1):+.2f} %, "
                f"{row['vmaf'] - one['vmaf']:+.3f} ({row['parts']})"
                for row in (rows[f"{length:g}"] for length in LENGTHS_S)
            ]
            lines.append(f"| {title} | {name} {PRESETS[name][0]} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "In brackets: how many parts."]) + "\n"


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "cores": usable_cores(), "titles": {}}
    if given.evidence.exists():
        document = json.loads(given.evidence.read_text())
    tool = find_ffmpeg()
    for path in given.titles:
        source = probe(path, tool)
        rows = document["titles"].setdefault(source.name, {})
        for name in PRESETS:
            for length_s in (None, *LENGTHS_S):
                key = "one" if length_s is None else f"{length_s:g}"
                with tempfile.TemporaryDirectory() as folder:
                    row = measured(source, name, tool, length_s, Path(folder))
                rows.setdefault(name, {})[key] = row
                print(source.name, name, key, row, file=sys.stderr, flush=True)
                write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/parts.py", report(document))


if __name__ == "__main__":
    main()
