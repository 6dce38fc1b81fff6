"""The lift: what a network gains by knowing the codec, and how sure that is.

Two arms predict the same held-out rows with the same seeds. Per fold and seed
their PLCC and RMSE are subtracted, codec-aware minus codec-blind, averaged
over the seeds, then over the folds. The interval is a paired percentile
bootstrap over content groups (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapters 8 and 13): a group enters with all its folds and both
arms, since frames and clips of one content are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import Document
from vqcast.errors import EvidenceError
from vqcast.evidence.metrics import group_bootstrap, mean_or_none, plcc, rmse

Array = NDArray[np.float64]

LIFT_FLOOR = 0.005
"""PLCC that one model must add to another to count: the codec block to none, v3 to v2."""
CONFIDENCE = 0.95
RESAMPLES = 10_000
BOOTSTRAP_SEED = 0

LIFT = "lift"
NO_LIFT = "no lift"
UNDECIDED = "undecided"
UNDEFINED = "undefined"


class Interval(Document, frozen=True, kw_only=True):
    """A mean difference and its bootstrap interval; null where undefined."""

    mean: float | None
    low: float | None
    high: float | None


class EncoderLift(Document, frozen=True, kw_only=True):
    """The difference on one encoder's held-out rows, metrics per fold as for all."""

    name: str
    n: int
    lift_plcc: Interval
    lift_rmse: Interval


class ArmFigures(Document, frozen=True, kw_only=True):
    """One arm's means over folds and seeds."""

    name: str
    plcc: float | None
    rmse: float | None
    offset: float
    """Mean over the rows of prediction minus teacher, in points: the part of RMSE that PLCC
    does not see."""
    reused_seeds: list[int]
    """Seeds whose predictions came from evidence on file, not trained for this comparison."""


class LiftStudy(Document, frozen=True, kw_only=True):
    """One comparison of two arms: ``lift`` is the first minus the second."""

    id: str
    title: str
    corpus_sha256: str
    teacher: str
    """Corpus column that both arms learn and are judged by."""
    held_out: str
    seeds: list[int]
    epochs: int
    n_rows: int
    n_folds: int
    n_groups: int
    rows_excluded: dict[str, int]
    first: ArmFigures
    second: ArmFigures
    lift_plcc: Interval
    lift_rmse: Interval
    """RMSE in points of the teacher; below 0, the first arm errs less."""
    lift_plcc_by_seed: list[float | None]
    """In the order of ``seeds``: what training varies, which the interval does not cover."""
    lift_rmse_by_seed: list[float | None]
    encoders: list[EncoderLift]
    undefined: list[str]
    """Folds whose PLCC is undefined in an arm: the mean is then null."""
    verdict: str


class PresetUse(Document, frozen=True, kw_only=True):
    """How far predictions move when only ``preset_norm`` is changed, in VMAF points."""

    rows: int
    permuted_mean_abs: float
    """Among the encoder's own presets, at random."""
    slowest_minus_fastest_mean: float
    """From ``preset_norm`` 0 to 1."""
    slowest_minus_fastest_mean_abs: float


