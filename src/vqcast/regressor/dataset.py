"""A corpus as a family's training columns, and its out-of-fold predictions beside it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.documents.model import CONSTANT, ORDINAL, PresetUse
from vqcast.errors import CorpusError, EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence.conformal import Codes, OutOfFold
from vqcast.evidence.gate import check_evidence
from vqcast.regressor.job import Columns
from vqcast.regressor.spec import SlotRows, Spec
from vqcast.vocab import (
    PRESETS,
    UNKNOWN,
    codec_block,
    recorded_preset,
    slot_of,
    varied_encoders,
)

HELD_OUT_COLUMN = "vmaf_hold_out_group"


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


def trainable(corpus: Corpus, spec: Spec) -> Trainable:
    """Leave out rows whose encoder has no slot in a vocabulary without ``unknown``.

    Raises CorpusError where no row is left.
    """
    slots = spec.vocabulary
    if not slots or UNKNOWN in slots:
        return Trainable(corpus, np.arange(len(corpus)), len(corpus), {})
    counts = corpus.counts("encoder")
    encoders, encoder_of_row = corpus.codes("encoder")
    kept = np.array([encoder in slots for encoder in encoders])[encoder_of_row]
    if not kept.any():
        raise CorpusError(
            f"{spec.id} has no slot for any of its encoders",
            path=corpus.path,
            hint=f"its vocabulary: {', '.join(slots)}",
        )
    excluded = {encoder: rows for encoder, rows in counts.items() if encoder not in slots}
    rows = np.flatnonzero(kept)
    return Trainable(corpus.take(rows), rows, len(corpus), dict(sorted(excluded.items())))


def columns_of(corpus: Corpus, spec: Spec, *, varied: Collection[str] | None = None) -> Columns:
    """The corpus as float32 columns for ``spec``; units are sources, sorted by name.

    ``varied`` are the encoders whose ``preset_norm`` is the ordinal, by default
    those that this corpus has with several presets. Raises UnknownEncoderError
    for an encoder that the vocabulary can't hold.
    """
    if spec.vocabulary:
        settings, setting_of_row = corpus.settings()
        encoders, presets, cqs = zip(*settings, strict=True)
        if varied is None:
            varied = varied_encoders(zip(encoders, presets, strict=True))
        block = codec_block(
            encoders, presets, cqs, spec.vocabulary, corpus.cq_min, corpus.cq_max, varied
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


def slot_rows_of(corpus: Corpus, spec: Spec) -> SlotRows:
    """Count the corpus's rows per slot of the family's vocabulary."""
    slots = spec.vocabulary
    slot_rows = dict.fromkeys(slots, 0)
    unknown: Counter[str] = Counter()
    for encoder, rows in sorted(corpus.counts("encoder").items()):
        if not slots:
            continue
        slot = slots[slot_of(encoder, slots)]
        slot_rows[slot] += rows
        if slot == UNKNOWN and encoder != UNKNOWN:
            unknown[encoder] += rows
    presets, ranges = _settings_of(corpus) if slots else ({}, {})
    return SlotRows(slot_rows, dict(unknown), presets, ranges)


def _settings_of(corpus: Corpus) -> tuple[dict[str, PresetUse], dict[str, list[float]]]:
    """Presets and smallest and largest quality of each encoder."""
    settings = corpus.settings()[0]
    varied = varied_encoders((encoder, preset) for encoder, preset, _ in settings)
    presets: dict[str, PresetUse] = {}
    ranges: dict[str, list[float]] = {}
    for name in sorted(corpus.counts("encoder")):
        mine = [(preset, cq) for encoder, preset, cq in settings if encoder == name]
        known = PRESETS.get(name, ())
        seen = {recorded_preset(name, preset) for preset, _ in mine}
        order = [preset for preset in known if preset in seen]
        presets[name] = PresetUse(
            seen=[*order, *([None] if None in seen else [])],
            used=ORDINAL if name in varied else CONSTANT,
        )
        ranges[name] = [min(cq for _, cq in mine), max(cq for _, cq in mine)]
    return presets, ranges


def multi_source_groups(corpus: Corpus) -> dict[str, list[str]]:
    """Groups that hold several sources: only their folds need training beyond LOSO's."""
    members: dict[str, list[str]] = {}
    for src, group in sorted(corpus.group_of().items()):
        members.setdefault(group, []).append(src)
    return {group: names for group, names in members.items() if len(names) > 1}


def codes_of(names: Sequence[object]) -> Codes:
    """Codes 0..n-1 of the names, sorted by name, ``[rows]``."""
    order = {name: code for code, name in enumerate(sorted(set(names), key=str))}
    return np.fromiter((order[name] for name in names), dtype=np.int64, count=len(names))


def out_of_fold(found: evidence.Evidence, corpus: Corpus, spec: Spec) -> OutOfFold:
    """Every seed's out-of-group predictions beside the corpus's rows that it was trained on.

    Raises EvidenceError where a seed or its predictions are absent, or are of
    another corpus.
    """
    check_evidence(found.reports, spec)
    data = trainable(corpus, spec)
    members = []
    for seed in spec.seeds:
        report = found.reports[seed]
        if report.corpus_sha256 != corpus.sha256:
            raise EvidenceError(
                f"{evidence.loso_name(seed)}: is of another corpus than {corpus.path}"
            )
        if report.predictions is None:
            raise EvidenceError(
                f"{evidence.loso_name(seed)}: keeps no out-of-fold predictions",
                hint="train that seed again",
            )
        name = evidence.predictions_name(seed)
        table = from_parquet(found.files[name], name)
        if len(table) != data.file_rows or HELD_OUT_COLUMN not in table.columns:
            raise EvidenceError(f"{name}: {len(table)} predictions for {data.file_rows} rows")
        members.append(table[HELD_OUT_COLUMN].to_numpy().astype(np.float64)[data.rows])
    corpus = data.corpus
    group_of = corpus.group_of()
    cells = list(zip(corpus.src, corpus.encoder, corpus.preset, corpus.cq.tolist(), strict=True))
    return OutOfFold(
        members=np.stack(members),
        vmaf=corpus.vmaf,
        features=corpus.features,
        group=codes_of([group_of[src] for src in corpus.src]),
        cell=codes_of(cells),
    )


def to_parquet(data: Trainable, columns: Mapping[str, NDArray[np.floating]]) -> bytes:
    """Predictions ``[rows]`` of a trainable corpus as Parquet, a row a row of the whole file.

    What is NaN, and rows that were left out of training, hold null.
    """
    series = {}
    for name, values in columns.items():
        whole = np.full(data.file_rows, np.nan, dtype=np.float32)
        whole[data.rows] = values
        series[name] = pl.Series(whole).fill_nan(None)
    buffer = io.BytesIO()
    pl.DataFrame(series).write_parquet(buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()


def from_parquet(table: bytes, name: str) -> pl.DataFrame:
    """The inverse, for a file of that name. Raises EvidenceError where it can't be read."""
    try:
        return pl.read_parquet(io.BytesIO(table))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EvidenceError(f"{name}: can't be read: {error}") from error
