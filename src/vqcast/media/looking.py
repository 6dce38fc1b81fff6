"""Short looks at a title's pictures, in grey; and the black bars that they show.

A row or column is of a bar where it is black in every picture that was looked at, a few dark pixels
apart. So a dark scene crops nothing that a bright one shows, and pictures that fill the frame once,
a logo or subtitles in the bar keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import MediaError
from vqcast.media.header import opened
from vqcast.media.inputs import RawFormat

Picture = NDArray[np.int16]
"""``[height, width]``, levels of 8 bits, black 0."""
PLACES = 48
"""Where a title is looked at for bars."""
_ENOUGH = 32
"""Different pictures that are enough; where key frames give fewer, pictures between them do."""
_MOST = 6000
"""Pictures that are decoded for that, at most."""
_EACH = 12
"""One in so many of them is looked at."""
_BLACK = 9
"""Levels: the mean of a black line is not above. cropdetect's limit, 24 where black is 16."""
_BRIGHT = 36
"""Levels of a pixel that shows something, and the share of a line that must."""
_SHARE = 0.01

Box = tuple[int, int, int, int]
"""Width, height, left and top, pixels."""


def pictures(
    path: Path,
    stream: int,
    place: float,
    count: int,
    *,
    raw: RawFormat | None = None,
    every: int = 1,
) -> Iterator[Picture]:
    """``count`` pictures of a stream from a key frame about ``place``, a share of its length."""
    import av

    with suppress(av.FFmpegError, MediaError), opened(path, raw) as container:
        video: Any = container.streams[stream]
        video.thread_type = "AUTO"
        if place and container.duration:
            container.seek((container.start_time or 0) + int(place * container.duration))
        if every > 1:
            video.codec_context.skip_frame = "NONREF"
        for number, frame in enumerate(container.decode(video)):
            if number == count * every:
                return
            if number % every == 0:
                yield frame.reformat(format="gray").to_ndarray().astype(np.int16)


def bars(path: Path, stream: int, raw: RawFormat | None = None) -> Box | None:
    """What is left of the pictures without black bars; None: no picture shows anything.

    Sides and corners are even, and lie on the bars' side of what is seen.
    """
    seen = [next(pictures(path, stream, at / PLACES, 1, raw=raw), None) for at in range(PLACES)]
    looked = [each for each in seen if each is not None]
    different = {each.tobytes() for each in looked}
    if len(different) < _ENOUGH:
        looked += pictures(path, stream, 0.0, _MOST // _EACH, raw=raw, every=_EACH)
    boxes = [box for picture in looked if (box := _content(picture)) is not None]
    if not boxes:
        return None
    height, width = looked[0].shape
    top, bottom, left, right = (
        side(box[at] for box in boxes) for at, side in enumerate((min, max, min, max))
    )
    left, top = left // 2 * 2, top // 2 * 2
    right, bottom = min(-(-right // 2) * 2, width), min(-(-bottom // 2) * 2, height)
    return (right - left) // 2 * 2, (bottom - top) // 2 * 2, left, top


def _content(picture: Picture) -> tuple[int, int, int, int] | None:
    """First and last row and column that show something, the last ones exclusive."""
    found: list[int] = []
    for axis in (1, 0):
        lit = picture.mean(axis=axis) > _BLACK
        lit |= (picture > _BRIGHT).mean(axis=axis) >= _SHARE
        at = np.flatnonzero(lit)
        if not len(at):
            return None
        found += [int(at[0]), int(at[-1]) + 1]
    return found[0], found[1], found[2], found[3]
