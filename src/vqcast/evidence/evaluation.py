"""The nested evaluation: calibrate on some groups, test on others, for each method.

Leave one group out is the main protocol: every group is tested once with the
quantile and the correction of all others. The same is repeated over splits
that hold out more groups, by the shipped quantile rule and by the pooled CDF.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from vqcast.errors import EvidenceError
from vqcast.evidence import coverage as cover
from vqcast.evidence.conformal import (
    LEVELS,
    OutOfFold,
    group_weights,
    hierarchical_quantile,
    left_out_distances,
    pooled_cdf_quantile,
)
from vqcast.evidence.coverage import Coverage
from vqcast.evidence.methods import (
    TARGETS,
    LeftOut,
    Mask,
    Method,
    Quantile,
    Target,
    conformal_method,
    gaussian_method,
    left_out,
    left_out_centre,
    quantile_of,
    single_method,
)
from vqcast.evidence.metrics import rmse
from vqcast.interval import bounds

RELIABILITY = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
BANDS = (
    ("<40", 0.0, 40.0),
    ("40-60", 40.0, 60.0),
    ("60-80", 60.0, 80.0),
    ("80-90", 80.0, 90.0),
    ("90-95", 90.0, 95.0),
    (">=95", 95.0, np.inf),
)
MAX_SPLITS = 200
_SEED = 20260102


@dataclass(frozen=True, slots=True)
class Figures:
    """One method at one level; None throughout where the level is out of reach."""

    method: str
    target: str
    level: float
    measured: Coverage | None
    width_at_level: float | None
    """Mean width once scaled to cover exactly ``level``."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The conformal intervals on one source, encoder or VMAF band."""

    kind: str
    name: str
    target: str
    level: float
    measured: Coverage


@dataclass(frozen=True, slots=True)
class Splits:
    """A protocol repeated over splits."""

    n_calibration: int
    n_test: int
    n_splits: int
    target: str
    level: float
    rule: str
    """``hierarchical`` (shipped) or ``pooled cdf``."""
    coverage: float | None
    """Mean over splits of the mean over test groups; None out of reach."""
    low: float | None
    """5th percentile over splits."""
    high: float | None
    """95th percentile over splits."""
    width: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured, for tables and JSON."""

    n_rows: int
    n_cells: int
    n_groups: int
    n_members: int
    rmse_mean: float
    """Of the ensemble's plain mean on groups it never saw, VMAF points."""
    rmse_centre: float
    """Of the corrected centre, its correction fitted on the other groups."""
    standard_error_90: float
    figures: list[Figures]
    slices: list[Slice]
    reliability: list[Figures]
    splits: list[Splits]


def figures_of(oof: OutOfFold, method: Method, levels: Sequence[float]) -> list[Figures]:
    """A method's coverage, width and width at equal coverage, group by group left out."""
    found = left_out(oof, method, levels)
    centre_rows = left_out_centre(oof, method)
    figures = []
    for name in TARGETS:
        target = Target(oof, name)
        for level in levels:
            made = found.get((name, level))
            figures.append(
                Figures(
                    method=method.name,
                    target=name,
                    level=level,
                    measured=None
                    if made is None
                    else cover.judge_intervals(
                        made.lower, made.upper, target.truth, target.group, level
                    ),
                    width_at_level=cover.width_at_coverage(
                        target.centre(centre_rows),
                        target.scale(method),
                        target.truth,
                        target.group,
                        level,
                    ),
                )
            )
    return figures


def _mean_figures(several: Sequence[Sequence[Figures]]) -> list[Figures]:
    """Entry by entry the mean of several members' figures; bootstrap bounds are averaged too."""
    means = []
    for entries in zip(*several, strict=True):
        measured = [each.measured for each in entries if each.measured is not None]
        widths = [each.width_at_level for each in entries if each.width_at_level is not None]
        mean = None
        if measured:
            mean = replace(
                measured[0],
                **{
                    name: float(np.mean([getattr(each, name) for each in measured]))
                    for name in ("coverage", "low", "high", "width", "score")
                },
            )
        means.append(replace(entries[0], measured=mean, width_at_level=float(np.mean(widths))))
    return means


def slices_of(
    oof: OutOfFold,
    labels: Mapping[str, Sequence[str]],
    levels: Sequence[float],
) -> list[Slice]:
    """The conformal intervals per label, VMAF band, and distance to the training rows.

    ``labels`` are like ``{"source": [rows], "encoder": [rows]}``.
    """
    far = left_out_distances(oof)
    found = left_out(oof, conformal_method(oof), levels)
    first = np.zeros(oof.n_cells, dtype=np.int64)
    first[oof.cell] = np.arange(len(oof.cell))
    slices = []
    for (name, level), made in found.items():
        target = Target(oof, name)
        for kind, values in labels.items():
            column = np.asarray(values)
            column = column[first] if name == "pooled" else column
            names = sorted(set(column.tolist()))
            masks = [(each, column == each) for each in names]
            slices += _sliced(kind, masks, target, made, level)
        bands = [(each, (target.truth >= low) & (target.truth < high)) for each, low, high in BANDS]
        slices += _sliced("band", bands, target, made, level)
        beyond = (oof.pool(far) if name == "pooled" else far) > 1.0
        sides = [("near", ~beyond), ("far", beyond)]
        slices += _sliced("distance", sides, target, made, level)
    return slices


