"""Find the CRF of a title, encode with it, and measure what came out.

made = encode("film.mkv", "film.av1.mkv", TuneRequest(encoder="libsvtav1", target=93))
made.crf, made.score, made.met, made.bytes
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from vqcast.documents.tune import EncodeResult, TuneResult
from vqcast.forecast.latent import METRICS, pool
from vqcast.media.deliver import check_output, deliver, measure_delivered
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.serve.trust import Trust
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import Event, tune
from vqcast.tuning.title import duration_s

Progress = Callable[[int, int], None]
"""Told the frames encoded so far, and all of them."""


def encode(
    source: str | Path | Source,
    output: str | Path,
    request: TuneRequest,
    *,
    overwrite: bool = False,
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> EncodeResult:
    """Tune ``source``, write ``output`` at the CRF that was found, and measure it.

    The output's suffix names its container. ``overwrite`` replaces a file; the other arguments are
    `tune`'s, and ``on_progress`` follows the final encode. Raises as `tune` does, and InputError
    for an output that can't be written or can't hold a stream, before anything is encoded.
    """
    tool, output = find_ffmpeg(), Path(output)
    opened = source if isinstance(source, Source) else probe(Path(source), tool)
    check_output(opened, request.encoder, output, overwrite=overwrite)
    found = tune(
        opened, request, registry=registry, trust=trust, cache=cache, keep=keep,
        on_event=on_event, cancel=cancel,
    )  # fmt: skip
    return encode_found(
        opened, output, found, tool, overwrite=overwrite, on_progress=on_progress, cancel=cancel
    )


def encode_found(
    source: Source,
    output: Path,
    found: TuneResult,
    tool: Tool,
    *,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> EncodeResult:
    """Write ``output`` at the CRF that ``found`` names, and score it as the probes were scored.

    Raises InputError for an output that can't be written or can't hold a stream, ToolFailure
    where ffmpeg fails.
    """
    start = time.monotonic()
    made = deliver(
        source, found.encoder, found.preset, found.crf, tool, output,
        overwrite=overwrite, cancel=cancel,
        on_progress=on_progress and (lambda done: on_progress(done, source.frames)),
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
