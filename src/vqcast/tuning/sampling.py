"""Where a long title is looked at, and how far the looks' mean may be from the whole's.

Many short looks instead of a few long ones: what differs is the scenes, not the frames of one.
Looks come in parts, each spread over the whole title and set off from the others, so that any few
parts are an even sample. The first probe measures as many parts as bring the error within what is
allowed; a later one needs only a few, because what differs between looks differs alike at two CRFs.

The error is taken from neighbouring looks (successive differences, Wolter 2007, section 8.2): it is
right where they are of different scenes, and too wide where several are of one. Of a finished title
every nth frame is scored, and encoders code frames in a pattern of better and worse ones, of which
these meet every place: how much less than their differences say the mean is off was measured, and
``design_factor.json``, which ``bench/spacing.py`` writes, tells it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import codec
from vqcast.documents.looks import DesignFactor

Array = NDArray[np.float64]
TABLE = Path(__file__).with_name("design_factor.json")

LENGTH = 17
"""Frames of a look: a first one, and one of the longest groups of B-frames in use."""
LOOKS = 15
"""Of one part."""
FIRST_PARTS = 4
EVERY = 3
"""Every nth frame is scored: prime to the lengths of groups of B-frames, 2 to 16."""
MARGIN = 0.45
"""Points that sampling may cost at the confidence asked for."""
MOST_SHARE = 0.6
"""Of a title's frames; where more would be needed, the whole title is encoded."""
SCORED = 2000
"""Frames of a finished long title that are scored, about."""
LEAST_EVERY = 11
"""Every nth frame, n at least this."""
HALF_WIDTH = 0.2
"""Points that a 95 % interval of a finished title's score may have to either side."""
CLOSEST = 5
"""Where more frames than every fifth are needed, that is seen once those are scored; every third
sees one drawing of three where a cartoon is drawn anew at each third frame."""
_ROOM = 0.9
"""Share of HALF_WIDTH that is planned for."""
SHORT_SHARE = 0.45
"""A title of which the first looks are more than this is encoded whole."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the title, and its standard deviation."""

    mean: float
    deviation: float


def allowed(confidence: float) -> float:
    """Standard deviation of sampling that keeps its part of the doubt within MARGIN points."""
    return MARGIN / NormalDist().inv_cdf(max(confidence, 0.8))


def is_short(frames: int) -> bool:
    """Whether looking at a title saves too little."""
    return SHORT_SHARE * frames < FIRST_PARTS * LOOKS * LENGTH


