"""What an encoder is told so that HDR stays HDR, and what was seen to stay of it. Pure.

Colours are set on the frames, since a look at a film is raw video that says nothing of them. What
displays read besides goes among a library's own parameters: by itself ffmpeg hands it to some
encoders alone, and of whole films.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from vqcast.documents.source import Hdr, HdrFact
from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS, Encoder
from vqcast.media.hdr import UNSAID, Light, Mastering
from vqcast.media.inputs import is_deep
from vqcast.media.options import EncoderOptions, joined, plain_name

Pairs = list[tuple[str, str]]
_NAMES = {
    "color_primaries": {1: "bt709", 9: "bt2020", 11: "smpte431", 12: "smpte432"},
    "color_trc": {1: "bt709", 14: "bt2020-10", 16: "smpte2084", 18: "arib-std-b67"},
    "colorspace": {1: "bt709", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp"},
}
"""FFmpeg's names of H.273's numbers; others are given as numbers."""
_MOST_NITS = 10_000
"""What PQ ends at, cd/m2."""
_CHROMATICITY, _CANDELA = 50_000, 10_000
"""Units of ST 2086's SEI message: of a chromaticity, and of a cd/m2."""


def tags(light: Light, *, unsaid: bool = False) -> str:
    """The filter that sets the colours of each frame; with ``unsaid`` also to not being said."""
    said = {
        "color_primaries": light.primaries, "color_trc": light.trc, "colorspace": light.matrix,
    }  # fmt: skip
    words = [
        f"{option}={_NAMES[option].get(value, value)}"
        for option, value in said.items()
        if value != UNSAID or unsaid
    ]
    if light.full_range is not None:
        words.append(f"range={'full' if light.full_range else 'limited'}")
    elif unsaid:
        words.append("range=unspecified")
    return f"setparams={':'.join(words)}"


def told(options: list[str], entry: Encoder, light: Light, depth: int) -> list[str]:
    """An encoder's ``options`` with the parameters of its library that say ``light``.

    Raises InputError for an encode of 8 bits.
    """
    if not is_deep(entry.pix_fmt(depth)):
        raise InputError(
            f"HDR ({light.transfer}) needs 10 bits a sample, not {entry.pix_fmt(depth)}",
            hint="leave out --depth and --pix-fmt",
        )
    if entry.private is None or entry.private[0] not in _PARAMETERS:
        return options
    for name, value in _PARAMETERS[entry.private[0]](light):
        options = joined(options, entry.private[1], f"{name}={value}")
    return options


def _sei(mastering: Mastering) -> tuple[list[int], list[int]]:
    """Chromaticities of green, blue, red and white, and the luminance, in units of the SEI."""
    colours = [round(value * _CHROMATICITY) for value in mastering.colours]
    order = [*colours[2:6], *colours[:2], *colours[6:]]
    return order, [round(value * _CANDELA) for value in mastering.luminance]


def _lettered(mastering: Mastering) -> str:
    colours, (high, low) = _sei(mastering)
    return "G({},{})B({},{})R({},{})WP({},{})".format(*colours) + f"L({high},{low})"


def _x265(light: Light) -> Pairs:
    told: Pairs = []
    if light.mastering:
        told.append(("master-display", _lettered(light.mastering)))
    if light.level:
        told.append(("max-cll", "{},{}".format(*light.level)))
    return told


def _x264(light: Light) -> Pairs:
    names = {"master-display": "mastering-display", "max-cll": "cll"}
    return [(names[name], value) for name, value in _x265(light)]


def _svt(light: Light) -> Pairs:
    told: Pairs = []
    if light.mastering:
        red, green, blue, white = (
            "{:.5f},{:.5f}".format(*light.mastering.colours[at : at + 2]) for at in (0, 2, 4, 6)
        )
        lit = "{:.4f},{:.4f}".format(*light.mastering.luminance)
        told.append(("mastering-display", f"G({green})B({blue})R({red})WP({white})L({lit})"))
    if light.level:
        told.append(("content-light", "{},{}".format(*light.level)))
    return told


def _vvenc(light: Light) -> Pairs:
    told: Pairs = [("Range", "full")] if light.full_range else []  # ffmpeg does not tell it
    if light.mastering:
        colours, lit = _sei(light.mastering)
        numbers = ",".join(map(str, (*colours, *lit)))
        told.append(("MasteringDisplayColourVolume", numbers))
    if light.level and max(light.level) <= _MOST_NITS:  # beyond that it encodes nothing
        told.append(("MaxContentLightLevel", "{},{}".format(*light.level)))
    return told


_PARAMETERS: dict[str, Callable[[Light], Pairs]] = {
    "x265": _x265, "x264": _x264, "svt": _svt, "vvenc": _vvenc,
}  # fmt: skip
"""The private list of `EncoderOptions` -> what is said in it. libaom has no such parameters."""


def left_out(light: Light) -> list[str]:
    """What no encode keeps unless it is asked to, in words."""
    if light.dolby_vision is None:
        return []
    base = {"PQ": "HDR10", "HLG": "HLG"}.get(light.transfer or "", "SDR")
    return [f"Dolby Vision ({light.dolby_vision}) is left out: its {base} base layer is encoded"]


