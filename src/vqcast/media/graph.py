"""The filters of ffmpeg that `Filters` become for one source: plain text, nothing run.

Fields first, then frames a second, crop, denoise, tone mapping, scale, and filters of one's own.
"""

from __future__ import annotations

from vqcast.media.fields import Order
from vqcast.media.filters import DENOISERS, Filters
from vqcast.media.inputs import Video
from vqcast.media.looking import Box

_TRANSFERS = {"PQ": "smpte2084", "HLG": "arib-std-b67"}
_TO_SDR = (
    "setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc,"
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv:d=error_diffusion,format={pix_fmt}"
)
_BESIDE = """MASTERING_DISPLAY_METADATA CONTENT_LIGHT_LEVEL AMBIENT_VIEWING_ENVIRONMENT
DYNAMIC_HDR_PLUS DOVI_METADATA DOVI_RPU_BUFFER"""
"""What comes beside HDR pictures and would be carried on; rotation and captions stay."""
_NEIGHBOURS = 2
"""Pictures before and after one that bwdif looks at, and one more."""


def graph(
    filters: Filters,
    stream: str,
    *,
    order: Order | None,
    deinterlace: bool,
    box: Box | None,
    hdr: str | None,
    pix_fmt: str,
) -> Video:
    """The pictures of ``stream`` behind ``filters``.

    ``order`` is that of the fields (None: as flagged), ``box`` what a crop leaves, ``pix_fmt`` the
    format of the pictures, which they keep.
    """
    chain: list[str] = []
    reach: int | None = 0
    if filters.detelecine:
        matched = f"fieldmatch=order={order or 'auto'}:combmatch=full"
        chain += [matched, "bwdif=mode=send_frame:deint=interlaced", "decimate", "setfield=prog"]
        reach = None
    elif deinterlace:
        each = "field" if filters.deinterlace == "fields" else "frame"
        chain += [f"bwdif=mode=send_{each}:parity={order or 'auto'}:deint=all", "setfield=prog"]
        reach = _NEIGHBOURS if each == "frame" else None
    if filters.rate is not None:
        chain.append(f"fps={filters.rate}")
        reach = None
    if box is not None:
        chain.append("crop={}:{}:{}:{}".format(*box))
    if filters.denoise is not None:
        chain.append(DENOISERS[filters.denoise])
        reach = None
    if filters.tonemap:
        pix_fmt = "yuv420p" if filters.bits == 8 else "yuv420p10le"
        chain.append(to_sdr(hdr or "PQ", pix_fmt))
    if filters.scale is not None:
        chain.append(f"scale={filters.scale}:flags=lanczos+accurate_rnd")
    if filters.vf is not None:
        chain += [_written(name, given) for name, given in filters.own]
        reach = reach if filters.own_by_itself else None
    if not chain:
        return Video(stream)
    return Video(stream, ",".join([*chain, f"format={pix_fmt}"]), reach)


def to_sdr(hdr: str, pix_fmt: str = "yuv420p") -> str:
    """The filters that make SDR of PQ or HLG pictures, whatever of their colours is not tagged."""
    mapped = _TO_SDR.format(transfer=_TRANSFERS[hdr], pix_fmt=pix_fmt)
    return ",".join([mapped, *(f"sidedata=mode=delete:type={kind}" for kind in _BESIDE.split())])


def _written(name: str, given: list[tuple[str | None, str]]) -> str:
    words = [value if key is None else f"{key}={value}" for key, value in given]
    return f"{name}={':'.join(words)}" if words else name
