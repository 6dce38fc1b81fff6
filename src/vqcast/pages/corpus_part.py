"""The corpus's part of the page: what each source costs at which quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcast.corpus.table import Corpus
from vqcast.pages import corpus_curves, html, ink
from vqcast.pages.cells import Cell, cells_of
from vqcast.pages.subject import Piece

MAX_SOURCES = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """A corpus's file and its cells."""

    piece: Piece
    n_rows: int
    cells: list[Cell]


def measured(corpus: Corpus) -> Measured:
    """Pool a corpus into cells."""
    path = corpus.path
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    n_bytes = sum(each.stat().st_size for each in files)
    return Measured(Piece(path.name, corpus.sha256, n_bytes, path), len(corpus), cells_of(corpus))


def corpus_part(found: Measured, evidence: str) -> str:
    """The section of the corpus, as HTML."""
    look = corpus_curves.looks(found.cells)
    sized = any(cell.kbit_per_frame is not None for cell in found.cells)
    across = corpus_curves.rate if sized else corpus_curves.quality
    sources = sorted({cell.source for cell in found.cells})
    floor = 10.0 * (min(cell.vmaf for cell in found.cells) // 10)
    panels = [
        _panel(source, [c for c in found.cells if c.source == source], look, across, floor)
        for source in sources[:MAX_SOURCES]
    ]
    key = ink.inline(
        ink.key(corpus_curves.named(look)),
        name="corpus-key",
        title="Key",
        description="Colour and marker of each encoder, dashes of its presets.",
    )
    words = "" if sized else " The corpus records no sizes, so the quality number stands across."
    if len(sources) > len(panels):
        words += f" Drawn: the first {len(panels)} of {len(sources)} sources."
    return html.figure(
        "Rate and quality, source by source" if sized else "Quality, source by source",
        f'<div class="key">{key}</div>{html.many(panels, width=240, first=8)}',
        n=f"{len(found.cells):,} cells (one encode each), {found.n_rows:,} frames, "
        f"{len(sources)} sources",
        evidence=evidence,
        note=f"Mean VMAF of an encode's frames, over its size. Every panel has the same VMAF "
        f"scale; the bits differ.{words}",
        fallback=_table(found.cells),
        wide=True,
    )


def _panel(
    source: str,
    cells: Sequence[Cell],
    look: corpus_curves.Look,
    across: corpus_curves.Across,
    floor: float,
) -> tuple[str, str, str]:
    scores = [cell.vmaf for cell in cells]
    chart = ink.inline(
        corpus_curves.small(cells, look, across, floor),
        name=f"corpus-{ink.slug(source)}",
        title=f"VMAF of {source}, by encoder",
        description=f"{len(cells)} encodes, VMAF {min(scores):.1f} to {max(scores):.1f}.",
    )
    return source, f"{len(cells)} encodes of {max(cell.frames for cell in cells)} frames", chart


def _table(cells: Sequence[Cell]) -> str:
    return html.table(
        ("source", "encoder", "preset", "quality", "frames", "VMAF", "kbit per frame"),
        [
            (c.source, c.encoder, c.preset, f"{c.cq:g}", c.frames, c.vmaf, c.kbit_per_frame)
            for c in cells
        ],
        digits=(0, 0, 0, 0, 0, 2, 2),
    )
