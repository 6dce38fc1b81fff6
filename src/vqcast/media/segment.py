"""A stretch of a title by frame numbers, reached without decoding all that lies before it.

A container is entered by time, and a demuxer may land anywhere. So a way in is
believed only once the pictures it gives are those that the whole decode gave::

    part = find(source, start=1200, frames=48, tool=tool)
    encoded = encode(source, "libx264", "medium", 23, tool, output, segment=part)
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.errors import InputError, MediaError
from vqcast.media import argv
from vqcast.media.run import run
from vqcast.media.source import Source, decode_deadline_s, read_index
from vqcast.media.tool import Tool

_EARLIER_US = 10_000_000
"""How much earlier a demuxer is sent where it landed too late: the longest GOP commonly made."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``start`` to ``start + frames`` of a source, and a way in that was checked.

    Times are microseconds on the clock that ffmpeg gives the whole file.
    """

    start: int
    frames: int
    seek_us: int
    """Where the demuxer is sent; 0: the file is read from its beginning."""
    start_us: int | None
    """Between the frame before and the first; None: the first frame is the file's."""
    end_us: int | None
    """Between the last frame and the next; None: the last frame is the file's."""


def _ways(source: Source, start: int, frames: int) -> Iterator[Segment]:
    """Segments of the same frames, the cheapest way in first and the surest last."""
    index, end = source.index, start + frames
    if index is None:
        raise InputError(f"{source.path}: was probed in part, and a segment needs the whole")
    bounds: list[int | None] = []
    for cut in (start, end):
        if cut in (0, source.frames):
            bounds.append(None)
            continue
        before, after = int(index.times_us[:cut].max()), int(index.times_us[cut:].min())
        if after - before < 2:
            raise MediaError(
                f"{source.path}: frame {cut} does not come later than those before it, "
                "so no segment can start there",
                hint="write its timestamps again: ffmpeg -i FILE -c copy OUT.mkv",
            )
        bounds.append((before + after) // 2)
    start_us, end_us = bounds
    wanted = (start_us or 0, (start_us or 0) - _EARLIER_US, 0)
    for seek_us in dict.fromkeys(max(seek, 0) for seek in wanted):
        yield Segment(start, frames, seek_us, start_us, end_us)


def find(
    source: Source,
    start: int,
    frames: int,
    tool: Tool,
    *,
    cancel: threading.Event | None = None,
) -> Segment:
    """A way to frames ``start`` .. ``start + frames`` that gives exactly their pictures.

    Raises InputError for frames that ``source`` does not have, MediaError where no
    way in gives them.
    """
    if start < 0 or frames < 1 or start + frames > source.frames:
        raise InputError(
            f"{source.path}: has {source.frames} frames, so not {frames} from frame {start}"
        )
    for segment in _ways(source, start, frames):
        with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
            finished = run(
                argv.decode(tool.path, argv.read(source.path, source.raw, segment), None, segment),
                cwd=Path(folder),
                deadline_s=decode_deadline_s(source.path),
                cancel=cancel,
            )
            if finished.returncode or finished.stderr.strip():
                continue
            found = read_index(Path(folder), source.path)
        assert source.index is not None
        if np.array_equal(found.digests, source.index.digests[start : start + frames]):
            return segment
    raise MediaError(
        f"{source.path}: frames {start} to {start + frames} can't be reached by their times",
        hint="write its timestamps again: ffmpeg -i FILE -c copy OUT.mkv",
    )
