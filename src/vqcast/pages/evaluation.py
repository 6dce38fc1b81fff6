"""The evaluation of an ensemble's intervals as a Markdown page."""

from __future__ import annotations

from vqcast.documents.evidence import UnseenPart
from vqcast.evidence.conformal import SCALE_CORPORA
from vqcast.evidence.coverage import Coverage
from vqcast.evidence.evaluation import Evaluation, Figures, Slice
from vqcast.evidence.methods import CONFORMAL
from vqcast.interval import Calibration, largest_level, needed_groups
from vqcast.pages import template
from vqcast.regressor.results import NOUNS
from vqcast.workflow.evaluate import Evaluated

METHODS = {
    "conformal": "ensemble, conformal (ours)",
    "gaussian": "(a) ensemble, Gaussian",
    "single": "(b) one network, constant",
    "single+centre": "one network, our correction, constant",
}
_TITLES = {
    "encoder": "Per encoder",
    "band": "Per VMAF band",
    "distance": "Near and far: within and beyond the 99th percentile of the training features",
    "source": "Per source",
}
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)

Slices = dict[tuple[str, str], dict[float, Coverage]]
"""(name, target) -> level -> what was covered."""


def evaluation(judged: Evaluated, *, corpus: str, command: str) -> str:
    """Everything a reader needs to judge the intervals, n in every table.

    ``corpus`` is the file's name, ``command`` what writes the page again.
    """
    found, calibration = judged.evaluation, judged.calibration
    return template.render(
        "evaluation.md.j2",
        judged=judged,
        corpus=corpus,
        command=command,
        nouns=NOUNS,
        methods=METHODS,
        results=[
            (_at_90(found, CONFORMAL, target), _at_90(found, "single", target))
            for target in ("pooled", "frame")
        ],
        figures=sorted(found.figures, key=lambda each: (each.target, each.level)),
        slices=[(title, kind, *_slices(found, kind)) for kind, title in _TITLES.items()],
        quantiles=_quantiles(calibration),
        largest=largest_level(found.n_groups),
        lowest=_lowest(found),
        unseen=_unseen(judged),
        needed_groups=needed_groups(0.9),
        chosen_here=judged.corpus_sha256 in SCALE_CORPORA,
    )


def _at_90(found: Evaluation, method: str, target: str) -> Figures:
    return next(
        each
        for each in found.figures
        if (each.method, each.target) == (method, target) and abs(each.level - 0.9) < 1e-9
    )


def _lowest(found: Evaluation) -> dict[str, Slice | None]:
    """The least covered slice of each kind at 90 %: distances by frame, the others by clip."""
    asked = {"band": "pooled", "distance": "frame", "source": "pooled"}
    return {
        kind: min(
            (
                each
                for each in found.slices
                if (each.kind, each.target) == (kind, target) and abs(each.level - 0.9) < 1e-9
            ),
            key=lambda each: each.measured.coverage,
            default=None,
        )
        for kind, target in asked.items()
    }


def _unseen(judged: Evaluated) -> list[tuple[str, float | None, list[UnseenPart]]]:
    """What was held out entirely, the factor it asks for, and each part of it."""
    made = judged.unseen
    if made is None:
        return []
    return [
        ("Presets", made.preset_factor, made.presets),
        ("Encoders", made.encoder_factor, made.encoders),
    ]


def _slices(found: Evaluation, kind: str) -> tuple[list[float], Slices]:
    rows: Slices = {}
    for each in found.slices:
        if each.kind == kind:
            rows.setdefault((each.name, each.target), {})[each.level] = each.measured
    return sorted({level for row in rows.values() for level in row}), rows


def _quantiles(calibration: Calibration) -> list[tuple[float, float | None, float | None]]:
    """Level, frame and pooled quantile; None where the groups are too few."""

    def quantile(level: float, *, pooled: bool) -> float | None:
        if level > largest_level(calibration.n_groups):
            return None
        return calibration.quantile(level, pooled=pooled)

    return [
        (level, quantile(level, pooled=False), quantile(level, pooled=True))
        for level in _LEVELS
        if level >= calibration.frame[0].level
    ]
