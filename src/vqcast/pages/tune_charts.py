"""A tuning in one picture: the forecast over CRF with its band, the probes, the choice.

``write(result, path)`` makes a PNG or an SVG of what ``vqcast tune`` answered::

    write(result, Path("tune.png"))
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vqcast.documents.tune import TuneProbe, TuneResult
from vqcast.metric import METRICS
from vqcast.pages import ink, picture

FORECAST, PROBE, CHOICE = ink.SERIES[0][0], ink.SERIES[1][0], ink.SERIES[3][0]
_SHOWN = 40.0
_ROOM = 1.5
NAMES = {
    "vmaf": "VMAF", "vmaf-v1": "VMAF v1", "vmaf-neg": "VMAF NEG", "vmaf-4k": "VMAF 4K",
    "vmaf-phone": "VMAF phone", "xpsnr": "XPSNR, dB", "psnr": "PSNR, dB", "ssim": "SSIM",
}  # fmt: skip
POOLS = {
    "mean": "mean of frames",
    "harmonic": "harmonic mean",
    "p1": "1st percentile",
    "worst-second": "worst second",
}


def write(result: TuneResult, path: Path) -> None:
    """Draw ``result`` into ``path``, PNG or SVG by its name.

    Raises InputError for another ending, or where it can't be written.
    """
    with ink.style():
        figure = ink.canvas(860, 640)
        height = 640
        figure.text(0.02, 1 - 28 / height, heading(result), fontsize=15, fontweight="bold")
        figure.text(0.02, 1 - 48 / height, answer(result), fontsize=11, color=ink.MUTED)
        quality = ink.panel(figure, left=62, right=24, top=88, bottom=232)
        draw_quality(quality, result)
        quality.tick_params(labelbottom=False)
        ink.legend_above(quality, columns=7)
        size = ink.panel(figure, left=62, right=24, top=424, bottom=46)
        draw_size(size, result)
        size.set_xlim(quality.get_xlim())
        picture.write(figure, path)


def heading(result: TuneResult) -> str:
    """What was tuned, in a few words."""
    preset = f", preset {result.preset}" if result.preset else ""
    return f"{ink.short(result.source.name)}: {result.encoder}{preset}"


def answer(result: TuneResult) -> str:
    """The choice and what it is expected to give, in one sentence."""
    how = "measured" if result.basis == "verified" else "forecast"
    shown = METRICS[result.metric].shown
    return (
        f"CRF {result.crf:g}: {metric(result)} {shown(result.score)} {how} "
        f"({shown(result.lower)} to {shown(result.upper)}), {sure(result.probability)} sure of "
        f"{result.target:g}; {megabytes(result.bytes)} MB, {result.size_percent:.0f} % of the "
        "source"
    )


def digits(result: TuneResult) -> int:
    """How many are shown of a score, behind the point."""
    return METRICS[result.metric].digits


def sure(probability: float) -> str:
    """A probability in whole percent; it never rounds to certainty."""
    return f"{100 * min(max(probability, 0.01), 0.99):.0f} %"


def metric(result: TuneResult) -> str:
    """The metric's name as people write it."""
    return NAMES[result.metric]


def megabytes(count: float) -> str:
    """Bytes as megabytes, three digits."""
    return f"{count / 1e6:.3g}"


def floor(result: TuneResult) -> float:
    """Where a picture begins: 40 points under the target, or lower where a probe lies lower.

    A point is one of VMAF, or what is about as visible (`vqcast.metric`).

    Far below the target nobody decides anything, and the curve would be squeezed.
    """
    point = METRICS[result.metric].point
    least = result.target - _SHOWN * point
    probed = [least, result.score, *(probe.score for probe in result.probes)]
    reached = [point.lower for point in result.curve] or [min(probed)]
    return max(min(probed), min(reached)) - _ROOM * point


def ceiling(result: TuneResult) -> float:
    """Where it ends: at the top of the scale, of dB at the best that is drawn."""
    metric = METRICS[result.metric]
    drawn = [result.target, result.score, *(each.score for each in result.probes)]
    best = max(*drawn, *(point.upper for point in result.curve), 0.0)
    return (best if metric.scale == "dB" else metric.most) + _ROOM * metric.point


def title_bytes(probe: TuneProbe, result: TuneResult) -> float:
    """A probe's bytes, carried to the whole title where it saw only a part."""
    if probe.title_bytes is not None:
        return probe.title_bytes
    return probe.bytes if probe.whole else probe.bytes * result.source.frames / probe.frames


