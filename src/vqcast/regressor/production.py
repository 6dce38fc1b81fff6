"""The networks that ship: fitted on every row, exported, and checked against their export.

Pure but for the time it takes: nothing here reads or writes a file. An exported graph computes
what the trained network computes, or nothing ships.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import IntervalReport, Verdict
from vqcast.documents.model import SidecarCorpus
from vqcast.durable.files import sha256_bytes
from vqcast.errors import ParityError
from vqcast.evidence.folder import Evidence
from vqcast.families import Package
from vqcast.interval import VMAF_MAX, VMAF_MIN
from vqcast.regressor import graph
from vqcast.regressor.dataset import columns_of, slot_rows_of, trainable
from vqcast.regressor.engine import Columns, Fit, Fitted, train
from vqcast.regressor.package import Provenance, package, recipe_of
from vqcast.regressor.spec import Spec
from vqcast.serve.guard import CheckedGraph
from vqcast.watch import Watch

MAX_ABS_DIFFERENCE = 1e-4
"""VMAF points (CONTRACTS §6 asks this of a promotion)."""

MAX_ABS_ARITHMETIC = 1e-3
"""VMAF points between the ensemble's one graph and its members plus arithmetic."""


def fit(
    spec: Spec,
    corpus: Corpus,
    verdict: Verdict,
    found: Evidence,
    *,
    smoke: bool,
    watch: Watch,
) -> Package:
    """Train one network a seed on every row, export it, and check graph against network.

    The recipe is the evidence's. Raises ParityError where a graph differs.
    """
    recipe = recipe_of(found.reports[spec.seeds[0]])
    data = trainable(corpus, spec)
    columns = columns_of(data.corpus, spec)
    fits = [Fit(seed=seed, held_out=None) for seed in spec.seeds]
    fitted = list(train(columns, fits, recipe, workers=watch.workers, progress=watch.progress))
    intervals = None if smoke else found.intervals
    made = package(
        fitted,
        Provenance(
            spec=spec,
            recipe=recipe,
            corpus=SidecarCorpus(
                path=corpus.path.name,
                sha256=corpus.sha256,
                n_rows=len(data.corpus),
                cq_min=data.corpus.cq_min,
                cq_max=data.corpus.cq_max,
            ),
            slots=slot_rows_of(data.corpus, spec),
            verdict=verdict,
            reports=found.reports,
            smoke=smoke,
            intervals=intervals,
        ),
    )
    worst = max(_member_parity(each, made, spec, columns) for each in fitted)
    if intervals is not None:
        members = [each.predict(columns.features, columns.codec) for each in fitted]
        _mean_parity(np.stack(members), made, spec, columns, intervals)
    return replace(
        made,
        checked=f"the graphs differ from the trained networks by at most {worst:.1e} VMAF",
        figures={"max_abs_export_difference": worst},
    )


def _session(made: Package, model_id: str, spec: Spec, outputs: list[str]) -> CheckedGraph:
    data = made.files[f"{model_id}.onnx"]
    return CheckedGraph(
        data,
        sha256=sha256_bytes(data),
        input_names=spec.input_names,
        output_names=outputs,
        where=f"{model_id}.onnx",
    )


def _member_parity(fitted: Fitted, made: Package, spec: Spec, columns: Columns) -> float:
    member_id = spec.member_id(fitted.fit.seed)
    session = _session(made, member_id, spec, [spec.output])
    scaled = (columns.features.astype(np.float64) - fitted.feature_mean) / fitted.feature_std
    arrays = [scaled.astype(np.float32)] + ([columns.codec] if spec.codec_input else [])
    expected = fitted.predict(columns.features, columns.codec)
    return check_parity(session, arrays, [expected], MAX_ABS_DIFFERENCE, where=member_id)


def _mean_parity(
    members: NDArray[np.float64],
    made: Package,
    spec: Spec,
    columns: Columns,
    intervals: IntervalReport,
) -> None:
    """The one graph gives what its members and the calibration's arithmetic give."""
    session = _session(made, spec.mean_id, spec, list(graph.OUTPUTS))
    clipped = np.clip(members, VMAF_MIN, VMAF_MAX)
    mean, std = clipped.mean(axis=0), clipped.std(axis=0, ddof=1)
    features = columns.features.astype(np.float64)
    calibration, level = intervals.calibration, intervals.nominal_coverage
    lower, upper = calibration.interval(mean, std, features, level)
    expected = [calibration.centre(mean), std, lower, upper]
    arrays = [columns.features, columns.codec]
    check_parity(session, arrays, expected, MAX_ABS_ARITHMETIC, where=spec.mean_id)


def check_parity(
    session: CheckedGraph,
    inputs: list[NDArray[np.float32]],
    expected: list[NDArray[np.float64]],
    tolerance: float,
    *,
    where: str,
) -> float:
    """Largest difference in VMAF points over all outputs of a graph, ``[N]`` rows each.

    Raises ParityError above ``tolerance``.
    """
    given = [output.astype(np.float64).reshape(-1) for output in session.run(*inputs)]
    worst = float(np.max(np.abs(np.stack(given) - np.stack(expected))))
    if not worst <= tolerance:
        raise ParityError(
            f"{where}: the exported graph differs from the trained network by {worst:.2e} VMAF, "
            f"more than {tolerance:.0e}"
        )
    return worst
