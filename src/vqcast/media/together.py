"""Encode, decode what was encoded, and score it, in one process and with one decode of the source.

ffmpeg's loopback decoder takes the packets that its encoder makes, so nothing is written and
the source is decoded once. Numbers are those of `measure.encode` and `measure.score`, to the
last digit::

    trial = encode_and_score(source, "libx264", "medium", 28.0, tool)
    trial.scores.columns["vmaf"].mean(), trial.sizes.sum()
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.scratch import scratch
from vqcast.media import argv, beside, measure
from vqcast.media.encoders import encoder
from vqcast.media.inputs import Segment
from vqcast.media.measure import Scores
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.source import Source
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Trial:
    """An encode that was scored, and thrown away."""

    sizes: NDArray[np.int64]
    """Bytes of each frame's packet, ``[frames]``, in the order in which frames are shown."""
    scores: Scores
    """Of every frame, or of each ``every``-th."""


def encode_and_score(
    source: Source,
    encoder_name: str,
    preset: str | None,
    cq: float,
    tool: Tool,
    *,
    size: tuple[int, int] | None = None,
    coded: tuple[int, int] | None = None,
    segment: Segment | None = None,
    spliced: int = 0,
    every: int = 1,
    threads: Threads | None = None,
    given: EncoderOptions = PLAIN,
    also: Sequence[str] = (),
    vmaf: bool = True,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Trial:
    """Encode every planned frame of ``source``, or those of ``segment``, and score them.

    ``spliced``: how long the stretches are that ``source`` was joined from; 0: it was not.
    ``every`` scores frames 0, every, 2 every, ..., with the values that they have among all.
    ``threads``: None: one of each kind. ``size`` is what both sides are scaled to for scoring,
    ``coded`` what pictures are encoded at, ``also`` names further metrics, which without ``vmaf``
    are all. ``on_progress`` is told the frames encoded so far. Raises as `measure.encode` and
    `measure.score` do.
    """
    each = threads or Threads()
    entry, words = encoder(encoder_name, given), (source.name, encoder_name, preset, f"{cq:g}")
    what = " ".join(filter(None, words))
    depth = entry.scoring_depth(source.depth)
    beside.require_width(also, measure.check_size(source, size, also)[0], depth)
    frames = segment.frames if segment else source.frames
    graph = argv.score_filter(
        depth, frames, size=size, span=segment, every=every, threads=each.score,
        sides=(f"[{argv.LOOPBACK}]", source.video.of(0)),
        hertz=argv.LOOPBACK_HERTZ, also=also, vmaf=vmaf, rate=source.fps,
    )  # fmt: skip
    options = measure.encoder_options(
        source, entry, cq, preset, spliced=spliced, coded=coded,
        threads=threads.encoder if threads else None,
    )  # fmt: skip
    command = argv.encode_and_score(
        tool.path, [*entry.before_input, *source.read(segment, each.decoder)],
        None if source.whole else source.frames, options,
        argv.on_cuda(graph) if tool.cuda else graph, segment, video=source.video,
    )  # fmt: skip
    reach = segment.start + frames if segment else frames
    deadline = 2 * measure.deadline_s(source.width * source.height, reach)
    with scratch() as name:
        folder = Path(name)
        sizes, _ = measure.packets_of(
            command, folder, frames, what, source, deadline, cancel, on_progress
        )
        measure.check_counts(folder, frames, what, source)
        columns = measure.read_logs(folder, frames, what, every=every, also=also, vmaf=vmaf)
    return Trial(sizes, Scores(columns, *(size or (source.width, source.height))))
