"""One cell measured at any quality.

prober = Prober(Cell(source, "libx264", "medium", 0), tool, Path("cache"))
measurement, reused = prober.measure(28.0)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.source import Source
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Prober:
    """Measures what a cell says, its quality aside."""

    cell: Cell
    tool: Tool
    cache: Path | None
    """The folder of earlier measurements, a corpus's cells among them; None keeps nothing."""
    cancel: threading.Event | None = None
    timed: bool = False
    """Whether encodes are timed, and so scored in a process of their own."""

    @property
    def source(self) -> Source:
        """What is encoded."""
        return self.cell.source

    @property
    def store(self) -> FolderStore | None:
        """Where measurements are kept."""
        return FolderStore(self.cache) if self.cache else None

    def at(self, crf: float) -> Cell:
        """What a probe at ``crf`` measures."""
        return replace(self.cell, cq=crf)

    def measure(
        self, crf: float, on_progress: Callable[[int], None] | None = None
    ) -> tuple[Measurement, bool]:
        """The measurement at ``crf``, and whether an earlier run had made it.

        ``on_progress`` is told the frames encoded so far. Raises ToolFailure or MediaError as
        `vqcast.media.measure` does.
        """
        return measure_once(
            self.at(crf),
            self.tool,
            self.store,
            self.cancel,
            timed=self.timed,
            on_progress=on_progress,
        )
