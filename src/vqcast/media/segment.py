"""A stretch of a title by frame numbers, reached without decoding all that lies before it.

A container is entered by time, and a demuxer may land anywhere. So a way in is
believed only once the pictures it gives are those that the whole decode gave::

    part = find(source, start=1200, frames=48, tool=tool)
    encoded = encode(source, "libx264", "medium", 23, tool, output, segment=part)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vqcast.errors import InputError, MediaError
from vqcast.media.decode import EARLIER_US, SAME_US, FrameIndex, decode
from vqcast.media.inputs import Segment
from vqcast.media.source import Source
from vqcast.media.tool import Tool


def ways(source: Source, start: int, frames: int) -> Iterator[Segment]:
    """Segments of the same frames, the cheapest way in first and the surest last."""
    index, end = source.index, start + frames
    if index is None:
        raise InputError("was probed in part, and a segment needs the whole", path=source.path)
    reach = source.video.reach
    start_us, end_us = _between(source, index, start), _between(source, index, end)
    if reach is None:  # filters that remember: from the beginning, whatever it takes
        yield Segment(start, frames, 0, start_us, end_us, -1)
        return
    lead_us = _between(source, index, max(start - reach, 0)) or 0
    until_us = _between(source, index, min(end + reach, source.frames))
    ahead_us = -1 if until_us is None or end_us is None else until_us - end_us
    for seek_us in dict.fromkeys(max(seek, 0) for seek in (lead_us, lead_us - EARLIER_US, 0)):
        yield Segment(start, frames, seek_us, start_us, end_us, ahead_us)


def _between(source: Source, index: FrameIndex, cut: int) -> int | None:
    """A time between frame ``cut`` and the one before; None at either end of the file."""
    if cut in (0, source.frames):
        return None
    before, after = int(index.times_us[:cut].max()), int(index.times_us[cut:].min())
    if after - before < 2:
        raise MediaError(
            f"frame {cut} does not come later than those before it, so no segment can start there",
            path=source.path,
            hint="write its timestamps again: ffmpeg -i FILE -c copy OUT.mkv",
        )
    return (before + after) // 2


def find(source: Source, start: int, frames: int, tool: Tool) -> Segment:
    """A way to frames ``start`` .. ``start + frames`` that gives exactly their pictures.

    Raises InputError for frames that ``source`` does not have, MediaError where no
    way in gives them.
    """
    if start < 0 or frames < 1 or start + frames > source.frames:
        raise InputError(
            f"has {source.frames} frames, so not {frames} from frame {start}", path=source.path
        )
    for segment in ways(source, start, frames):
        found = decode(source.path, tool, raw=source.raw, span=segment, video=source.video)
        if found.said and source.damage is None:
            continue
        if is_part(found.index, source, segment):
            return segment
    source.judge(f"frames {start} to {start + frames} are not at their times")
    raise MediaError(
        f"frames {start} to {start + frames} can't be reached by their times",
        path=source.path,
        hint="write its timestamps again: ffmpeg -i FILE -c copy OUT.mkv",
    )


def is_part(found: FrameIndex, source: Source, segment: Segment) -> bool:
    """Whether decoding gave the segment's frames: the same pictures.

    Where the pictures are not known, as many frames at their times.

    A demuxer that lands inside a GOP gives fewer: what refers to frames before it is not shown.
    """
    whole = source.index
    assert whole is not None
    part = slice(segment.start, segment.start + segment.frames)
    if whole.digests is not None:
        return np.array_equal(found.digests, whole.digests[part])  # type: ignore[arg-type]
    if not source.flagged and found.interlaced.any():
        return False
    times = whole.times_us[part] - segment.seek_us
    return len(found.times_us) == len(times) and bool(
        (np.abs(found.times_us - times) <= SAME_US).all()
    )
