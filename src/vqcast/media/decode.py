"""A decode of a whole file, or of the beginning of one: what each frame is, and what was said.

What it gives is believed for a source where it comes out the same twice; of a file that was made
here every complaint counts.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.scratch import scratch
from vqcast.errors import MediaError
from vqcast.media import argv, inputs
from vqcast.media.complaint import cause, complaints
from vqcast.media.header import DAMAGE_HINT, opened
from vqcast.media.inputs import RawFormat, Segment
from vqcast.media.remake import remake
from vqcast.media.run import run
from vqcast.media.tool import Tool

EARLIER_US = 10_000_000
"""How much earlier a demuxer is sent where it landed too late: the longest GOP commonly made."""
SAME_US = 1500
"""How far a frame's time may lie off its packet's: both are rounded."""
_DEADLINE_S = 600.0
_BYTES_PER_S = 500_000
"""So slow a decode is given up; a film of hours is not."""


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """A file's frames in the order in which they are shown."""

    times_us: NDArray[np.int64]
    """``[frames]``, microseconds on the clock that ffmpeg gives the file."""
    digests: NDArray[np.bytes_] | None
    """``[frames]``, of the decoded samples; None where the frames were not decoded."""
    interlaced: NDArray[np.bool_]
    """``[frames]``, as the decoder marks them; empty where the frames were not decoded."""

    @property
    def repeats(self) -> float:
        """Share of the frames that are the one before again; 0 where they were not decoded."""
        digests = self.digests
        same = 0 if digests is None else np.count_nonzero(digests[1:] == digests[:-1])
        return same / max(len(self.times_us) - 1, 1)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one decode gave."""

    index: FrameIndex
    size: tuple[int, int] | None
    """Width and height of its pictures; None where there is none."""
    said: str
    """Its complaints; empty: none."""

    def agrees(self, other: Decoded) -> bool:
        """Whether both gave the same pictures at the same times."""
        ours, theirs = self.index, other.index
        assert ours.digests is not None and theirs.digests is not None
        return np.array_equal(ours.times_us, theirs.times_us) and np.array_equal(
            ours.digests, theirs.digests
        )


def deadline_s(path: Path) -> float:
    """Seconds after which a decode of the whole of ``path`` is given up."""
    return _DEADLINE_S + path.stat().st_size / _BYTES_PER_S


def decode(
    path: Path,
    tool: Tool,
    *,
    raw: RawFormat | None = None,
    frames: int | None = None,
    span: Segment | None = None,
    video: inputs.Video = inputs.PLAIN,
    threads: int = 1,
    grain: bool = True,
    cancel: threading.Event | None = None,
) -> Decoded:
    """Decode ``path``, at most ``frames`` frames or those of ``span``, and note what each is.

    Without ``grain`` the decoder draws no film grain.
    Raises MediaError for pictures that change their size or format on the way.
    """
    with scratch() as name:
        folder = Path(name)

        def once(*, steady: bool) -> tuple[int, int, str]:
            read = inputs.read(
                path, raw, span, threads, steady=steady, grain=grain, device=video.device
            )
            finished = run(
                argv.decode(tool.path, read, frames, span, video=video),
                cwd=folder, deadline_s=deadline_s(path), cancel=cancel,
            )  # fmt: skip
            said = complaints(finished.stderr)
            if finished.returncode and not said:
                said = f"status {finished.returncode}"
            return *_lengths(folder), said

        times, rows, said = once(steady=False)
        if times < rows:  # ffmpeg started its filters, and with them TIMES_LOG, again
            _refuse_change(path, raw)
            _, _, said = once(steady=True)
        return Decoded(_read_index(folder), _read_size(folder), said)


def decode_made(
    path: Path, tool: Tool, *, threads: int = 1, cancel: threading.Event | None = None
) -> FrameIndex:
    """Every frame of a file that was made here, film grain left out.

    Raises MediaError at any complaint.
    """
    found = decode(path, tool, threads=threads, grain=False, cancel=cancel)
    if found.said:
        raise MediaError(f"damaged: {cause(found.said)}", path=path, hint=DAMAGE_HINT)
    return found.index


def _lengths(folder: Path) -> tuple[int, int]:
    times, frames = _logs(folder)
    return len(times), len(frames)


def _logs(folder: Path) -> tuple[list[int], list[list[str]]]:
    times_log, frames_log = folder / argv.TIMES_LOG, folder / argv.FRAMES_LOG
    if not times_log.is_file() or not frames_log.is_file():
        return [], []
    times = [int(ticks) for ticks in re.findall(r" pts:(-?\d+) ", times_log.read_text())]
    return times, _rows(frames_log)


def _rows(log: Path) -> list[list[str]]:
    lines = log.read_text().splitlines()
    return [line.replace(" ", "").split(",") for line in lines if not line.startswith("#")]


def digests(log: Path) -> NDArray[np.bytes_]:
    """Those of the decoded frames in a log of ffmpeg's framehash, ``[frames]``."""
    return np.array([row[5] for row in _rows(log)], dtype="S32")


def _read_index(folder: Path) -> FrameIndex:
    times, rows = _logs(folder)
    # Where the last frames are not asked for, some are left in the filters: more times than rows.
    return FrameIndex(
        times_us=np.array(times[: len(rows)], dtype=np.int64),
        digests=np.array([row[5] for row in rows], dtype="S32"),
        interlaced=np.array([int(row[2]) % 2 == 1 for row in rows], dtype=bool),
    )


def _read_size(folder: Path) -> tuple[int, int] | None:
    log = folder / argv.FRAMES_LOG
    found = (
        re.search(r"^#dimensions 0: (\d+)x(\d+)", log.read_text(), re.M) if log.exists() else None
    )
    return (int(found[1]), int(found[2])) if found else None


def _refuse_change(path: Path, raw: RawFormat | None) -> None:
    """Raise MediaError where pictures change; other tags or parameters alone are no change."""
    shapes: set[tuple[int, int, str]] = set()
    with opened(path, raw) as container:
        for frame in container.decode(video=0):
            # yuvj420p is yuv420p with a tag that tells its range.
            shapes.add((frame.width, frame.height, frame.format.name.replace("yuvj", "yuv")))
            if len(shapes) > 1:
                break
    if len(shapes) > 1:
        (width, height, form), other = sorted(shapes)[-1], sorted(shapes)[0]
        raise MediaError(
            f"its pictures change size or format on the way "
            f"({other[0]}x{other[1]} {other[2]}, {width}x{height} {form})",
            path=path,
            hint=f"make them one first: {remake(path, f'scale={width}:{height},format=yuv420p')}",
        )
