"""A slice of a corpus: the rows of some sources, encoders and qualities."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.corpus.writing import check_name, write_frame
from vqcast.errors import InputError


def select(
    corpus: Corpus,
    out: Path,
    *,
    groups: Collection[str] = (),
    sources: Collection[str] = (),
    encoders: Collection[str] = (),
    cqs: Collection[float] = (),
) -> tuple[int, str]:
    """Write the rows that match every given filter to ``out``; return their count and sha256.

    An empty filter lets everything pass; every column is kept. Raises InputError for a name that
    the corpus lacks, or where nothing is left.
    """
    check_name(out)
    group_of = corpus.group_of()
    _known("group", groups, set(group_of.values()), corpus.path)
    _known("source", sources, set(group_of), corpus.path)
    _known("encoder", encoders, set(corpus.counts("encoder")), corpus.path)
    cells, cell_of_row = corpus.cells()
    kept = [
        (not groups or group_of[src] in groups)
        and (not sources or src in sources)
        and (not encoders or encoder in encoders)
        and (not cqs or cq in cqs)
        for src, encoder, _, cq, _ in cells
    ]
    rows = np.flatnonzero(np.array(kept)[cell_of_row])
    if not len(rows):
        raise InputError(
            "no row matches", path=corpus.path, hint="vqcast corpus check shows what is in it"
        )
    return write_frame(out, corpus.take(rows).frame)


def _known(what: str, given: Collection[str], there: set[str], path: Path) -> None:
    absent = sorted(set(given) - there)
    if absent:
        raise InputError(
            f"has no {what} {', '.join(absent)}",
            path=path,
            hint=f"it has: {', '.join(sorted(there))}",
        )
