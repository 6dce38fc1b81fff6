"""What the card of a network family shows, read from its rows of a registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vqcast import documents
from vqcast.documents.evidence import LosoReport, Verdict
from vqcast.documents.registry import Row
from vqcast.evidence import folder as evidence
from vqcast.evidence.coverage import standard_error
from vqcast.evidence.metrics import mean_or_none
from vqcast.regressor import standing
from vqcast.regressor.package import recipe_of
from vqcast.regressor.results import Results
from vqcast.regressor.spec import Recipe, Spec


@dataclass(frozen=True, slots=True)
class Published:
    """Figures that others published for the same recipe (CONTRACTS §5), and on what."""

    figures: Mapping[str, str]
    corpus: str = "Netflix Public Dataset"
    sources: int = 9
    encoders: str = "h264_nvenc"
    frames: int = 5640


PUBLISHED = {
    "fr_regressor_v2_ensemble_v1": Published(
        {"mean PLCC": "0.9973", "spread over seeds": "0.00095"}
    ),
    "fr_regressor_v3": Published(
        {
            "mean PLCC": "0.9975",
            "lowest PLCC": "0.9945",
            "mean SROCC": "0.9691",
            "mean RMSE": "1.088",
        }
    ),
}


def facts(spec: Spec, rows: Mapping[str, Row], files: Mapping[str, bytes]) -> dict[str, Any]:
    """What ``network_card.md.j2`` reads. Raises EvidenceError where evidence is missing."""
    prefix = evidence.prefix(spec.id)
    mine = {name.removeprefix(prefix): files[name] for name in files if name.startswith(prefix)}
    found = evidence.parse(mine, where=prefix)
    verdict = documents.from_bytes(Verdict, files[spec.verdict_name], where=spec.verdict_name)
    results, report = Results(spec, verdict, found), found.intervals
    names = [spec.member_id(seed) for seed in spec.seeds]
    sidecar = standing.read_network_sidecar(rows[names[0]], spec, files)
    # What becomes of untrained slots is not in the published recipe.
    recipe = replace(recipe_of(sidecar.training_recipe), share_untrained=True)
    as_published = recipe == Recipe()
    return {
        "corpora": [standing.corpus_sha256(sidecar)],
        "subject": results,
        "rows": [rows[name] for name in (*names, spec.mean_id) if name in rows],
        "sidecar": sidecar,
        "smoke": any(row.is_smoke for row in rows.values()),
        "cq_range": standing.cq_range(sidecar),
        "published": PUBLISHED.get(spec.id) if as_published else None,
        "ours": _figures(results.reports),
        "standard_error": report
        and standard_error(report.nominal_coverage, report.calibration.n_groups),
    }


def _figures(reports: Sequence[LosoReport]) -> dict[str, float | None]:
    """Our figures under the names of those that others published."""
    plccs = [report.mean_plcc for report in reports if report.mean_plcc is not None]
    lowest = [fold.plcc for report in reports for fold in report.folds if fold.plcc is not None]
    return {
        "mean PLCC": mean_or_none([report.mean_plcc for report in reports]),
        "spread over seeds": max(plccs) - min(plccs) if plccs else None,
        "lowest PLCC": min(lowest, default=None),
        "mean SROCC": mean_or_none([report.mean_srocc for report in reports]),
        "mean RMSE": mean_or_none([report.mean_rmse for report in reports]),
    }
