"""What a long step tells while it works, and the figures that it ends with, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is."""

    done: float
    total: float
    now: str
    """What is in work, in a few words."""


@dataclass(frozen=True, slots=True)
class Watch:
    """On how many threads a long step works, and who hears of it. By default one a core, nobody."""

    note: Callable[[str], None] = lambda text: None
    progress: Callable[[Progress], None] = lambda progress: None
    workers: int | None = None


NOBODY = Watch()


@dataclass(frozen=True, slots=True)
class Table:
    """Figures for a person: a terminal or a page lays them out."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    title: str = ""
