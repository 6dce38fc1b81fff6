"""Make a forecaster and find out what it is worth: every content group held out in turn.

The table keeps the measured curves themselves. Its only fitted part is the calibration: how far
off the Gaussian was, in its own standard deviations, on groups that made no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from vqcast.documents.forecast import (
    CorpusPin,
    ForecastCalibration,
    ForecastErrors,
    ForecastEvidence,
    ForecastRecipe,
    ForecastScenario,
    ForecastTable,
    JointRecipe,
)
from vqcast.errors import CorpusError, InputError
from vqcast.forecast.curves import (
    DENSE_QUALITIES,
    MeasuredCurve,
    axes_of,
    curves_on_nodes,
    options_of,
)
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.latent import CHANNELS, TOP, to_latent
from vqcast.forecast.prior import MIN_CURVES
from vqcast.forecast.rivals import (
    FAIR_RIDGES,
    FLOOR_RIDGES,
    fair_floor,
    gaussian_floor,
    straight_lines,
)
from vqcast.forecast.table import FORECASTER_V1
from vqcast.interval import gaussian_z

Array = NDArray[np.float64]

LEVELS = (0.5, 0.8, 0.9, 0.95)
POSITIONS: tuple[tuple[tuple[float, ...], ...], ...] = (
    ((),),
    ((0.5,), (0.3,), (0.7,)),
    ((0.3, 0.85), (0.4, 0.6), (0.25, 0.5)),
    ((0.15, 0.5, 0.9), (0.3, 0.45, 0.6)),
)
"""Probes of each scenario on the quality axis: the first is reported, all calibrate."""
MIN_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Rivals:
    """Absolute errors of what the model is compared with, unprobed qualities only."""

    floors: tuple[Array, ...]
    """One a ridge of `FLOOR_RIDGES`."""
    fair: tuple[Array, ...]
    """One a ridge of `FAIR_RIDGES`."""
    linear: Array | None
    scores_alone: Array


@dataclass(frozen=True, slots=True)
class Residuals:
    """Errors on one held-out curve with one choice of probes, unprobed qualities only."""

    group: str
    kind: str
    probes: int
    counted: bool
    """Whether the curve is dense, and of a kind with a covariance of its own."""
    few_curves: bool
    """Whether it was forecast as one of a preset of which too few curves are."""
    rivals: Rivals | None
    """Where the curve is counted and the choice is the one that is reported."""
    model: Array
    """Absolute errors, points."""
    deviations: Array
    """Absolute latent error in the Gaussian's standard deviations."""
    bits: Array
    """Absolute relative error of the size."""
    bits_deviations: Array


def empty_table(
    curves: Sequence[MeasuredCurve],
    pins: Sequence[CorpusPin],
    recipe: ForecastRecipe,
    model_id: str = FORECASTER_V1,
    joint: JointRecipe | None = None,
) -> ForecastTable:
    """The table with the Gaussian's own widths. Raises CorpusError for too few groups."""
    groups = {curve.group for curve in curves}
    if len(groups) < MIN_GROUPS:
        raise CorpusError(
            f"the corpora hold {len(groups)} content groups, a forecaster needs {MIN_GROUPS}",
            hint="measure more sources, or name their groups in the manifest",
        )
    axes = axes_of(curves)
    plain = [[gaussian_z(level) for level in LEVELS]] * len(POSITIONS)
    measures = sorted({name for curve in curves for name in curve.score})
    return ForecastTable(
        id=model_id,
        recipe=recipe,
        top=TOP,
        channels=list(CHANNELS),
        axes={name: list(axis) for name, axis in sorted(axes.items())},
        corpora=list(pins),
        calibration={
            name: ForecastCalibration(levels=list(LEVELS), score=plain, bits=plain)
            for name in measures
        },
        curves=curves_on_nodes(curves, axes, recipe.nodes),
        joint=joint or UNSET,
        options=options_of(curves) or UNSET,
    )


def residuals(
    table: ForecastTable, curves: Sequence[MeasuredCurve], measure: str
) -> Iterator[Residuals]:
    """Forecast every curve from the other groups' curves, with every choice of probes.

    Where the table tells presets of few curves apart, each again as if its preset were such a one.
    """
    metric, pool = measure.split("/")
    own = [curve for curve in curves if measure in curve.score]
    kinds = sorted({(curve.group, curve.encoder, curve.preset) for curve in own}, key=str)
    for group, encoder, preset in kinds:
        made = partial(
            Forecaster.from_table, table, encoder, preset,
            metric=metric, pool=pool, without={group},
        )  # fmt: skip
        model, alone = made(), made(channels=1)
        alike = [each for each in own if (each.encoder, each.preset) == (encoder, preset)]
        others = [curve for curve in alike if curve.group != group]
        mine = [curve for curve in alike if curve.group == group]
        for curve in mine:
            yield from _of_curve(model, alone, curve, others, measure)
        if _splits(table) and not model.few_curves:
            try:
                model = made(unmeasured=True)
            except InputError:  # the only preset of its encoder
                continue
            for curve in mine:
                yield from _of_curve(model, None, curve, others, measure)


