"""One source with one encoder and preset, measured at any quality.

probe = Prober(source, "libx264", "medium", tool, cache=Path("cache")).measure(28.0)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.measured.cell import Cell
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.inputs import Segment
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.source import Source
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Probed:
    """What one encode measured, frame by frame."""

    crf: float
    video_bytes: int
    wall_s: float
    """Of encode and score, when they ran."""
    columns: dict[str, NDArray[np.float64]]
    """``vmaf``, canonical-6 and the columns of what was scored beside, each ``[frames]``."""
    reused: bool

    @property
    def frames(self) -> int:
        """How many frames were encoded and scored."""
        return len(self.columns["vmaf"])


@dataclass(frozen=True, slots=True)
class Prober:
    """Measures one source with one encoder and preset at any quality."""

    source: Source
    encoder: str
    preset: str | None
    tool: Tool
    cache: Path | None
    """The folder of earlier measurements, a corpus's cells among them; None keeps nothing."""
    size: tuple[int, int] | None = None
    """Width and height at which pictures are compared; None: the source's own."""
    threads: Threads | None = None
    """None: one of each kind, as for a corpus."""
    options: EncoderOptions = PLAIN
    """What a user adds to the encoder's words."""
    also: tuple[str, ...] = ()
    """Metrics that are scored beside VMAF v0.6.1."""
    cancel: threading.Event | None = None

    def cell(self, crf: float, segment: Segment | None = None) -> Cell:
        """What a probe at ``crf`` measures."""
        return Cell(
            self.source, self.encoder, self.preset, crf, segment, self.size,
            threads=self.threads, options=self.options, also=self.also,
        )  # fmt: skip

    def measure(
        self,
        crf: float,
        segment: Segment | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Probed:
        """Encode and score at ``crf``, or read what an earlier run measured.

        ``on_progress`` is told the frames encoded so far. Raises ToolFailure or MediaError as
        `vqcast.media.measure` does.
        """
        store = FolderStore(self.cache) if self.cache else None
        found, reused = measure_once(
            self.cell(crf, segment), self.tool, store, self.cancel, on_progress=on_progress
        )
        columns = {name: found.column(name) for name in found.columns}
        return Probed(crf, found.enc_bytes, found.wall_s, columns, reused)
