"""How fine each encoder's quality knob is: what changes from one step to the next.

    python bench/steps.py CLIP... --cells DIR --evidence docs/evidence/steps.json [--encoders A,B]
    python bench/steps.py --report docs/evidence/steps.json --markdown docs/howto/options.md

Each clip is encoded over a range of qualities that begins at two places of the scale, in steps of
1, 1/2, 1/4, 1/8 and 1/10 (1, 1/2 and 1/4 where ffmpeg's option is a whole number), past what the
encoder table allows. Counted are the steps at which the
coded pictures differ, at which they take fewer bytes, and at which VMAF is lower; and how far a
quality lies off the middle of its two neighbours. Texts that x264 and x265 leave in the stream name
the quality, so only slices are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.media.argv import encode as encode_words
from vqcast.media.encoders import Encoder, encoder
from vqcast.media.inputs import read
from vqcast.media.measure import check, deadline_s, encoder_options, score
from vqcast.media.options import EncoderOptions
from vqcast.media.run import run
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.media.unlisted import described
from vqcast.pages import blocks

WIDE, NARROW = 2, 1
RANGES: dict[tuple[str, str], tuple[tuple[float, float], int]] = {
    ("libx264", "veryfast"): ((22, 32), WIDE),
    ("libx265", "superfast"): ((22, 32), WIDE),
    ("libsvtav1", "10"): ((30, 44), WIDE),
    ("libaom-av1", "8"): ((30, 44), NARROW),
    ("libvpx-vp9", "5"): ((30, 44), NARROW),
    ("libvvenc", "faster"): ((27, 37), NARROW),
    ("librav1e", "-"): ((80, 130), NARROW),
}
"""Encoder, preset -> where its ranges begin, how many whole steps each has. Narrow: ffmpeg's option
is a whole number, and one clip is enough to show it."""
STEPS = {"1": 40, "1/2": 20, "1/4": 10, "1/8": 5, "1/10": 4}
"""Step -> in fortieths."""
_QUARTER = STEPS["1/4"]
RAV1E = EncoderOptions(knob="qp", knob_range="0:255:1", enc=("speed=10",))
SLICES = {"h264": "pass_types=1-5", "hevc": "pass_types=0-31", "vvc": "pass_types=0-11"}
Row = dict[str, Any]


def entry_of(name: str, tool: Tool) -> Encoder:
    """The encoder, its scale as fine as is tried here."""
    given = described(name, RAV1E, tool) if name == "librav1e" else EncoderOptions()
    return replace(encoder(name, given), cq_step=1 / max(STEPS.values()))


def coded(path: Path) -> tuple[str, int]:
    """Digest and bytes of what holds pictures."""
    digest, size = hashlib.sha256(), 0
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        types = SLICES.get(stream.codec_context.name)
        kept = BitStreamFilterContext(f"filter_units={types}", stream) if types else None
        for packet in opened.demux(stream):
            for each in kept.filter(packet) if kept else [packet]:
                digest.update(bytes(each))
                size += each.size
    return digest.hexdigest(), size


def encoded(source: Source, entry: Encoder, preset: str | None, cq: float, tool: Tool) -> Row:
    """One encode: the digest of its pictures, their bytes, and its score."""
    options = encoder_options(source, entry, cq, preset)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made.mp4"
        words = encode_words(tool.path, read(source.path), None, options, made, video=source.video)
        deadline = deadline_s(source.width * source.height, source.frames)
        check(run(words, cwd=made.parent, deadline_s=deadline), f"{entry.name} {cq:g}", source)
        digest, size = coded(made)
        scores = score(source, made, tool, depth=entry.scoring_depth(source.depth))
        vmaf = float(np.mean(scores.columns["vmaf"]))
    return {"cq": cq, "pictures": digest[:16], "bytes": size, "vmaf": round(vmaf, 4)}


def remembered(
    source: Source, entry: Encoder, preset: str | None, cq: float, tool: Tool, cells: Path
) -> Row:
    """`encoded`, or what an earlier run has of it."""
    identity = [source.identity, tool.sha256, encoder_options(source, entry, cq, preset)]
    path = cells / f"{sha256_bytes(json.dumps(identity).encode())[:32]}.json"
    if path.exists():
        return dict(json.loads(read_regular(path)))
    row = encoded(source, entry, preset, cq, tool)
    write_atomic(path, json.dumps(row).encode())
    return row


def steps(width: int) -> dict[str, int]:
    """Those that a range is measured in."""
    return {word: step for word, step in STEPS.items() if width == WIDE or step >= _QUARTER}


def offsets(width: int) -> list[int]:
    """In fortieths, all that some step takes."""
    tried = steps(width).values()
    return [n for n in range(40 * width + 1) if any(n % step == 0 for step in tried)]


def measured(clips: list[Path], cells: Path, names: list[str], known: Row) -> Row:
    """The evidence: encoders ``names``, and others that are ``known``."""
    tool = find_ffmpeg()
    document: Row = {"schema_version": 1, "encoders": dict(known)}
    for (name, preset), (begins, width) in RANGES.items():
        if name not in names:
            continue
        entry, rows = entry_of(name, tool), []
        for clip in clips if width == WIDE else clips[:1]:
            source = probe(clip, tool)
            for begin in begins:
                given = None if preset == "-" else preset
                made = [
                    remembered(source, entry, given, begin + n / 40, tool, cells)
                    for n in offsets(width)
                ]
                rows.append({"clip": clip.stem, "begin": begin, "encodes": made})
                print(name, preset, clip.stem, begin, file=sys.stderr, flush=True)
        title = f"{name} {preset}" if preset != "-" else f"{name} {' '.join(RAV1E.enc)}"
        document["encoders"][title] = rows
    return document


def figures(rows: list[Row], step: int) -> list[float]:
    """Steps, shares that differ, take fewer bytes and have a lower score, ways off the middle."""
    differ, fewer, lower, bytes_off, score_off = [], [], [], [], []
    for row in rows:
        every = [round(40 * (each["cq"] - row["begin"])) % step == 0 for each in row["encodes"]]
        made = [each for each, chosen in zip(row["encodes"], every, strict=True) if chosen]
        for one, another in itertools.pairwise(made):
            differ.append(one["pictures"] != another["pictures"])
            fewer.append(another["bytes"] < one["bytes"])
            lower.append(another["vmaf"] < one["vmaf"])
        sizes, scores = (np.array([each[key] for each in made]) for key in ("bytes", "vmaf"))
        bytes_off += list(np.abs(np.diff(np.log(sizes), 2)) / 2)
        score_off += list(np.abs(np.diff(scores, 2)) / 2)
    shares = [100 * float(np.mean(each)) for each in (differ, fewer, lower)]
    off = [float(np.mean(each)) if each else np.nan for each in (bytes_off, score_off)]
    return [len(differ), *shares, 100 * off[0], off[1]]


def report(document: Row) -> str:
    """The page's block."""
    lines = [
        "| encoder | step | steps | other pictures | fewer bytes | lower VMAF "
        "| off the middle: bytes | VMAF |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rows in document["encoders"].items():
        width = round(rows[0]["encodes"][-1]["cq"] - rows[0]["begin"])
        for word, step in steps(width).items():
            count, differ, fewer, lower, size_off, score_off = figures(rows, step)
            off = f"{size_off:.2f} % | {score_off:.2f}" if np.isfinite(score_off) else "| "
            lines.append(
                f"| {name} | {word} | {count} | {differ:.0f} % | {fewer:.0f} % | {lower:.0f} % "
                f"| {off} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="*")
    every = [name for name, _ in RANGES]
    parser.add_argument("--encoders", type=lambda text: text.split(","), default=every)
    parser.add_argument("--cells", type=Path, default=Path("runs/steps"), help="encodes made")
    parser.add_argument("--evidence", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    if given.report is not None:
        document = json.loads(given.report.read_text())
    else:
        there = given.evidence is not None and given.evidence.exists()
        known = json.loads(given.evidence.read_text())["encoders"] if there else {}
        document = measured(given.clips, given.cells, given.encoders, known)
        if given.evidence:
            write_atomic(given.evidence, (json.dumps(document) + "\n").encode())
    if given.markdown:
        blocks.write(given.markdown, "bench/steps.py", report(document))
    else:
        print(report(document))


if __name__ == "__main__":
    main()
