"""One probe: a quality encoded and scored, or found where an earlier run left it.

The cache is addressed by content: the digest of the source's bytes, how they
are read, which frames, the encoder's full arguments, the score's filter and
ffmpeg itself. A renamed file hits; a file of the same name that changed does not::

    probe = Prober(source, "libx264", "medium", tool, cache=Path("cache")).measure(28.0)
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import jsontext
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.errors import DocumentError, InputError
from vqcast.media import argv, measure
from vqcast.media.encoders import encoder
from vqcast.media.segment import Segment
from vqcast.media.source import Source
from vqcast.media.tool import Tool

_MICRO = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """What one encode measured, frame by frame."""

    crf: float
    video_bytes: int
    wall_s: float
    """Of encode and score, when they ran."""
    columns: dict[str, NDArray[np.float64]]
    """``vmaf``, canonical-6 and, where asked for, VMAF v1's columns, each ``[frames]``."""
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
    """The folder of earlier probes; None keeps nothing."""
    v1: bool = False
    size: tuple[int, int] | None = None
    """Width and height at which pictures are compared; None: the source's own."""
    cancel: threading.Event | None = None

    @property
    def _depth(self) -> int:
        return encoder(self.encoder).scoring_depth(self.source.depth)

    def key(self, crf: float, segment: Segment | None = None) -> str:
        """The probe's content address: 64 hex digits."""
        source, raw = self.source, self.source.raw
        frames = segment.frames if segment else source.frames
        identity: dict[str, Any] = {
            "source": source.sha256,
            "raw": [raw.width, raw.height, raw.pix_fmt, str(raw.fps)] if raw else None,
            "frames": frames,
            "encode": measure.encoder_options(source, encoder(self.encoder), crf, self.preset),
            "score": argv.score_filter(self._depth, frames, v1=self.v1, size=self.size),
            "ffmpeg": self.tool.sha256,
        }
        if segment is not None:
            identity["start"] = segment.start
        return sha256_bytes(jsontext.dump_line(identity))

    def measure(self, crf: float, segment: Segment | None = None) -> Measured:
        """Encode and score at ``crf``, or read what an earlier run measured.

        Raises ToolFailure or MediaError as `vqcast.media.measure` does.
        """
        path = self.cache / f"{self.key(crf, segment)}.json" if self.cache else None
        frames = segment.frames if segment else self.source.frames
        if path is not None and (earlier := self._read(path, crf, frames)) is not None:
            return earlier
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
            output = Path(folder) / "encoded.mp4"
            encoded = measure.encode(
                self.source, self.encoder, self.preset, crf, self.tool, output,
                segment=segment, cancel=self.cancel,
            )  # fmt: skip
            scores = measure.score(
                self.source, output, self.tool, depth=self._depth, v1=self.v1,
                segment=segment, size=self.size, cancel=self.cancel,
            )  # fmt: skip
        columns = {name: values.round(_MICRO) for name, values in scores.columns.items()}
        wall_s = round(time.monotonic() - start, 3)
        if path is not None:
            document = {
                "video_bytes": encoded.video_bytes,
                "wall_s": wall_s,
                "columns": {name: values.tolist() for name, values in columns.items()},
            }
            write_atomic(path, jsontext.dump_line(document))
        return Measured(crf, encoded.video_bytes, wall_s, columns, reused=False)

    def _read(self, path: Path, crf: float, frames: int) -> Measured | None:
        """An earlier probe, or None where it is absent or not whole."""
        if not path.is_file():
            return None
        try:
            document = jsontext.parse(read_regular(path), where=str(path))
            columns = {
                name: np.array(document["columns"][name], dtype=np.float64)
                for name in self._metrics()
            }
            whole = all(
                values.shape == (frames,) and bool(np.isfinite(values).all())
                for values in columns.values()
            )
            sound = type(document["video_bytes"]) is int and math.isfinite(document["wall_s"])
        except (DocumentError, InputError, KeyError, TypeError, ValueError):
            return None
        if not (whole and sound):
            return None
        return Measured(crf, document["video_bytes"], document["wall_s"], columns, reused=True)

    def _metrics(self) -> list[str]:
        return [*measure.V06_METRICS, *(measure.V1_METRICS if self.v1 else ())]
