"""What is scored beside VMAF v0.6.1, in the same pass: more models, other filters.

Filters of ffmpeg see every frame, since XPSNR weights a picture by what changed since the one
before (Helmrich et al., ICASSP 2020); its first input is the reference. Each writes a line a value
and frame to a log of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from vqcast.errors import InputError
from vqcast.metric import Metric, metrics

_SLOW, _FAST = 25, 50
"""Frames a second that stand for all below 32, and all others: XPSNR looks back one, or two."""
_LIMIT = 32
_ROW = 64
"""Samples whose rows lie without gaps, of luma and of 4:2:0 chroma, in frames that are copied."""
SYNC = "eof_action=pass:repeatlast=0"
"""How filters of two inputs end: where either does."""


def log_name(metric: Metric) -> str:
    """The file that a metric's filter writes, in the folder where ffmpeg runs."""
    return f"{metric.filter}.txt"


def models(names: Sequence[str]) -> list[str]:
    """libvmaf's models among ``names``."""
    return [each.model for each in metrics(names) if each.model]


def require_width(names: Sequence[str], width: int, depth: int) -> None:
    """Raise InputError where ffmpeg's xpsnr gives wrong values.

    It takes rows of samples deeper than a byte to lie without gaps, which they do in frames of
    some widths alone.
    """
    if "xpsnr" in names and not fits_xpsnr(width, depth):
        raise InputError(
            f"ffmpeg's xpsnr misreads {depth} bit pictures {width} wide: it needs a multiple of "
            f"{_ROW}",
            hint="use another --metric, or score at such a width: --score-size 1280x720",
        )


def fits_xpsnr(width: int, depth: int) -> bool:
    """Whether ffmpeg's xpsnr reads pictures of this width right."""
    return depth == 8 or width % _ROW == 0


ALONE = ("split[d][dn]", "split[r][rn]")


def pads(names: Sequence[str]) -> tuple[str, str]:
    """How the distorted side and the reference are split into what counts, scores and `chains`."""
    if not any(each.filter for each in metrics(names)):
        return ALONE
    return "split=3[d][dn][dx]", "split=3[r][rn][rx]"


def chains(names: Sequence[str], rate: float | None, ready: str = "") -> str:
    """The filters' part of a graph, from ``[rx]`` and ``[dx]`` on; empty: none has one.

    ``rate``: frames a second of the pictures; None: not known. ``ready``: what brings both sides
    to one format and size, where they are not yet.
    """
    each = [metric for metric in metrics(names) if metric.filter]
    if not each:
        return ""
    hertz = _FAST if rate is not None and rate >= _LIMIT else _SLOW
    clock = f"{ready}copy,settb=expr=1/{hertz},setpts=N,fps={hertz}"  # which sets the rate alone
    text = ""
    for side in "rd":
        out = "".join(f"[{side}x{number}]" for number in range(len(each)))
        text += f";[{side}x]{clock},split={len(each)}{out}"
    for number, metric in enumerate(each):
        log = f"metadata=print:file={log_name(metric)}"
        text += f";[rx{number}][dx{number}]{metric.filter}={SYNC},{log},nullsink"
    return text


def columns(names: Sequence[str]) -> list[str]:
    """The columns that are measured, in order."""
    found: list[str] = []
    for each in metrics(names):
        found += each.logged
        if len(each.columns) > 1:
            found.append(each.name)
    return found
