"""Every metric that pictures are scored by: its columns, its scale, and what computes it.

    METRICS["xpsnr"].columns  # ("xpsnr_y", "xpsnr_u", "xpsnr_v"), averaged plane by plane

Scores of VMAF's models are points, 0 to 100. PSNR and XPSNR are dB; identical pictures, whose
value is infinite, stand as CAP_DB. SSIM is 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vqcast.errors import InputError
from vqcast.vocab import FEATURES

MetricName = Literal[
    "vmaf", "vmaf-v1", "vmaf-neg", "vmaf-4k", "vmaf-phone", "xpsnr", "psnr", "ssim"
]
Scale = Literal["points", "dB", "ratio"]
TEACHER = "vmaf_v0.6.1"
TEACHER_V1 = "vmaf_v1.0.16_3d0h"
CAP_DB = 100.0
"""What stands for a frame without any error; larger values are cut to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: MetricName
    columns: tuple[str, ...]
    """Corpus columns whose frames are averaged: one, or one a plane."""
    logged: Mapping[str, str]
    """Corpus column -> the name under which its log has it, all columns that are measured."""
    weights: tuple[float, ...] = (1.0,)
    """Of ``columns``, in the score."""
    model: str = ""
    """libvmaf's model of it; empty: ``filter`` computes it."""
    filter: str = ""
    """ffmpeg's filter of it."""
    scale: Scale = "points"
    per_decade: float = 0.0
    """Of dB: what ten times the error that is averaged over time costs."""
    most: float = 100.0
    """Targets are above 0 and below this."""
    point: float = 1.0
    """What is as visible as a point of VMAF, about: tolerances are counted in it."""
    looks_back: int = 0
    """Frames before its own on which a value depends, where pictures were joined: too few there."""
    digits: int = 2
    """Shown behind the point."""
    made_for: int | None = None
    """Lines of the screen that its viewers sat before; None: it knows no viewing distance."""

    @property
    def unit(self) -> str:
        """In words that follow a number."""
        return {"points": "VMAF points", "dB": "dB", "ratio": "of SSIM"}[self.scale]

    def shown(self, score: float) -> str:
        """A score as people read it."""
        return f"{score:.{self.digits}f}"


def _vmaf(name: MetricName, column: str, model: str, lines: int = 1080) -> Metric:
    return Metric(
        name=name, columns=(column,), logged={column: column},
        model=f"version={model}:name={column}", made_for=lines,
    )  # fmt: skip


VMAF = Metric(
    name="vmaf", columns=("vmaf",), model=f"version={TEACHER}:name=vmaf", made_for=1080,
    logged={"vmaf": "vmaf", **{name: f"integer_{name}" for name in FEATURES}},
)  # fmt: skip
VMAF_V1 = Metric(
    name="vmaf-v1", columns=("vmaf_v1",), model=f"version={TEACHER_V1}:name=vmaf_v1",
    made_for=1080,
    logged={
        "vmaf_v1": "vmaf_v1",
        "v1_adm3": "integer_adm3_csf_2_dlmw_0.7_egl_1_min_0.5_nw_0.02",
        "v1_motion3": "integer_motion3_mmxv_18",
        "v1_cambi": "cambi_hrs_1080_cmxv_17_vlt_0.06",
        "v1_speed_chroma_uv": "speed_chroma_uv_mxv_45_nnf_0.1_snn_0.19_wvm_5",
    },
)  # fmt: skip
"""And the four features that it reads."""

_PLANES = "yuv"
METRICS: Mapping[str, Metric] = {
    each.name: each
    for each in (
        VMAF,
        VMAF_V1,
        _vmaf("vmaf-neg", "vmaf_neg", "vmaf_v0.6.1neg"),
        _vmaf("vmaf-4k", "vmaf_4k", "vmaf_4k_v0.6.1", 2160),
        _vmaf("vmaf-phone", "vmaf_phone", f"{TEACHER}:enable_transform=true"),
        Metric(
            name="xpsnr", columns=tuple(f"xpsnr_{plane}" for plane in _PLANES),
            logged={f"xpsnr_{plane}": f"lavfi.xpsnr.xpsnr.{plane}" for plane in _PLANES},
            weights=(4 / 6, 1 / 6, 1 / 6), filter="xpsnr", scale="dB", per_decade=20.0,
            most=70.0, point=0.5, looks_back=2,
        ),
        Metric(
            name="psnr", columns=("psnr",), logged={"psnr": "lavfi.psnr.psnr_avg"},
            filter="psnr", scale="dB", per_decade=10.0, most=70.0, point=0.5,
        ),
        Metric(
            name="ssim", columns=("ssim",), logged={"ssim": "lavfi.ssim.All"},
            filter="ssim", scale="ratio", most=1.0, point=0.002, digits=4,
        ),
    )
}  # fmt: skip
"""By the names that users type."""


ScoreSize = tuple[int, int] | Literal["auto", "source"]
"""Where pictures are compared: a width and a height, the model's own viewing size, or theirs."""
_NEAR = 0.9
"""Of a model's lines and columns: larger pictures are not scaled up. As ab-av1 has it."""
_LARGE = (2560, 1440)
"""Above this a model for 1080 lines is told to be one."""


def compared_at(
    asked: ScoreSize | None, own: tuple[int, int], metric: Metric = VMAF
) -> tuple[int, int] | None:
    """The size that both sides are scaled to; None: pictures of size ``own`` stay as they are.

    ``auto`` scales pictures below 1728x972 up to 1920x1080, for a 4K model those below 3456x1944 to
    3840x2160, and keeps their shape. Raises InputError for ``auto`` where the metric has no such
    size.
    """
    if asked in (None, "source"):
        return None
    if asked != "auto":
        assert isinstance(asked, tuple)
        return None if asked == own else asked
    if metric.made_for is None:
        raise InputError(
            f"auto is the viewing size of a VMAF model, and {metric.name} has none",
            field="score_size", hint="leave it out, or name a width and a height",
        )  # fmt: skip
    screen = (metric.made_for * 16 // 9, metric.made_for)
    if any(side >= _NEAR * most for side, most in zip(own, screen, strict=True)):
        return None
    factor = min(most / side for side, most in zip(own, screen, strict=True))
    return (2 * round(own[0] * factor / 2), 2 * round(own[1] * factor / 2))


def unlike(metric: Metric, size: tuple[int, int]) -> list[str]:
    """What to know where pictures are compared at a size that the metric was not made for."""
    width, height = size
    if metric.made_for == 1080 and (width > _LARGE[0] or height > _LARGE[1]):
        return [
            f"{metric.name} is a model for screens of 1080 lines, the pictures are scored at "
            f"{width}x{height}: --metric vmaf-4k is for 4K, --score-size 1920x1080 scales both"
        ]
    if metric.made_for == 2160 and width < _NEAR * 3840 and height < _NEAR * 2160:
        return [
            f"{metric.name} is a model for screens of 2160 lines, the pictures are scored at "
            f"{width}x{height}: --score-size auto scales them up"
        ]
    return []


def beside(names: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` that are scored beside VMAF v0.6.1, each once, in the table's order.

    Raises InputError for a name that is not known.
    """
    return tuple(each.name for each in metrics(names) if each is not VMAF)


def metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names, each once. Raises InputError for one that is not known."""
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is not known", field="metric",
            hint=f"use one of: {', '.join(METRICS)}",
        )  # fmt: skip
    return tuple(METRICS[name] for name in METRICS if name in names)