def draw_quality(axes: Axes, result: TuneResult) -> None:
    """The forecast over CRF with its band, the probes, the target and the chosen CRF."""
    _forecast(axes, [(p.crf, p.lower, p.score, p.upper) for p in result.curve], result)
    _target(axes, result)
    axes.annotate(
        f"target {result.target:g}",
        (1, result.target),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 4),
        textcoords="offset points",
        ha="right",
        color=ink.MUTED,
        fontsize=11,
    )
    _probes(axes, [(probe.crf, probe.score, probe) for probe in result.probes])
    _choice(axes, result, result.crf, result.score)
    _limits(axes, result)
    axes.set_ylim(floor(result), ceiling(result))
    axes.set_ylabel(f"{metric(result)}, {POOLS.get(result.pool, result.pool)}")


def draw_size(axes: Axes, result: TuneResult) -> None:
    """The forecast size over CRF with its band, and the probes', in megabytes, log scale."""
    sizes = [(p.crf, p.bytes_lower / 1e6, p.bytes / 1e6, p.bytes_upper / 1e6) for p in result.curve]
    _forecast(axes, sizes, result)
    _probes(axes, [(p.crf, title_bytes(p, result) / 1e6, p) for p in result.probes])
    _choice(axes, result, result.crf, result.bytes / 1e6)
    _limits(axes, result)
    ink.log_scale(axes.yaxis, axes)
    axes.set_xlabel("CRF, lower is better")
    axes.set_ylabel("size, MB")


def draw_rate(axes: Axes, result: TuneResult) -> None:
    """The same forecast as quality over size: what a megabyte more buys."""
    _forecast(axes, [(p.bytes / 1e6, p.lower, p.score, p.upper) for p in result.curve], result)
    _target(axes, result)
    _probes(axes, [(title_bytes(p, result) / 1e6, p.score, p) for p in result.probes])
    _choice(axes, result, result.bytes / 1e6, result.score, line=False)
    ink.log_scale(axes.xaxis, axes)
    axes.set_xlabel("size of the title, MB, log scale")
    axes.set_ylim(floor(result), ceiling(result))
    axes.set_ylabel(metric(result))


def _forecast(
    axes: Axes, points: list[tuple[float, float, float, float]], result: TuneResult
) -> None:
    """A line with its band; ``points`` are (x, low, middle, high)."""
    x, low, middle, high = ([point[i] for point in points] for i in range(4))
    band = f"{100 * result.confidence:g} % band"
    axes.fill_between(x, low, high, color=FORECAST, alpha=0.2, lw=0, label=band)
    axes.plot(x, middle, color=FORECAST, lw=2, label="forecast")


def _target(axes: Axes, result: TuneResult) -> None:
    axes.axhline(result.target, color=ink.MUTED, lw=1.2, ls="--")


def quality_figure(result: TuneResult) -> Figure:
    """``draw_quality`` for a page."""
    figure = ink.canvas(ink.WIDTH, 330)
    axes = ink.panel(figure, left=50, right=12, top=66, bottom=40)
    draw_quality(axes, result)
    axes.set_xlabel("CRF, lower is better")
    ink.legend_above(axes, columns=2)
    return figure


def size_figure(result: TuneResult) -> Figure:
    """``draw_size`` for a page."""
    figure = ink.canvas(ink.WIDTH, 330)
    draw_size(ink.panel(figure, left=56, right=12, top=10, bottom=40), result)
    return figure


def rate_figure(result: TuneResult) -> Figure:
    """``draw_rate`` for a page."""
    figure = ink.canvas(ink.WIDTH, 330)
    draw_rate(ink.panel(figure, left=50, right=12, top=10, bottom=40), result)
    return figure


def _probes(axes: Axes, points: list[tuple[float, float, TuneProbe]]) -> None:
    """Squares; hollow where only samples of the title were scored, grey where reused."""
    for whole in (True, False):
        for reused in (False, True):
            same = [(x, y) for x, y, p in points if (p.whole, p.reused) == (whole, reused)]
            colour = ink.MUTED if reused else PROBE
            label = ("whole probe" if whole else "sampled probe") + (", reused" * reused)
            if same:
                axes.plot(
                    [x for x, _ in same],
                    [y for _, y in same],
                    "s",
                    ms=7,
                    mfc=colour if whole else ink.PAPER,
                    mec=colour,
                    mew=1.6,
                    zorder=4,
                    label=label,
                )


def _choice(axes: Axes, result: TuneResult, x: float, y: float, *, line: bool = True) -> None:
    if line:
        axes.axvline(x, color=CHOICE, lw=1.2, ls=":")
    axes.plot(
        [x],
        [y],
        "D",
        ms=11,
        mfc="none",
        mec=CHOICE,
        mew=2,
        zorder=5,
        label=f"chosen, CRF {result.crf:g}",
    )


def _limits(axes: Axes, result: TuneResult) -> None:
    crf = [result.crf, *(each.crf for each in result.curve), *(p.crf for p in result.probes)]
    margin = 0.02 * (max(crf) - min(crf)) + 0.1
    axes.set_xlim(min(crf) - margin, max(crf) + margin)