class LiftReport(Document, frozen=True, kw_only=True):
    """``lift.json``: every comparison, and what follows from them."""

    schema_version: int
    command: str
    floor: float
    confidence: float
    resamples: int
    bootstrap_seed: int
    corpora: dict[str, str]
    """File name of each corpus, by its sha256."""
    verdict: str
    answer: str
    v3_replaces_v2: bool | None
    """null where v3 was not compared."""
    studies: list[LiftStudy]
    preset_use: PresetUse | None
    left_out: dict[str, str]
    """Studies that these corpora don't allow, and why."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutRows:
    """The rows that both arms predicted, ``N`` entries a column."""

    measured: Array
    fold: Sequence[str]
    """What a row's metrics are computed together with: a source, or a group."""
    group: Sequence[str]
    """Content, the unit of the bootstrap; a fold lies within one group."""
    encoder: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Two arms beside each other: means, and the first minus the second."""

    plcc: tuple[float | None, float | None]
    rmse: tuple[float | None, float | None]
    offset: tuple[float, float]
    lift_plcc: Interval
    lift_rmse: Interval
    by_seed: list[tuple[float | None, float | None]]
    """Mean difference of PLCC and of RMSE, seeds rising."""
    encoders: list[EncoderLift]
    undefined: list[str]
    n_folds: int
    n_groups: int


@dataclass(frozen=True, slots=True, eq=False)
class _Differences:
    """Per fold, in one order: its group, both arms' means over seeds, and which are undefined."""

    groups: list[str]
    plcc: tuple[list[float | None], list[float | None]]
    rmse: tuple[list[float | None], list[float | None]]
    undefined: list[str]

    def of(self, metric: str) -> list[float | None]:
        first, second = self.plcc if metric == "plcc" else self.rmse
        return [
            None if x is None or y is None else x - y for x, y in zip(first, second, strict=True)
        ]

    def interval(self, metric: str) -> Interval:
        return bootstrap(self.of(metric), self.groups)