def _sliced(
    kind: str,
    masks: Iterable[tuple[str, Mask]],
    target: Target,
    made: LeftOut,
    level: float,
) -> list[Slice]:
    return [
        Slice(
            kind,
            name,
            target.name,
            level,
            cover.judge_intervals(
                made.lower[rows],
                made.upper[rows],
                target.truth[rows],
                target.group[rows],
                level,
                by_row=True,
            ),
        )
        for name, rows in masks
        if rows.any()
    ]


def held_out_sets(n_groups: int, n_test: int, limit: int = MAX_SPLITS) -> list[tuple[int, ...]]:
    """All sets of ``n_test`` groups to hold out, or ``limit`` drawn at random (seeded)."""
    if comb(n_groups, n_test) <= limit:
        return list(combinations(range(n_groups), n_test))
    rng = np.random.default_rng(_SEED)
    return [
        tuple(sorted(rng.choice(n_groups, size=n_test, replace=False).tolist()))
        for _ in range(limit)
    ]


def repeated_splits(
    oof: OutOfFold, n_test: int, levels: Sequence[float], *, limit: int = MAX_SPLITS
) -> list[Splits]:
    """Calibrate on the other groups, test on ``n_test``, over splits, by both quantile rules."""
    rules: dict[str, Quantile] = {
        "hierarchical": hierarchical_quantile,
        "pooled cdf": pooled_cdf_quantile,
    }
    method = conformal_method(oof)
    targets = [Target(oof, name) for name in TARGETS]
    held: dict[tuple[str, float, str], list[tuple[float, float]]] = {}
    sets = held_out_sets(oof.n_groups, n_test, limit)
    for tested in sets:
        calibration = [j for j in range(oof.n_groups) if j not in tested]
        centre_rows = method.centre(calibration)
        for target in targets:
            test = np.isin(target.group, tested)
            centre, scale = target.centre(centre_rows), target.scale(method)
            weights = group_weights(target.group[test])
            for rule, quantile in rules.items():
                for level in levels:
                    q = quantile_of(
                        replace(method, quantile=quantile), target, centre, ~test, level
                    )
                    if q is None:
                        continue
                    lower, upper = bounds(centre[test], q * scale[test])
                    hit = cover.covered(lower, upper, target.truth[test])
                    held.setdefault((target.name, level, rule), []).append(
                        (float(weights @ hit), float(weights @ (upper - lower)))
                    )
    split = (oof.n_groups - n_test, n_test, len(sets))
    return [
        Splits(*split, name, level, rule, *_summary(held.get((name, level, rule), [])))
        for name in TARGETS
        for level in levels
        for rule in rules
    ]


def _summary(
    pairs: Sequence[tuple[float, float]],
) -> tuple[float | None, float | None, float | None, float | None]:
    """Coverage over splits, its 5th and 95th percentile, and width; None where none was made."""
    if not pairs:
        return None, None, None, None
    coverage, width = np.array(pairs).T
    low, high = np.quantile(coverage, [0.05, 0.95])
    return float(coverage.mean()), float(low), float(high), float(width.mean())


def evaluate(
    oof: OutOfFold,
    labels: Mapping[str, Sequence[str]],
    *,
    levels: Sequence[float] = LEVELS,
    split_limit: int = MAX_SPLITS,
) -> Evaluation:
    """The whole evaluation; ``labels`` name each row's source and encoder, ``[rows]`` each.

    Raises EvidenceError for fewer than three groups: two must calibrate.
    """
    if oof.n_groups < 3:
        raise EvidenceError(
            f"{oof.n_groups} content groups: with one held out, two must be left to calibrate",
            hint="build a corpus of more sources",
        )
    method = conformal_method(oof)
    members = range(len(oof.members))
    figures = figures_of(oof, method, levels) + figures_of(oof, gaussian_method(oof), levels)
    for centred in (False, True):
        figures += _mean_figures(
            [figures_of(oof, single_method(oof, each, centred=centred), levels) for each in members]
        )
    weights = group_weights(oof.group)
    held_out = sorted({2, oof.n_groups // 4, oof.n_groups // 2} & set(range(1, oof.n_groups - 1)))
    return Evaluation(
        n_rows=len(oof.vmaf),
        n_cells=oof.n_cells,
        n_groups=oof.n_groups,
        n_members=len(oof.members),
        rmse_mean=rmse(oof.mean, oof.vmaf, weights) or 0.0,
        rmse_centre=rmse(left_out_centre(oof, method), oof.vmaf, weights) or 0.0,
        standard_error_90=cover.standard_error(0.9, oof.n_groups),
        figures=figures,
        slices=slices_of(oof, labels, levels),
        reliability=figures_of(oof, method, RELIABILITY),
        splits=[
            each
            for n_test in held_out
            for each in repeated_splits(oof, n_test, levels, limit=split_limit)
        ],
    )
