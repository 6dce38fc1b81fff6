"""What a cell measured: taken from a real encode and score, or read back from its file."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import codec
from vqcast.documents.base import Document
from vqcast.errors import DocumentError
from vqcast.measured.cell import Cell
from vqcast.media import measure as media
from vqcast.media.tool import Tool

_MICRO = 6


class Measurement(Document, frozen=True, kw_only=True):
    """One encode's numbers, frame by frame: the same document for a corpus and a tuning."""

    schema_version: Literal[1] = 1
    enc_bytes: int
    """Of the encoded video stream."""
    enc_time_ms: float
    """Of the encode."""
    wall_s: float
    """Of encode and score."""
    score_width: int
    score_height: int
    columns: dict[str, list[float]]
    """Corpus column -> a value a frame."""

    @property
    def frames(self) -> int:
        """How many frames were encoded and scored."""
        return len(self.columns["vmaf"])

    def column(self, name: str) -> NDArray[np.float64]:
        """One column, float64 ``[frames]``."""
        return np.array(self.columns[name], dtype=np.float64)


def measure(cell: Cell, tool: Tool, cancel: threading.Event | None = None) -> Measurement:
    """Encode and score ``cell`` in a private folder that is gone afterwards.

    Raises ToolFailure or MediaError as `vqcast.media.measure` does.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        encoded = media.encode(
            cell.source, cell.encoder, cell.preset, cell.cq, tool, Path(folder) / "encoded.mp4",
            segment=cell.segment, cancel=cancel,
        )  # fmt: skip
        scores = media.score(
            cell.source, encoded.path, tool, depth=cell.depth, v1=cell.v1,
            segment=cell.segment, size=cell.scaled_to, cancel=cancel,
        )  # fmt: skip
    return Measurement(
        enc_bytes=encoded.video_bytes,
        enc_time_ms=round(encoded.wall_ms, 1),
        wall_s=round(time.monotonic() - start, 3),
        score_width=scores.width,
        score_height=scores.height,
        columns={name: values.round(_MICRO).tolist() for name, values in scores.columns.items()},
    )


def read(data: bytes | None, cell: Cell, *, where: str) -> Measurement | None:
    """What an earlier run measured of ``cell``, or None where that is absent or not whole."""
    if data is None:
        return None
    try:
        found = codec.decode(Measurement, data, where=where)
    except DocumentError:
        return None
    whole = found.columns.keys() == cell.metrics.keys() and all(
        len(values) == cell.frames and all(map(math.isfinite, values))
        for values in found.columns.values()
    )
    return found if whole else None
