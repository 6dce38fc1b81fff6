"""The report: one HTML file that needs nothing else.

Charts are inline SVG and the theme follows ``prefers-color-scheme``. The same evidence gives the
same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from vqcast.corpus.table import load
from vqcast.errors import EvidenceError
from vqcast.pages import (
    accuracy_charts,
    gate_charts,
    ink,
    interval_charts,
    picture,
    template,
    tune_charts,
)
from vqcast.pages.across import Across, read_across
from vqcast.pages.curves import Curves, curves_of
from vqcast.pages.heldout import HeldOutFigures, held_out
from vqcast.pages.model import Model
from vqcast.pages.subject import CitedFile, Subject, read_registry, read_run
from vqcast.pages.tunings import Tuning, read_tunings

Href = Callable[[Path], str | None]
"""Where a link to a file on disk may lead from the page; None where it may not."""

_DRAW = SimpleNamespace(
    accuracy=accuracy_charts,
    gate=gate_charts,
    ink=ink,
    interval=interval_charts,
    tune=tune_charts,
)


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that a report shows."""

    title: str
    subjects: Sequence[Subject]
    held_out: Mapping[str, HeldOutFigures | None] = field(default_factory=dict)
    """By model id; None where the corpus given is another than the model's."""
    corpus: Curves | None = None
    tunings: Sequence[Tuning] = ()
    acrosses: Sequence[Across] = ()
    """Comparisons of encoders, and ladders."""


def gather(
    run_dir: Path | None,
    registry: Path | None,
    corpus: Path | None,
    tunings: Sequence[Path],
    acrosses: Sequence[Path] = (),
) -> ReportContent:
    """Read what a report of a run folder, or else of a registry, shows.

    ``acrosses`` are lines of comparisons and ladders.

    Raises EvidenceError where no evidence is of ``corpus``, and as the readers do.
    """
    if registry is not None:
        subjects, what = read_registry(registry), registry.resolve().name
    else:
        subjects = [read_run(run_dir or Path())]
        what = subjects[0].model.id
    title = f"vqcast report: {what}"
    read = [found for path in tunings for found in read_tunings(path)]
    across = [found for path in acrosses for found in read_across(path)]
    if corpus is None:
        return ReportContent(title, subjects, tunings=read, acrosses=across)
    rows = load(corpus)
    joined = {each.model.id: held_out(each, rows) for each in subjects}
    if not any(joined.values()):
        raise EvidenceError(
            f"{corpus}: no evidence here was made on this corpus",
            hint="give the corpus that was trained on",
        )
    return ReportContent(title, subjects, joined, curves_of(rows), read, across)


def report(content: ReportContent, *, href: Href = lambda path: None) -> str:
    """The report as HTML."""
    with ink.style():
        return template.render(
            "report.html.j2",
            title=content.title,
            models=[_model(subject, content) for subject in content.subjects],
            corpus=content.corpus,
            tunings=content.tunings,
            acrosses=content.acrosses,
            files=[(piece, href(piece.path)) for piece in _pieces(content)],
            draw=_DRAW,
            picture=picture.inline,
        )


def _model(subject: Subject, content: ReportContent) -> Model:
    known = dict(subject.pieces)
    if content.corpus is not None:
        known["corpus"] = content.corpus.piece
    return Model(subject, content.held_out.get(subject.model.id), known)


def _pieces(content: ReportContent) -> list[CitedFile]:
    """Every file that is cited, once."""
    pieces = [
        piece
        for subject in content.subjects
        for piece in sorted(subject.pieces.values(), key=lambda piece: piece.name)
    ]
    pieces += [content.corpus.piece] if content.corpus else []
    pieces += [tuning.piece for tuning in content.tunings]
    pieces += [each.piece for each in content.acrosses]
    return list({(piece.sha256, piece.name): piece for piece in pieces}.values())
