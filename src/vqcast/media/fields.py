"""Whether pictures that are flagged as interlaced are, and whether frames repeat: seen in them.

In an interlaced frame what moves is combed: its lines are less like their neighbours than like the
lines beyond them, and one field of it is as far from the other as from a field of the frame before
or after. Tapes and broadcasts flag progressive pictures as interlaced, too, and those show none of
it. (``idet`` takes a drawn test picture for interlaced, since it asks for the order of the fields
first.)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.media import argv

PLACES = (0.0, 0.33, 0.66)
"""Where a title is looked at, shares of its length."""
FRAMES = 24
"""Frames of one look."""
COMBED = 0.1
"""Share of the moving frames above which a title is interlaced; 3:2 pulldown has 0.4."""
_MOVES = 15
"""Levels of 8 bits by which a sample that moves has changed."""
_LEAST = 0.002
"""Share of the samples that must move for a frame to count."""
_FIELDS_APART = 1.3
"""Fields of one frame closer than this, in distances between frames' fields, are of one moment.

Drawn, filmed and animated titles have 1.4 to 47 here, interlaced ones 0.4 to 1.36.
"""
_LINES_APART = 1.1
"""Neighbouring lines further apart than this, in distances of every second line, are combed.

The same titles have 0.5 to 0.87, and 1.2 to 2.4.
"""

_STILL = 0.2
"""Levels that frames differ by on average, below which nothing moves."""
_REPEAT = 0.15
"""A frame this close to the one before, in distances of frames that move, is the same again."""

Picture = NDArray[np.int16]


def is_combed(before: Picture, picture: Picture, after: Picture) -> bool | None:
    """Whether ``picture`` ``[height, width]`` is of two moments; None: too little moves to tell."""
    if any((np.abs(other - picture) > _MOVES).mean() < _LEAST for other in (before, after)):
        return None
    moved = np.abs(after - before) > _MOVES
    field = picture[1:-1:2]
    moving = moved[1:-1:2][: len(field)]
    rows = len(picture) - 2
    if moving.mean() < _LEAST or not moved[:rows].any():
        return None

    def away(other: Picture) -> float:
        between = (other[0:-2:2] + other[2::2])[: len(field)] // 2
        return float(np.abs(between - field[: len(between)])[moving[: len(between)]].mean())

    apart = min(away(before), away(after)) / max(away(picture), 1e-6)
    next_line = np.abs(picture[:rows] - picture[1 : rows + 1])[moved[:rows]].mean()
    second_line = np.abs(picture[:rows] - picture[2:])[moved[:rows]].mean()
    return apart < _FIELDS_APART and next_line > _LINES_APART * second_line


def is_interlaced(path: Path, stream: int) -> bool:
    """Whether the pictures of a stream are interlaced, by three short looks at them."""
    told = [combed for place in PLACES for combed in _look(path, stream, place)]
    return bool(told) and sum(told) > COMBED * len(told)


def repeated(path: Path, stream: int) -> float:
    """Share of the frames, in a short look at them, that repeat the one before; 0 for a still."""
    pictures = list(_pictures(path, stream, PLACES[1])) or list(_pictures(path, stream, 0.0))
    apart = [float(np.abs(after - before).mean()) for before, after in pairwise(pictures)]
    moves = float(np.percentile(apart, 80)) if apart else 0.0
    if moves < _STILL:
        return 0.0
    return sum(each < _REPEAT * moves for each in apart) / len(apart)


def _look(path: Path, stream: int, place: float) -> Iterator[bool]:
    pictures = list(_pictures(path, stream, place))
    for before, picture, after in zip(pictures, pictures[1:], pictures[2:], strict=False):
        if (combed := is_combed(before, picture, after)) is not None:
            yield combed


def _pictures(path: Path, stream: int, place: float) -> Iterator[Picture]:
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": argv.FORMATS}
    try:
        with av.open(f"file:{path}", options=options) as opened:
            video: Any = opened.streams[stream]
            if place and opened.duration:
                opened.seek((opened.start_time or 0) + int(place * opened.duration))
            for count, frame in enumerate(opened.decode(video)):
                if count == FRAMES:
                    return
                yield frame.reformat(format="gray").to_ndarray().astype(np.int16)
    except av.FFmpegError:
        return  # what can't be decoded is judged where all is
