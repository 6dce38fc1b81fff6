"""Where a corpus comes from: tool, command, sources, licences.

A build writes ``NAME.provenance.json`` beside the corpus.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vqcast.documents import from_bytes
from vqcast.documents.forecast import CorpusPin
from vqcast.documents.provenance import Clip, CorpusProvenance, EncoderGrid, Ffmpeg
from vqcast.durable.files import read_regular
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.media.encoders import encoder
from vqcast.media.source import Source
from vqcast.media.tool import Tool
from vqcast.metric import TEACHER, TEACHER_V1, VMAF_V1

_CARRIED = ("content", "origin", "licence", "licence_evidence")
"""Columns of a manifest that go along, with spaces for underscores."""


@dataclass(frozen=True, slots=True)
class SourceManifest:
    """What people know of the files: each one's group, and columns to carry along."""

    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def group(self, path: Path) -> str | None:
        """The group of a file, by its name."""
        return self.rows.get(path.name, {}).get("group") or None

    def check(self, path: Path, sha256: str) -> None:
        """Raise InputError where the manifest knows the file with another digest."""
        known = self.rows.get(path.name, {}).get("sha256")
        if known and known != sha256:
            raise InputError("differs from the digest in the manifest", path=path)


def read_provenance(path: Path) -> CorpusProvenance:
    """A provenance file. Raises DocumentError for another."""
    return from_bytes(CorpusProvenance, read_regular(path), where=str(path))


def read_manifest(path: Path) -> SourceManifest:
    """A tab-separated file with a header and at least the columns file and group."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"can't be read: {error}", path=path) from error
    if not rows or not {"file", "group"} <= set(rows[0]):
        raise InputError("needs the columns file and group, separated by tabs", path=path)
    return SourceManifest({row["file"]: row for row in rows})


def provenance(
    cells: Sequence[Cell],
    tool: Tool,
    libvmaf: str,
    manifest: SourceManifest,
    *,
    command: str,
    corpus: CorpusPin,
) -> CorpusProvenance:
    """Everything needed to make the corpus again, and whom to credit."""
    sources = {cell.source.name: cell.source for cell in cells}
    depth = next(iter(sources.values())).depth
    names = dict.fromkeys(cell.encoder for cell in cells)
    return CorpusProvenance(
        corpus=corpus,
        command=command,
        ffmpeg=Ffmpeg(version=tool.version, sha256=tool.sha256),
        libvmaf=libvmaf,
        models=[
            TEACHER,
            *dict.fromkeys(
                TEACHER_V1 if name == VMAF_V1.name else name for cell in cells for name in cell.also
            ),
        ],
        grid={name: _grid([c for c in cells if c.encoder == name], depth) for name in names},
        sources=[_clip(source, manifest) for _, source in sorted(sources.items())],
    )


def _grid(cells: Sequence[Cell], depth: int) -> EncoderGrid:
    """The settings of one encoder's cells."""
    first = cells[0]
    presets = [*dict.fromkeys(cell.preset for cell in cells)]
    qualities = [*dict.fromkeys(cell.cq for cell in cells)]
    options = " ".join(
        encoder(first.encoder, first.options).options(
            qualities[0], presets[0], depth, rate=first.source.rate
        )
    )
    if len(presets) > 1:
        several = [preset for preset in presets if preset is not None]
        return EncoderGrid(cq=qualities, presets=several, options=options)
    return EncoderGrid(preset=presets[0], cq=qualities, options=options)


def _clip(source: Source, manifest: SourceManifest) -> Clip:
    """One source, with what the manifest says of it."""
    said = manifest.rows.get(source.path.name, {})
    assert source.sha256 is not None  # a corpus's sources are digested whole
    return Clip(
        src=source.name,
        file=source.path.name,
        sha256=source.sha256,
        width=source.width,
        height=source.height,
        bits=source.depth,
        frames=source.frames,
        group=source.group,
        **{name: said.get(name.replace("_", " ")) or None for name in _CARRIED},
    )
