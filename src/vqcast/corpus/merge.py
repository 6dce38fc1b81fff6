"""Several corpora as one file, each cell once, with the provenance of all.

A network reads one file, whose digest stands in its sidecar; what was measured
in several runs is joined here first. A cell that two corpora hold is taken
from the first, and must have been scored alike in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import UNSET

from vqcast.corpus.checking import SHAPE_FRAME
from vqcast.corpus.frame import Frame
from vqcast.corpus.table import CellKey, Corpus, load
from vqcast.corpus.writing import check_name, write_frame
from vqcast.documents.forecast import CorpusPin
from vqcast.documents.provenance import Clip, CorpusProvenance, EncoderGrid
from vqcast.errors import InputError

_SAME_VMAF = 1e-4
"""Points by which two measurements of one cell may differ: the digits that a row keeps."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What was written."""

    rows: int
    sha256: str
    taken: tuple[int, ...]
    """Cells taken from each corpus, in order."""
    known: tuple[int, ...]
    """Cells of each that an earlier one had."""


def merge(files: Sequence[Path], out: Path) -> Merged:
    """Write the rows of all per-frame corpora ``files`` to ``out``, every column kept.

    Raises InputError for pooled corpora, or where two measured one cell differently.
    """
    check_name(out)
    held: dict[CellKey, float] = {}
    frames: list[Frame] = []
    taken, known = [], []
    for path in files:
        corpus = load(path, min_rows=1)
        if corpus.shape != SHAPE_FRAME:
            raise InputError("has pooled rows, and only per-frame corpora are merged", path=path)
        cells, index = corpus.cells()
        means = np.bincount(index, corpus.vmaf) / np.bincount(index)
        fresh = [_is_fresh(path, cell, mean, held) for cell, mean in zip(cells, means, strict=True)]
        frames.append(corpus.take(np.flatnonzero(np.array(fresh)[index])).frame)
        taken.append(sum(fresh))
        known.append(len(fresh) - sum(fresh))
    rows, digest = write_frame(out, Frame.concat(frames))
    return Merged(rows, digest, tuple(taken), tuple(known))


def _is_fresh(path: Path, cell: CellKey, mean: float, held: dict[CellKey, float]) -> bool:
    """Whether no earlier corpus has the cell; it is remembered."""
    if cell not in held:
        held[cell] = mean
        return True
    if abs(held[cell] - mean) > _SAME_VMAF:
        name = ", ".join(str(part) for part in cell if part is not None)
        raise InputError(
            f"{name} has VMAF {mean:.4f}, another corpus {held[cell]:.4f}",
            path=path,
            hint="corpora are merged where the same encode scores alike: measure one of them again",
        )
    return False


def merged_provenance(
    corpus: Corpus, origins: Sequence[CorpusProvenance], *, command: str | None
) -> CorpusProvenance:
    """The provenance of a merged corpus from those of its parts: tool, grid, sources, commands.

    ``command`` merged them; None: the last part was added to the first, which is no more.

    Raises InputError where the parts were made by different tools, or two call
    different videos by one name.
    """
    first = origins[0]
    for name in ("ffmpeg", "libvmaf"):
        if any(getattr(origin, name) != getattr(first, name) for origin in origins):
            raise InputError(f"the parts were measured with different builds of {name}")
    sources: dict[str, Clip] = {}
    for clip in (clip for origin in origins for clip in origin.sources):
        if sources.setdefault(clip.src, clip).sha256 != clip.sha256:
            raise InputError(f"{clip.src} is another video in another part")
    commands = [*(origin.command for origin in origins), command or ""]
    return CorpusProvenance(
        corpus=CorpusPin(path=corpus.path.name, sha256=corpus.sha256, n_rows=len(corpus)),
        command="\n".join(dict.fromkeys(line for said in commands for line in said.splitlines())),
        ffmpeg=first.ffmpeg,
        libvmaf=first.libvmaf,
        models=list(dict.fromkeys(model for origin in origins for model in origin.models)),
        parts=[origin.corpus for origin in origins] if command else UNSET,
        grid=_grid(corpus, origins),
        sources=[sources[name] for name in corpus.sources],
    )


def _grid(corpus: Corpus, origins: Sequence[CorpusProvenance]) -> dict[str, EncoderGrid]:
    """Presets and qualities that the corpus holds of each encoder, one option line beside them."""
    settings = sorted(corpus.settings()[0], key=lambda each: (each[0], each[2]))
    return {
        encoder: EncoderGrid(
            cq=list(dict.fromkeys(cq for name, _, cq in settings if name == encoder)),
            presets=list(dict.fromkeys(p for name, p, _ in settings if name == encoder and p)),
            options=next(o.grid[encoder].options for o in origins if encoder in o.grid),
        )
        for encoder in dict.fromkeys(encoder for encoder, _, _ in settings)
    }
