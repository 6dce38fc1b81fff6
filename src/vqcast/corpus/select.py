"""A slice of a corpus: the rows of some sources, encoders and qualities, as they stand."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vqcast.corpus.parquet import is_dataset, write_dataset
from vqcast.corpus.table import SHAPE_POOLED, Corpus, rows_text
from vqcast.corpus.writing import parts_of_lines, write_lines
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

    An empty filter lets everything pass. Lines are copied byte for byte,
    but to or from a Parquet dataset.
    Raises InputError for a name that the corpus lacks, or where nothing is left.
    """
    group_of = corpus.group_of()
    _known("group", groups, set(group_of.values()), corpus.path)
    _known("source", sources, set(corpus.src), corpus.path)
    _known("encoder", encoders, set(corpus.encoder), corpus.path)
    if corpus.shape == SHAPE_POOLED and corpus.dropped_nan_rows:
        raise InputError(f"{corpus.path}: can't select from a corpus with rows dropped for NaN")
    kept = []
    lines = rows_text(corpus.path)
    columns = zip(lines, corpus.src, corpus.encoder, corpus.cq, strict=True)
    for line, src, encoder, cq in columns:
        if (
            (not groups or group_of[src] in groups)
            and (not sources or src in sources)
            and (not encoders or encoder in encoders)
            and (not cqs or float(cq) in cqs)
        ):
            kept.append(line)
    if not kept:
        raise InputError(
            f"{corpus.path}: no row matches", hint="vqcast corpus check shows what is in it"
        )
    if is_dataset(out):
        return write_dataset(out, parts_of_lines(kept, str(corpus.path)))
    return len(kept), write_lines(out, [line + b"\n" for line in kept])


def _known(what: str, given: Collection[str], there: set[str], path: Path) -> None:
    absent = sorted(set(given) - there)
    if absent:
        raise InputError(
            f"{path}: has no {what} {', '.join(absent)}", hint=f"it has: {', '.join(sorted(there))}"
        )
