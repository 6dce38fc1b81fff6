"""What a delivered file says of the light of its video: its stream alone, and its container alone.

The stream is decoded without what the container says; the container's own bytes are read. MP4 and
QuickTime say it in ``colr``, ``mdcv``, ``clli``, ``amve`` and ``dvcC`` boxes (ISO/IEC 14496-12 and
Dolby's), Matroska and WebM in the Colour element (RFC 9559).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from vqcast.documents.source import Hdr
from vqcast.media import keep_hdr
from vqcast.media.hdr import UNSAID, DolbyVision, Light, Mastering, frame_light
from vqcast.media.header import is_cover, opened
from vqcast.media.isobmff import sample_entry
from vqcast.media.matroska import track_elements

_CONFIGURATIONS = (b"dvcC", b"dvvC", b"dvwC")
_MATRIX, _RANGE, _TRC, _PRIMARIES, _CLL, _FALL = 0x55B1, 0x55B9, 0x55BA, 0x55BB, 0x55BC, 0x55BD
_MASTERING = range(0x55D1, 0x55DB)
"""x and y of red, green, blue and white, and the highest and lowest luminance."""
_ADDED_TYPE, _ADDED = 0x41E7, 0x41ED


def read_back(light: Light | None, made: Path) -> Hdr | None:
    """What of a source's ``light`` the file ``made`` of it says; None: nothing was to be kept."""
    if light is None:
        return None
    return keep_hdr.compared(light, stream_light(made), container_light(made))


def stream_light(path: Path) -> Light:
    """What the first frame of a file's video says by itself, whatever its container says."""
    with opened(path) as container:
        video = next(each for each in container.streams.video if not is_cover(each))
        import av

        known: Any = video.codec_context
        alone: Any = av.CodecContext.create(known.name, "r")
        alone.extradata = known.extradata
        alone.thread_count = 1  # others would free Python's bytes, and wait for us to let them
        for packet in container.demux(video):
            for frame in alone.decode(av.Packet(bytes(packet)) if packet.size else None):
                return frame_light(frame, known.codec.canonical_name)
    return Light(UNSAID, UNSAID, UNSAID, None)


def container_light(path: Path, stream: int = 0) -> Light:
    """What the container says of track number ``stream``; nothing where it is of another kind."""
    if path.suffix.lower() in (".mp4", ".mov"):
        return _iso(sample_entry(path, stream))
    return _matroska(track_elements(path, stream))


def _iso(boxes: dict[bytes, bytes]) -> Light:
    colour = boxes.get(b"colr", b"")
    primaries, trc, matrix, full = UNSAID, UNSAID, UNSAID, None
    if colour[:4] in (b"nclx", b"nclc"):
        primaries, trc, matrix = struct.unpack_from(">3H", colour, 4)
        full = bool(colour[10] & 0x80) if colour[:4] == b"nclx" else None
    mastering, level, ambient = None, None, None
    if len(box := boxes.get(b"mdcv", b"")) >= 24:
        green, blue, red, white = (
            tuple(value / 50_000 for value in struct.unpack_from(">2H", box, at))
            for at in (0, 4, 8, 12)
        )
        high, low = (value / 10_000 for value in struct.unpack_from(">2I", box, 16))
        mastering = Mastering((*red, *green, *blue, *white), (high, low))
    if len(box := boxes.get(b"clli", b"")) >= 4:
        level = struct.unpack_from(">2H", box)
    if len(box := boxes.get(b"amve", b"")) >= 8:
        lux, x, y = struct.unpack_from(">I2H", box)
        ambient = (lux / 10_000, x / 50_000, y / 50_000)
    dolby_vision = next(
        (_dolby_vision(boxes[name]) for name in _CONFIGURATIONS if name in boxes), None
    )
    return Light(trc, primaries, matrix, full, mastering, level, ambient, dolby_vision)


def _matroska(elements: list[tuple[int, bytes]]) -> Light:
    said = dict(elements)

    def number(name: int) -> int:
        return int.from_bytes(said[name], "big") if name in said else 0

    mastering = None
    if all(name in said for name in _MASTERING):
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y, high, low = (
            struct.unpack(">f" if len(said[name]) == 4 else ">d", said[name])[0]
            for name in _MASTERING
        )
        colours = (red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y)
        mastering = Mastering(colours, (high, low))
    dolby_vision, kind = None, b""
    for name, body in elements:
        if name == _ADDED_TYPE:
            kind = body
        elif name == _ADDED and kind in _CONFIGURATIONS:
            dolby_vision = _dolby_vision(body)
    return Light(
        trc=number(_TRC) or UNSAID,
        primaries=number(_PRIMARIES) or UNSAID,
        matrix=number(_MATRIX) if _MATRIX in said else UNSAID,
        full_range={1: False, 2: True}.get(number(_RANGE)),
        mastering=mastering,
        level=(number(_CLL), number(_FALL)) if _CLL in said else None,
        dolby_vision=dolby_vision,
    )


def _dolby_vision(record: bytes) -> DolbyVision | None:
    """A configuration record: versions, then profile and level, flags, and what it is like."""
    if len(record) < 5:
        return None
    return DolbyVision(record[2] >> 1, bool(record[4] >> 4))
