"""Parts of a title joined into the file that a user keeps, without another encode.

That it holds the parts, and nothing else, is shown by a digest of every packet.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import ToolFailure
from vqcast.media import inputs, part_argv
from vqcast.media.header import opened
from vqcast.media.in_parts import Made
from vqcast.media.measure import check, deadline_s
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.tool import Tool

_LIST = "parts.txt"


class Unlike(ToolFailure):
    """Parts whose headers differ, as where colour tags change on the way."""


def join(
    source: Source,
    made: Sequence[Made],
    words: Sequence[str],
    muxer: str,
    output: Path,
    tool: Tool,
    folder: Path,
    what: str,
    cancel: threading.Event | None = None,
) -> NDArray[np.int64]:
    """Write the parts to ``output``, with what ``words`` say of other streams; its frames' times.

    ``folder`` is ffmpeg's working folder. Raises Unlike where parts don't go together, ToolFailure
    where the file holds other packets than they do.
    """
    assert source.index is not None
    seen = [_packets(each.path) for each in made]
    if len({header for header, _, _ in seen}) > 1:
        raise Unlike(
            f"{what}: its parts have other headers than each other, so they can't be joined",
            hint="say --no-parts",
        )
    starts = [int(source.index.times_us[each.part.start]) for each in made]
    (folder / _LIST).write_text("".join(_listed(made, starts)))
    finished = run(
        part_argv.join(
            tool.path, inputs.read(source.path, source.raw), folder / _LIST, starts[0],
            _told_of(source, words), muxer, output,
        ),
        cwd=folder, deadline_s=deadline_s(source.width * source.height, source.frames),
        cancel=cancel,
    )  # fmt: skip
    check(finished, what, source, place=output.parent)
    _, digests, times = _packets(output)
    if digests != [digest for _, part, _ in seen for digest in part]:
        raise ToolFailure(f"{what}: the file does not hold the packets of its parts")
    return np.sort(times)


def _listed(made: Sequence[Made], starts: Sequence[int]) -> Iterable[str]:
    """The lines of the list that ffmpeg's concat reads: each part, and how long it is."""
    for each, start, end in zip(made, starts, [*starts[1:], None], strict=True):
        path = str(each.path.absolute()).replace("'", r"'\''")
        yield f"file 'file:{path}'\n"
        if end is not None:
            yield f"duration {end - start}us\n"


def _told_of(source: Source, words: Sequence[str]) -> list[str]:
    """``words``, and what a copy of parts does not know of the source's video.

    Its tags, which ``words`` may take away again, and all that it is for.
    """
    if source.raw is not None:
        return list(words)
    with opened(source.path) as container:
        named = source.video.stream
        stream: Any = container.streams[int(named)] if named.isdecimal() else _first(container)
        flags = [flag.name or "" for flag in type(stream.disposition) if flag in stream.disposition]
        tags = [("-metadata:s:v:0", f"{name}={value}") for name, value in stream.metadata.items()]
    return [*sum(tags, ()), *words, "-disposition:v:0", "+".join(flags) or "0"]


def _first(container: Any) -> Any:
    return container.streams.video[0]


def _packets(path: Path) -> tuple[bytes, list[bytes], NDArray[np.int64]]:
    """Parameters, and digests and times (microseconds) of packets, of the first video of a file."""
    digests, times = [], []
    with opened(path) as container:
        video = _first(container)
        for packet in container.demux(video):
            if packet.size:
                digests.append(hashlib.blake2b(bytes(packet), digest_size=16).digest())
                times.append(round(float((packet.pts or 0) * packet.time_base) * 1e6))
        header = _header(video)
    return header, digests, np.array(times, np.int64)


def header_of(path: Path) -> bytes:
    """The parameters of the first video of a file: parts that have the same can be joined."""
    with opened(path) as container:
        return _header(_first(container))


def _header(video: Any) -> bytes:
    header = bytes(video.codec_context.extradata or b"")
    return _without_remarks(header) if video.codec_context.name == "hevc" else header


def _without_remarks(header: bytes) -> bytes:
    """An MP4's header of HEVC without SEI, where x265 tells its settings, threads among them.

    ISO/IEC 14496-15, 8.3.2: 22 bytes, then arrays of NAL units of one type each.
    """
    kept, at = header[:22], 23
    for _ in range(header[22] if len(header) > 22 else 0):
        kind, start = header[at] & 63, at
        count, at = int.from_bytes(header[at + 1 : at + 3]), at + 3
        for _ in range(count):
            at += 2 + int.from_bytes(header[at : at + 2])
        if kind not in _SEI:
            kept += header[start:at]
    return kept


_SEI = (39, 40)
"""HEVC's types of NAL units with remarks (ITU-T H.265, table 7-1)."""
