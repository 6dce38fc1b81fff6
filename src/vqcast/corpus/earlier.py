"""What stands where a build is to write, and whether the build may add to it.

Cells of the plan are measured or found finished; the rows of any other cell are kept. Two
videos, or two ffmpegs, never share a corpus: the provenance beside it tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.corpus.checking import SHAPE_FRAME
from vqcast.corpus.frame import Frame
from vqcast.corpus.provenance import read_provenance
from vqcast.corpus.table import Corpus, load
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import CorpusError, InputError
from vqcast.measured.cell import Cell
from vqcast.media.tool import Tool

_HINT = "give the new corpus another name with --out"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The rows of a corpus that a build keeps, and where they come from."""

    frame: Frame
    cells: int
    origin: CorpusProvenance


def provenance_path(out: Path) -> Path:
    """Where the provenance of a corpus is, unless elsewhere is asked for."""
    name = out.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".parquet")
    return out.with_name(f"{name}.provenance.json")


def earlier_rows(out: Path, origin: Path, cells: Sequence[Cell], tool: Tool) -> Earlier | None:
    """The rows at ``out`` of cells that are not in the plan; None where there are none.

    ``origin`` is the provenance of ``out``. Raises InputError where ``out`` is no corpus, or holds
    cells that can't stand beside those of the plan.
    """
    if not out.exists():
        return None
    try:
        corpus = load(out, min_rows=1)
    except CorpusError as error:
        raise InputError(
            f"already exists, and is no corpus to add to: {error.reason}", path=out, hint=_HINT
        ) from error
    planned = {
        (
            *(cell.source.name, cell.encoder, cell.preset, float(cell.cq)),
            cell.added or None,
        ): cell
        for cell in cells
    }
    found, index = corpus.cells()
    others = np.array([cell not in planned for cell in found])
    if not others.any():
        return None
    kept = corpus.take(np.flatnonzero(others[index]))
    made = _provenance(origin, out)
    _refuse(kept, made, cells, tool)
    return Earlier(kept.frame, int(others.sum()), made)


def _provenance(path: Path, out: Path) -> CorpusProvenance:
    if not path.exists():
        raise InputError(
            f"already holds other cells, and {path.name}, which says of which videos, is not there",
            path=out,
            hint=_HINT,
        )
    return read_provenance(path)


def _refuse_sizes(kept: Corpus, cells: Sequence[Cell]) -> None:
    """Raise InputError where a source would be scored at two sizes."""
    frame = kept.frame
    if not {"score_width", "score_height"} <= frame.kinds.keys():
        return
    sizes = zip(
        frame.text("src"), frame.number("score_width"), frame.number("score_height"), strict=True
    )
    there = {name: (int(width), int(height)) for name, width, height in sizes if width and height}
    for cell in cells:
        wanted = cell.size or (cell.source.width, cell.source.height)
        found = there.get(cell.source.name, wanted)
        if found != wanted:
            raise InputError(
                f"already holds cells of {cell.source.name} scored at {found[0]}x{found[1]}, and "
                f"these are scored at {wanted[0]}x{wanted[1]}",
                path=kept.path, hint=f"say --score-size {found[0]}x{found[1]}, or {_HINT}",
            )  # fmt: skip


def _refuse(kept: Corpus, origin: CorpusProvenance, cells: Sequence[Cell], tool: Tool) -> None:
    """Raise InputError where the kept rows can't stand beside the plan's cells."""
    if kept.shape != SHAPE_FRAME:
        raise InputError("already exists and holds pooled rows", path=kept.path, hint=_HINT)
    if origin.ffmpeg.sha256 != tool.sha256:
        raise InputError(
            f"already holds cells that ffmpeg {origin.ffmpeg.version} measured, "
            f"and this is another build ({tool.version})",
            path=kept.path,
            hint=_HINT,
        )
    known = {clip.src: clip for clip in origin.sources}
    for name in kept.sources:
        if name not in known:
            raise InputError(
                f"already holds cells of {name}, which its provenance does not know",
                path=kept.path,
                hint=_HINT,
            )
    _refuse_sizes(kept, cells)
    for source in {cell.source.name: cell.source for cell in cells}.values():
        clip = known.get(source.name)
        if clip is not None and (clip.sha256, clip.frames) != (source.sha256, source.frames):
            raise InputError(
                f"already holds cells of another {source.name}: {clip.frames} frames of a file "
                f"with sha256 {clip.sha256[:16]}…",
                path=kept.path,
                hint=f"rename the source, or {_HINT}",
            )
