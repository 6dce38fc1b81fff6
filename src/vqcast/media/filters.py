"""Filters that a source's pictures go through before they are encoded, read and refused here.

    Filters(crop="auto", scale="-2:720", vf="unsharp=3:3:0.5")

What comes out of them is the reference: probes, looks, the finished encode and every score are of
the filtered pictures. Filters of one's own (``vf``) are taken from a list: those that give one
picture for each, at its time, and open no file or device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

from annotated_doc import Doc

from vqcast.errors import InputError
from vqcast.media.inputs import is_deep
from vqcast.media.options import EncoderOptions, as_words, nearest

DENOISERS = {
    "light": "hqdn3d=2:1.5:3:2.25",
    "medium": "hqdn3d=4:3:6:4.5",
    "strong": "hqdn3d=8:6:12:9",
}
"""Half, once and twice ffmpeg's own default strengths of hqdn3d."""
_ALONE = """avgblur bilateral boxblur cas chromanr chromashift colorbalance colorchannelmixer
colorcontrast colorcorrect colorlevels colormatrix colorspace colortemperature copy crop curves
deband deblock delogo drawbox eq fillborders gblur gradfun hflip histeq hue lenscorrection limiter
lutyuv median nlmeans owdenoise pad removegrain rotate sab scale setdar setsar smartblur spp
transpose unsharp vaguedenoiser vflip vibrance"""
_BESIDE = """atadenoise deflicker hqdn3d noise normalize"""
_BY_ITSELF = frozenset(_ALONE.split())
"""Filters that make each picture from one alone; the others look at those beside it."""
TAKEN = _BY_ITSELF | frozenset(_BESIDE.split())
_FIELDS = "bwdif yadif w3fdif estdif kerndeint nnedi separatefields tinterlace weave"
_PULLDOWN = "fieldmatch decimate pullup telecine detelecine"
_RATES = "fps framerate minterpolate framestep mpdecimate"
_OPENS = """movie amovie lut3d lut1d haldclut subtitles ass drawtext removelogo find_rect cover_rect
vidstabdetect vidstabtransform frei0r ladspa coreimage dnn_processing dnn_classify sr derain
sendcmd zmq azmq metadata libvmaf ssim psnr xpsnr signature colormap"""
_INSTEAD = {
    **dict.fromkeys(_FIELDS.split(), "use --deinterlace"),
    **dict.fromkeys(_PULLDOWN.split(), "use --detelecine"),
    **dict.fromkeys(_RATES.split(), "use --fps"),
    **dict.fromkeys(("tonemap", "zscale", "libplacebo"), "use --tonemap"),
    **dict.fromkeys(_OPENS.split(), "it works with something beside the video"),
    "format": "--pix-fmt and --depth say the format of the encode",
}
"""Filters that are not taken -> what is, or why."""
_FILTER = re.compile(r"([a-z][a-z0-9_]*)(?:=(.+))?")
_VALUE = re.compile(r"[A-Za-z0-9_.+\-*/()|#]+")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FILES = re.compile(r"file|path|plot|model|weights|^stats")
_CHANGES = re.compile(r"\b(n|t|N|T|pts|PTS|pos|random)\b")
"""In an expression: what differs from one picture to the next."""
_CROP = re.compile(r"(\d{1,5}):(\d{1,5}):(\d{1,5}):(\d{1,5})", re.ASCII)
_SCALE = re.compile(r"(-2|\d{1,5}):(-2|\d{1,5})", re.ASCII)
_RATE = re.compile(r"\d{1,6}(?:/\d{1,4}|\.\d{1,4})?", re.ASCII)
ALWAYS = ("bwdif", "fields")
"""Ways to deinterlace whatever the pictures look like."""
_DEINTERLACE = ("auto", *ALWAYS, "no")
_NTSC = (24, 30, 48, 60, 120)
_MOST_RATE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What pictures go through before they are encoded and compared.

    Raises InputError for what can't be read, is not taken, or contradicts itself.
    """

    crop: Annotated[
        str | None, Doc("Cut black bars away: auto, or W:H:X:Y in pixels, all even.")
    ] = None
    scale: Annotated[str | None, Doc("Scale to W:H, such as 1280:720; -2:720 keeps the shape.")] = (
        None
    )
    deinterlace: Annotated[
        str | None,
        Doc(
            "auto: bwdif where the pictures show that they are interlaced, whatever their flags; "
            "bwdif: always; fields: always, a frame for each field, so twice as many; no: refuse "
            "such a source. Default: auto where they are flagged."
        ),
    ] = None
    detelecine: Annotated[
        bool, Doc("Undo 3:2 pulldown: from 29.97 frames a second back to the film's 23.976.")
    ] = False
    fps: Annotated[str | None, Doc("Frames a second, such as 25, 24000/1001 or 23.976.")] = None
    denoise: Annotated[str | None, Doc("Denoise: light, medium or strong (hqdn3d).")] = None
    tonemap: Annotated[bool, Doc("Map an HDR source to SDR (BT.709, hable).")] = False
    vf: Annotated[
        str | None,
        Doc("ffmpeg filters, such as unsharp=3:3:0.5,hflip; none that opens a file."),
    ] = None
    bits: int = 8
    """Bits a sample of pictures that were mapped to SDR: 8, or 10 where the encode has them."""

    def __post_init__(self) -> None:
        if self.crop not in (None, "auto"):
            _check_crop(self.crop or "")
        if self.scale is not None:
            _check_scale(self.scale)
        for field, known in (("deinterlace", _DEINTERLACE), ("denoise", DENOISERS)):
            if getattr(self, field) not in (None, *known):
                raise InputError(
                    f"{getattr(self, field)!r} is not known", field=field,
                    hint=f"use one of: {', '.join(known)}",
                )  # fmt: skip
        if self.detelecine and self.deinterlace in ALWAYS:
            raise InputError(
                f"--detelecine and --deinterlace {self.deinterlace} both say what becomes of "
                "the fields",
                hint="leave one out; --deinterlace auto tells which a source needs",
            )
        _ = self.rate, self.own  # refuses what can't be read

    @property
    def one_for_one(self) -> bool:
        """Whether each picture gives one, at its time."""
        return not self.detelecine and self.fps is None and self.deinterlace != "fields"

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Width, height, left and top of a crop that is given in numbers."""
        found = _CROP.fullmatch(self.crop or "")
        if found is None:
            return None
        width, height, left, top = map(int, found.groups())
        return width, height, left, top

    @property
    def rate(self) -> Fraction | None:
        """Frames a second that are asked for: 23.976 is 24000/1001."""
        if self.fps is None:
            return None
        try:
            rate = Fraction(self.fps) if _RATE.fullmatch(self.fps) else Fraction(0)
        except ZeroDivisionError:
            rate = Fraction(0)
        if not 0 < rate <= _MOST_RATE:
            raise InputError(
                f"{self.fps!r} is no number of frames a second up to {_MOST_RATE}",
                field="fps", hint="such as 25, 24000/1001 or 23.976",
            )  # fmt: skip
        near = [Fraction(1000 * whole, 1001) for whole in _NTSC]
        return next((each for each in near if abs(each - rate) < Fraction(1, 200)), rate)

    @property
    def own(self) -> list[tuple[str, list[tuple[str | None, str]]]]:
        """The filters of ``vf``: each one's name, and its options' names and values."""
        if self.vf is None:
            return []
        if not self.vf.strip():
            raise InputError("names no filter", field="vf", hint="such as --vf hflip")
        return [_filter(text) for text in self.vf.split(",")]

    @property
    def own_by_itself(self) -> bool:
        """Whether each picture of ``vf`` is made from one picture alone."""
        return all(
            name in _BY_ITSELF and not any(_CHANGES.search(value) for _, value in given)
            for name, given in self.own
        )

    def for_encode(self, options: EncoderOptions) -> Filters:
        """The same, mapped to SDR in the depth of an encode with ``options``."""
        deep = options.depth == 10 or (options.pix_fmt is not None and is_deep(options.pix_fmt))
        return replace(self, bits=10) if self.tonemap and deep else self

    def __str__(self) -> str:
        """The same as the words of a command line; empty: nothing is asked for."""
        return as_words(self, without=("bits",))