def _splits(table: ForecastTable) -> bool:
    """Whether presets of few curves have widths of their own."""
    return not isinstance(table.joint, UnsetType)


def _of_curve(
    model: Forecaster,
    alone: Forecaster | None,
    curve: MeasuredCurve,
    others: Sequence[MeasuredCurve],
    measure: str,
) -> Iterator[Residuals]:
    """``alone`` looks at scores alone; None: the curve is not counted."""
    dense = len(curve.cq) >= DENSE_QUALITIES and len(others) >= MIN_CURVES
    position = model.position(curve.cq)
    for choices in POSITIONS:
        for choice in choices:
            probed = sorted({int(np.argmin(np.abs(position - each))) for each in choice})
            rest = [index for index in range(len(curve.cq)) if index not in probed]
            rivals = None
            if dense and alone is not None and choice == choices[0]:
                rivals = _rivals(alone, curve, others, measure, probed, rest)
            yield Residuals(
                group=curve.group,
                kind=curve.encoder if curve.preset is None else f"{curve.encoder} {curve.preset}",
                probes=len(choice),
                counted=dense and alone is not None,
                few_curves=model.few_curves,
                rivals=rivals,
                **_errors(model, curve, curve.score[measure], probed, rest),
            )


def _rivals(
    alone: Forecaster,
    curve: MeasuredCurve,
    others: Sequence[MeasuredCurve],
    measure: str,
    probed: list[int],
    rest: list[int],
) -> Rivals:
    true = curve.score[measure]
    floors = [gaussian_floor(curve, others, measure, probed, rest, ridge) for ridge in FLOOR_RIDGES]
    fair = [fair_floor(curve, others, measure, probed, rest, ridge) for ridge in FAIR_RIDGES]
    linear = straight_lines(curve, measure, probed, rest) if len(probed) > 1 else None
    return Rivals(
        floors=tuple(np.abs(floor - true[rest]) for floor in floors),
        fair=tuple(np.abs(floor - true[rest]) for floor in fair),
        linear=None if linear is None else np.abs(linear - true[rest]),
        scores_alone=_errors(alone, curve, true, probed, rest)["model"],
    )


def _errors(
    model: Forecaster, curve: MeasuredCurve, score: Array, probed: list[int], rest: list[int]
) -> dict[str, Array]:
    probes = [
        Probe(
            float(curve.cq[index]),
            float(score[index]),
            float(curve.bits_per_pixel[index]),
            curve.features[index],
        )
        for index in probed
    ]
    ours = model.forecast(probes, curve.cq[rest])
    bits = np.log2(curve.bits_per_pixel[rest])
    return {
        "model": np.abs(ours.score - score[rest]),
        "deviations": np.abs(ours.latent - to_latent(score[rest])) / ours.deviation,
        "bits": np.abs(2.0 ** (ours.log2_bits - bits) - 1),
        "bits_deviations": np.abs(ours.log2_bits - bits) / ours.bits_deviation,
    }


def conformal_width(values: Sequence[tuple[str, Array]], level: float) -> float:
    """The ``level`` quantile of the groups' residuals, every group with the same weight.

    The pooled-CDF rule for groups that are alike but not their members (Dunn, Wasserman and
    Ramdas 2023, section 3.1), without their group at infinity: with 20 groups that would make
    every 95 % interval as wide as the worst residual. Coverage is measured, not promised.
    """
    groups = sorted({group for group, _ in values})
    parts = [np.concatenate([own for name, own in values if name == group]) for group in groups]
    weights = np.concatenate([np.full(len(part), 1 / len(groups) / len(part)) for part in parts])
    flat = np.concatenate(parts)
    order = np.argsort(flat, kind="stable")
    reached = int(np.searchsorted(np.cumsum(weights[order]), level))
    return float(flat[order][min(reached, len(flat) - 1)])


def calibrate(found: Sequence[Residuals], *, split: bool = False) -> ForecastCalibration:
    """Widths by number of probes, from all choices of them; ``split``: by how many curves are."""
    own = [each for each in found if not each.few_curves] if split else found
    off = [each for each in found if each.few_curves] if split else []
    return ForecastCalibration(
        levels=list(LEVELS),
        score=_widths(own, lambda each: each.deviations),
        bits=_widths(own, lambda each: each.bits_deviations),
        score_off=_widths(off, lambda each: each.deviations) if off else UNSET,
        bits_off=_widths(off, lambda each: each.bits_deviations) if off else UNSET,
    )


def _widths(found: Sequence[Residuals], read: Callable[[Residuals], Array]) -> list[list[float]]:
    by_probes = [
        [(each.group, read(each)) for each in found if each.probes == probes]
        for probes in range(len(POSITIONS))
    ]
    return [[round(conformal_width(values, level), 4) for level in LEVELS] for values in by_probes]


