"""Promotion: the one way for weights, sidecars and registry rows to ship, together.

It refuses without a PROMOTE verdict that follows from the evidence and the
corpus at hand, fits the production networks on every row, checks what it
exported against what it trained, and replaces the registry folder in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import IntervalReport, LosoReport, Verdict
from vqcast.documents.model import SidecarCorpus
from vqcast.documents.registry import Row
from vqcast.durable.files import write_atomic
from vqcast.errors import EvidenceError, GateHeld, ModelRefused
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import HOLD, PROMOTE
from vqcast.families import Family, Recipe, family, owner_of
from vqcast.interval import VMAF_MAX, VMAF_MIN, close
from vqcast.registry import law
from vqcast.registry.seal import State, change, read_status, with_status
from vqcast.regressor import fused, parity
from vqcast.regressor.dataset import columns_of, coverage_of, trainable
from vqcast.regressor.engine import Columns, Fit, Fitted, Progress, train
from vqcast.regressor.intervals import measure
from vqcast.regressor.package import Package, Provenance, Trained, package
from vqcast.serve.folder import AnyRow, sidecar_name
from vqcast.serve.guard import Session

EXPORT_FOLDER = "export"
"""Where a single model's files are written in its run folder."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion installed, and how close the graphs are to the networks."""

    rows: list[Row]
    worst_parity: float
    files: int