def _check_crop(text: str) -> None:
    found = _CROP.fullmatch(text)
    sides = [int(each) for each in found.groups()] if found else []
    if not sides or any(side % 2 for side in sides) or not sides[0] or not sides[1]:
        raise InputError(
            f"{text!r} is not auto or W:H:X:Y in even numbers of pixels",
            field="crop", hint="such as 1920:800:0:140: width, height, left and top of what stays",
        )  # fmt: skip


def _check_scale(text: str) -> None:
    found = _SCALE.fullmatch(text)
    sides = [int(each) for each in found.groups()] if found else []
    if not sides or min(sides) == max(sides) == -2 or any(side % 2 or not side for side in sides):
        raise InputError(
            f"{text!r} is not W:H in even numbers of pixels, one of which may be -2",
            field="scale", hint="such as 1280:720, or -2:720 to keep the shape",
        )  # fmt: skip


def _filter(text: str) -> tuple[str, list[tuple[str | None, str]]]:
    """One filter of ``vf``. Raises InputError for one that is not taken."""
    found = _FILTER.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"{text!r} is no filter", field="vf",
            hint="such as unsharp=3:3:0.5; quotes, brackets, @ and ; are not read",
        )  # fmt: skip
    name, options = found[1], found[2]
    if name in _INSTEAD:
        raise InputError(f"{name} can't be given: {_INSTEAD[name]}", field="vf")
    if name not in TAKEN:
        raise InputError(
            f"{name} is not one of the filters that are taken{nearest(name, TAKEN)}", field="vf",
            hint=f"they are: {', '.join(sorted(TAKEN))}",
        )  # fmt: skip
    return name, list(_options(name, options) if options is not None else [])


def _options(name: str, text: str) -> Iterator[tuple[str | None, str]]:
    for part in text.split(":"):
        key, equals, value = part.rpartition("=")
        if not _VALUE.fullmatch(value) or (equals and not _OPTION.fullmatch(key)):
            raise InputError(f"{name}: {part!r} is no option", field="vf",
                             hint="quotes and brackets are not read")  # fmt: skip
        if _FILES.search(key) or value.startswith(("/", ".")) or "//" in value:
            raise InputError(f"{name}: {part!r} can't be given: it names a file", field="vf")
        yield (key or None), value


UNFILTERED = Filters()
