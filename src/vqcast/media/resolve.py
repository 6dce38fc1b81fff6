"""What `Filters` are for one source: what is automatic is settled by looking at its pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vqcast.errors import InputError
from vqcast.media.fields import Fields, look
from vqcast.media.filters import ALWAYS, Filters
from vqcast.media.graph import graph
from vqcast.media.hdr import Light
from vqcast.media.header import Header
from vqcast.media.inputs import RawFormat, Video
from vqcast.media.looking import Box, bars
from vqcast.media.option_check import help_of
from vqcast.media.options import nearest
from vqcast.media.tool import Tool

_PULLDOWN = Fraction(30000, 1001)
_SDR = Light(trc=1, primaries=1, matrix=1, full_range=False)
"""BT.709."""
_OPTION = re.compile(r"^ +(\w[\w-]*) +<\w+> +\S+ *(.*)$", re.MULTILINE)
_FILE = re.compile(r"\b(file|filename|path|device)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source's pictures as they are used."""

    header: Header
    """What the file says of them, and the filters change."""
    video: Video
    notes: tuple[str, ...] = ()
    """What was found and done, in words."""
    one_for_one: bool = True
    """Whether each picture of the file gives one, at its time."""
    looked: bool = False
    """Whether their fields were looked at."""


def resolve(
    path: Path,
    header: Header,
    tool: Tool,
    filters: Filters,
    raw: RawFormat | None = None,
    *,
    progressive: bool = False,
) -> Resolved:
    """The pictures of a file behind ``filters``.

    Raises InputError for filters that are not for it, or that ``tool`` does not know.
    """
    require_filters(filters, tool)
    _refuse(path, header, filters)
    notes: list[str] = []
    asked = filters.detelecine or filters.deinterlace in ("auto", *ALWAYS)
    flagged = header.interlaced and filters.deinterlace is None
    looked = (asked or flagged) and not progressive
    fields = look(path, header.stream, raw) if looked else Fields(None)
    deinterlace = filters.deinterlace in ALWAYS or (
        looked and fields.order is not None and not filters.detelecine
    )
    if deinterlace:
        notes.append(_of_fields(fields, filters))
    elif filters.detelecine:
        notes.append("telecined: the film's frames are encoded, scored and written")
    box = _box(path, header, raw, filters, notes)
    video = graph(
        filters, header.video, order=fields.order, deinterlace=deinterlace, box=box,
        hdr=header.hdr, pix_fmt=header.pix_fmt,
    )  # fmt: skip
    rate = header.rate and header.rate * _pictures_per_frame(filters)
    if filters.rate is not None and rate is not None and filters.rate > rate:
        notes.append(f"--fps {filters.fps} repeats frames: the source has {float(rate):g} a second")
    header = replace(header, rate=filters.rate or rate)
    if deinterlace or filters.detelecine:
        header = replace(header, interlaced=False)
    if filters.tonemap:
        notes.append(f"{header.hdr} is mapped to SDR (BT.709), which is encoded and scored")
        pix_fmt = "yuv420p" if filters.bits == 8 else "yuv420p10le"
        header = replace(header, light=_SDR, bits=filters.bits, pix_fmt=pix_fmt, full_range=False)
    return Resolved(header, video, tuple(notes), filters.one_for_one, looked)


def _pictures_per_frame(filters: Filters) -> Fraction:
    """How many pictures come of one frame, before a rate that is asked for."""
    if filters.detelecine:
        return Fraction(4, 5)
    return Fraction(2 if filters.deinterlace == "fields" else 1)


def _of_fields(fields: Fields, filters: Filters) -> str:
    order = {"tff": ", top field first", "bff": ", bottom field first", None: ""}[fields.order]
    each = ", a frame for each field" if filters.deinterlace == "fields" else ""
    told = (
        f"interlaced{order}: deinterlaced by bwdif{each}, and that is encoded, scored and written"
    )
    if fields.telecined:
        told += "; it looks like film by 3:2 pulldown, whose own frames --detelecine gives back"
    return told


def _box(
    path: Path, header: Header, raw: RawFormat | None, filters: Filters, notes: list[str]
) -> Box | None:
    """What a crop leaves; None: nothing is cropped."""
    box, whole = filters.box, (header.width, header.height)
    if filters.crop == "auto":
        box = bars(path, header.stream, raw)
        if box is None or box[:2] == (whole[0] // 2 * 2, whole[1] // 2 * 2):
            notes.append("--crop auto: no black bars were seen")
            return None
    if box is None:
        return None
    width, height, left, top = box
    if left + width > whole[0] or top + height > whole[1]:
        raise InputError(
            f"--crop {filters.crop} reaches beyond its {whole[0]}x{whole[1]} pixels", path=path,
            hint="give W:H:X:Y: width, height, left and top of what stays, or auto",
        )  # fmt: skip
    notes.append(f"cropped from {whole[0]}x{whole[1]} to {width}x{height} at {left},{top}")
    return box


def _refuse(path: Path, header: Header, filters: Filters) -> None:
    """Raise InputError for filters that make no sense of the source."""
    if filters.tonemap and header.hdr is None:
        raise InputError("is SDR, so there is nothing to map", path=path,
                         hint="leave out --tonemap")  # fmt: skip
    rate = header.rate
    if filters.detelecine and (rate is None or abs(float(rate / _PULLDOWN) - 1) > 0.005):
        has = "no rate" if rate is None else f"{float(rate):g} frames a second"
        raise InputError(
            f"has {has}, and 3:2 pulldown makes 29.97", path=path, hint="leave out --detelecine"
        )


def require_filters(filters: Filters, tool: Tool) -> None:
    """Raise InputError for filters or options of ``vf`` that ``tool`` lacks, or that name files."""
    for name, given in filters.own:
        said = help_of(tool, f"filter={name}")
        known = dict(_OPTION.findall(said))
        if "Inputs:" not in said:
            raise InputError(f"this ffmpeg has no filter {name}", field="vf")
        for key, _ in given:
            if key is not None and key not in known:
                raise InputError(
                    f"{name}: {key} is not known{nearest(key, known)}", field="vf",
                    hint=f"its options: {', '.join(sorted(known))}",
                )  # fmt: skip
            if key is not None and _FILE.search(known[key]):
                raise InputError(f"{name}: {key} can't be given: it names a file", field="vf")
