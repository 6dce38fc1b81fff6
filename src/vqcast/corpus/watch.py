"""Who is told what a build does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqcast.measured.cell import Cell


class Watcher:
    """Is told what a build does, in the thread that called it; override what you listen to."""

    def note(self, sentence: str) -> None:
        """Something worth knowing."""

    def source(self, name: str) -> None:
        """A source was read."""

    def planned(self, cells: Sequence[Cell]) -> None:
        """These cells are to be measured, or found finished."""

    def cell(self, cell: Cell, reused: bool) -> None:
        """A cell is done; ``reused``: an earlier build had measured it."""

    def failure(self, cell: Cell, reason: str) -> None:
        """A cell could not be measured."""
