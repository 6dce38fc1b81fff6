"""Where a source is damaged: packets that don't decode, or that the decoder complains of.

Found with a second decode, packet by packet, that only a file with complaints gets. What it finds
is told; whether a score can be believed rests on two decodes of ffmpeg that agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.source import Damage, DamagedSpan
from vqcast.media.decode import FrameIndex
from vqcast.media.header import opened

_MICROSECONDS = 1_000_000


def locate(path: Path, stream: int, index: FrameIndex, said: str) -> Damage:
    """The damage of video ``stream``, whose decodable frames are ``index``.

    A damaged packet spoils its frame and those that refer to it, up to the next key frame.
    """
    complained, keys, packets = _complaints(path, stream)
    times = index.times_us
    lost = _lost(packets, times)
    spans: list[list[int]] = []
    ends = np.searchsorted(times, np.array(sorted(keys), np.int64))
    for time in sorted(complained):
        first = int(np.searchsorted(times, time))
        if first >= len(times):
            continue
        after = ends[ends > first]
        last = int(after[0]) - 1 if len(after) else len(times) - 1
        if spans and first <= spans[-1][1] + 1:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return Damage(
        frames=sum(last - first + 1 for first, last in spans),
        lost=lost,
        spans=[_span(first, last, times) for first, last in spans],
        said=said,
    )


def _span(first: int, last: int, times: NDArray[np.int64]) -> DamagedSpan:
    def seconds(frame: int) -> float:
        return round(float(times[frame]) / _MICROSECONDS, 3)

    return DamagedSpan(
        first_frame=first, last_frame=last, start_s=seconds(first), end_s=seconds(last)
    )


def _lost(packets: Sequence[int], times: NDArray[np.int64]) -> int:
    """Packets at whose time no frame is shown. Where many have none, times tell nothing."""
    if not packets or not len(times):
        return 0
    at = np.array(packets, np.int64)
    near = np.clip(np.searchsorted(times, at), 1, max(len(times) - 1, 1))
    apart = np.minimum(np.abs(times[near - 1] - at), np.abs(times[near % len(times)] - at))
    return max(int((apart > 1000).sum()), len(packets) - len(times)) if len(times) > 1 else 0


def _complaints(path: Path, stream: int) -> tuple[set[int], set[int], list[int]]:
    """Times in microseconds of packets complained of, of key frames, and of all packets."""
    import av
    import av.logging

    complained: set[int] = set()
    keys: set[int] = set()
    packets: list[int] = []
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=True) as logs, opened(path) as container:
            video: Any = container.streams[stream]
            video.codec_context.thread_count = 1
            start = container.start_time or 0
            heard, begun = len(logs), False
            for packet in container.demux(video):
                failed = packet.is_corrupt
                try:
                    begun = bool(packet.decode()) or begun
                except av.FFmpegError:
                    failed = True
                failed, heard = failed or len(logs) > heard, len(logs)
                if packet.pts is None or not packet.size:
                    continue
                time = round(packet.pts * video.time_base * _MICROSECONDS) - start
                packets.append(time)
                if packet.is_keyframe:
                    keys.add(time)
                if failed and begun:
                    complained.add(time)
    finally:
        av.logging.set_level(level)
    return complained, keys, packets


def in_words(damage: Damage) -> str:
    """One note: where, how much, and what is done about it."""
    parts = []
    if damage.spans:
        places = ", ".join(
            f"frames {span.first_frame} to {span.last_frame} ({span.start_s:.2f} to "
            f"{span.end_s:.2f} s)"
            for span in damage.spans[:3]
        )
        more = len(damage.spans) - 3
        parts.append(places + (f" and {more} places more" if more > 0 else ""))
    if damage.lost:
        parts.append(f"{damage.lost} packet{'' if damage.lost == 1 else 's'} give no frame")
    where = "; ".join(parts) or f"ffmpeg says: {damage.said}"
    return f"the source is damaged: {where}; what decodes is used, and decodes the same twice"
