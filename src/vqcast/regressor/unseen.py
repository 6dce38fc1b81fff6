"""Networks fitted without a preset, or without an encoder: what the intervals must allow for.

Every fit leaves out a third of the content groups too, so that what is judged
is new in both ways. One fit leaves out one preset of every encoder that has
several; an encoder left out is fitted alone. ``unseen.parquet`` keeps the
predictions, a row a row of the corpus; ``unseen.json`` what they are worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import Predictions, UnseenPart, UnseenReport
from vqcast.durable.files import sha256_bytes, write_atomic
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence import unseen
from vqcast.evidence.conformal import Array, Codes, OutOfFold
from vqcast.evidence.unseen import HeldOut
from vqcast.interval import Calibration
from vqcast.regressor.dataset import Trainable, columns_of, from_parquet, to_parquet
from vqcast.regressor.engine import Fit, train
from vqcast.regressor.spec import Recipe, Spec
from vqcast.vocab import PRESETS, recorded_preset, varied_encoders
from vqcast.watch import Watch

GROUP_FOLDS = 3
SEEDS = 2
"""As many of the family's seeds are fitted again."""
PRESET, ENCODER = "preset", "encoder"
KINDS = (PRESET, ENCODER)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Leave:
    """One refit: what it trains without, and which rows it is judged on."""

    kind: str
    label: str
    held: Mask
    judged: Mask


def plan_refits(corpus: Corpus) -> Iterator[Leave]:
    """The refits of a corpus: presets in turn, then encoders, by thirds of its groups."""
    groups = corpus.group_of()
    order = {group: index % GROUP_FOLDS for index, group in enumerate(sorted(set(groups.values())))}
    sources, source = corpus.codes("src")
    fold = np.array([order[groups[src]] for src in sources])[source]
    preset = _preset_turn(corpus)
    names, encoder = corpus.codes("encoder")
    turns: list[tuple[str, object, Mask]] = [
        (PRESET, turn, preset == turn) for turn in range(int(preset.max()) + 1)
    ]
    turns += [(ENCODER, name, encoder == code) for code, name in enumerate(names)]
    for kind, name, left in turns:
        for third in range(GROUP_FOLDS):
            judged = left & (fold == third)
            held = left | (fold == third)
            if judged.any() and not held.all():
                yield Leave(kind, f"{kind}:{name}:{third}", held, judged)


def _preset_turn(corpus: Corpus) -> Codes:
    """In which turn each row's preset is left out, ``[rows]``; -1 for an encoder with one."""
    pairs = sorted({(encoder, preset) for encoder, preset, _ in corpus.settings()[0]}, key=str)
    varied = varied_encoders(pairs)
    turns: dict[tuple[str, str | None], int] = {}
    for name in varied:
        mine = [preset for encoder, preset in pairs if encoder == name]
        known = PRESETS.get(name, ())
        mine.sort(key=lambda preset: known.index(preset) if preset in known else -1)
        turns |= {(name, preset): turn for turn, preset in enumerate(mine)}
    settings, row = corpus.settings()
    each = np.array([turns.get((encoder, preset), -1) for encoder, preset, _ in settings])
    return each[row]


def refit(
    data: Trainable,
    spec: Spec,
    recipe: Recipe,
    *,
    watch: Watch,
) -> dict[str, Array]:
    """Predictions of every row that a refit judges, ``[seeds, rows]`` by kind, NaN elsewhere."""
    corpus = data.corpus
    seeds = spec.seeds[:SEEDS]
    found = {kind: np.full((len(seeds), len(corpus)), np.nan) for kind in KINDS}
    for leave in plan_refits(corpus):
        kept = corpus.take(np.flatnonzero(~leave.held))
        varied = varied_encoders((encoder, preset) for encoder, preset, _ in kept.settings()[0])
        columns = columns_of(corpus, spec, varied=varied)
        columns = replace(columns, unit=leave.held.astype(np.int32))
        fits = [Fit(seed=seed, held_out=leave.label, held_out_units=(1,)) for seed in seeds]
        for fitted in train(columns, fits, recipe, workers=watch.workers, progress=watch.progress):
            rows = leave.judged
            found[leave.kind][seeds.index(fitted.fit.seed), rows] = fitted.predict(
                columns.features[rows], columns.codec[rows]
            )
    return found


def write(
    run_dir: Path,
    data: Trainable,
    spec: Spec,
    recipe: Recipe,
    *,
    watch: Watch,
) -> None:
    """Refit, and keep the predictions in the run folder."""
    made = refit(data, spec, recipe, watch=watch)
    columns = {
        f"{kind}_seed{seed}": values
        for kind, members in made.items()
        for seed, values in zip(spec.seeds, members, strict=False)
    }
    write_atomic(run_dir / evidence.UNSEEN_TABLE, to_parquet(data, columns))


def held_out(table: bytes, kind: str, data: Trainable) -> HeldOut | None:
    """The predictions of one kind in ``unseen.parquet``; None where nothing was held out.

    Raises EvidenceError for a table of another corpus.
    """
    frame = from_parquet(table, evidence.UNSEEN_TABLE)
    names = [name for name in frame.columns if name.startswith(f"{kind}_seed")]
    if len(frame) != data.file_rows or not names:
        raise EvidenceError(f"{evidence.UNSEEN_TABLE}: is of another corpus")
    members = np.stack([frame[name].to_numpy().astype(np.float64)[data.rows] for name in names])
    rows = np.flatnonzero(np.isfinite(members).all(axis=0))
    if not len(rows):
        return None
    corpus = data.corpus.take(rows)
    parts = corpus.encoder
    if kind == PRESET:
        pairs = zip(corpus.encoder, corpus.preset, strict=True)
        parts = [f"{encoder} {recorded_preset(encoder, preset)}" for encoder, preset in pairs]
    return HeldOut(rows, members[:, rows], parts)


def report(
    table: bytes,
    oof: OutOfFold,
    calibration: Calibration,
    data: Trainable,
    spec: Spec,
    level: float,
) -> UnseenReport:
    """What the refits say of the calibrated intervals at ``level``."""
    parts = {}
    for kind in KINDS:
        held = held_out(table, kind, data)
        parts[kind] = [] if held is None else unseen.judge(oof, held, calibration, level)
    return UnseenReport(
        model=spec.id,
        corpus_sha256=data.corpus.sha256,
        level=level,
        seeds=list(spec.seeds[:SEEDS]),
        group_folds=GROUP_FOLDS,
        presets=parts[PRESET],
        encoders=parts[ENCODER],
        preset_factor=_factor(parts[PRESET]),
        encoder_factor=_factor(parts[ENCODER]),
        predictions=Predictions(
            path=evidence.UNSEEN_TABLE, sha256=sha256_bytes(table), n_rows=data.file_rows
        ),
    )


def _factor(parts: Sequence[UnseenPart]) -> float | None:
    return unseen.factor([part.ratio for part in parts]) if parts else None
