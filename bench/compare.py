"""What `vqcast compare` says of size and encode time, beside the encodes themselves.

    python bench/compare.py FILE... --evidence docs/evidence/compare.json --markdown docs/ladder.md

Each title is compared from an empty cache; then every row is encoded as plainly as can be, on all
cores, at the CRF that it names, and timed. To be run on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import vqcast
from vqcast.documents.compare import CompareRow
from vqcast.durable.files import write_atomic
from vqcast.media import argv, inputs
from vqcast.media.encoders import encoder
from vqcast.media.measure import encoder_options
from vqcast.media.source import Source, probe
from vqcast.media.threads import plan, usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks

KINDS = ("libx264", "libx265", "libsvtav1"), ("veryfast", "superfast", "8", "10")
TARGET, CONFIDENCE = 92.0, 0.95
Row = dict[str, Any]


def measured(path: Path) -> list[Row]:
    """Every row of one title: what was said, and what its encode was."""
    source = probe(path, find_ffmpeg())
    asked = vqcast.CompareRequest(
        encoders=KINDS[0], preset=KINDS[1], target=TARGET, confidence=CONFIDENCE
    )
    with tempfile.TemporaryDirectory() as name:
        said = vqcast.compare(path, asked, cache=Path(name) / "cache")
        return [
            {
                "title": path.stem, "encoder": row.encoder, "preset": row.preset, "crf": row.crf,
                "probes": row.probes, "basis": row.basis, "front": row.front,
                "bytes": [row.bytes, row.bytes_lower, row.bytes_upper],
                "seconds": [row.encode_s, row.encode_s_lower, row.encode_s_upper],
                **dict(zip(("true_seconds", "true_bytes"), encoded(source, row, Path(name)),
                           strict=True)),
            }
            for row in said.rows
        ]  # fmt: skip


def encoded(source: Source, row: CompareRow, folder: Path) -> tuple[float, int]:
    """Seconds of the whole title's encode, and the bytes of its file."""
    entry, threads, out = encoder(row.encoder), plan(usable_cores(), 1), folder / "out.mkv"
    words = argv.encode(
        find_ffmpeg().path, [*entry.before_input, *source.read(threads=threads.decoder)], None,
        encoder_options(source, entry, row.crf, row.preset, threads=threads.encoder), out,
        video=inputs.PLAIN,
    )  # fmt: skip
    began = time.monotonic()
    subprocess.run(words, check=True, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    return round(time.monotonic() - began, 3), out.stat().st_size


def report(document: Row) -> str:
    """The page's block."""
    rows = document["rows"]
    guessed = [row for row in rows if row["basis"] == "forecast"]
    lines = [
        f"`vqcast compare` at target {TARGET:g} on {document['machine']}, {document['cores']} "
        f"cores (`bench/compare.py`): {len(rows)} rows of {len({row['title'] for row in rows})} "
        f"titles, each encoded whole at its CRF and timed. Inside their {CONFIDENCE:.0%} "
        f"intervals: {inside(rows, 'seconds')} encode times, and {inside(guessed, 'bytes')} sizes "
        "of rows that were not measured whole.".replace("%", " %"), "",
        "| title | encoder | CRF | time said | took | size said | was |",
        "|---|---|---:|---|---:|---|---:|",
    ]  # fmt: skip
    for row in rows:
        low, high = row["seconds"][1:]
        size = [f"{each / 1e6:.2f}" for each in row["bytes"]]
        lines.append(
            f"| {row['title']} | {row['encoder']} {row['preset']}{' *' * row['front']} "
            f"| {row['crf']:g} | {row['seconds'][0]:.1f} s ({low:.1f} to {high:.1f}) "
            f"| {row['true_seconds']:.1f} s | {size[0]} MB ({size[1]} to {size[2]}) "
            f"| {row['true_bytes'] / 1e6:.2f} MB |"
        )
    return "\n".join([*lines, "", "\\* on the front of size against time."]) + "\n"


def inside(rows: list[Row], what: str) -> str:
    """How many were inside, in words."""
    hits = sum(row[what][1] <= row[f"true_{what}"] <= row[what][2] for row in rows)
    return f"{hits} of {len(rows)}"


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    document: Row = {"schema_version": 1, "rows": []}
    if given.evidence.exists():
        document = json.loads(given.evidence.read_text())
    document |= {"machine": f"{platform.system()} {platform.machine()}", "cores": usable_cores()}
    for path in given.titles:
        kept = [row for row in document["rows"] if row["title"] != path.stem]
        document["rows"] = kept + measured(path)
        print(path.stem, file=sys.stderr, flush=True)
        write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/compare.py", report(document))


if __name__ == "__main__":
    main()
