"""What a cell measured: taken from a real encode and score, or read back from its file."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import codec
from vqcast.documents.base import Document
from vqcast.durable.scratch import scratch
from vqcast.errors import DocumentError
from vqcast.measured.cell import Cell
from vqcast.media import energy
from vqcast.media import measure as media
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

_MICRO = 6


class Measurement(Document, frozen=True, kw_only=True):
    """One encode's numbers, frame by frame: the same document for a corpus and a tuning."""

    schema_version: Literal[1] = 1
    enc_bytes: int
    """Of the encoded video stream; 1 a frame where nothing was encoded."""
    enc_time_ms: float | None
    """Of the encode; null where it was scored in the same process, and not timed apart."""
    wall_s: float
    """Of encode and score."""
    enc_energy_j: float | None = None
    """Joules of the processor while it was encoded; null: not timed apart, or not told here."""
    score_width: int
    score_height: int
    columns: dict[str, list[float]]
    """Corpus column -> a value a scored frame."""
    frame_bytes: list[int] | None = None
    """Of each frame's packet, in the order in which frames are shown."""

    @property
    def frames(self) -> int:
        """How many frames were encoded and scored."""
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> NDArray[np.float64]:
        """One column, float64 ``[frames]``."""
        return np.array(self.columns[name], dtype=np.float64)


def measure(
    cell: Cell,
    tool: Tool,
    cancel: threading.Event | None = None,
    *,
    together: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Measurement:
    """Encode and score ``cell``, in one process where ``together`` and ffmpeg can.

    What was made from a damaged source is always decoded by itself.
    ``on_progress`` is told the frames encoded so far in that process. Raises ToolFailure or
    MediaError as `vqcast.media.measure` does.
    """
    start, energy_j = time.monotonic(), None
    if cell.uncoded:
        sizes, scores, time_ms = np.ones(cell.frames, np.int64), _scaled(cell, tool, cancel), 0.0
    elif together and tool.loopback and cell.source.damage is None:
        trial = encode_and_score(
            cell.source, cell.encoder, cell.preset, cell.cq, tool, size=cell.scaled_to,
            coded=cell.coded, segment=cell.segment, spliced=cell.spliced,
            every=cell.every, threads=cell.threads, given=cell.options, also=cell.also,
            vmaf=cell.vmaf, cancel=cancel, on_progress=on_progress,
        )  # fmt: skip
        sizes, scores, time_ms = trial.sizes, trial.scores, None
    else:
        sizes, scores, time_ms, energy_j = _apart(cell, tool, cancel)
    return Measurement(
        enc_bytes=int(sizes.sum()),
        enc_time_ms=time_ms,
        enc_energy_j=energy_j,
        wall_s=round(time.monotonic() - start, 3),
        score_width=scores.width,
        score_height=scores.height,
        columns={name: values.round(_MICRO).tolist() for name, values in scores.columns.items()},
        frame_bytes=sizes.tolist() if cell.spliced else None,
    )


def _scaled(cell: Cell, tool: Tool, cancel: threading.Event | None) -> media.Scores:
    """The source's own pictures, scaled down and up, against the source."""
    return media.score(
        cell.source, cell.source.path, tool, depth=cell.depth, distorted_video=cell.distorted,
        segment=cell.segment, size=cell.scaled_to, every=cell.every, itself=True,
        threads=cell.threads.score if cell.threads else 1, also=cell.also, cancel=cancel,
    )  # fmt: skip


def _apart(
    cell: Cell, tool: Tool, cancel: threading.Event | None
) -> tuple[NDArray[np.int64], media.Scores, float, float | None]:
    """Encode into a private folder that is gone afterwards, then score."""
    threads = cell.threads
    before = energy.counters() if threads else {}  # on one thread others work beside it
    with scratch() as folder:
        encoded = media.encode(
            cell.source, cell.encoder, cell.preset, cell.cq, tool, Path(folder) / "encoded.mp4",
            segment=cell.segment, threads=threads.encoder if threads else None,
            spliced=cell.spliced, coded=cell.coded, given=cell.options, cancel=cancel,
        )  # fmt: skip
        spent = energy.joules(before, energy.counters()) if before else None
        scores = media.score(
            cell.source, encoded.path, tool, depth=cell.depth,
            segment=cell.segment, size=cell.scaled_to, every=cell.every,
            threads=threads.score if threads else 1, also=cell.also, vmaf=cell.vmaf,
            cancel=cancel,
        )  # fmt: skip
    return encoded.sizes, scores, round(encoded.wall_ms, 1), spent


def read(data: bytes | None, cell: Cell, *, where: str, timed: bool = True) -> Measurement | None:
    """What an earlier run measured of ``cell``, or None where that is absent or not whole.

    ``timed``: a measurement whose encode was not timed counts as absent.
    """
    if data is None:
        return None
    try:
        found = codec.from_bytes(Measurement, data, where=where)
    except DocumentError:
        return None
    whole = found.columns.keys() == set(cell.columns) and all(
        len(values) == cell.scored and all(map(math.isfinite, values))
        for values in found.columns.values()
    )
    if cell.spliced:
        whole = whole and len(found.frame_bytes or ()) == cell.frames
    return found if whole and not (timed and found.enc_time_ms is None) else None
