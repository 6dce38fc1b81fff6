"""Where the shots of a title begin: ffmpeg's scene scores of a small decode, and lengths kept.

A shot is cut where the picture changes; one that is too long is cut where it changes most::

    found = shots(source, entry, tool)
    found.parts  # TitlePart(start, frames), all frames of the title
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.scratch import scratch
from vqcast.errors import InputError, ToolFailure
from vqcast.media import argv
from vqcast.media.encoders import Encoder
from vqcast.media.measure import check, deadline_s
from vqcast.media.parts import TitlePart, is_cuttable
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.threads import MOST_DECODER, usable_cores
from vqcast.media.tool import Tool

Array = NDArray[np.float64]

CHANGE = 10.0
"""scdet's score from which a frame begins a shot: the filter's own default."""
_STILL = 0.1
"""Of a mean difference in 8 bits: less is no motion."""
LEAST_S, MOST_S = 1.0, 10.0
"""Seconds of a shot: a key frame costs too much in a shorter one, and a longer one would have key
frames inside it in any case."""
LEAST_FRAMES = 8
"""Of a shot, however long each stands: of fewer, every fifth one can leave none away from a cut."""


@dataclass(frozen=True, slots=True)
class Shots:
    """The shots of a title."""

    parts: tuple[TitlePart, ...]
    motion: Array
    """Log2 of how much a frame differs from the one before it, the median of each, ``[shots]``."""


def shots(
    source: Source, entry: Encoder, tool: Tool, cancel: threading.Event | None = None
) -> Shots:
    """The shots of ``source``, in order; they hold every frame once.

    Raises InputError where it can't be encoded in parts, ToolFailure where ffmpeg fails.
    """
    if not entry.codec.joins or entry.device is not None:
        raise InputError(
            f"{entry.name}: shots of {entry.codec.name} that were encoded apart can't be joined"
            if entry.device is None else f"{entry.name}: needs a device, which makes no shots",
            field="per_shot",
            hint="leave --per-shot out, or use libsvtav1, libx265, libx264 or libaom-av1",
        )  # fmt: skip
    if source.index is None or not is_cuttable(source, entry):
        reason, instead = _uncuttable(source)
        raise InputError(f"can't be encoded shot by shot: {reason}", path=source.path,
                         hint=f"leave --per-shot out{instead}")  # fmt: skip
    times = source.index.times_us.astype(np.float64) / 1e6
    away, changes = _changes(source, tool, cancel)
    starts = [0, *cuts(changes, times), source.frames]
    parts = tuple(TitlePart(start, end - start) for start, end in pairwise(starts))
    inner = [slice(part.start + (part.frames > 1), part.start + part.frames) for part in parts]
    moved = [np.median(away[each]) for each in inner]
    return Shots(parts, np.log2(np.array(moved) + _STILL))


def _uncuttable(source: Source) -> tuple[str, str]:
    """Why no shot of a title is reached, and what helps beside leaving it in one."""
    if source.damage is not None:
        return "it is damaged", ""
    if source.video.reach != 0 or (source.video.chain and source.packets is None):
        return (
            "it goes through filters that see several pictures",
            ", or write what they give first",
        )
    return ("its container has no table of key frames to go by",
            ", or copy it first: ffmpeg -i FILE -map 0 -c copy OUT.mkv")  # fmt: skip


def _changes(source: Source, tool: Tool, cancel: threading.Event | None) -> tuple[Array, Array]:
    """How much each frame differs from the one before, and scdet's score of it, ``[frames]``."""
    with scratch() as name:
        folder = Path(name)
        finished = run(
            argv.changes(
                tool.path, source.read(threads=min(usable_cores(), MOST_DECODER)),
                video=source.video,
            ),
            cwd=folder, deadline_s=deadline_s(source.width * source.height, source.frames),
            cancel=cancel,
        )  # fmt: skip
        check(finished, f"the shots of {source.name}", source)
        log = folder / argv.CHANGE_LOG
        said = log.read_text() if log.is_file() else ""
    away, changes = (
        np.array(re.findall(rf"scd\.{name}=([\d.]+)", said), np.float64) for name in _SAID
    )
    if not len(away) == len(changes) == source.frames:
        source.judge(f"{len(changes)} frames for {source.frames} packets")
        raise ToolFailure(f"the shots of {source.name}: {len(changes)} of {source.frames} frames")
    return away, changes


_SAID = ("mafd", "score")


def cuts(
    changes: Array, times_s: Array, least_s: float = LEAST_S, most_s: float = MOST_S
) -> list[int]:
    """First frames of the shots but the first, rising.

    ``changes`` ``[frames]`` are scene scores, ``times_s`` ``[frames]`` the times of the frames. The
    greatest changes are cut first, each at least ``least_s`` and `LEAST_FRAMES` from the others and
    both ends; what is longer than ``most_s`` then is cut at its greatest change, where it can be.
    """
    taken: list[int] = []

    def fits(frame: int) -> bool:
        others = np.array([0, len(times_s) - 1, *taken])
        away_s = np.abs(times_s[others] - times_s[frame])
        return bool((away_s >= least_s).all() and (abs(others - frame) >= LEAST_FRAMES).all())

    for frame in np.argsort(-changes, kind="stable"):
        if changes[frame] < CHANGE:
            break
        if fits(int(frame)):
            taken.append(int(frame))
    while (gap := _too_long(sorted(taken), times_s, most_s)) is not None:
        taken.append(_inside(*gap, changes, times_s, most_s))
    return sorted(taken)


def _too_long(taken: list[int], times_s: Array, most_s: float) -> tuple[int, int] | None:
    starts = [0, *taken, len(times_s) - 1]
    for start, end in pairwise(starts):
        if times_s[end] - times_s[start] > most_s and end - start >= 2 * LEAST_FRAMES:
            return start, end
    return None


def _inside(start: int, end: int, changes: Array, times_s: Array, most_s: float) -> int:
    """Where the shot from ``start`` to ``end`` is cut: so that as few pieces as can be are made."""
    span = float(times_s[end] - times_s[start])
    step = span / np.ceil(span / most_s)
    frames = np.arange(start + LEAST_FRAMES, end - LEAST_FRAMES + 1)
    away = np.abs(times_s[frames] - times_s[start] - step)
    near = frames[away <= step / 4]
    if not len(near):  # frames that stand for seconds each
        return int(frames[away.argmin()])
    return int(near[np.argmax(changes[near])])