def bootstrap(
    values: Sequence[float | None],
    groups: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Interval:
    """The mean of ``values`` and its 95 % interval over resampled ``groups``.

    ``groups[i]`` is the content that ``values[i]`` was measured on. Each resample
    draws as many groups as there are, with replacement, and averages all their
    values. An undefined value makes all undefined; one group has no interval.
    """
    mean = mean_or_none(values)
    if mean is None:
        return Interval(mean=None, low=None, high=None)
    names, code = np.unique(np.array(groups), return_inverse=True)
    if len(names) < 2:
        return Interval(mean=mean, low=None, high=None)
    numbers = np.array([value for value in values if value is not None])
    sums = np.asarray(np.bincount(code, weights=numbers), dtype=np.float64)
    sizes = np.asarray(np.bincount(code), dtype=np.float64)
    low, high = group_bootstrap(sums, sizes, seed=seed, resamples=resamples, level=CONFIDENCE)
    return Interval(mean=mean, low=low, high=high)


def compare(rows: HeldOutRows, first: Mapping[int, Array], second: Mapping[int, Array]) -> Compared:
    """Subtract two arms' metrics; each arm maps a seed to its predictions ``[N]``.

    Raises EvidenceError where the arms can't be paired: other seeds, another
    number of rows, a row without a prediction, or a fold across two groups.
    """
    if not first or sorted(first) != sorted(second):
        raise EvidenceError(f"the arms differ in seeds: {sorted(first)} and {sorted(second)}")
    for predicted in (*first.values(), *second.values()):
        if predicted.shape != rows.measured.shape or not np.isfinite(predicted).all():
            raise EvidenceError("an arm lacks predictions for some of the held-out rows")
    everything = np.arange(len(rows.measured))
    whole = _differences(rows, everything, first, second)
    encoders = []
    names = np.array(rows.encoder)
    by_seed = []
    for seed in sorted(first):
        alone = _differences(rows, everything, {seed: first[seed]}, {seed: second[seed]})
        by_seed.append((mean_or_none(alone.of("plcc")), mean_or_none(alone.of("rmse"))))
    for name in sorted(set(rows.encoder)):
        chosen = np.flatnonzero(names == name)
        part = _differences(rows, chosen, first, second)
        encoders.append(
            EncoderLift(
                name=name,
                n=len(chosen),
                lift_plcc=part.interval("plcc"),
                lift_rmse=part.interval("rmse"),
            )
        )
    return Compared(
        plcc=(mean_or_none(whole.plcc[0]), mean_or_none(whole.plcc[1])),
        rmse=(mean_or_none(whole.rmse[0]), mean_or_none(whole.rmse[1])),
        offset=(_offset(first, rows.measured), _offset(second, rows.measured)),
        lift_plcc=whole.interval("plcc"),
        lift_rmse=whole.interval("rmse"),
        by_seed=by_seed,
        encoders=encoders,
        undefined=whole.undefined,
        n_folds=len(whole.groups),
        n_groups=len(set(whole.groups)),
    )


def _offset(arm: Mapping[int, Array], measured: Array) -> float:
    return float(np.mean([np.mean(predicted - measured) for predicted in arm.values()]))


def _differences(
    rows: HeldOutRows, chosen: NDArray[np.intp], *arms: Mapping[int, Array]
) -> _Differences:
    members: dict[str, list[int]] = {}
    for row in chosen.tolist():
        members.setdefault(rows.fold[row], []).append(row)
    groups: list[str] = []
    plccs: tuple[list[float | None], list[float | None]] = ([], [])
    rmses: tuple[list[float | None], list[float | None]] = ([], [])
    undefined = []
    for fold, where in sorted(members.items()):
        contents = {rows.group[row] for row in where}
        if len(contents) > 1:
            raise EvidenceError(f"fold {fold} spans the groups {', '.join(sorted(contents))}")
        groups.append(contents.pop())
        index = np.array(where)
        measured = rows.measured[index]
        for arm, plcc_list, rmse_list in zip(arms, plccs, rmses, strict=True):
            predicted = [arm[seed][index] for seed in sorted(arm)]
            plcc_list.append(mean_or_none([plcc(values, measured) for values in predicted]))
            rmse_list.append(mean_or_none([rmse(values, measured) for values in predicted]))
        if plccs[0][-1] is None or plccs[1][-1] is None:
            undefined.append(fold)
    return _Differences(groups, plccs, rmses, undefined)


def verdict_of(lift: Interval, floor: float = LIFT_FLOOR) -> str:
    """``lift`` where the whole interval is at the floor or above, ``no lift`` where it is below.

    ``undecided`` where the floor lies inside or there is no interval,
    ``undefined`` where the difference itself is.
    """
    if lift.mean is None:
        return UNDEFINED
    if lift.low is None or lift.high is None:
        return UNDECIDED
    if lift.low >= floor:
        return LIFT
    return NO_LIFT if lift.high < floor else UNDECIDED


def in_words(lift: Interval, what: str, floor: float = LIFT_FLOOR) -> str:
    """One sentence on a PLCC difference: ``what`` is its subject, such as "the codec block"."""
    verdict = verdict_of(lift, floor)
    if verdict == UNDEFINED:
        return f"What {what} adds is undefined: PLCC is undefined on a held-out fold."
    assert lift.mean is not None
    if lift.low is None or lift.high is None:
        return (
            f"{_capital(what)} adds {lift.mean:+.5f} PLCC, undecided: one content group is "
            "too few for an interval."
        )
    ends = {
        LIFT: f"at or above the floor of {floor:+.3f}: a lift.",
        NO_LIFT: f"below the floor of {floor:+.3f}: no lift.",
        UNDECIDED: f"on both sides of the floor of {floor:+.3f}: undecided.",
    }
    return (
        f"{_capital(what)} adds {lift.mean:+.5f} PLCC "
        f"({CONFIDENCE:.0%} interval {lift.low:+.5f} to {lift.high:+.5f}), {ends[verdict]}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def preset_use(
    permuted: Mapping[int, Array],
    fastest: Mapping[int, Array],
    slowest: Mapping[int, Array],
    real: Mapping[int, Array],
) -> PresetUse:
    """How far held-out predictions ``[N]`` a seed move with ``preset_norm`` alone."""
    seeds = sorted(real)
    shuffled = np.stack([permuted[seed] - real[seed] for seed in seeds])
    ends = np.stack([slowest[seed] - fastest[seed] for seed in seeds])
    return PresetUse(
        rows=shuffled.shape[1],
        permuted_mean_abs=float(np.abs(shuffled).mean()),
        slowest_minus_fastest_mean=float(ends.mean()),
        slowest_minus_fastest_mean_abs=float(np.abs(ends).mean()),
    )
