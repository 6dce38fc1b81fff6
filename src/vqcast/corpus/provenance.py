"""Where a corpus comes from: tool, command, sources, licences; and its datasheet.

A build writes ``NAME.provenance.json`` beside the corpus. The datasheet is a
page for people, made from it and from the corpus itself.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqcast.corpus.check import describe
from vqcast.corpus.table import Corpus
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.media import argv
from vqcast.media.encoders import encoder
from vqcast.media.tool import Tool

SCHEMA_VERSION = 1
_CARRIED = ("content", "origin", "licence", "licence evidence")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What people know of the files: each one's group, and columns to carry along."""

    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def group(self, path: Path) -> str | None:
        """The group of a file, by its name."""
        return self.rows.get(path.name, {}).get("group") or None

    def check(self, path: Path, sha256: str) -> None:
        """Raise InputError where the manifest knows the file with another digest."""
        known = self.rows.get(path.name, {}).get("sha256")
        if known and known != sha256:
            raise InputError(f"{path}: differs from the digest in the manifest")


def read_manifest(path: Path) -> Manifest:
    """A tab-separated file with a header and at least the columns file and group."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read: {error}") from error
    if not rows or not {"file", "group"} <= set(rows[0]):
        raise InputError(f"{path}: needs the columns file and group, separated by tabs")
    return Manifest({row["file"]: row for row in rows})


def provenance(
    cells: Sequence[Cell],
    tool: Tool,
    libvmaf: str,
    manifest: Manifest,
    *,
    command: str,
    corpus_name: str,
    corpus_sha256: str,
    n_rows: int,
) -> dict[str, Any]:
    """Everything needed to make the corpus again, and whom to credit."""
    sources = {cell.source.name: cell.source for cell in cells}
    grid: dict[str, dict[str, Any]] = {}
    for cell in cells:
        entry = grid.setdefault(cell.encoder, {"preset": cell.preset, "cq": []})
        if cell.cq not in entry["cq"]:
            entry["cq"].append(cell.cq)
        if cell.preset != entry["preset"]:
            several = entry.setdefault("presets", [entry["preset"]])
            if cell.preset not in several:
                several.append(cell.preset)
    for name, entry in grid.items():
        depth = next(iter(sources.values())).depth
        entry["options"] = " ".join(encoder(name).options(entry["cq"][0], entry["preset"], depth))
        if "presets" in entry:
            del entry["preset"]
    return {
        "schema_version": SCHEMA_VERSION,
        "corpus": {"path": corpus_name, "sha256": corpus_sha256, "n_rows": n_rows},
        "command": command,
        "ffmpeg": {"version": tool.version, "sha256": tool.sha256},
        "libvmaf": libvmaf,
        "models": [argv.TEACHER] + ([argv.TEACHER_V1] if any(cell.v1 for cell in cells) else []),
        "grid": grid,
        "sources": [
            {
                "src": name,
                "file": source.path.name,
                "sha256": source.sha256,
                "width": source.width,
                "height": source.height,
                "bits": source.depth,
                "frames": source.frames,
                "group": source.group,
                **{
                    key.replace(" ", "_"): value
                    for key in _CARRIED
                    if (value := manifest.rows.get(source.path.name, {}).get(key))
                },
            }
            for name, source in sorted(sources.items())
        ],
    }


def _encoder_limits(encoders: Mapping[str, Any]) -> list[str]:
    """A line where no hardware encoder is among them."""
    if any(not name.startswith("lib") for name in encoders):
        return []
    return ["- Software encoders only; the vocabulary's hardware slots have no rows."]


def datasheet(corpus: Corpus, origin: Mapping[str, Any]) -> str:
    """A Markdown page: what is in the corpus, how it was made, whose it is, its limits.

    Raises InputError where ``origin`` is of another corpus.
    """
    if origin["corpus"]["sha256"] != corpus.sha256:
        raise InputError(f"{corpus.path}: the provenance is of another corpus")
    facts = describe(corpus)
    sources = origin["sources"]
    frames = [source["frames"] for source in sources]
    heights = [source["height"] for source in sources]
    lines = [
        f"# Datasheet: {corpus.path.name}",
        "",
        "Made by `vqcast corpus datasheet` from the corpus and its provenance; not edited by hand.",
        "",
        "## What is in it",
        "",
        f"{facts['n_rows']:,} rows, one a distorted frame: {facts['n_cells']} encodes of "
        f"{facts['n_sources']} clips in {facts['n_groups']} content groups. "
        f"VMAF runs from {facts['vmaf']['min']:.1f} to {facts['vmaf']['max']:.1f}, "
        f"mean {facts['vmaf']['mean']:.1f}. sha256 `{corpus.sha256}`.",
        "",
        "| encoder | preset | qualities | rows |",
        "|---|---|---|---|",
    ]
    for name, each in facts["encoders"].items():
        qualities = ", ".join(f"{cq:g}" for cq in each["cq"])
        lines.append(f"| {name} | {', '.join(each['presets'])} | {qualities} | {each['rows']:,} |")
    lines += ["", "| feature | min | max |", "|---|---|---|"]
    for name, each in facts["features"].items():
        lines.append(f"| {name} | {each['min']:.4f} | {each['max']:.4f} |")
    lines += [
        "",
        "## How it was made",
        "",
        f"The frames counted below were encoded by ffmpeg {origin['ffmpeg']['version']} (sha256 "
        f"`{origin['ffmpeg']['sha256'][:16]}…`), one thread an encode, and each one scored "
        f"against its source by libvmaf {origin['libvmaf']} with {' and '.join(origin['models'])} "
        "at the source's own size. Made again by:",
        "",
        "```",
        origin["command"],
        "```",
        "",
        "| encoder | options at its first quality |",
        "|---|---|",
    ]
    lines += [f"| {name} | `{entry['options']}` |" for name, entry in origin["grid"].items()]
    lines += [
        "",
        "## Whose clips, under which licence",
        "",
        "The clips are not part of this project; numbers measured from them are.",
        "",
        "| clip | group | size | frames | content | origin | licence |",
        "|---|---|---|---|---|---|---|",
    ]
    for source in sources:
        cells = [source["src"], source["group"] or "", f"{source['width']}x{source['height']}"]
        cells += [str(source["frames"])]
        cells += [source.get(key, "") for key in ("content", "origin", "licence")]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## What it can't support",
        "",
        f"- Clips of {min(frames)} to {max(frames)} frames and {min(heights)} to {max(heights)} "
        "lines say nothing about 4K, HDR, film grain at full size, or how quality drifts over "
        "minutes.",
        *(
            ["- One preset an encoder: nothing here shows what a preset does."]
            if all(len(each["presets"]) <= 1 for each in facts["encoders"].values())
            else []
        ),
        *_encoder_limits(facts["encoders"]),
        f"- {facts['n_groups']} content groups are few: a coverage measured on them has a standard "
        "error of several points.",
        "- VMAF is a model's opinion, not a viewer's. Nobody watched these encodes.",
        "",
    ]
    return "\n".join(lines)
