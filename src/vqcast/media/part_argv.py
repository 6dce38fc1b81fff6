"""ffmpeg's command lines for a title that is encoded in parts, as pure values.

While a part is encoded the pictures that its score needs are written beside it, and its finished
file is decoded once, all of it, and scored against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vqcast.media import argv
from vqcast.media.inputs import PLAIN, Segment, Video, drop

_CLOCK = "settb=expr=1/25,setpts=N"


def samples(
    depth: int,
    every: int,
    output: Path,
    span: Segment | None,
    *,
    size: tuple[int, int] | None = None,
    video: Video = PLAIN,
) -> list[str]:
    """After `encode`: write the pictures that a `sample_filter` reads, as they are scored."""
    chain = f"{video.first}{drop(span)}{_CLOCK},{_shown(depth, every, size)}"
    words = ["-map", f"0:{video}", "-vf", chain, "-fps_mode", "passthrough"]
    words += ["-enc_time_base", "filter", "-c:v", "rawvideo"]
    return [*words, "-f", "rawvideo", f"file:{output}"]


def sample_filter(
    depth: int,
    every: int,
    *,
    size: tuple[int, int] | None = None,
    threads: int = 1,
    also: Sequence[str] = (),
    moved: bool = True,
) -> str:
    """Score frames 0, every, 2 every, ... of an encode against what `samples` wrote.

    Arguments are those of `watch_filter`, ``every`` 1, 3 or more. Of the encode all frames are
    counted, of the samples those that were written. Where all are scored and the first one
    ``moved``, since frames of the title lie before it, one more is scored before them: the second
    frame. Of the motions before and behind a frame libvmaf takes the least, at a cut that behind.
    """
    if every == 1 and moved:
        return (
            f"[0:v:0]{_CLOCK},split[d0][dn];"
            f"[d0]tpad=start=1:start_mode=clone,{_CLOCK},{_shown(depth, every, size)}[d];"
            f"[1:v:0]{_CLOCK},split=3[ra][rb][rn];[ra]trim=start_frame=1:end_frame=2[rc];"
            f"[rc][rb]concat,{_CLOCK}[r];[d][r]{argv.libvmaf(threads, 1, also)}[s]"
        )
    return (
        f"[0:v:0]{_CLOCK},split[d0][dn];[d0]{_shown(depth, every, size)}[d];"
        f"[1:v:0]{_CLOCK},split[r][rn];[d][r]{argv.libvmaf(threads, min(every, 3), also)}[s]"
    )


def _shown(depth: int, every: int, size: tuple[int, int] | None) -> str:
    return argv.with_neighbours(every) + argv.compared(depth, size)


def join(
    ffmpeg: Path,
    source: Sequence[str],
    parts: Path,
    late_us: int,
    streams: Sequence[str],
    muxer: str,
    output: Path,
) -> list[str]:
    """Copy the video that ``parts`` lists one after the other, with ``streams`` of ``source``.

    ``late_us``: when its first frame comes on the source's clock.
    """
    words = [str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *source]
    words += ["-protocol_whitelist", "file", "-itsoffset", f"{late_us}us"]
    words += ["-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", f"file:{parts}"]
    words += ["-map", "1:v:0", "-c:v:0", "copy", *streams]
    return [*words, "-fflags", "+bitexact", "-f", muxer, f"file:{output}"]
