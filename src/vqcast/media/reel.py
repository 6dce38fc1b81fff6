"""Short looks at a title, decoded once and joined as raw video: what every probe of it reads.

reel = Reel(source, (100, 400, 700), 17, Path("looks.yuv"))
gather_by_seeking(reel, tool)
encode_and_score(reel.video, "libx264", "medium", 28.0, tool, spliced=17)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.durable.scratch import scratch
from vqcast.errors import MediaError
from vqcast.media import argv, inputs
from vqcast.media.complaint import complaints
from vqcast.media.decode import SAME_US, deadline_s
from vqcast.media.inputs import RawFormat, Segment
from vqcast.media.keep_hdr import tags
from vqcast.media.run import run
from vqcast.media.segment import ways
from vqcast.media.source import Source
from vqcast.media.tool import Tool

_TIME = re.compile(r" pts:(-?\d+) ")


@dataclass(frozen=True, slots=True)
class Reel:
    """Looks of ``length`` frames at ``source``, in a file that may not have been written yet."""

    source: Source
    starts: tuple[int, ...]
    """The first frame of each."""
    length: int
    path: Path
    chroma: str = "420"
    """How the encode samples colour."""

    @property
    def frames(self) -> int:
        """Of all looks."""
        return len(self.starts) * self.length

    @property
    def pix_fmt(self) -> str:
        """What encoders and libvmaf would have made of the source's pictures."""
        return f"yuv{self.chroma}p{'' if self.source.depth == 8 else '10le'}"

    @property
    def bytes(self) -> int:
        """Of the file."""
        source = self.source
        return self.frames * inputs.raw_frame_bytes(source.width, source.height, self.pix_fmt)

    @property
    def video(self) -> Source:
        """The file as a source, told apart by what it was taken from."""
        source = self.source
        looks = [source.identity, self.pix_fmt, list(self.starts), self.length]
        looks += [source.video.graph] if source.video.graph else []
        digest = sha256_bytes(jsontext.dump_line({"looks": looks}))
        rate = frame_rate(source)
        # Pictures of other tags than their encode's would be converted before they are compared.
        video = inputs.Video(chain=tags(source.light)) if source.light else inputs.PLAIN
        return Source(
            path=self.path, name=source.name, sha256=digest, width=source.width,
            height=source.height, depth=source.depth, frames=self.frames, rate=rate,
            raw=RawFormat(source.width, source.height, self.pix_fmt, rate), light=source.light,
            video=video,
        )  # fmt: skip


def frame_rate(source: Source) -> Fraction:
    """Frames a second: the declared rate of a steady source, else the average."""
    if source.rate and source.steady:
        return source.rate
    index = source.index
    span = 0 if index is None else int(index.times_us.max() - index.times_us.min())
    if span <= 0:
        return source.rate or Fraction(25)
    return Fraction((source.frames - 1) * 1_000_000, span).limit_denominator(1001)


def decoded_by_seeking(reels: Sequence[Reel]) -> int | None:
    """Frames that are decoded to gather ``reels`` look by look; None: key frames aren't known."""
    if not reels or (packets := reels[0].source.packets) is None:
        return None
    if reels[0].source.video.reach is None:  # nothing is reached but from the beginning
        return None
    keys = np.flatnonzero(packets.keys)
    starts = np.array([start for reel in reels for start in reel.starts])
    before = keys[np.maximum(np.searchsorted(keys, starts, side="right") - 1, 0)]
    return int((starts - before).sum()) + sum(reel.frames for reel in reels)


def gather_through(
    reels: Sequence[Reel], tool: Tool, *, threads: int = 1, cancel: threading.Event | None = None
) -> None:
    """Write ``reels`` of one source in one decode of all of it.

    Raises MediaError, or Doubted, for a source whose frames are not where they were found.
    """
    source = reels[0].source
    looks = [(reel.path, [(start, reel.length) for start in reel.starts]) for reel in reels]
    read = source.read(threads=threads)
    said, times = _decode(source, read, looks, reels[0].pix_fmt, None, tool, cancel)
    for reel, found in zip(reels, times, strict=True):
        if said or not _is_planned(reel, found, 0):
            raise _missing(source, said)


def gather_by_seeking(
    reel: Reel, tool: Tool, *, threads: int = 1, cancel: threading.Event | None = None
) -> None:
    """Write ``reel``, entering the source anew for each look.

    Raises MediaError, or Doubted, for a source whose frames are not where they were found.
    """
    if reel.source.video.reach is None:
        gather_through([reel], tool, threads=threads, cancel=cancel)
        return
    piece = reel.path.with_suffix(".piece")
    with reel.path.open("wb") as file:
        for start in reel.starts:
            look = Reel(reel.source, (start,), reel.length, piece, reel.chroma)
            if not any(_enter(look, way, tool, threads, cancel) for way in _ways(look)):
                raise _missing(reel.source, f"frame {start}")
            file.write(piece.read_bytes())
    piece.unlink()


def _ways(look: Reel) -> Sequence[Segment]:
    return list(ways(look.source, look.starts[0], look.length))


def _enter(
    look: Reel, way: Segment, tool: Tool, threads: int, cancel: threading.Event | None
) -> bool:
    """Whether ``way`` gave exactly the frames of one look."""
    source = look.source
    read = source.read(way, threads)
    looks = [(look.path, [(0, look.length)])]
    said, (found,) = _decode(source, read, looks, look.pix_fmt, way, tool, cancel)
    return not said and _is_planned(look, found, way.seek_us)


def _decode(
    source: Source,
    read: Sequence[str],
    looks: Sequence[tuple[Path, Sequence[tuple[int, int]]]],
    pix_fmt: str,
    way: Segment | None,
    tool: Tool,
    cancel: threading.Event | None,
) -> tuple[str, list[NDArray[np.int64]]]:
    """What ffmpeg complained of, and the times of the frames of each reel."""
    with scratch() as name:
        finished = run(
            argv.gather(tool.path, read, looks, pix_fmt, way, video=source.video),
            cwd=Path(name),
            deadline_s=deadline_s(source.path),
            cancel=cancel,
        )
        said = complaints(finished.stderr)
        if source.damage is not None:
            said = ""
        if finished.returncode and not said:
            said = f"status {finished.returncode}"
        logs = [Path(name) / f"{number}.txt" for number in range(len(looks))]
        texts = [log.read_text() if log.is_file() else "" for log in logs]
    return said, [np.array(_TIME.findall(text), dtype=np.int64) for text in texts]


def _is_planned(reel: Reel, found: NDArray[np.int64], seek_us: int) -> bool:
    """Whether the frames that were written are those of the looks, all of them."""
    index = reel.source.index
    assert index is not None
    wanted = np.concatenate([np.arange(start, start + reel.length) for start in reel.starts])
    if len(found) != len(wanted) or reel.path.stat().st_size != reel.bytes:
        return False
    return bool((np.abs(found + seek_us - index.times_us[wanted]) <= SAME_US).all())


def _missing(source: Source, said: str) -> MediaError:
    source.judge(said or "frames are not at their times")
    return MediaError(
        f"{source.path}: its frames can't be reached by their times ({said})",
        hint="write its timestamps again: ffmpeg -i FILE -c copy OUT.mkv",
    )
