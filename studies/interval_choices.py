"""Why the interval is made as it is: the tables of ADR-0004, from a registry's evidence alone.

Two questions. Where does the networks' common bias come from: their shipped weights, averaged
over dropout masks as in training, are compared with the weights as they are. And what does each
part of the scale buy: every scale is judged one group left out at a time. From the repository::

    python -m studies.interval_choices --registry model/tiny --corpus CORPUS
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.special import ndtr

from studies.command import command
from vqcast import documents
from vqcast.corpus.table import Corpus, load
from vqcast.documents import Document
from vqcast.documents.model import Sidecar
from vqcast.durable.files import write_atomic
from vqcast.evidence.conformal import (
    DIFFICULTY_SPAN,
    DIFFICULTY_START,
    SPREAD_FLOOR,
    Array,
    CentreCorrection,
    OutOfFold,
    left_out_distances,
)
from vqcast.evidence.coverage import covered
from vqcast.evidence.evaluation import figures_of
from vqcast.evidence.folder import in_registry
from vqcast.evidence.methods import Mask, Method, Target, left_out
from vqcast.interval import widening
from vqcast.pages import blocks
from vqcast.regressor import graph
from vqcast.regressor.dataset import columns_of, out_of_fold, trainable
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder

LEVEL = 0.9
MASKS = 100
EVERY = 8
"""Rows of the corpus between two that the masks are averaged on."""
LOW_VMAF = 60.0
_SEED = 20261128


class Masks(Document, frozen=True, kw_only=True):
    """RMSE of the shipped networks on rows that they were fitted on, VMAF points."""

    rows: int
    masks: int
    plain: float
    averaged: float
    """Each network's score the mean over dropout masks, no correction."""
    corrected: float
    """The plain mean with the calibration's correction."""


class Choice(Document, frozen=True, kw_only=True):
    """One scale: widths at exactly 90 %, interval scores, and coverage where it is hard."""

    name: str
    chosen: bool
    frame_width: float
    frame_score: float
    frame_low: float
    pooled_width: float
    pooled_score: float
    pooled_low: float
    far: float


class Choices(Document, frozen=True, kw_only=True):
    """``docs/evidence/interval_choices.json``."""

    command: str
    corpus_sha256: str
    n_rows: int
    n_groups: int
    masks: Masks
    scales: list[Choice]


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    scale: Array
    corrected: bool = True
    chosen: bool = False


def averaged_over_masks(folder: Folder, corpus: Corpus) -> Masks:
    """The shipped ensemble with and without the dropout that its training had."""
    found = in_registry(folder.files, ENSEMBLE.id)
    assert found.intervals is not None
    rows = np.arange(0, len(corpus), EVERY)
    columns = columns_of(corpus, ENSEMBLE)
    truth = corpus.vmaf[rows]
    rng = np.random.default_rng(_SEED)
    plain, averaged = [], []
    for seed in ENSEMBLE.seeds:
        name = f"{ENSEMBLE.member_id(seed)}.json"
        sidecar = documents.from_bytes(Sidecar, folder.files[name], where=name)
        recipe = sidecar.training_recipe
        layers = [
            (matrix.astype(np.float64), bias.astype(np.float64))
            for matrix, bias in graph.layers_of(folder.files[sidecar.onnx], recipe.depth)
        ]
        features = columns.features[rows].astype(np.float64) - np.asarray(sidecar.feature_mean)
        inputs = np.hstack([features / np.asarray(sidecar.feature_std), columns.codec[rows]])
        plain.append(_forward(layers, inputs, lambda shape: 1.0))
        keep = 1.0 - recipe.dropout
        draws = [
            _forward(layers, inputs, lambda shape: (rng.random(shape) < keep) / keep)  # noqa: B023
            for _ in range(MASKS)
        ]
        averaged.append(np.mean(draws, axis=0))
    mean = np.clip(plain, 0.0, 100.0).mean(axis=0)
    centre = found.intervals.calibration.centre(mean)
    return Masks(
        rows=len(rows),
        masks=MASKS,
        plain=_rmse(mean, truth),
        averaged=_rmse(np.clip(averaged, 0.0, 100.0).mean(axis=0), truth),
        corrected=_rmse(centre, truth),
    )


def _forward(
    layers: Sequence[tuple[Array, Array]],
    inputs: Array,
    mask: Callable[[tuple[int, ...]], Array | float],
) -> Array:
    value = inputs
    for matrix, bias in layers[:-1]:
        value = value @ matrix + bias
        value = value * ndtr(value) * mask(value.shape)
    matrix, bias = layers[-1]
    return (value @ matrix + bias)[:, 0]


def _rmse(predicted: Array, truth: Array) -> float:
    return float(np.sqrt(np.mean(np.square(predicted - truth))))


