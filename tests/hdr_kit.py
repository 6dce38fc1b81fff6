"""HDR clips that ffmpeg can't draw by itself: HDR10+ and Dolby Vision, written into HEVC by hand.

The metadata is the least that a decoder takes: one window of SMPTE ST 2094-40, and an RPU of ETSI
GS CCM 001 whose mapping changes nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

MASTERING = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
"""BT.2020 primaries and D65, 1000 to 0.0001 cd/m2, in the units of the SEI message."""
COLOURS = {"PQ": ("smpte2084", 16), "HLG": ("arib-std-b67", 18)}


def hdr_words(transfer: str = "PQ", *, spread: str = "limited", light: bool = True) -> list[str]:
    """ffmpeg's words, after an input, for HEVC of that transfer."""
    tags = "color_primaries=bt2020:colorspace=bt2020nc"
    graph = f"setparams={tags}:color_trc={COLOURS[transfer][0]}:range={spread},format=yuv420p10le"
    told = "log-level=error:bframes=2"
    if light:
        told += f":master-display={MASTERING}:max-cll=1000,400"
    return ["-vf", graph, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", told]


class Bits:
    """Bits in the order in which they are written."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, *values: int) -> None:
        """Unsigned numbers of ``width`` bits."""
        for value in values:
            self.text += f"{value:0{width}b}"

    def ue(self, *values: int) -> None:
        """Exp-Golomb numbers."""
        for value in values:
            bits = f"{value + 1:b}"
            self.text += "0" * (len(bits) - 1) + bits

    def bytes(self) -> bytes:
        """All of them, the last byte filled with zeros."""
        text = self.text + "0" * (-len(self.text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def hdr10_plus(average: int = 5_000, *, curve: bool = False) -> bytes:
    """A user data SEI message (ITU-T T.35) with one window's statistics, and a curve."""
    bits = Bits()
    bits.u(8, 0xB5)
    bits.u(16, 0x3C, 1)
    bits.u(8, 4, 1)
    bits.u(2, 1)
    bits.u(27, 400)
    bits.u(1, 0)
    bits.u(17, 20_000, 18_000, 15_000, average)
    bits.u(4, 1)
    bits.u(7, 99)
    bits.u(17, 19_000)
    bits.u(10, 0)
    bits.u(1, 0, curve)
    if curve:
        bits.u(12, 17, 64)
        bits.u(4, 2)
        bits.u(10, 265, 957)
    bits.u(1, 0)
    payload = bits.bytes()
    return bytes((0x4E, 0x01, 4, len(payload))) + payload + b"\x80"


def rpu(profile: int) -> bytes:
    """The RPU of Dolby Vision ``profile`` 5 or 8: each picture as its base layer has it."""
    bits = Bits()
    bits.u(6, 2)
    bits.u(11, 18)
    bits.u(4, 0 if profile == 5 else 1, 0)
    bits.u(1, 1, 0)
    bits.u(2, 0)
    bits.ue(23)
    bits.u(2, 1)
    bits.u(1, profile == 5)
    bits.ue(2, 2, 4)
    bits.u(1, 0)
    bits.u(3, 0)
    bits.u(1, 0, 1)  # no enhancement layer
    bits.u(1, 0, 0)  # no display management, nothing of an earlier picture
    bits.ue(0, 0, 0)
    for _ in range(3):
        bits.ue(0)
        bits.u(10, 0, 1023)
    bits.ue(0, 0)
    for _ in range(3):
        bits.ue(0, 0)
        bits.u(1, 0)
        for whole in (0, 1):  # 0 + 1 x
            bits.ue((0, 1)[whole])
            bits.u(23, 0)
    payload = bits.bytes()
    checksum = 0xFFFFFFFF
    for byte in payload:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    return b"\x7c\x01\x19" + payload + checksum.to_bytes(4, "big") + b"\x80"


def with_units(stream: Path, *, before: bytes | Sequence[bytes] = b"", after: bytes = b"") -> Path:
    """A raw HEVC file in which a NAL unit stands before and after each picture's.

    ``before`` may be one unit a picture, as they are coded.
    """
    units = re.split(rb"\x00\x00\x00?\x01", stream.read_bytes())[1:]
    written, others = b"", itertools.repeat(before) if isinstance(before, bytes) else iter(before)
    for unit in units:
        is_picture = unit[0] >> 1 < 32
        for each in (next(others), unit, after) if is_picture else (unit,):
            if each:
                escaped = each if each is unit else _escaped(each)
                written += b"\x00\x00\x00\x01" + escaped
    made = stream.with_name(f"{stream.stem}-with.h265")
    made.write_bytes(written)
    return made


def _escaped(unit: bytes) -> bytes:
    """With an emulation prevention byte wherever a start code would seem to begin."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", unit)
