"""What every block about one model draws from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from vqcast.pages import html, ink
from vqcast.pages.subject import Subject

if TYPE_CHECKING:
    from vqcast.pages.heldout import HeldOut

Cite = Callable[[Iterable[str]], str]
"""Evidence files by their short names -> links to their digests."""


@dataclass(frozen=True, slots=True)
class Part:
    """One model, its predictions beside a corpus where there is one, and how to cite its files."""

    subject: Subject
    held_out: HeldOut | None
    cite: Cite

    @property
    def key(self) -> str:
        """Begins the name of every chart of this model."""
        return self.subject.model.id

    @property
    def seeds(self) -> str:
        """How many networks stand behind each figure."""
        count = len(self.subject.reports)
        return f"mean of {count} seeds" if count > 1 else "one network"

    @property
    def frames(self) -> str:
        """The n of most figures."""
        subject = self.subject
        folds = len(subject.reports[0].folds)
        return f"{subject.n_rows:,} frames of {folds} {subject.unit}s, {self.seeds}"

    def inline(self, figure: Figure, name: str, title: str, description: str) -> str:
        """A chart of this model for the page."""
        return ink.inline(figure, name=f"{self.key}-{name}", title=title, description=description)


def heading(title: str, words: str) -> str:
    """A block's title and what it shows."""
    return f"<h3>{html.text(title)}</h3>{html.paragraph(words, kind='quiet')}"


def side_by_side(figures: Iterable[str]) -> str:
    """Figures, as many a row as fit."""
    return f'<div class="figures">{"".join(figures)}</div>'