def promote(
    run_dir: Path,
    corpus: Corpus,
    registry: Path,
    *,
    scaffold: bool = False,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Promoted:
    """Fit, export and install the family that the run folder's verdict promotes.

    With ``scaffold``, a family that was held is installed as smoke rows, which
    nothing may score with, and only where no promoted row stands. Raises
    GateHeld where the verdict is HOLD, EvidenceError where it does not
    follow from the evidence or the corpus, ParityError where an exported graph
    differs. The registry is then as it was.
    """
    found = evidence.read(run_dir)
    verdict, verdict_bytes = evidence.read_verdict(run_dir)
    _require_standing(run_dir, verdict, found, corpus, wanted=HOLD if scaffold else PROMOTE)
    model = family(verdict.model)
    _require_same_calibration(run_dir, found, corpus, model)
    made, worst = fit_and_package(
        corpus, verdict, found,
        smoke=scaffold, workers=workers, on_progress=on_progress,
    )  # fmt: skip
    if scaffold:
        files = install(registry, made, {})
        return Promoted(rows=made.rows, worst_parity=worst, files=files)
    prefix = evidence.prefix(model.id)
    extra = {prefix + name: data for name, data in found.files.items()}
    extra[law.verdict_name(model.id)] = verdict_bytes
    files = install(registry, made, extra)
    return Promoted(rows=made.rows, worst_parity=worst, files=files)


def export(
    run_dir: Path,
    corpus: Corpus,
    *,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Row]:
    """Fit the run folder's family on every row and write its files into the folder.

    Below the gate they are scaffolds, marked so. Nothing here is installed.
    """
    found = evidence.read(run_dir)
    verdict, _ = evidence.read_verdict(run_dir)
    made, _ = fit_and_package(
        corpus, verdict, found,
        smoke=verdict.verdict != PROMOTE, workers=workers, on_progress=on_progress,
    )  # fmt: skip
    for name, data in made.files.items():
        write_atomic(run_dir / EXPORT_FOLDER / name, data)
    return made.rows


def _require_standing(
    run_dir: Path, verdict: Verdict, found: evidence.Evidence, corpus: Corpus, *, wanted: str
) -> None:
    if verdict.verdict != wanted and wanted == PROMOTE:
        raise GateHeld(
            f"{run_dir}: the verdict is {verdict.verdict}: {verdict.recommendation}",
            hint="--scaffold installs it as smoke rows, which nothing may score with",
        )
    if verdict.verdict != wanted:
        raise EvidenceError(
            f"{run_dir}: the verdict is {verdict.verdict}, no scaffold is needed",
            hint="promote it without --scaffold",
        )
    if corpus.synthetic and wanted == PROMOTE:
        raise EvidenceError(f"{corpus.path}: is synthetic, and nothing of it is promoted")
    problems = law.verdict_problems(verdict, found, corpus.sha256)
    if problems:
        raise EvidenceError(
            f"{run_dir}: the verdict does not stand: {'; '.join(problems)}",
            hint=f"vqcast gate {run_dir}, with the corpus that the evidence was made on",
        )


def recipe_of(report: LosoReport) -> Recipe:
    """The recipe that a seed's evidence was made with."""
    return Recipe(
        epochs=report.epochs,
        batch_size=report.batch_size,
        lr=report.lr,
        weight_decay=report.weight_decay,
    )


def fit_and_package(
    corpus: Corpus,
    verdict: Verdict,
    found: evidence.Evidence,
    *,
    smoke: bool,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Package, float]:
    """Train one network a seed on every row, export it, and check graph against network.

    The recipe is the evidence's.
    """
    model = family(verdict.model)
    recipe = recipe_of(found.reports[model.seeds[0]])
    data = trainable(corpus, model)
    columns = columns_of(data.corpus, model)
    fits = [Fit(seed=seed, held_out=None) for seed in model.seeds]
    fitted = list(train(columns, fits, recipe, workers=workers, progress=on_progress))
    made = package(
        [
            Trained(each.fit.seed, each.weights, each.feature_mean, each.feature_std)
            for each in fitted
        ],
        Provenance(
            family=model,
            recipe=recipe,
            corpus=SidecarCorpus(
                path=corpus.path.name,
                sha256=corpus.sha256,
                n_rows=len(data.corpus),
                cq_min=data.corpus.cq_min,
                cq_max=data.corpus.cq_max,
            ),
            coverage=coverage_of(data.corpus, model),
            verdict=verdict,
            reports=found.reports,
            smoke=smoke,
            intervals=None if smoke else found.intervals,
        ),
    )
    worst = max(_parity(each, made, model, columns) for each in fitted)
    if not smoke and found.intervals is not None:
        members = [each.predict(columns.features, columns.codec) for each in fitted]
        _mean_parity(np.stack(members), made, model, columns, found.intervals)
    return made, worst


def _parity(fitted: Fitted, made: Package, model: Family, columns: Columns) -> float:
    member_id = model.member_id(fitted.fit.seed)
    row = next(row for row in made.rows if row.id == member_id)
    session = Session(
        made.files[row.onnx],
        sha256=row.sha256,
        input_names=model.input_names,
        output_names=[model.output],
        where=row.onnx,
    )
    scaled = (columns.features.astype(np.float64) - fitted.feature_mean) / fitted.feature_std
    arrays = [scaled.astype(np.float32)] + ([columns.codec] if model.codec_input else [])
    expected = fitted.predict(columns.features, columns.codec)
    return parity.check(session, arrays, expected, where=member_id)


def _mean_parity(
    members: NDArray[np.float64],
    made: Package,
    model: Family,
    columns: Columns,
    intervals: IntervalReport,
) -> None:
    """The one graph gives what its members and the calibration's arithmetic give."""
    row = next(row for row in made.rows if row.id == model.mean_id)
    session = Session(
        made.files[row.onnx],
        sha256=row.sha256,
        input_names=model.input_names,
        output_names=list(fused.OUTPUTS),
        where=row.onnx,
    )
    clipped = np.clip(members, VMAF_MIN, VMAF_MAX)
    mean, std = clipped.mean(axis=0), clipped.std(axis=0, ddof=1)
    features = columns.features.astype(np.float64)
    calibration, level = intervals.calibration, intervals.nominal_coverage
    lower, upper = calibration.interval(mean, std, features, level)
    expected = [calibration.centre(mean), std, lower, upper]
    parity.check_all(session, [columns.features, columns.codec], expected, where=row.id)


def _require_same_calibration(
    run_dir: Path, found: evidence.Evidence, corpus: Corpus, model: Family
) -> None:
    """The calibration in the evidence is what its predictions and this corpus give."""
    if found.intervals is None:
        return
    again = measure(found, corpus, model)
    if again is None or not close(again.calibration, found.intervals.calibration):
        raise EvidenceError(
            f"{run_dir / evidence.INTERVALS_NAME}: is not what its predictions and corpus give",
            hint="train again: finished seeds are not repeated",
        )


def install(registry: Path, made: Package, extra: Mapping[str, bytes]) -> int:
    """Put a package into a registry folder in one step and return its number of files.

    What other models the folder holds stays. Raises RegistryError where the
    old folder is damaged or the new one would break the law, ModelRefused
    where a scaffold would replace a row that passed.
    """

    def edit(state: State) -> State:
        rows, files = _without_family(state, made)
        for row in made.rows:
            held = state.rows.get(row.id)
            if row.is_smoke and held is not None and not held.is_smoke:
                raise ModelRefused(f"{row.id}: a scaffold never replaces a model that passed")
            rows[row.id] = row
        owners = [owner_of(row.id) for row in made.rows]
        fresh = {row.id for row in made.rows} | {owner.id for owner in owners if owner}
        standing = {
            name: entry
            for name, entry in read_status(state.files).models.items()
            if name not in fresh
        }
        return State(rows, with_status(files | made.files | dict(extra), standing))

    return change(registry, edit)


def _without_family(state: State, made: Package) -> tuple[dict[str, AnyRow], dict[str, bytes]]:
    """The registry without the family's earlier rows, graphs, sidecars and evidence."""
    owners = {owner_of(row.id) for row in made.rows}
    gone = [
        row for row in state.rows.values() if isinstance(row, Row) and owner_of(row.id) in owners
    ]
    names = {name for row in gone for name in (row.onnx, sidecar_name(row))}
    prefixes = tuple(evidence.prefix(owner.id) for owner in owners if owner is not None)
    rows = {name: row for name, row in state.rows.items() if row not in gone}
    files = {
        name: data
        for name, data in state.files.items()
        if name not in names and not name.startswith(prefixes)
    }
    return rows, files
