"""What the light of a video is: its transfer and colours, and the metadata that displays read.

Read with PyAV from a decoded frame: ITU-T H.273 code points, the mastering display (SMPTE ST 2086),
the content light level (CTA-861.3), HDR10+ (SMPTE ST 2094-40), and which Dolby Vision its RPU is::

    light = frame_light(frame, "hevc")
    light.transfer, light.mastering.luminance, light.dolby_vision.profile
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273."""
UNSAID = 2
"""In H.273: unspecified."""
_FULL_RANGE = 2
"""AVColorRange."""
_MASTERING = "MASTERING_DISPLAY_METADATA"
_LIGHT_LEVEL = "CONTENT_LIGHT_LEVEL"
_AMBIENT = "AMBIENT_VIEWING_ENVIRONMENT"
_MOST_LUMINANCE = 10_000.0
"""What ST 2086 goes up to, cd/m2."""
HDR10_PLUS = "DYNAMIC_HDR_PLUS"
_DOLBY_VISION = "DOVI_METADATA"


@dataclass(frozen=True, slots=True)
class Mastering:
    """The display on which a film was graded (SMPTE ST 2086)."""

    colours: tuple[float, float, float, float, float, float, float, float]
    """CIE 1931 x and y of red, green, blue and white."""
    luminance: tuple[float, float]
    """Highest and lowest, cd/m2."""

    def is_like(self, other: Mastering) -> bool:
        """Whether both say the same, as exactly as AV1 says it: 16 bits, 24.8 and 18.14."""
        near = all(abs(a - b) < 5e-5 for a, b in zip(self.colours, other.colours, strict=True))
        (high, low), (other_high, other_low) = self.luminance, other.luminance
        return near and abs(high - other_high) < 5e-3 and abs(low - other_low) < 1e-4

    def __str__(self) -> str:
        red, green, blue, white = (
            "{:.4f},{:.4f}".format(*self.colours[at : at + 2]) for at in (0, 2, 4, 6)
        )
        high, low = self.luminance
        return f"R({red}) G({green}) B({blue}) WP({white}) {low:.4f}..{high:g} cd/m2"


@dataclass(frozen=True, slots=True)
class DolbyVision:
    """Which Dolby Vision the RPU of a stream is."""

    profile: int
    compatible: bool
    """Whether its base layer is HDR10, HLG or SDR, so that other displays show it right."""

    def __str__(self) -> str:
        return f"profile {self.profile}"


@dataclass(frozen=True, slots=True)
class Light:
    """What is said of the light of a video's pictures; H.273's numbers, 2 where nothing is."""

    trc: int
    primaries: int
    matrix: int
    full_range: bool | None
    """None: not said."""
    mastering: Mastering | None = None
    level: tuple[int, int] | None = None
    """MaxCLL and MaxFALL, cd/m2."""
    ambient: tuple[float, float, float] | None = None
    """Of the surroundings in which it was graded: lux, and CIE 1931 x and y."""
    dolby_vision: DolbyVision | None = None
    hdr10_plus: bool = False
    """Whether frames come with dynamic metadata (SMPTE ST 2094-40)."""

    @property
    def transfer(self) -> str | None:
        """PQ or HLG; None: SDR."""
        return _TRANSFERS.get(self.trc)


def frame_light(frame: Any, codec: str) -> Light:
    """What a frame of PyAV says; ``codec`` is FFmpeg's name of what it was coded as."""
    said = beside(frame)
    return Light(
        trc=int(frame.color_trc or UNSAID),
        primaries=int(frame.color_primaries or UNSAID),
        matrix=int(UNSAID if frame.colorspace is None else frame.colorspace),
        full_range=None if not frame.color_range else int(frame.color_range) == _FULL_RANGE,
        mastering=_mastering(said.get(_MASTERING, b"")),
        level=_level(said.get(_LIGHT_LEVEL, b"")),
        ambient=_ambient(said.get(_AMBIENT, b"")),
        dolby_vision=_dolby_vision(said.get(_DOLBY_VISION, b""), codec),
        hdr10_plus=HDR10_PLUS in said,
    )


def beside(frame: Any) -> dict[str, bytes]:
    """What comes beside a frame of PyAV, by FFmpeg's names."""
    try:
        return {data.type.name: bytes(data) for data in frame.side_data}
    except ValueError:  # of several views; PyAV has no name for it
        return {}


def _mastering(data: bytes) -> Mastering | None:
    """FFmpeg's AVMasteringDisplayMetadata; None where a part is not said, or says what can't be."""
    if len(data) < 88:
        return None
    numbers = struct.unpack_from("=22i", data)
    parts = [a / b if b else 0.0 for a, b in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    low, high = parts[8:]
    if not all(numbers[20:]) or not all(0 <= part <= 1 for part in parts[:8]):
        return None
    if not 0 <= low < high <= _MOST_LUMINANCE:
        return None
    red, green, blue, white = parts[0:2], parts[2:4], parts[4:6], parts[6:8]
    return Mastering((*red, *green, *blue, *white), (high, low))  # type: ignore[arg-type]


def _level(data: bytes) -> tuple[int, int] | None:
    """FFmpeg's AVContentLightMetadata; None where it says nothing."""
    if len(data) < 8:
        return None
    most, average = struct.unpack_from("=2I", data)
    return (most, average) if most or average else None


def _ambient(data: bytes) -> tuple[float, float, float] | None:
    if len(data) < 24:
        return None
    numbers = struct.unpack_from("=6i", data)
    lux, x, y = (a / (b or 1) for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return lux, x, y


def _dolby_vision(data: bytes, codec: str) -> DolbyVision | None:
    """The profile that an RPU's header (FFmpeg's AVDOVIRpuDataHeader) is of."""
    if len(data) < 32:
        return None
    (start,) = struct.unpack_from("=Q", data)
    header = data[start : start + 18]
    if len(header) < 18:
        return None
    rpu_profile, full_range, depth = header[4], header[9], header[12]
    enhanced = bool(header[14]) and not header[15]
    compatible = not (rpu_profile == 0 and full_range)
    if codec != "hevc":
        return DolbyVision({"av1": 10, "h264": 9}.get(codec, 8), compatible)
    if not compatible:
        return DolbyVision(5, compatible)
    return DolbyVision((7 if depth == 12 else 4) if enhanced else 8, compatible)
