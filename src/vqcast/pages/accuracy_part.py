"""How well held-out rows were predicted, as blocks of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from vqcast.evidence.metrics import mean_or_none
from vqcast.pages import accuracy_charts, html, ink
from vqcast.pages.part import Part, heading, side_by_side
from vqcast.pages.subject import Line

if TYPE_CHECKING:
    from vqcast.pages.heldout import HeldOut, Scatter


def sources(part: Part) -> str:
    """PLCC, SROCC and RMSE of every held-out source."""
    unit = part.subject.unit
    words = f"Each {unit} was predicted by networks that never saw it."
    groups = [report.groups for report in part.subject.reports if report.groups]
    mean = mean_or_none([group.mean_plcc for group in groups])
    if mean is not None:
        words += (
            f" With whole content groups held out ({groups[0].n_folds} groups), the mean PLCC "
            f"is {mean:.5f}."
        )
    return heading(f"Held-out {unit}s", words) + _pair(part, unit, part.subject.sources)


def encoders(part: Part) -> str:
    """The same by encoder; nothing where the evidence does not say."""
    lines = part.subject.encoders
    if not lines:
        return ""
    words = "The same held-out predictions, all sources together."
    return heading("Encoders", words) + _pair(part, "encoder", lines)


def _pair(part: Part, what: str, lines: Sequence[Line]) -> str:
    """Correlation and error, side by side."""
    shown = lines[: accuracy_charts.MAX_LINES]
    cut = ""
    if len(shown) < len(lines):
        cut = f" Drawn: the {len(shown)} lowest of {len(lines)}; the table has all."
    table = html.table(
        (what, "n", "PLCC", "SROCC", "RMSE"),
        [(line.name, line.n, line.plcc, line.srocc, line.rmse) for line in lines],
        digits=(0, 0, 5, 5, 3),
    )
    threshold = part.subject.verdict.gate.mean_plcc_threshold
    evidence = part.cite(part.subject.loso_names)

    def figure(name: str, title: str, note: str, chart: Figure) -> str:
        svg = part.inline(
            chart, f"{what}-{name}", title, f"{part.frames}. A table beside it has the figures."
        )
        return html.figure(
            title, svg, n=part.frames, evidence=evidence, note=note + cut, fallback=table
        )

    return side_by_side(
        [
            figure(
                "correlation",
                f"Correlation by {what}",
                f"Lowest PLCC on top. Red ground: below the gate's {threshold:g}.",
                accuracy_charts.correlations(shown, threshold),
            ),
            figure(
                "error",
                f"Error by {what}",
                "In the same order. Root mean square of predicted minus measured.",
                accuracy_charts.errors(shown),
            ),
        ]
    )


def frames(part: Part) -> str:
    """Predicted against measured; nothing without the corpus."""
    found = part.held_out
    if found is None:
        return ""
    words = (
        "Frames of each source, predicted by networks that never saw its content group: "
        f"{part.seeds}, clipped to 0..100, without the interval's correction."
    )
    evidence = part.cite([*part.subject.prediction_names, "corpus"])
    return (
        heading("Predicted against measured", words)
        + side_by_side([_bias(part, found, evidence)])
        + side_by_side([_scatters(part, found, evidence)])
    )


def _bias(part: Part, found: HeldOut, evidence: str) -> str:
    return html.figure(
        "Where it errs",
        part.inline(
            accuracy_charts.error_by_score(found.errors),
            "bins",
            "Predicted minus measured VMAF, over measured VMAF",
            "Median and the range of 90 % of frames, in steps of five points.",
        ),
        n=f"{sum(each.n for each in found.errors):,} of {found.n:,} frames; steps of fewer than "
        "30 frames are left out",
        evidence=evidence,
        note="VMAF points, in steps of five. A bias shows as a median off zero.",
        fallback=html.table(
            ("measured VMAF", "n", "5 %", "median", "95 %"),
            [(f"{b.low:g} to {b.high:g}", b.n, b.q05, b.median, b.q95) for b in found.errors],
            digits=(0, 0, 2, 2, 2),
        ),
    )


def _scatters(part: Part, found: HeldOut, evidence: str) -> str:
    order = {line.name: place for place, line in enumerate(part.subject.sources)}
    ordered = sorted(found.scatters, key=lambda each: order.get(each.source, len(order)))
    shown = ordered[: accuracy_charts.MAX_LINES]
    drawn = sum(len(each.measured) for each in shown)
    return html.figure(
        "Frames, source by source",
        html.many([_panel(part, each) for each in shown], width=150, first=12),
        n=f"{found.n:,} frames of {len(ordered)} sources; drawn are {drawn:,} frames of "
        f"{len(shown)} sources, at most 4 from each cell (one encode), evenly spaced",
        evidence=evidence,
        note="Lowest PLCC first. On the line, predicted equals measured.",
        fallback=html.table(
            ("source", "n", "drawn", "mean error", "largest error drawn"),
            [
                (
                    each.source,
                    each.n,
                    len(each.measured),
                    float((each.predicted - each.measured).mean()),
                    float(abs(each.predicted - each.measured).max()),
                )
                for each in ordered
            ],
            digits=(0, 0, 0, 2, 2),
        ),
        wide=True,
    )


def _panel(part: Part, each: Scatter) -> tuple[str, str, str]:
    chart = part.inline(
        accuracy_charts.scatter(each),
        f"scatter-{ink.slug(each.source)}",
        f"Predicted against measured VMAF of {each.source}",
        f"{len(each.measured)} of {each.n:,} frames, beside the diagonal.",
    )
    return each.source, f"n = {each.n:,}", chart
