"""Model cards: one Markdown page a model, every figure read from a file of its registry.

Pure: a registry's files in and, where given, the provenance of its corpora and the study of what
the codec adds. ``vqcast registry cards`` writes the pages, and a test holds the shipped ones to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqcast import documents
from vqcast.documents.base import Document
from vqcast.documents.evidence import LosoReport
from vqcast.documents.forecast import (
    ForecastEvidence,
    ForecastVerdict,
)
from vqcast.documents.model import TrainingRecipe
from vqcast.documents.provenance import CorpusProvenance
from vqcast.documents.registry import ForecastRegistry, ForecastRow, Registry
from vqcast.errors import EvidenceError, InputError
from vqcast.evidence.coverage import standard_error
from vqcast.evidence.metrics import mean_or_none
from vqcast.forecast.family import FORECASTER
from vqcast.forecast.judge import MEASURE
from vqcast.forecast.table import read_table
from vqcast.pages import template
from vqcast.pages.subject import Subject, subjects_in
from vqcast.regressor import standing
from vqcast.regressor.spec import Recipe
from vqcast.serve.folder import read_registry

Facts = dict[str, Any]
"""What a model's templates read; among it ``id`` and ``corpora``, the sha256 of each."""


class LiftAnswer(Document, frozen=True, kw_only=True):
    """What a card says of the study of what the codec adds."""

    corpora: dict[str, str]
    """File name of each corpus, by its sha256."""
    answer: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What a registry does not hold itself; each card takes what is of its own corpora."""

    provenances: Sequence[CorpusProvenance] = ()
    lift: LiftAnswer | None = None

    def of(self, corpora: Sequence[str]) -> list[CorpusProvenance]:
        """The provenances of these corpora, by sha256."""
        return [each for each in self.provenances if each.corpus.sha256 in corpora]

    def require_used(self, corpora: Sequence[str]) -> None:
        """Raise InputError where one of them is of no corpus that a model here was made from."""
        known = [each.corpus.sha256 for each in self.provenances]
        for sha256 in [*known, *([next(iter(self.lift.corpora))] if self.lift else [])]:
            if sha256 not in corpora:
                raise InputError(
                    f"no model here was made from the corpus with sha256 {sha256}",
                    hint="leave out its provenance or study",
                )


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


def card_pages(files: Mapping[str, bytes], beside: Beside = Beside()) -> dict[str, str]:
    """A card for every model of a registry that stands on a verdict, by its id.

    Raises EvidenceError where evidence is missing, InputError for a provenance or a study that
    is of none of the models' corpora.
    """
    return _rendered("card", files, beside)


def card_lines(files: Mapping[str, bytes]) -> dict[str, str]:
    """The same models in a sentence or two each, for a page that names all of them."""
    return {name: line.strip() for name, line in _rendered("line", files, Beside()).items()}


def _rendered(page: str, files: Mapping[str, bytes], beside: Beside) -> dict[str, str]:
    registry = read_registry(files)
    if isinstance(registry, ForecastRegistry):
        kind, models = "forecast", [_forecast(row, files, beside) for row in registry.models]
    else:
        subjects = subjects_in(files, where=Path())
        kind, models = "network", [_network(each, registry, files, beside) for each in subjects]
    beside.require_used([sha256 for facts in models for sha256 in facts["corpora"]])
    return {facts["id"]: template.render(f"{kind}_{page}.md.j2", **facts) for facts in models}


def _network(
    subject: Subject, registry: Registry, files: Mapping[str, bytes], beside: Beside
) -> Facts:
    family, report = subject.model, subject.found.intervals
    ids = [*(family.member_id(seed) for seed in family.seeds), family.mean_id]
    by_id = {row.id: row for row in registry.models}
    rows = [by_id[name] for name in ids if name in by_id]
    sidecar = standing.read_network_sidecar(rows[0], family, files)
    sha256 = standing.corpus_sha256(sidecar)
    lift = beside.lift
    return {
        "id": family.id,
        "corpora": [sha256],
        "subject": subject,
        "rows": rows,
        "sidecar": sidecar,
        "smoke": any(row.is_smoke for row in rows),
        "cq_range": standing.cq_range(sidecar),
        "provenance": next(iter(beside.of([sha256])), None),
        "lift": lift if lift is not None and sha256 in lift.corpora else None,
        "published": PUBLISHED.get(family.id) if _is_published(sidecar.training_recipe) else None,
        "ours": _figures(subject.reports),
        "standard_error": report
        and standard_error(report.nominal_coverage, report.calibration.n_groups),
    }


def _is_published(recipe: TrainingRecipe) -> bool:
    """Whether a network was trained as the published ones."""
    names = ("hidden", "depth", "dropout", "epochs", "batch_size", "lr", "weight_decay")
    return all(getattr(recipe, name) == getattr(Recipe(), name) for name in names)


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


def _forecast(row: ForecastRow, files: Mapping[str, bytes], beside: Beside) -> Facts:
    names = FORECASTER.verdict_name, FORECASTER.evidence_path
    for name in names:
        if name not in files:
            raise EvidenceError(f"{row.id}: has no {name}")
    verdict = documents.decode(ForecastVerdict, files[names[0]], where=names[0])
    found = documents.decode(ForecastEvidence, files[names[1]], where=names[1])
    table = read_table(files[row.table], row)
    clips = {
        clip.src: clip
        for each in beside.of([pin.sha256 for pin in table.corpora])
        for clip in each.sources
    }
    return {
        "id": row.id,
        "corpora": [pin.sha256 for pin in table.corpora],
        "row": row,
        "verdict": verdict,
        "found": found,
        "curves": table,
        "measure": MEASURE,
        "main": [each for each in found.scenarios if each.measure == MEASURE],
        "probes": sorted({each.probes for each in found.scenarios}),
        "furthest": max(verdict.gate.coverage, key=lambda each: abs(each.covered - each.nominal)),
        "clips": list(clips.values()),
    }