def most_parts(frames: int) -> int:
    """The most parts that are worth it, and none of whose looks overlap."""
    worth_it = int(MOST_SHARE * frames / (LOOKS * LENGTH))
    apart = max((frames - LENGTH) // (LOOKS * (LENGTH + 1)), 1)
    return min(worth_it, 1 << (apart.bit_length() - 1))


def more_parts(parts: int, deviation: float, wanted: float) -> int:
    """How many parts should bring ``deviation`` to ``wanted``: it falls with their square root."""
    return max(math.ceil(parts * (deviation / wanted) ** 2), parts + 1)


def starts(frames: int, part: int) -> tuple[int, ...]:
    """First frames of a part's looks, each at the same place of its share of the title."""
    offset, last = (0.375 + _reversed_bits(part)) % 1.0, frames - LENGTH
    return tuple(int((index + offset) * last / LOOKS) for index in range(LOOKS))


def _reversed_bits(number: int) -> float:
    """0, 1/2, 1/4, 3/4, 1/8, ...: van der Corput's sequence in base 2."""
    found, share = 0.0, 0.5
    while number:
        found += share * (number & 1)
        number, share = number >> 1, share / 2
    return found


def estimate(first: Sequence[int], values: Array, frames: int) -> Estimate:
    """The title's mean from the values of looks whose first frames are ``first``.

    A look stands for the frames that are nearer to it than to any other.
    """
    order = np.argsort(first, kind="stable")
    place, value = np.asarray(first, dtype=np.float64)[order] + LENGTH / 2, values[order]
    edges = np.concatenate([[0.0], (place[1:] + place[:-1]) / 2, [float(frames)]])
    weight = np.diff(edges) / frames
    if len(value) < 2:
        return Estimate(float(value[0]), math.inf)
    squares = np.diff(value) ** 2 / 2
    spread = np.concatenate([squares[:1], (squares[1:] + squares[:-1]) / 2, squares[-1:]])
    left = max(1.0 - len(value) * LENGTH / frames, 0.0)
    return Estimate(float(weight @ value), float(np.sqrt(left * (weight**2 @ spread))))


def scenes(first: Sequence[int], values: Array) -> int:
    """How many kinds of pictures the looks saw: neighbours that differ by a point are two."""
    order = np.argsort(first, kind="stable")
    return 1 + int((np.abs(np.diff(values[order])) > 1.0).sum())


def means_of(column: Array, looks: int, skip: int = 0) -> Array:
    """``[looks]`` means of the scored frames of each look of a joined stream.

    The first ``skip`` frames of a look are left out.
    """
    frame = np.arange(len(column)) * EVERY
    kept = frame % LENGTH >= skip
    look, column = frame[kept] // LENGTH, column[kept]
    sums = np.bincount(look, column, minlength=looks)
    return np.asarray(sums / np.bincount(look, minlength=looks))


def scatter(values: Array) -> float:
    """How far a frame is from one nine frames on, over the square root of 2.

    An odd distance, as those of `spacing`: it meets every kind of frame. Of the scored frames of a
    joined stream, whose looks' first ones, cold, are left out.
    """
    frame, apart = np.arange(len(values)) * EVERY, 9 // EVERY
    same = frame[apart:] // LENGTH == frame[:-apart] // LENGTH
    away = (values[apart:] - values[:-apart])[same & (frame[:-apart] % LENGTH >= EVERY)]
    return float(np.sqrt((away**2).mean() / 2)) if len(away) else 0.0


@cache
def _measured() -> DesignFactor:
    return codec.from_bytes(DesignFactor, TABLE.read_bytes(), where=TABLE.name)


def design_factor(encoder: str, *, plain: bool) -> float:
    """Error of the mean of every nth frame over what their differences say; 1 where unknown.

    ``plain``: nothing was added to the encoder's options, which may change the pattern of frames.
    """
    known = _measured()
    return known.factor if plain and encoder in known.encoders else 1.0


def spacing(frames: int, scatter: float = 0.0, factor: float = 1.0) -> int:
    """Every how many frames one of a finished title is scored.

    ``scatter`` is that of its frames, points: closer where `half_width` would be too wide.
    """
    most = max(frames // SCORED, LEAST_EVERY)
    if scatter:
        doubt = NormalDist().inv_cdf(0.975) * factor * scatter / (_ROOM * HALF_WIDTH)
        most = min(most, int(1 + frames / doubt**2))
    return prime(max(most, CLOSEST))


def closer(every: int, half_width: float) -> int:
    """The spacing that should bring the half width of an interval to what is allowed."""
    return prime(int(every * (HALF_WIDTH / half_width) ** 2))


def prime(most: int) -> int:
    """The largest odd prime up to ``most``, or 1: frames so far apart meet every kind of frame.

    Of groups of 2, 4, 6, ... frames, an even spacing would see only some of the places.
    """
    return next(
        (n for n in range(most, 2, -1) if all(n % by for by in range(2, math.isqrt(n) + 1))), 1
    )


def half_width(values: Array, every: int, factor: float = 1.0) -> float:
    """Half width of the 95 % interval of the mean of all, from each ``every``-th value.

    ``factor``: `design_factor` of the encoder, not measured where frames lie closer than CLOSEST.
    """
    factor = factor if every >= CLOSEST else 1.0
    if every == 1:
        return 0.0
    if len(values) < 2:
        return math.inf
    variance = float((np.diff(values) ** 2).mean()) / 2 / len(values)
    return NormalDist().inv_cdf(0.975) * factor * math.sqrt(variance * (1 - 1 / every))
