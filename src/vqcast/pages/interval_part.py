"""What the intervals are worth, as a block of the page."""

from __future__ import annotations

from vqcast.documents.evidence import IntervalGate, IntervalReport
from vqcast.evidence.evaluation import Figures
from vqcast.pages import html, ink, interval_charts
from vqcast.pages.part import Part, heading, side_by_side

_TARGETS = interval_charts.TARGETS


def intervals(part: Part) -> str:
    """Coverage by encoder, and reliability where the corpus is given."""
    report, claim = part.subject.found.intervals, part.subject.verdict.intervals
    if report is None or claim is None:
        what = "No interval is claimed: one network has none, and few content groups support none."
        return heading("Intervals", what)
    words = "Tested on content groups that neither trained nor calibrated them."
    figures = [_by_encoder(part, report, claim)]
    if part.held_out is not None and part.held_out.overall:
        figures += [_reliability(part, target) for target in _TARGETS]
    return heading("Intervals", words) + side_by_side(figures)


def _by_encoder(part: Part, report: IntervalReport, claim: IntervalGate) -> str:
    rows = {line.name: line.n for line in part.subject.encoders}
    encoders = sorted({name for each in report.coverage.values() for name in each.encoders})
    nominal = f"{100 * report.nominal_coverage:g} %"

    def held(name: str, target: str) -> float | None:
        covered = report.coverage[target].encoders.get(name)
        return None if covered is None else 100 * covered

    targets = sorted(report.coverage)
    return html.figure(
        f"{nominal} intervals, by encoder",
        part.inline(
            interval_charts.by_encoder(report, claim),
            "encoder-coverage",
            "Share of intervals that held, by encoder",
            f"Nominal {nominal}; an encoder needs {100 * claim.encoder_coverage_min:g} %.",
        ),
        n=f"{part.subject.n_rows:,} frames, {report.calibration.n_cells:,} clip means, "
        f"{report.calibration.n_groups} content groups",
        evidence=part.cite(["intervals.json"]),
        note=f"Red ground: an encoder below {100 * claim.encoder_coverage_min:g} % fails.",
        fallback=html.table(
            ("encoder", "frames", *(f"{_TARGETS.get(t, t)} held, %" for t in targets)),
            [
                (name, rows.get(name), *(held(name, target) for target in targets))
                for name in encoders
            ],
            digits=(0, 0, 1, 1),
        ),
    )


def _reliability(part: Part, target: str) -> str:
    assert part.held_out is not None
    found, name = part.held_out, _TARGETS[target]
    colours = ink.series_of(each.name for each in found.encoders)
    overall = [each for each in found.overall if each.target == target]
    measured = next(each.measured for each in overall if each.measured is not None)
    key = part.inline(
        ink.key({encoder: (*look, "-") for encoder, look in colours.items()}),
        f"reliability-key-{target}",
        "Key",
        "The encoders' colours and markers.",
    )
    chart = part.inline(
        interval_charts.reliability(overall, found.encoders, target, colours),
        f"reliability-{target}",
        f"Nominal level against the share of {name} held",
        "On the diagonal an interval holds exactly what it says; above it, more.",
    )
    return html.figure(
        f"Reliability, {name}",
        f'{chart}<div class="key">{key}</div>',
        n=f"{measured.n:,} {name} in {measured.n_groups} content groups",
        evidence=part.cite([*part.subject.prediction_names, "corpus"]),
        note="Thick: all, groups weighed alike, with a 95 % bootstrap range over groups. Thin "
        "diagonal: observed equals nominal.",
        fallback=_reliability_table(part, target, overall, list(colours)),
    )


def _reliability_table(part: Part, target: str, overall: list[Figures], encoders: list[str]) -> str:
    assert part.held_out is not None
    held = {
        (each.name, each.level): 100 * each.measured.coverage
        for each in part.held_out.encoders
        if each.target == target
    }
    levels = [each.level for each in overall]
    everything = [
        None if each.measured is None else 100 * each.measured.coverage for each in overall
    ]
    return html.table(
        ("nominal", *(f"{100 * level:g} %" for level in levels)),
        [
            ("all", *everything),
            *((name, *(held.get((name, level)) for level in levels)) for name in encoders),
        ],
        digits=(0, *([1] * len(levels))),
    )
