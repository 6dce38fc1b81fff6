"""The gate's parts as tiles: the figure, what it needs, and where it stands between both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcast.pages import gate_charts, html, interval_charts
from vqcast.pages.part import Part


@dataclass(frozen=True, slots=True)
class Tile:
    """One part of the gate."""

    name: str
    title: str
    value: str
    passed: bool
    need: str
    strip: gate_charts.Strip
    n: str
    evidence: Sequence[str]


def tiles(part: Part) -> str:
    """Every part of the gate, and of the claim of coverage where there is one."""
    shown = [_correlation(part)]
    if len(part.subject.reports) > 1:
        shown.append(_spread(part))
    return f'<div class="tiles">{"".join(_html(part, each) for each in shown + _claim(part))}</div>'


def _correlation(part: Part) -> Tile:
    gate = part.subject.verdict.gate
    need = f"needs at least {gate.mean_plcc_threshold:g}"
    if len(part.subject.reports) > 1:
        need += f", every seed too; the lowest is {html.figure_cell(gate.per_seed_min, 5)}"
    return Tile(
        name="plcc",
        title=f"Mean PLCC, {part.subject.unit}s held out",
        value=html.figure_cell(gate.mean_plcc, 5),
        passed=gate.mean_plcc_pass and gate.per_seed_pass,
        need=need,
        strip=gate_charts.Strip(
            mark=gate.mean_plcc,
            values=[value for value in gate.per_seed_plccs.values() if value is not None],
            threshold=gate.mean_plcc_threshold,
            at_least=True,
            low=0.9,
            high=1.0,
        ),
        n=part.frames,
        evidence=[part.subject.verdict_name],
    )


def _spread(part: Part) -> Tile:
    gate = part.subject.verdict.gate
    return Tile(
        name="spread",
        title="Spread of PLCC over seeds",
        value=html.figure_cell(gate.plcc_spread, 5),
        passed=gate.plcc_spread_pass,
        need=f"needs at most {gate.plcc_spread_max:g}, largest minus smallest",
        strip=gate_charts.Strip(
            mark=gate.plcc_spread,
            threshold=gate.plcc_spread_max,
            at_least=False,
            low=0.0,
            high=1.4 * gate.plcc_spread_max,
        ),
        n=f"{len(part.subject.reports)} seeds",
        evidence=[part.subject.verdict_name],
    )


def _claim(part: Part) -> list[Tile]:
    claim, report = part.subject.verdict.intervals, part.subject.found.intervals
    if claim is None or report is None:
        return []
    counts = {
        "frame": f"{part.subject.n_rows:,} frames",
        "pooled": f"{report.calibration.n_cells:,} clip means",
    }
    return [
        Tile(
            name=f"coverage-{target}",
            title=f"{100 * claim.nominal_coverage:g} % intervals, "
            f"{interval_charts.TARGETS.get(target, target)}",
            value=f"{100 * covered:.1f} %",
            passed=claim.coverage_min <= covered <= 1.0,
            need=f"at least {100 * claim.coverage_min:g} % must hold; mean width "
            f"{report.coverage[target].mean_width:.2f} points",
            strip=gate_charts.Strip(
                mark=100 * covered,
                threshold=100 * claim.coverage_min,
                at_least=True,
                low=70.0,
                high=100.0,
                nominal=100 * claim.nominal_coverage,
            ),
            n=f"{counts.get(target, target)} in {claim.n_groups} content groups",
            evidence=["intervals.json", part.subject.verdict_name],
        )
        for target, covered in sorted(claim.coverage.items())
    ]


def _html(part: Part, tile: Tile) -> str:
    word, kind = ("pass", "pass") if tile.passed else ("FAIL", "fail")
    chart = part.inline(
        tile.strip.figure(), tile.name, tile.title, f"{tile.value}; {tile.need}: {word}."
    )
    return (
        f'<div class="tile"><h4>{html.text(tile.title)}</h4>'
        f'<div class="big">{html.text(tile.value)}</div>'
        f'<p class="need"><b class="{kind}">{word}</b>: {html.text(tile.need)}</p>{chart}'
        f'<p class="origin"><b>n</b> = {html.text(tile.n)}. '
        f"<b>Evidence:</b> {part.cite(tile.evidence)}</p></div>"
    )
