"""A reference and an encode of it, scored: what ``predict`` needs of two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vqcast.errors import InputError, MediaError
from vqcast.media import align, grain
from vqcast.media.filters import UNFILTERED, Filters
from vqcast.media.measure import Overlap, Scores, score
from vqcast.media.source import Intake, Source, probe
from vqcast.media.tool import Tool
from vqcast.metric import VMAF, ScoreSize, beside, compared_at, unlike

Align = Literal["off", "auto"]
_CEILING = 0.05
"""Points below which a frame's score is that of the metric's ceiling."""
_STILL = 0.01
"""VMAF's motion2 below which nothing moves."""
_MOSTLY = 0.5
_RATES_APART = 1.05


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """What two files gave, frame by frame, and what to know of it."""

    scores: Scores
    offset: int
    """Frame n of the encode was scored against frame n + offset of the reference."""
    notes: tuple[str, ...]


def score_pair(
    reference: Path,
    distorted: Path,
    tool: Tool,
    *,
    align_by: Align = "off",
    size: ScoreSize | None = None,
    metrics: Sequence[str] = (),
    filters: Filters = UNFILTERED,
) -> ScoredPair:
    """VMAF and canonical-6 features of ``distorted`` against ``reference``.

    ``size`` is where both are compared, ``metrics`` names what is measured beside; with
    ``align_by`` "auto" an offset of a few frames is undone, and the frames that both have are
    scored. ``filters`` are what the reference goes through first. Raises MediaError where the two
    do not match, before any scoring, and tells what differs.
    """
    if align_by not in ("off", "auto"):
        raise InputError(f"{align_by!r} is not known", field="align", hint="use off or auto")
    careful = Intake(decode_all=True, sdr_only=True)
    made = replace(careful, filters=Filters(deinterlace="no"))
    dist = probe(distorted, tool, intake=made)
    filters = replace(filters, bits=dist.depth)
    ref = probe(reference, tool, intake=replace(careful, filters=filters))
    also = beside(metrics)
    own = (ref.width, ref.height)
    at = compared_at(size, own) or (own if size is not None else None)
    _refuse_sizes(ref, dist, at)
    offset = align.find_offset(ref, dist, tool)
    shared = _overlap(ref, dist, offset, align_by)
    scores = score(
        ref, dist.path, tool, depth=max(ref.depth, dist.depth), size=at, also=also,
        distorted_video=dist.video, known=True, overlap=shared,
    )  # fmt: skip
    notes = [
        f"{side.path.name}: {note.removeprefix('the source is ')}"
        for side in (ref, dist)
        for note in side.notes
    ]
    if offset:
        notes.append(_of_offset(dist, offset, undone=shared is not None))
    if grain.has_grain(dist.path, dist.codec, tool):
        notes.append(f"{dist.path.name} {grain.NOTE}")
    notes += unlike(VMAF, at or own)
    notes += _blindness(ref, scores, tool, at)
    return ScoredPair(scores, offset if shared else 0, tuple(notes))


def _refuse_sizes(ref: Source, dist: Source, size: tuple[int, int] | None) -> None:
    if size is None and (ref.width, ref.height) != (dist.width, dist.height):
        raise MediaError(
            f"is {dist.width}x{dist.height}, its reference {ref.width}x{ref.height}",
            path=dist.path,
            hint=f"score both at one size: --score-size {ref.width}x{ref.height}",
        )


def _overlap(ref: Source, dist: Source, offset: int, align_by: Align) -> Overlap | None:
    """The frames that are scored; None: all of both. Raises MediaError where lengths differ."""
    if (
        align_by == "auto"
        and (offset or ref.frames != dist.frames)
        and not _rates_differ(ref, dist)
    ):
        return align.overlap(ref, dist, offset)
    if ref.frames == dist.frames:
        return None
    counts = f"has {dist.frames} frames, its reference {ref.frames}"
    if _rates_differ(ref, dist):
        assert ref.rate is not None and dist.rate is not None
        raise MediaError(
            f"{counts}: it has {float(dist.rate):g} frames a second, the reference "
            f"{float(ref.rate):g}, and VMAF compares frame with frame",
            path=dist.path,
            hint=f"give it a reference of its rate: ffmpeg -i REF -vf fps={dist.rate} "
            "-c:v ffv1 -an REF2.mkv",
        )
    fits = f"; its frame 0 fits frame {offset} of the reference" if offset > 0 else ""
    fits = f"; its frame {-offset} fits frame 0 of the reference" if offset < 0 else fits
    raise MediaError(
        counts + fits,
        path=dist.path,
        hint="score the frames that both have: --align auto",
    )


def _rates_differ(ref: Source, dist: Source) -> bool:
    if not ref.rate or not dist.rate or not ref.steady or not dist.steady:
        return False
    ratio = float(ref.rate / dist.rate)
    return max(ratio, 1 / ratio) > _RATES_APART


def _of_offset(dist: Source, offset: int, *, undone: bool) -> str:
    frames = f"{abs(offset)} frame{'' if abs(offset) == 1 else 's'}"
    way = "later" if offset < 0 else "earlier"
    told = f"{dist.path.name} comes {frames} {way} than its reference: frame n fits n{offset:+d}"
    if undone:
        return f"{told}, and was scored against it"
    return f"{told} better than n, so the score is not one of its quality; --align auto undoes it"


def _blindness(ref: Source, scores: Scores, tool: Tool, size: tuple[int, int] | None) -> list[str]:
    """What VMAF can't see here: it looks away where nothing moves, and has a ceiling."""
    still = float((scores.columns["motion2"] < _STILL).mean())
    if still < _MOSTLY:
        return []
    own = score(ref, ref.path, tool, depth=ref.depth, size=size, itself=True, known=True).columns[
        "vmaf"
    ]
    if own.mean() - scores.columns["vmaf"].mean() > _CEILING:
        return [
            f"nothing moves in {still:.0%} of the frames: VMAF sees little of what differs there"
        ]
    return [
        f"nothing moves in {still:.0%} of the frames, and the score is that of the reference "
        f"against itself ({own.mean():.2f}): damage that VMAF does not see may be there; look at "
        "the pictures"
    ]
