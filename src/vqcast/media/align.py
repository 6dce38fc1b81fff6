"""Which frame of a reference a frame of an encode is: an offset is found in small pictures.

The two are compared at 32x18, in grey, at each offset of a few frames. An offset is told only where
the pictures fit it clearly better than none, so that a still title has none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.scratch import scratch
from vqcast.media import argv
from vqcast.media.decode import deadline_s
from vqcast.media.measure import Overlap
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.tool import Tool

MOST = 12
"""Frames by which two files may be apart."""
_FRAMES = 1500
"""Frames that are looked at: a minute."""
_LEAST_OVERLAP = 2
_BETTER = 0.7
"""Of the difference without an offset, that the difference with it must be below."""
_MOVES = 0.05
"""Levels of difference below which two pictures are one."""

Pictures = NDArray[np.int16]


def find_offset(reference: Source, distorted: Source, tool: Tool) -> int:
    """Frame n of ``distorted`` is frame n + offset of ``reference``; 0 where none fits better."""
    return best_offset(_thumbnails(reference, tool), _thumbnails(distorted, tool))


def best_offset(reference: Pictures, distorted: Pictures) -> int:
    """The offset of two series of small pictures, each ``[frames, samples]``."""
    apart = {}
    for offset in range(-MOST, MOST + 1):
        ours = distorted[max(-offset, 0) :]
        theirs = reference[max(offset, 0) :]
        count = min(len(ours), len(theirs))
        if count >= _LEAST_OVERLAP or offset == 0:
            apart[offset] = float(np.abs(ours[:count] - theirs[:count]).mean())
    best = min(apart, key=lambda offset: (apart[offset], abs(offset)))
    clear = apart[best] < _BETTER * apart[0] and apart[0] - apart[best] > _MOVES
    return best if clear else 0


def overlap(reference: Source, distorted: Source, offset: int) -> Overlap:
    """The frames that two files have in common at an offset."""
    ours, theirs = max(-offset, 0), max(offset, 0)
    return Overlap(ours, theirs, min(distorted.frames - ours, reference.frames - theirs))


def _thumbnails(source: Source, tool: Tool) -> Pictures:
    with scratch() as name:
        output = Path(name) / "thumbnails.gray"
        read = source.read()
        run(
            argv.thumbnails(tool.path, read, _FRAMES, output, video=source.video),
            deadline_s=deadline_s(source.path),
        )
        data = output.read_bytes() if output.is_file() else b""
    size = argv.THUMBNAIL[0] * argv.THUMBNAIL[1]
    whole = len(data) // size * size
    return np.frombuffer(data[:whole], np.uint8).reshape(-1, size).astype(np.int16)
