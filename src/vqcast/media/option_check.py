"""Asks ffmpeg about encoder options before any work: does it know them, and does it take them.

require_options(encoder("libx264", EncoderOptions(x264="aqmode=3")), "medium", 8, find_ffmpeg())
# InputError: libx264: --x264 aqmode is not known; did you mean aq-mode?

Names are looked up in ``ffmpeg -h``. Private lists are not in there, and a wrong name in one is no
failure for some libraries, so five drawn frames are encoded, and what is said of them is read.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from pathlib import Path

from vqcast.durable.scratch import scratch
from vqcast.errors import InputError, ToolUnavailable
from vqcast.media import argv, inputs
from vqcast.media.complaint import told
from vqcast.media.encoders import Encoder
from vqcast.media.hdr import Light
from vqcast.media.keep_hdr import tags
from vqcast.media.options import PLAIN, nearest
from vqcast.media.run import run
from vqcast.media.tool import Tool

_DEADLINE_S = 60
_RATE = Fraction(25)
_OPTION = re.compile(r"^ {1,2}-(\S+) +<\w+> +E\S*V", re.MULTILINE)
_PROGRAM = re.compile(r"^-(\w+)(?:\[:<?\w+>?\])?(?: |$)", re.MULTILINE)
_AS_WRITTEN = ("profile",)
"""Options of ffmpeg itself that it hands to the encoder as they are."""
_COMPLAINT = re.compile(r"error|unknown|invalid|unrecogni|unsupported|not supported|ignor", re.I)
_FOR_LOOKING_UP = {
    "x264": """aq-mode aq-strength b-adapt b-bias b-pyramid bframes bluray-compat chroma-qp-offset
        crf-max deadzone-inter deadzone-intra deblock direct fgo ipratio keyint intra-refresh level
        mbtree me merange min-keyint mixed-refs nal-hrd open-gop partitions pbratio psy psy-rd
        qblur qcomp qpmax qpmin qpstep rc-lookahead ref scenecut slices subme trellis
        vbv-bufsize vbv-init vbv-maxrate weightb weightp 8x8dct""",
    "x265": """amp aq-mode aq-motion aq-strength aud b-adapt b-intra b-pyramid bframes cbqpoffs
        crqpoffs crf-max crf-min ctu cutree deblock early-skip fades frame-dup hevc-aq hist-scenecut
        hme hrd intra-refresh ipratio keyint limit-modes limit-refs limit-tu lookahead-slices
        max-merge max-tu-size me merange min-cu-size min-keyint mcstf open-gop pbratio psy-rd
        psy-rdoq qblur qcomp qg-size qpmax qpmin qpstep rc-grain rc-lookahead rd rdoq-level rect
        ref repeat-headers rskip sao sao-non-deblock scenecut scenecut-bias signhide slices
        ssim-rd strong-intra-smoothing subme temporal-layers tskip tu-inter-depth tu-intra-depth
        vbv-bufsize vbv-init vbv-maxrate weightb weightp""",
    "svt": """ac-bias adaptive-film-grain aq-mode bias-pct buf-initial-sz buf-optimal-sz buf-sz
        chroma-qindex-offsets enable-cdef enable-dg enable-dlf enable-hdr enable-mfmv
        enable-overlays enable-qm enable-restoration enable-tf enable-tpl-la enable-variance-boost
        fast-decode film-grain film-grain-denoise frame-luma-bias hbd-mds hierarchical-levels
        irefresh-type keyint lookahead lossless luminance-qp-bias maxsection-pct mbr max-qp min-qp
        minsection-pct noise-norm-strength overshoot-pct pred-struct psy-rd qm-max qm-min
        qp-scale-compress-strength scd scm sharpness sharp-tx spy-rd startup-mg-size superres-denom
        superres-mode tile-columns tile-rows tune undershoot-pct variance-boost-curve
        variance-boost-strength variance-octile""",
    "aom": """aq-mode arnr-maxframes arnr-strength auto-alt-ref cdf-update-mode coeff-cost-upd-freq
        color-sensitivity deltaq-mode deltaq-strength denoise-noise-level denoise-block-size
        enable-cdef enable-chroma-deltaq enable-dnl-denoising enable-dual-filter
        enable-fwd-kf enable-global-motion enable-intrabc enable-keyframe-filtering
        enable-loop-restoration enable-order-hint enable-palette enable-qm enable-restoration
        enable-tpl-model enable-warped-motion film-grain-test frame-parallel gf-max-pyr-height
        gf-min-pyr-height lag-in-frames loopfilter-sharpness max-gf-interval max-reference-frames
        min-gf-interval mv-cost-upd-freq noise-sensitivity quant-b-adapt qm-max qm-min sb-size
        sharpness static-thresh tile-columns tile-rows tune tune-content""",
    "vvenc": """decodingrefreshtype gopsize intraperiod level leadframes maxrate
        picreordering profile qpa refreshsec refreshtype tier tiles trailframes verbosity
        internalbitdepth""",
}
"""Parameters of each library, to find the one that was meant; they are not what is accepted."""


def require_options(
    entry: Encoder, preset: str | None, depth: int, tool: Tool, *, light: Light | None = None
) -> None:
    """Raise InputError for an option given to ``entry`` that this ffmpeg or its library refuses.

    ``light``: of what it is tried on; None: SDR.
    """
    if entry.given == PLAIN:
        return
    names = [name for name, _ in entry.given.named]
    known, program = known_options(entry.name, tool)
    wanted, formats = entry.pix_fmt(depth), pixel_formats(entry.name, tool)
    if formats and wanted not in formats:
        raise InputError(f"{entry.name}: pixel format {wanted} is not one of {' '.join(formats)}")
    for name in names:
        if name not in known or (name in program and name not in _AS_WRITTEN):
            raise InputError(f"{entry.name}: --enc {name} is not known{nearest(name, known)}")
    said = _tried(entry, preset, depth, tool, tags(light) if light else "")
    if said:
        raise InputError(f"{entry.name} does not take these options: {_explained(entry, said)}")


@cache
def require_built(name: str, tool: Tool) -> None:
    """Raise ToolUnavailable where ``tool`` has no encoder ``name``, or no libvmaf to score it."""
    for topic, words in ((f"encoder={name}", f"Encoder {name} "), ("filter=libvmaf", "Inputs:")):
        if words not in help_of(tool, topic):
            kind, _, which = topic.partition("=")
            raise ToolUnavailable(
                f"this ffmpeg is built without the {kind} {which}", path=tool.path,
                hint="vqcast doctor shows what works here",
            )  # fmt: skip


@cache
def pixel_formats(encoder: str, tool: Tool) -> tuple[str, ...]:
    """The YUV formats that the encoder takes, by its help; empty: it doesn't say."""
    listed = re.search(r"Supported pixel formats: (.*)", help_of(tool, f"encoder={encoder}"))
    found = listed[1].split() if listed else []
    return tuple(name for name in found if re.match(r"yuv4|nv12|p01", name))