def scales_of(oof: OutOfFold) -> list[Choice]:
    """Every candidate scale, judged with one group left out at a time."""
    mean, std, distance = oof.mean, oof.std, left_out_distances(oof)
    hard = 1.0 + np.clip((DIFFICULTY_START - mean) / DIFFICULTY_SPAN, 0.0, 1.0)
    one = np.ones_like(mean)

    def spread(floor: float, gain: float | None = None) -> Array:
        grown = one if gain is None else widening(distance, gain)
        return (std + floor) * hard * grown

    candidates = [
        _Candidate("constant, no correction", one, corrected=False),
        _Candidate("chosen scale, no correction", spread(SPREAD_FLOOR, 3.0), corrected=False),
        _Candidate("constant", one),
        *(_Candidate(f"spread + {floor:g}", std + floor) for floor in (0.001, 0.1, 0.5, 1.0)),
        _Candidate("(spread + 0.5) x difficulty", spread(0.5)),
        _Candidate("difficulty x widening 3, no spread", hard * widening(distance, 3.0)),
        *(
            _Candidate(
                f"(spread + 0.5) x difficulty x widening {gain:g}",
                spread(0.5, gain),
                chosen=gain == 3.0,
            )
            for gain in (1.0, 2.0, 3.0, 5.0, 8.0)
        ),
    ]
    far = distance > 1.0
    return [_judged(each, oof, far) for each in candidates]


def _judged(candidate: _Candidate, oof: OutOfFold, far: Mask) -> Choice:
    mean, scale = oof.mean, candidate.scale
    centre = CentreCorrection(oof).centres if candidate.corrected else lambda _: mean
    method = Method(candidate.name, centre, scale, oof.pool(scale))
    figures = {each.target: each for each in figures_of(oof, method, (LEVEL,))}
    made = left_out(oof, method, (LEVEL,))
    low, held = {}, {}
    for name in ("frame", "pooled"):
        target, interval = Target(oof, name), made[name, LEVEL]
        held[name] = covered(interval.lower, interval.upper, target.truth)
        low[name] = float(held[name][target.truth < LOW_VMAF].mean())
    frame, pooled = figures["frame"], figures["pooled"]
    assert frame.measured is not None and pooled.measured is not None
    return Choice(
        name=candidate.name,
        chosen=candidate.chosen,
        frame_width=frame.width_at_level or 0.0,
        frame_score=frame.measured.score,
        frame_low=low["frame"],
        pooled_width=pooled.width_at_level or 0.0,
        pooled_score=pooled.measured.score,
        pooled_low=low["pooled"],
        far=float(held["frame"][far].mean()) if far.any() else 1.0,
    )


def page(made: Choices) -> str:
    """The block of ADR-0004."""
    masks = made.masks
    lines = [
        f"Written by `{made.command}` from docs/evidence/interval_choices.json; not edited by "
        f"hand. {made.n_rows:,} frames in {made.n_groups} groups.",
        "",
        f"The bias is the dropout's. On {masks.rows:,} rows that they were fitted on, the shipped "
        f"networks as they are have an RMSE of {masks.plain:.2f} points. The same weights averaged "
        f"over {masks.masks} dropout masks, as training has them, have {masks.averaged:.2f}, with "
        f"no correction at all; the plain mean with the correction has {masks.corrected:.2f}.",
        "",
        'One group left out at a time: "width" is at exactly 90 % coverage, "score" the interval '
        "score of the calibrated 90 % interval (Gneiting & Raftery 2007), both in points; "
        '"< 60" and "far" are its coverage in % of frames (clips) under VMAF 60 and of frames '
        "beyond the training rows' 99th percentile.",
        "",
        "| scale | frame: width | score | < 60 | pooled: width | score | < 60 | far |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in made.scales:
        name = f"**{each.name}**" if each.chosen else each.name
        lines.append(
            f"| {name} | {each.frame_width:.2f} | {each.frame_score:.2f} | "
            f"{100 * each.frame_low:.0f} | {each.pooled_width:.2f} | {each.pooled_score:.2f} | "
            f"{100 * each.pooled_low:.0f} | {100 * each.far:.0f} |"
        )
    return "\n".join(lines)


def main(
    registry: Annotated[Path, typer.Option("--registry", help="The registry folder.")],
    corpus: Annotated[Path, typer.Option("--corpus", help="The corpus it was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="The report to write.")] = Path(
        "docs/evidence/interval_choices.json"
    ),
    markdown: Annotated[
        Path, typer.Option("--markdown", help="The page whose block is written.")
    ] = Path("docs/adr/0004-intervals.md"),
) -> None:
    """Measure the choices behind the interval, and write ADR-0004's block."""
    folder = Folder(registry)
    folder.require_whole()
    data = trainable(load(corpus), ENSEMBLE)
    found = in_registry(folder.files, ENSEMBLE.id)
    oof = out_of_fold(found, load(corpus), ENSEMBLE)
    made = Choices(
        command=command("studies.interval_choices", sys.argv[1:]),
        corpus_sha256=data.corpus.sha256,
        n_rows=len(data.corpus),
        n_groups=oof.n_groups,
        masks=averaged_over_masks(folder, data.corpus),
        scales=scales_of(oof),
    )
    write_atomic(out, documents.to_bytes(made))
    blocks.write(markdown, "choices", page(made))


if __name__ == "__main__":
    typer.run(main)
