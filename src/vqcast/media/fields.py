"""Whether pictures are interlaced, in which order, or telecined, and whether frames repeat.

The two fields of an interlaced frame are of two moments. Then the first field is nearer to the
frame before than the second one is, as ffmpeg's ``idet`` asks, and the fields of one frame are as
far apart as a field is from its neighbour of the next frame. Drawn pictures and lettering, whose
odd lines are unlike their even ones, show the first without the second. Tapes and broadcasts flag
progressive pictures as interlaced, and those show neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from vqcast.media.inputs import RawFormat
from vqcast.media.looking import Picture, pictures

PLACES = (0.0, 0.33, 0.66)
"""Where a title is looked at, shares of its length."""
FRAMES = 24
"""Frames of one look."""
COMBED = 0.1
"""Share of the frames above which a title is interlaced; 3:2 pulldown has 0.4."""
_COLUMNS = 960
"""Columns of a picture that are looked at, about."""
_ORDER = 1.04
"""How much farther one field must be than the other: `idet`'s threshold."""
_REPEATED = 1 / 3
"""A field this close to the one before, in distances of the other field, is the same again."""
_TELECINED = (0.25, 0.6)
"""Share of frames with one repeated field; 3:2 pulldown has 0.4."""

_STILL = 0.2
"""Levels that frames differ by on average, below which nothing moves."""
_REPEAT = 0.15
"""A frame this close to the one before, in distances of frames that move, is the same again."""

Order = Literal["tff", "bff"]


@dataclass(frozen=True, slots=True)
class Fields:
    """What the pictures of a title show."""

    order: Order | None
    """Which field comes first, where they are interlaced; None: they are progressive, or still."""
    telecined: bool = False
    """Whether they are a film's frames made more by 3:2 pulldown."""


def look(path: Path, stream: int, raw: RawFormat | None = None) -> Fields:
    """What three short looks at a stream show."""
    first = {"tff": 0, "bff": 0}
    repeats = frames = 0
    for place in PLACES:
        seen = [_narrow(each) for each in pictures(path, stream, place, FRAMES, raw=raw)]
        for before, picture, after in zip(seen, seen[1:], seen[2:], strict=False):
            frames += 1
            order = field_order(before, picture, after)
            if order is not None:
                first[order] += 1
            repeats += has_repeated_field(before, picture)
    if not frames or sum(first.values()) <= COMBED * frames:
        return Fields(None)
    least, most = _TELECINED
    order = "tff" if first["tff"] >= first["bff"] else "bff"
    return Fields(order, telecined=least <= repeats / frames <= most)


def is_interlaced(path: Path, stream: int) -> bool:
    """Whether the pictures of a stream are interlaced."""
    return look(path, stream).order is not None


def field_order(before: Picture, picture: Picture, after: Picture) -> Order | None:
    """Which field of ``picture`` ``[height, width]`` is of an earlier moment; None: neither."""

    def away(other: Picture) -> tuple[float, float]:
        """How far even and odd lines are from what lies between their neighbours in ``other``."""
        apart = np.abs(other[:-2] + other[2:] - 2 * picture[1:-1]).sum(axis=1, dtype=np.int64)
        return float(apart[1::2].sum()), float(apart[0::2].sum())

    (even_back, odd_back), (even_on, odd_on) = away(before), away(after)
    top_first, bottom_first = odd_back + even_on, even_back + odd_on
    near, far = sorted((top_first, bottom_first))
    if far <= _ORDER * near or far * sum(away(picture)) <= near * near:
        return None
    return "tff" if top_first > bottom_first else "bff"


def has_repeated_field(before: Picture, picture: Picture) -> bool:
    """Whether one field of ``picture``, and one alone, is that of the frame before."""
    apart = np.abs(picture - before).sum(axis=1, dtype=np.int64)
    less, more = sorted((float(apart[0::2].sum()), float(apart[1::2].sum())))
    return less < _REPEATED * more and more > _STILL * picture.size / 2


def repeated(path: Path, stream: int) -> float:
    """Share of the frames, in a short look at them, that repeat the one before; 0 for a still."""
    seen = list(pictures(path, stream, PLACES[1], FRAMES))
    seen = seen or list(pictures(path, stream, 0.0, FRAMES))
    apart = [float(np.abs(after - before).mean()) for before, after in pairwise(seen)]
    moves = float(np.percentile(apart, 80)) if apart else 0.0
    if moves < _STILL:
        return 0.0
    return sum(each < _REPEAT * moves for each in apart) / len(apart)


def _narrow(picture: Picture) -> Picture:
    return picture[:, :: max(picture.shape[1] // _COLUMNS, 1)]
