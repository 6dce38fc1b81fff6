"""The arms of the lift and what they share: rows, teacher, folds, recipe.

A blind arm is the same network, fed zeros where the codec block would be: the
number of inputs, and with it the initial weights, row orders and dropout, are
those of the aware arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.errors import CorpusError
from vqcast.regressor.crossvalidate import Fold
from vqcast.regressor.dataset import Trainable, columns_of, multi_source_groups, source_codes
from vqcast.regressor.engine import Columns
from vqcast.regressor.spec import Recipe, Spec
from vqcast.vocab import NEUTRAL

BY_SOURCE, BY_GROUP, BY_ENCODER = "src", "group", "encoder"
ENCODER_BLOCKS = 5
"""Parts into which the groups are split where encoders are held out with them."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to train: a family's network, and what of the codec block it may see."""

    name: str
    family: Spec
    blind: bool = False
    """The whole codec block is zero."""
    no_preset: bool = False
    """``preset_norm`` is 0.5 in every row."""

    def columns(self, job: Job) -> Columns:
        """What the engine trains this arm on."""
        columns = columns_of(job.data.corpus, self.family)
        codec = columns.codec.copy()
        if self.blind:
            codec[:] = 0.0
        if self.no_preset:
            codec[:, -2] = NEUTRAL
        target = job.target.astype(np.float32)
        return Columns(columns.features, codec, target, job.unit)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One fold: the units kept from training, and the rows that it predicts."""

    label: str
    units: tuple[int, ...]
    rows: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What the arms of a comparison share: rows, teacher, folds, recipe."""

    data: Trainable
    teacher: str
    target: NDArray[np.float64]
    unit: NDArray[np.int32]
    schemes: Mapping[str, Sequence[Held]]
    """Ways of holding out; the folds of each predict every row once."""
    recipe: Recipe

    @property
    def corpus(self) -> Corpus:
        """The rows of the comparison."""
        return self.data.corpus

    def folds(self) -> dict[str, Held]:
        """The folds of all schemes by label; one that two schemes share is trained once."""
        return {held.label: held for folds in self.schemes.values() for held in folds}


def content_job(
    data: Trainable,
    recipe: Recipe,
    schemes: Sequence[str],
    *,
    teacher: str = "vmaf",
    target: NDArray[np.float64] | None = None,
) -> Job:
    """Folds that hold out sources, or content groups, as cross-validation does."""
    corpus = data.corpus
    codes = source_codes(corpus)
    number = {name: code for code, name in enumerate(corpus.sources)}
    shared = multi_source_groups(corpus)
    in_group = {name for members in shared.values() for name in members}

    def held(fold: Fold) -> Held:
        units = tuple(number[name] for name in fold.sources)
        return Held(fold.label, units, np.isin(codes, units))

    singles = {name: held(Fold(name, (name,), False)) for name in corpus.sources}
    together = [held(Fold(name, tuple(members), True)) for name, members in shared.items()]
    ways = {
        BY_SOURCE: list(singles.values()),
        BY_GROUP: [fold for name, fold in singles.items() if name not in in_group] + together,
    }
    return Job(
        data=data,
        teacher=teacher,
        target=corpus.vmaf if target is None else target,
        unit=codes,
        schemes={name: ways[name] for name in schemes},
        recipe=recipe,
    )


def encoder_job(data: Trainable, recipe: Recipe) -> Job:
    """Folds that hold out one encoder and a part of the groups at once.

    A fold trains on the other encoders' rows of the other groups, and predicts
    the held-out encoder's rows of the held-out groups. Raises CorpusError for
    fewer than two encoders or two groups.
    """
    corpus = data.corpus
    encoders, encoder = np.unique(np.array(corpus.encoder), return_inverse=True)
    group_of = corpus.group_of()
    groups, group = np.unique(np.array([group_of[src] for src in corpus.src]), return_inverse=True)
    if len(encoders) < 2 or len(groups) < 2:
        raise _refused(corpus, "fewer than two encoders or two content groups")
    pairs, unit = np.unique(encoder * len(groups) + group, return_inverse=True)
    blocks = min(ENCODER_BLOCKS, len(groups))
    folds = []
    for number, name in enumerate(encoders.tolist()):
        for block in range(blocks):
            units = (pairs // len(groups) == number) | (pairs % len(groups) % blocks == block)
            rows = (encoder == number) & (group % blocks == block)
            if rows.any() and not units.all():
                label = f"encoder:{name} groups:{block} of {blocks}"
                folds.append(Held(label, tuple(np.flatnonzero(units).tolist()), rows))
    covered = np.sum([fold.rows for fold in folds], axis=0)
    if not (covered == 1).all():
        raise _refused(corpus, "too few groups an encoder to hold both out")
    unit = unit.astype(np.int32)
    return Job(data, "vmaf", corpus.vmaf, unit, {BY_ENCODER: folds}, recipe)


def extra_column(corpus: Corpus, name: str) -> NDArray[np.float64]:
    """A score column beyond the contract's, ``[rows]``, 0..100, by the corpus file's order.

    Raises CorpusError where a row lacks it.
    """
    if name not in corpus.extra_columns:
        raise _refused(corpus, f"has no column {name}")
    values = corpus.number(name)
    wrong = np.flatnonzero(~((values >= 0.0) & (values <= 100.0)))
    if len(wrong):
        row = int(wrong[0])
        value = corpus.frame.value(name, row)
        raise _refused(corpus, f"row {row + 1}: {name} is {value!r}, not a score")
    return values


def _refused(corpus: Corpus, why: str) -> CorpusError:
    return CorpusError(why, path=corpus.path)
