"""The forecaster's model card, every figure read from its table, evidence and verdict.

Pure: a forecast registry's files in, Markdown out.
"""

from __future__ import annotations

from collections.abc import Mapping

from vqcast import documents
from vqcast.documents.forecast import (
    ForecastEvidence,
    ForecastRow,
    ForecastScenario,
    ForecastTable,
    ForecastVerdict,
)
from vqcast.errors import EvidenceError
from vqcast.forecast import law
from vqcast.forecast.judge import MEASURE
from vqcast.forecast.table import read_table

Lines = list[str]


def card(row: ForecastRow, files: Mapping[str, bytes]) -> str:
    """The card of one forecaster. Raises EvidenceError where it stands on no verdict."""
    for name in (law.verdict_name(row.id), law.evidence_name(row.id)):
        if name not in files:
            raise EvidenceError(f"{row.id}: has no {name}")
    table = read_table(files[row.table], row)
    found = documents.decode(
        ForecastEvidence, files[law.evidence_name(row.id)], where=law.EVIDENCE_NAME
    )
    verdict = documents.decode(
        ForecastVerdict, files[law.verdict_name(row.id)], where=law.verdict_name(row.id)
    )
    main = [each for each in found.scenarios if each.measure == MEASURE]
    lines = [
        f"# {row.id}",
        "",
        "Forecasts VMAF and size of a whole title at every CRF of an encoder, as distributions, "
        "from nothing, one probe encode or more. A Gaussian fitted to the measured curves nearest "
        "to the probes; ADR-0005 has why, and what else was tried.",
        "",
        "Made by `vqcast registry cards` from the table, the verdict and the evidence.",
        "",
        "## Verdict",
        "",
        *_verdict(verdict),
        "",
        "## Held-out groups",
        "",
        f"{found.n_groups} content groups, each forecast from the curves of all others; mean "
        f"absolute error of {MEASURE} at qualities that were not probed, VMAF points. Groups weigh "
        "the same. The floor is the plain Gaussian conditional on scores alone of the same encoder "
        "and preset.",
        "",
        *_errors(main),
        "",
        "Coverage, widths taken from the other groups alone:",
        "",
        *_coverage(main),
        "",
        "## Encoders",
        "",
        *_encoders(main),
        "",
        "## Other metrics and poolings",
        "",
        *_measures(found),
        "",
        "## Domain",
        "",
        *_domain(table),
        "",
        "## Files",
        "",
        "| file | sha256 |",
        "|---|---|",
        f"| {row.table} | `{row.sha256}` |",
        *(
            f"| corpus {each.path}, {each.n_rows:,} rows | `{each.sha256}` |"
            for each in table.corpora
        ),
        "",
    ]
    return "\n".join(lines)


def _verdict(verdict: ForecastVerdict) -> Lines:
    gate = verdict.gate
    lines = ["| gate | probes | measured | threshold |", "|---|---|---|---|"]
    lines += [
        f"| {each.rival.replace('_', ' ')} less model, 90 % bootstrap | {each.probes} | "
        f"{each.lower:+.3f} to {each.upper:+.3f} | above 0 |"
        for each in gate.comparisons
    ]
    far = max(gate.coverage, key=lambda each: abs(each.covered - each.nominal))
    bound = f"within {100 * gate.coverage_tolerance:.0f} points"
    lines.append(
        f"| coverage furthest from nominal, of {len(gate.coverage)} | {far.probes} | "
        f"{far.covered:.1%} at {far.nominal:.0%} | {bound} |"
    )
    return [*lines, f"| **verdict** | | **{verdict.verdict}** | |"]


def _errors(main: list[ForecastScenario]) -> Lines:
    lines = [
        "| probes | model | Gaussian floor | linear | model on scores alone | size |",
        "|---|---|---|---|---|---|",
    ]
    for each in main:
        linear = [group.linear for group in each.groups if group.linear is not None]
        lines.append(
            f"| {each.probes} | {_mean([g.model for g in each.groups])} | "
            f"{_mean([g.gaussian_floor for g in each.groups])} | {_mean(linear)} | "
            f"{_mean([g.scores_alone for g in each.groups])} | {each.bits_mae_percent:.1f} % |"
        )
    return lines


def _coverage(main: list[ForecastScenario]) -> Lines:
    levels = list(main[0].coverage)
    names = [f"{float(level):.0%}" for level in levels]
    lines = [
        "| probes | " + " | ".join([*names, *(f"size {name}" for name in names)]) + " |",
        "|---" * (1 + 2 * len(levels)) + "|",
    ]
    for each in main:
        shares = [*(each.coverage[x] for x in levels), *(each.bits_coverage[x] for x in levels)]
        cells = " | ".join(f"{share:.1%}" for share in shares)
        lines.append(f"| {each.probes} | {cells} |")
    return lines


def _encoders(main: list[ForecastScenario]) -> Lines:
    lines = [
        "| encoder and preset | " + " | ".join(_after(each.probes) for each in main) + " |",
        "|---" * (1 + len(main)) + "|",
    ]
    for kinds, mark in ((main[0].encoders, ""), (main[0].others, " *")):
        for kind in kinds:
            errors = [(each.encoders | each.others).get(kind) for each in main]
            cells = " | ".join("-" if error is None else f"{error:.2f}" for error in errors)
            lines.append(f"| {kind}{mark} | {cells} |")
    if main[0].others:
        lines += [
            "",
            "\\* Few sources at few qualities, most of them at the far ends of the range: not "
            "counted above, and not to be compared with the other rows.",
        ]
    return lines


def _measures(found: ForecastEvidence) -> Lines:
    measures = list(dict.fromkeys(each.measure for each in found.scenarios))
    by = {(each.measure, each.probes): each for each in found.scenarios}
    probes = sorted({each.probes for each in found.scenarios})
    lines = [
        "| score | " + " | ".join(_after(count) for count in probes) + " |",
        "|---" * (1 + len(probes)) + "|",
    ]
    for measure in measures:
        cells = " | ".join(
            _mean([group.model for group in by[measure, count].groups]) for count in probes
        )
        lines.append(f"| {measure} | {cells} |")
    return lines


def _domain(table: ForecastTable) -> Lines:
    lines = ["| encoder | qualities | presets: curves |", "|---|---|---|"]
    for encoder, (low, high) in table.axes.items():
        presets: dict[str, int] = {}
        for curve in table.curves:
            if curve.encoder == encoder:
                presets[str(curve.preset)] = presets.get(str(curve.preset), 0) + 1
        named = ", ".join(f"{preset}: {count}" for preset, count in sorted(presets.items()))
        lines.append(f"| {encoder} | {low:g} to {high:g} | {named} |")
    sources = len({curve.src for curve in table.curves})
    return [
        *lines,
        "",
        f"{sources} sources in {len({curve.group for curve in table.curves})} content groups. A "
        "quality beyond the range is extrapolated; another encoder gets a generic prior that "
        "claims little. The corpora's datasheets have the clips' sizes and lengths; larger, "
        "longer or noisier titles were not measured.",
    ]


def _after(probes: int) -> str:
    return f"{probes} probe" if probes == 1 else f"{probes} probes"


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else "-"