def scenario(
    found: Sequence[Residuals], measure: str, probes: int, *, split: bool = False
) -> ForecastScenario:
    """What the reported choice of probes was worth, each group calibrated by the others."""
    same = [each for each in found if each.probes == probes]
    own = [each for each in same if not (split and each.few_curves)]
    off = [each for each in same if split and each.few_curves]
    mine = [(each, each.rivals) for each in same if each.rivals is not None]
    groups = sorted({each.group for each, _ in mine})
    floors = [
        _grouped([(e.group, rivals.floors[index]) for e, rivals in mine])
        for index in range(len(FLOOR_RIDGES))
    ]
    best = min(range(len(floors)), key=lambda index: sum(floors[index].values()))
    fair = min(
        (
            _grouped([(e.group, rivals.fair[index]) for e, rivals in mine])
            for index in range(len(FAIR_RIDGES))
        ),
        key=lambda errors: sum(errors.values()),
    )
    model = _grouped([(each.group, each.model) for each, _ in mine])
    alone = _grouped([(each.group, rivals.scores_alone) for each, rivals in mine])
    linear = _grouped([(e.group, r.linear) for e, r in mine if r.linear is not None])
    bits = _grouped([(each.group, each.bits) for each, _ in mine])
    covered = _covered(own, lambda each: each.deviations)
    bits_covered = _covered(own, lambda each: each.bits_deviations)
    off_covered = _covered(off, lambda each: each.deviations, every=True)
    return ForecastScenario(
        measure=measure,
        probes=probes,
        positions=list(POSITIONS[probes][0]),
        groups=[
            ForecastErrors(
                group=group,
                n=sum(len(each.model) for each, _ in mine if each.group == group),
                model=model[group],
                gaussian_floor=floors[best][group],
                linear=linear.get(group),
                scores_alone=alone[group],
                fair_floor=fair[group] if split else UNSET,
                covered=covered[group],
            )
            for group in groups
        ],
        coverage=_mean_coverage(covered, groups),
        bits_mae_percent=round(100 * float(np.mean(list(bits.values()))), 3),
        bits_coverage=_mean_coverage(bits_covered, groups),
        encoders=_grouped([(each.kind, each.model) for each, _ in mine]),
        others=_grouped([(each.kind, each.model) for each in same if not each.counted]),
        floor_ridge=FLOOR_RIDGES[best],
        coverage_off=_mean_coverage(off_covered, sorted(off_covered)) if off else UNSET,
    )


def _grouped(parts: Sequence[tuple[str, Array]]) -> dict[str, float]:
    """Mean of all values under a name."""
    names = sorted({name for name, _ in parts})
    return {
        name: round(float(np.concatenate([own for each, own in parts if each == name]).mean()), 5)
        for name in names
    }


def _covered(
    same: Sequence[Residuals], read: Callable[[Residuals], Array], *, every: bool = False
) -> dict[str, dict[str, float]]:
    """By group and level, the share of its points inside the other groups' widths.

    Of counted curves alone, but for ``every``.
    """
    found: dict[str, dict[str, float]] = {}
    for group in sorted({each.group for each in same if every or each.counted}):
        others = [(each.group, read(each)) for each in same if each.group != group]
        mine = [each for each in same if each.group == group and (every or each.counted)]
        own = np.concatenate([read(each) for each in mine])
        found[group] = {
            f"{level:g}": round(float((own <= conformal_width(others, level)).mean()), 5)
            for level in LEVELS
        }
    return found


def _mean_coverage(covered: dict[str, dict[str, float]], groups: Sequence[str]) -> dict[str, float]:
    return {
        level: round(float(np.mean([covered[group][level] for group in groups])), 5)
        for level in (f"{each:g}" for each in LEVELS)
    }


def fit(
    table: ForecastTable,
    curves: Sequence[MeasuredCurve],
    *,
    on_measure: Callable[[int, int, str], None] | None = None,
) -> tuple[ForecastTable, list[ForecastScenario]]:
    """The `empty_table` of ``curves`` calibrated, and its scenarios for every score."""
    calibration, scenarios = {}, []
    for done, measure in enumerate(table.calibration, start=1):
        found = list(residuals(table, curves, measure))
        calibration[measure] = calibrate(found, split=_splits(table))
        scenarios += [
            scenario(found, measure, probes, split=_splits(table))
            for probes in range(len(POSITIONS))
        ]
        if on_measure:
            on_measure(done, len(table.calibration), measure)
    return msgspec.structs.replace(table, calibration=calibration), scenarios


def evidence(
    table: ForecastTable, table_sha256: str, scenarios: Sequence[ForecastScenario]
) -> ForecastEvidence:
    """The evidence of a run: what its table was worth."""
    return ForecastEvidence(
        model=table.id,
        recipe=table.recipe,
        corpora=table.corpora,
        n_curves=len(table.curves),
        n_groups=len({curve.group for curve in table.curves}),
        table_sha256=table_sha256,
        scenarios=list(scenarios),
    )