def keep_dolby_vision(
    light: Light, entry: Encoder, muxer: str, *, can: bool, chain: str = ""
) -> list[str]:
    """ffmpeg's words by which an encode carries Dolby Vision on; none where ``light`` has none.

    ``can``: whether this ffmpeg's encoder takes them; ``chain``: the filters that the pictures go
    through. Raises InputError where it can't be kept.
    """
    vision, wanted = light.dolby_vision, "--dolby-vision keep"
    if vision is None:
        return []
    base = "leave it out to encode the base layer"
    if not can:
        raise InputError(
            f"{wanted}: {entry.name} does not write Dolby Vision in this ffmpeg",
            hint=f"use libx265, libsvtav1 or libaom-av1, or {base}",
        )
    if muxer not in _HOLD_DOLBY_VISION:
        raise InputError(
            f"{wanted}: {muxer} does not say that its video is Dolby Vision",
            hint=f"name the output .mkv or .mp4, or {base}",
        )
    if vision.profile in _WITH_ENHANCEMENT:
        raise InputError(f"{wanted}: {vision} has a second layer, which is not encoded", hint=base)
    if "crop=" in chain:
        raise InputError(
            f"{wanted}: its metadata says where the picture's bars are, which --crop cuts off",
            hint=f"leave out --crop, or {base}",
        )
    return ["-dolbyvision:v:0", "1", "-strict", "unofficial"]


_HOLD_DOLBY_VISION = ("matroska", "mp4")
_WITH_ENHANCEMENT = (4, 7)


def with_room(given: EncoderOptions, encoder: str, pixels: int) -> EncoderOptions:
    """``given`` with the buffer that x265 asks for with Dolby Vision; others ask for none."""
    private = ENCODERS[encoder].private if encoder in ENCODERS else None
    if private is None or private[0] != "x265":
        return given
    if any(plain_name(name).startswith("vbv") for name, _ in given.private("x265")):
        return given
    rate = _HIGH_RATE if pixels > _HD_PIXELS else _RATE
    words = [*filter(None, [given.x265]), f"vbv-maxrate={rate}:vbv-bufsize={rate}"]
    return replace(given, x265=":".join(words))


_HD_PIXELS, _RATE, _HIGH_RATE = 1920 * 1088, 40_000, 100_000
"""kbit/s of HEVC's level 5.1, main tier, and of a UHD disc: more than films here come to."""


def compared(light: Light, stream: Light, container: Light) -> Hdr:
    """What of a source's ``light`` the delivered ``stream`` and its ``container`` still say."""
    facts = []
    for name, say in _FACTS.items():
        source, inside, beside = say(light), say(stream), say(container)
        if source is None:
            continue
        there = tuple(_agree(name, light, each) for each in (stream, container))
        facts.append(
            HdrFact(name=name, source=source, stream=inside, container=beside, kept=_WHERE[there])
        )
    return Hdr(transfer=light.transfer or "SDR", facts=tuple(facts))


_WHERE: dict[tuple[bool, ...], Literal["both", "stream", "container", "no"]] = {
    (True, True): "both", (True, False): "stream",
    (False, True): "container", (False, False): "no",
}  # fmt: skip


def _agree(name: str, light: Light, other: Light) -> bool:
    if light.mastering and other.mastering and name == "mastering display":
        return light.mastering.is_like(other.mastering)
    if name == "Dolby Vision":  # AV1's profile is another than HEVC's of the same metadata
        return other.dolby_vision is not None
    return _FACTS[name](light) == _FACTS[name](other)


def notes(found: Hdr, encoder: str, *, dolby_vision: bool = False) -> list[str]:
    """What is lost, in words; Dolby Vision where it was to be kept."""
    told = []
    for fact in found.facts:
        if fact.kept == "both" or (fact.name == "Dolby Vision" and not dolby_vision):
            continue
        place = f"the stream of {encoder}" if fact.kept == "container" else "the container"
        said = {"stream": fact.container, "container": fact.stream}
        other = said.get(fact.kept, fact.stream or fact.container)
        if fact.kept == "no":
            now = f"the output says {other}" if other else "the output does not say it"
            told.append(f"{fact.name} ({fact.source}) is lost: {now}")
        elif other or (fact.kept == "container" and fact.name in _IN_STREAMS):
            now = f"says {other}" if other else "does not hold it"
            told.append(f"{fact.name} is in the {fact.kept} alone: {place} {now}")
    return told


_IN_STREAMS = ("mastering display", "content light level")
"""What is told where the container alone has it. Of colours players ask the container first."""


def _code(option: str, value: int) -> str | None:
    return None if value == UNSAID else str(_NAMES[option].get(value, value))


def _range(light: Light) -> str | None:
    return None if light.full_range is None else "full" if light.full_range else "limited"


_FACTS: dict[str, Callable[[Light], str | None]] = {
    "primaries": lambda light: _code("color_primaries", light.primaries),
    "transfer": lambda light: _code("color_trc", light.trc),
    "matrix": lambda light: _code("colorspace", light.matrix),
    "range": _range,
    "mastering display": lambda light: str(light.mastering) if light.mastering else None,
    "content light level": lambda light: (
        "MaxCLL {}, MaxFALL {}".format(*light.level) if light.level else None
    ),
    "ambient light": lambda light: f"{light.ambient[0]:g} lux" if light.ambient else None,
    "Dolby Vision": lambda light: str(light.dolby_vision) if light.dolby_vision else None,
    "HDR10+": lambda light: "ST 2094-40" if light.hdr10_plus else None,
}
