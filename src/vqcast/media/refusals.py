"""What a source is refused for, and what is told of one that is taken."""

from __future__ import annotations

from pathlib import Path

from vqcast.documents.source import Damage
from vqcast.errors import InputError, MediaError
from vqcast.media import inputs
from vqcast.media.decode import FrameIndex
from vqcast.media.fields import is_interlaced, repeated
from vqcast.media.graph import to_sdr
from vqcast.media.header import Header
from vqcast.media.inputs import RawFormat
from vqcast.media.remake import remake

MIN_SIDE = 18
"""libvmaf crashes where a side is shorter."""
_FEW = 24
"""Frames that are too few to forecast from."""
_REPEATS = 0.25
"""Share of frames like the one before, from which on a rate is not that of the pictures."""
_LARGER = (
    f"scale={4 * MIN_SIDE}:{4 * MIN_SIDE}:force_original_aspect_ratio=increase"
    ":force_divisible_by=2,format=yuv420p"
)
_FORM = ("yuv420p", "yuv420p10le")
"""Of pictures of 8 bits, and of more."""
_PQ_TAGS = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"


def refuse(path: Path, header: Header, *, sdr_only: bool = False) -> None:
    """Raise MediaError for pictures that no encode here keeps, and HDR where it can't be used."""
    if header.hdr and sdr_only:
        raise MediaError(
            f"is HDR ({header.hdr}), and the networks are defined on SDR pictures",
            path=path,
            hint="corpus build maps it with --tonemap; or map it to SDR first: "
            + remake(path, to_sdr(header.hdr)),
        )
    vision = header.light.dolby_vision
    if vision is not None and not vision.compatible:
        raise MediaError(
            f"is Dolby Vision {vision}, whose pictures no other display shows right: it has no "
            "HDR10, HLG or SDR base layer",
            path=path,
            hint="get the film with an HDR10 base layer, such as Dolby Vision profile 8",
        )
    if header.light.hdr10_plus and not header.hdr:
        raise MediaError(
            "comes with HDR10+ metadata, but is not tagged as PQ",
            path=path,
            hint=f"tag it first: {remake(path, _PQ_TAGS)}",
        )
    if header.alpha:
        raise MediaError(
            f"has an alpha channel ({header.pix_fmt}), which no encode here keeps",
            path=path,
            hint=f"drop it first: {remake(path, f'format={_FORM[header.bits > 8]}')}",
        )


def fits(width: int, height: int) -> bool:
    """Whether pictures of this size can be encoded as 4:2:0, and scored."""
    return min(width, height) >= MIN_SIDE and width % 2 == 0 and height % 2 == 0


def refuse_size(path: Path, size: tuple[int, int] | None, header: Header) -> None:
    """Raise MediaError for a size that does not fit; None: the header's."""
    width, height = size or (header.width, header.height)
    if fits(width, height):
        return
    if min(width, height) < MIN_SIDE:
        raise MediaError(
            f"{width}x{height} can't be scored: no side may be shorter than {MIN_SIDE}",
            path=path,
            hint=f"scale it up first: {remake(path, _LARGER)}",
        )
    even = f"crop={width // 2 * 2}:{height // 2 * 2}:0:0,format={_FORM[header.bits > 8]}"
    raise MediaError(
        f"{width}x{height} can't be encoded as 4:2:0, which needs even sides",
        path=path,
        hint=f"crop it first: {remake(path, even)}",
    )


def refuse_interlaced(path: Path, header: Header, index: FrameIndex) -> None:
    """Raise MediaError unless the pictures show that the flag is wrong."""
    if not is_interlaced(path, header.stream):
        return
    first = int(index.interlaced.argmax()) if index.interlaced.any() else 0
    raise MediaError(
        f"is interlaced from frame {first} on, and its pictures are combed; "
        "VMAF is defined on progressive frames",
        path=path,
        hint="say --deinterlace auto to deinterlace it, or --progressive where the pictures are "
        "not interlaced",
    )


def notes(header: Header, size: tuple[int, int], *, flagged: bool) -> tuple[str, ...]:
    """What encoding and scoring change in the pictures, in words."""
    told = []
    if size != (header.width, header.height):
        told.append(
            f"the container crops {header.width}x{header.height} to {size[0]}x{size[1]}, "
            "and that is what is encoded, scored and written"
        )
    if flagged:
        told.append("flagged as interlaced, but its pictures are progressive: encoded as that")
    if header.one_view:
        told.append("a 3D video: the view that a plain decoder gives is encoded, as 2D")
    if header.bits > 10:
        told.append(f"{header.bits} bits a sample are scored as 10")
    return tuple(told)


def unusual(
    path: Path,
    header: Header,
    index: FrameIndex,
    harm: Damage | None,
    *,
    looked_at: bool,
    one_for_one: bool,
) -> tuple[str, ...]:
    """Why no forecast was calibrated on the like of it, in words that follow "the source".

    ``looked_at``: whether its pictures are looked at for frames that repeat, ``one_for_one``:
    whether they are those of the file.
    """
    told, count = [], len(index.times_us)
    if harm is not None:
        told.append("is damaged")
    if count < _FEW:
        told.append(f"has {count} frame{'' if count == 1 else 's'}")
    elif looked_at:
        share = repeated(path, header.stream) if one_for_one else index.repeats
        if share >= _REPEATS:
            told.append(f"repeats {share:.0%} of its frames")
    if header.hdr:
        told.append(f"is HDR ({header.hdr})")
    if header.full_range:
        told.append("is in full range")
    return tuple(told)


def check_raw_length(path: Path, raw: RawFormat) -> None:
    """Raise InputError for numbers that are no video's, MediaError for a file that is cut."""
    if min(raw.width, raw.height) < 1 or raw.fps <= 0:
        raise InputError(
            f"{raw.width}x{raw.height} at {raw.fps} frames a second is not a video",
            path=path,
            hint="check --width, --height and --raw-fps",
        )
    frame_bytes = inputs.raw_frame_bytes(raw.width, raw.height, raw.pix_fmt)
    size = path.stat().st_size
    if size % frame_bytes:
        raise MediaError(
            f"{size} bytes are not whole frames of {raw.width}x{raw.height} {raw.pix_fmt}"
            f" ({frame_bytes} bytes each)",
            path=path,
            hint="check --width, --height and --raw-pix-fmt",
        )