@cache
def known_options(encoder: str, tool: Tool) -> tuple[frozenset[str], frozenset[str]]:
    """Options that the encoder takes, and those of ffmpeg itself."""
    own = help_of(tool, f"encoder={encoder}")
    program, _, rest = help_of(tool, "full").partition("AVCodecContext AVOptions:")
    codec = rest.partition("\n\n")[0]
    return frozenset(_OPTION.findall(own) + _OPTION.findall(codec)), frozenset(
        _PROGRAM.findall(program)
    )


def help_of(tool: Tool, topic: str | None) -> str:
    """What ffmpeg says of a topic, such as ``encoder=libx264``; None: the list of encoders."""
    asked = ["-encoders"] if topic is None else ["-h", topic]
    return run([str(tool.path), "-hide_banner", *asked], deadline_s=_DEADLINE_S).stdout


def _tried(entry: Encoder, preset: str | None, depth: int, tool: Tool, chain: str) -> list[str]:
    """What ffmpeg and the library say against the options; empty: they take them."""
    words = inputs.filtered(entry.options(entry.middle, preset, depth, rate=_RATE), chain)
    with scratch() as folder:
        finished = run(
            argv.trial_encode(tool.path, entry.before_input, words),
            cwd=Path(folder),
            deadline_s=_DEADLINE_S,
        )
    said = told(finished.stderr)
    if finished.returncode:
        return said or ["ffmpeg failed and said nothing"]
    return [line for line in said if _COMPLAINT.search(line)]


def _explained(entry: Encoder, said: list[str]) -> str:
    """The first thing said, with the parameter that was meant where one of ours is named."""
    field = entry.private[0] if entry.private else ""
    for name, _ in entry.given.private(field) if field else []:
        known = _FOR_LOOKING_UP[field].split()
        named = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
        if name not in known and any(map(named.search, said)):
            return f"--{field} {name} is not known{nearest(name, known)} ({said[0]})"
    return said[0]
