"""HDR10+ (SMPTE ST 2094-40) for x265, which takes it from a file: an entry a frame, as shown.

ffmpeg hands it on to libaom alone. x265 asks for the JSON of Samsung's and the film studios' tools.
The layout of what PyAV gives is FFmpeg's AVDynamicHDRPlus.
"""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

from vqcast.documents import jsontext
from vqcast.durable.files import write_atomic
from vqcast.media.encoders import Encoder
from vqcast.media.hdr import HDR10_PLUS, beside
from vqcast.media.header import opened
from vqcast.media.options import joined
from vqcast.media.run import Cancelled
from vqcast.media.source import Source

_FILE = "hdr10plus.json"
_MAXSCL, _AVERAGE, _SHARES, _BRIGHT, _TONES, _KNEE, _ANCHORS = 52, 76, 84, 268, 276, 280, 296
_TARGET, _OTHERS = 1288, (420, 1296, 6300)
"""Where in it these begin, of the one window that is read. The others are flags of what the file
has no place for: saturation, and the peaks of two displays."""
_LIGHT, _KNEES, _CURVE = 100_000, 4095, 1023
"""Units of a light level, of a knee's coordinates and of a curve's anchor."""


def by_file(source: Source, entry: Encoder) -> bool:
    """Whether ``entry`` takes the HDR10+ of ``source`` from a file.

    Not where filters change the pictures that it speaks of.
    """
    light, private = source.light, entry.private
    plus = light is not None and light.hdr10_plus and not source.video.chain
    return plus and private is not None and private[0] == "x265"


def told(
    options: list[str], source: Source, entry: Encoder, folder: Path, cancel: threading.Event | None
) -> list[str]:
    """An encoder's ``options`` with the HDR10+ of ``source``, which is written to ``folder``.

    The same where it takes none `by_file`, or the file has no place for it. ffmpeg must run in
    ``folder``.
    """
    private = entry.private
    if not by_file(source, entry) or private is None:
        return options
    frames = _frames(source, cancel)
    if len(frames) != source.frames or None in frames:
        return options
    write_atomic(folder / _FILE, jsontext.dump_line({"SceneInfo": frames}))
    return joined(options, private[1], f"dhdr10-info={_FILE}")


def _frames(source: Source, cancel: threading.Event | None) -> list[dict[str, Any] | None]:
    """What comes with each frame, up to the first that lacks it."""
    said: list[dict[str, Any] | None] = []
    with opened(source.path) as container:
        stream = int(source.video.stream) if source.video.stream.isdecimal() else None
        video = container.streams[stream] if stream is not None else container.streams.video[0]
        video.thread_type = "AUTO"
        for frame in container.decode(video):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            said.append(entry_of(beside(frame).get(HDR10_PLUS, b"")))
            if said[-1] is None:
                break
    return said


def entry_of(data: bytes) -> dict[str, Any] | None:
    """A frame's entry in x265's file; None for what it has no place for, or no metadata."""
    if len(data) <= max(_OTHERS) or data[2] != 1 or any(data[at] for at in _OTHERS):
        return None

    def number(at: int, unit: int = 1) -> int:
        above, below = struct.unpack_from("=2i", data, at)
        return round(unit * int(above) / (int(below) or 1))

    if number(_BRIGHT, 1000):
        return None
    shares = range(data[_SHARES])
    made: dict[str, Any] = {
        "NumberOfWindows": 1,
        "TargetedSystemDisplayMaximumLuminance": number(_TARGET),
        "LuminanceParameters": {
            "AverageRGB": number(_AVERAGE, _LIGHT),
            "MaxScl": [number(_MAXSCL + 8 * n, _LIGHT) for n in range(3)],
            "LuminanceDistributions": {
                "DistributionIndex": [data[_SHARES + 4 + 12 * n] for n in shares],
                "DistributionValues": [number(_SHARES + 8 + 12 * n, _LIGHT) for n in shares],
            },
        },
    }
    if data[_TONES]:
        made["BezierCurveData"] = {
            "KneePointX": number(_KNEE, _KNEES),
            "KneePointY": number(_KNEE + 8, _KNEES),
            "Anchors": [number(_ANCHORS + 4 + 8 * n, _CURVE) for n in range(data[_ANCHORS])],
        }
    return made
