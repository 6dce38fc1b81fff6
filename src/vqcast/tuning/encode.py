"""Encode a title with the CRF that a tuning found, and measure what came out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from vqcast.documents.tune import EncodeResult, TuneResult
from vqcast.forecast.latent import METRICS, pool
from vqcast.media.deliver import deliver, measure_delivered
from vqcast.media.source import Source
from vqcast.media.tool import Tool
from vqcast.tuning.title import duration_s


def encode(
    source: Source,
    output: Path,
    found: TuneResult,
    tool: Tool,
    *,
    overwrite: bool = False,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> EncodeResult:
    """Write ``output`` at the CRF that ``found`` names, and score it as the probes were scored.

    ``on_progress`` is told the frames encoded so far. Raises InputError for an output that can't
    be written or can't hold a stream, ToolFailure where ffmpeg fails.
    """
    start = time.monotonic()
    made = deliver(
        source, found.encoder, found.preset, found.crf, tool, output,
        overwrite=overwrite, cancel=cancel, on_progress=on_progress,
    )  # fmt: skip
    size = (found.source.score_width, found.source.score_height)
    scores = measure_delivered(
        source, made, tool, v1=found.metric == "vmaf-v1",
        size=None if size == (source.width, source.height) else size, cancel=cancel,
    )  # fmt: skip
    fps = source.frames / duration_s(source)
    score = pool(scores.columns[METRICS[found.metric]], found.pool, fps)
    return EncodeResult(
        output=str(output), crf=found.crf, score=round(score, 4), target=found.target,
        met=score >= found.target, bytes=made.bytes, video_bytes=made.video_bytes,
        size_percent=round(100 * made.bytes / found.source.bytes, 2),
        left_out=list(made.left_out), wall_s=round(time.monotonic() - start, 3),
    )  # fmt: skip
