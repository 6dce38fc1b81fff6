"""From a checked corpus to a family's training columns, with the coverage of its slots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.errors import CorpusError
from vqcast.families import Family
from vqcast.regressor.engine import Columns
from vqcast.vocab import UNKNOWN, codec_block, slot_of, varied_encoders


@dataclass(frozen=True, slots=True)
class Coverage:
    """Training rows per vocabulary slot, and who trained the ``unknown`` slot."""

    slot_rows: dict[str, int]
    unknown_encoders: dict[str, int]


@dataclass(frozen=True, slots=True)
class Trainable:
    """The rows of a corpus that a family can be trained on, and what was left out."""

    corpus: Corpus
    """The kept rows, under the whole file's path and digest."""
    rows: NDArray[np.int64]
    """Their positions in the file's order."""
    file_rows: int
    excluded: dict[str, int]
    """Rows left out per encoder: the vocabulary has no slot for them."""


def trainable(corpus: Corpus, family: Family) -> Trainable:
    """Leave out rows whose encoder has no slot in a vocabulary without ``unknown``.

    Raises CorpusError where no row is left.
    """
    slots = family.vocabulary
    if not slots or UNKNOWN in slots:
        return Trainable(corpus, np.arange(len(corpus)), len(corpus), {})
    counts = corpus.counts("encoder")
    encoders, encoder_of_row = corpus.codes("encoder")
    kept = np.array([encoder in slots for encoder in encoders])[encoder_of_row]
    if not kept.any():
        raise CorpusError(
            f"{family.id} has no slot for any of its encoders",
            path=corpus.path,
            hint=f"its vocabulary: {', '.join(slots)}",
        )
    excluded = {encoder: rows for encoder, rows in counts.items() if encoder not in slots}
    rows = np.flatnonzero(kept)
    return Trainable(corpus.take(rows), rows, len(corpus), dict(sorted(excluded.items())))


def columns_of(corpus: Corpus, family: Family) -> Columns:
    """The corpus as float32 columns for ``family``; units are sources, sorted by name.

    Raises UnknownEncoderError for an encoder that the vocabulary can't hold.
    """
    if family.vocabulary:
        settings, setting_of_row = corpus.settings()
        encoders, presets, cqs = zip(*settings, strict=True)
        varied = varied_encoders(zip(encoders, presets, strict=True))
        block = codec_block(
            encoders, presets, cqs, family.vocabulary, corpus.cq_min, corpus.cq_max, varied
        )[setting_of_row]
    else:
        block = np.zeros((len(corpus), 0), dtype=np.float32)
    return Columns(
        features=corpus.features_as(np.float32),
        codec=block,
        vmaf=corpus.vmaf.astype(np.float32),
        unit=source_codes(corpus),
    )


def source_codes(corpus: Corpus) -> NDArray[np.int32]:
    """Each row's source as its index in ``corpus.sources``."""
    code = {name: index for index, name in enumerate(corpus.sources)}
    names, codes = corpus.codes("src")
    return np.array([code[name] for name in names], dtype=np.int32)[codes]


def coverage_of(corpus: Corpus, family: Family) -> Coverage:
    """Count the corpus's rows per slot of the family's vocabulary."""
    slots = family.vocabulary
    slot_rows = dict.fromkeys(slots, 0)
    unknown: Counter[str] = Counter()
    for encoder, rows in sorted(corpus.counts("encoder").items()):
        if not slots:
            continue
        slot = slots[slot_of(encoder, slots)]
        slot_rows[slot] += rows
        if slot == UNKNOWN and encoder != UNKNOWN:
            unknown[encoder] += rows
    return Coverage(slot_rows=slot_rows, unknown_encoders=dict(unknown))


def multi_source_groups(corpus: Corpus) -> dict[str, list[str]]:
    """Groups that hold several sources: only their folds need training beyond LOSO's."""
    members: dict[str, list[str]] = {}
    for src, group in sorted(corpus.group_of().items()):
        members.setdefault(group, []).append(src)
    return {group: names for group, names in members.items() if len(names) > 1}
