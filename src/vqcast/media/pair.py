"""A reference and an encode of it, scored: what ``predict`` needs of two files."""

from __future__ import annotations

from pathlib import Path

from vqcast.errors import MediaError
from vqcast.media.measure import Scores, score
from vqcast.media.source import probe
from vqcast.media.tool import Tool


def score_pair(reference: Path, distorted: Path, tool: Tool) -> Scores:
    """VMAF and canonical-6 features of ``distorted`` against ``reference``.

    Raises MediaError where their sizes or lengths differ, before any scoring.
    """
    ref, dist = probe(reference, tool), probe(distorted, tool)
    if (ref.width, ref.height) != (dist.width, dist.height):
        raise MediaError(
            f"is {dist.width}x{dist.height}, its reference {ref.width}x{ref.height}",
            path=distorted,
            hint="scale the encode to its reference's size first",
        )
    if ref.frames != dist.frames:
        raise MediaError(
            f"has {dist.frames} frames, its reference {ref.frames}",
            path=distorted,
            hint="cut both to the same frames first",
        )
    return score(ref, dist.path, tool, depth=max(ref.depth, dist.depth), v1=False)
