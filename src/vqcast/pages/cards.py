"""Model cards: one Markdown page a model, every figure read from a file of its registry.

Pure: a registry's files in and, where given, the provenance of its corpora and the study of what
the codec adds. ``vqcast registry cards`` writes the pages, and a test holds the shipped ones to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqcast.documents.base import Document
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import InputError
from vqcast.families import all_families
from vqcast.pages import template
from vqcast.serve.folder import read_registry


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

    def lift_of(self, corpora: Sequence[str]) -> LiftAnswer | None:
        """The study, where it is of one of these corpora."""
        return self.lift if self.lift and self.lift.corpora.keys() & set(corpora) else None

    def require_used(self, corpora: Sequence[str]) -> None:
        """Raise InputError where one of them is of no corpus that a model here was made from."""
        known = [each.corpus.sha256 for each in self.provenances]
        for sha256 in [*known, *([next(iter(self.lift.corpora))] if self.lift else [])]:
            if sha256 not in corpora:
                raise InputError(
                    f"no model here was made from the corpus with sha256 {sha256}",
                    hint="leave out its provenance or study",
                )


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
    registered = {row.id: row for row in read_registry(files).models}
    models: dict[str, tuple[str, dict[str, Any]]] = {}
    for each in all_families():
        rows = {name: registered[name] for name in each.row_ids if name in registered}
        if rows and each.verdict_name in files:
            models[each.id] = each.card, each.card_facts(rows, files)
    beside.require_used([sha256 for _, facts in models.values() for sha256 in facts["corpora"]])
    return {name: _page(card, page, facts, beside) for name, (card, facts) in models.items()}


def _page(card: str, page: str, facts: Mapping[str, Any], beside: Beside) -> str:
    package, _, name = card.rpartition(":")
    return template.render(
        f"{name}_{page}.md.j2",
        package or template.PACKAGE,
        provenances=beside.of(facts["corpora"]),
        lift=beside.lift_of(facts["corpora"]),
        **facts,
    )
