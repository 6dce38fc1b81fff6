"""Model cards: one page a family, every figure read from a file that stands in the repository.

Pure: a registry's files (and, where given, the corpus's provenance and the
lift study) in, Markdown out. ``vqcast registry cards`` writes the pages, and
CI fails where they differ from what it would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vqcast import documents
from vqcast.documents.evidence import FoldReport, IntervalReport, LosoReport, SliceReport, Verdict
from vqcast.documents.registry import Registry, Row
from vqcast.errors import InputError
from vqcast.evidence import folder as evidence
from vqcast.evidence.metrics import mean_or_none
from vqcast.families import FAMILIES, Family
from vqcast.registry import law
from vqcast.serve.folder import REGISTRY_NAME

PUBLISHED = {
    "fr_regressor_v2_ensemble_v1": (
        "0.9973 mean LOSO PLCC, spread 0.00095",
        "9 sources of the Netflix Public Dataset, h264_nvenc at four qualities, 5,640 frames",
    ),
    "fr_regressor_v3": (
        "0.9975 ± 0.0018 mean LOSO PLCC, min 0.9945, RMSE 1.088, SROCC 0.9691",
        "9 sources of the Netflix Public Dataset, h264_nvenc at four qualities, 5,640 frames",
    ),
}
"""Figures that others published for the same recipe (CONTRACTS §5), and on what."""

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Table = list[str]


def card(
    family: Family,
    files: Mapping[str, bytes],
    *,
    provenance: Mapping[str, Any] | None = None,
    lift: Mapping[str, Any] | None = None,
) -> str:
    """The card of one family of a registry, as Markdown.

    Raises EvidenceError where its evidence is not in the registry.
    """
    rows = _rows(family, files)
    sidecar = law.read_network_sidecar(rows[0], files)
    prefix = evidence.prefix(family.id)
    found = evidence.parse(
        {
            name.removeprefix(prefix): data
            for name, data in files.items()
            if name.startswith(prefix)
        },
        where=prefix,
    )
    verdict = documents.decode(
        Verdict, files[law.verdict_name(family.id)], where=law.verdict_name(family.id)
    )
    reports = [found.reports[seed] for seed in sorted(found.reports)]
    smoke = any(row.is_smoke for row in rows)
    lines = [
        f"# {family.id}",
        "",
        f"{family.summary}. "
        + ("A smoke scaffold: it claims nothing. " if smoke else "")
        + _first_words(family, lift),
        "",
        "Made by `vqcast registry cards` from the sidecar, the verdict and the evidence.",
        "",
        "## Verdict",
        "",
        *_verdict_table(verdict, reports),
        "",
        *_published(family, reports),
        "## Held-out sources",
        "",
        "Each source was predicted by networks that never saw it. Means over "
        f"{len(reports)} seed{'s' if len(reports) > 1 else ''}; frames n.",
        "",
        *_folds(reports, [report.folds for report in reports], "source"),
        "",
        *_groups(reports),
        "## Encoders",
        "",
        "The same held-out predictions, by encoder.",
        "",
        *_slices(reports),
        "",
        *_intervals(found.intervals),
        "## Coverage of the vocabulary",
        "",
        *_coverage(family, sidecar),
        "",
        "## Domain",
        "",
        *_domain(provenance, sidecar),
        "",
        "## Recipe and files",
        "",
        *_recipe(sidecar, rows, law.corpus_sha256(sidecar)),
        "",
        f"Cross-validation took {sum(report.wall_time_s for report in reports):,.0f} s of one "
        "processor's time, summed over its fits.",
        "",
    ]
    return "\n".join(lines)


def summary(files: Mapping[str, bytes], family: Family) -> str:
    """The gate's figures and the per-encoder table, for the README."""
    prefix = evidence.prefix(family.id)
    found = evidence.parse(
        {
            name.removeprefix(prefix): data
            for name, data in files.items()
            if name.startswith(prefix)
        },
        where=prefix,
    )
    name = law.verdict_name(family.id)
    verdict = documents.decode(Verdict, files[name], where=name)
    reports = [found.reports[seed] for seed in sorted(found.reports)]
    lines = [
        *_verdict_table(verdict, reports),
        "",
        *_slices(reports),
        "",
        *_folds(reports, [report.folds for report in reports], "source"),
    ]
    return "\n".join(lines)


def with_block(page: str, block: str) -> str:
    """``page`` with what stands between its two figure markers replaced by ``block``.

    Raises InputError where the page has no such markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"the page lacks the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def families_in(files: Mapping[str, bytes]) -> list[Family]:
    """The families whose rows and verdict the registry holds, in declared order."""
    registry = documents.decode(Registry, files[REGISTRY_NAME], where=REGISTRY_NAME)
    ids = {row.id for row in registry.models}
    return [
        entry
        for entry in FAMILIES.values()
        if law.verdict_name(entry.id) in files
        and all(entry.member_id(seed) in ids for seed in entry.seeds)
    ]


def _rows(family: Family, files: Mapping[str, bytes]) -> list[Row]:
    registry = documents.decode(Registry, files[REGISTRY_NAME], where=REGISTRY_NAME)
    wanted = [family.member_id(seed) for seed in family.seeds]
    rows = [row for row in registry.models if row.id in wanted]
    return rows + [row for row in registry.models if row.id == family.mean_id]


def _figure(value: float | None, digits: int = 4) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"


def _first_words(family: Family, lift: Mapping[str, Any] | None) -> str:
    words = (
        "Per-frame VMAF v0.6.1 is a deterministic function of exactly the six features that the "
        "network reads, so a high correlation shows that it learnt a known function and that the "
        "chain is sound, not that it knows more than libvmaf does."
    )
    if family.vocabulary:
        words += " For the same reason the codec block can't be expected to add accuracy."
        words += f" Measured: {lift['answer']}" if lift else ""
    return words


def _verdict_table(verdict: Verdict, reports: Sequence[LosoReport]) -> Table:
    gate = verdict.gate
    groups = [report.groups.mean_plcc for report in reports if report.groups]
    lines = [
        "| gate | measured | threshold |",
        "|---|---|---|",
        f"| mean PLCC, sources held out | {_figure(gate.mean_plcc, 5)} | "
        f">= {gate.mean_plcc_threshold} |",
        f"| spread over {len(reports)} seeds | {_figure(gate.plcc_spread, 5)} | "
        f"<= {gate.plcc_spread_max} |",
        f"| lowest seed | {_figure(gate.per_seed_min, 5)} | >= {gate.mean_plcc_threshold} |",
        f"| **verdict** | **{verdict.verdict}** | |",
    ]
    if len(reports) == 1:
        del lines[3:5]  # one network: no spread, and the lowest seed is the mean
    if groups:
        mean = _figure(mean_or_none(groups), 5)
        lines.insert(3, f"| mean PLCC, content groups held out | {mean} | not gated |")
    return lines


def _published(family: Family, reports: Sequence[LosoReport]) -> Table:
    if family.id not in PUBLISHED:
        return []
    figures, data = PUBLISHED[family.id]
    ours = _figure(mean_or_none([report.mean_plcc for report in reports]))
    return [
        f"Others published {figures} for the same recipe on other data: {data}. Ours is {ours} on "
        f"{reports[0].n_folds} sources; sources and encoders differ, so the two do not compare.",
        "",
    ]


def _folds(
    reports: Sequence[LosoReport], folds: Sequence[Sequence[FoldReport]], what: str
) -> Table:
    lines = [f"| {what} | n | PLCC | SROCC | RMSE |", "|---|---|---|---|---|"]
    for index, first in enumerate(folds[0]):
        same = [each[index] for each in folds]
        plcc, srocc, rmse = (
            _figure(mean_or_none([getattr(fold, name) for fold in same]), digits)
            for name, digits in (("plcc", 4), ("srocc", 4), ("rmse", 2))
        )
        lines.append(f"| {first.held_out} | {first.n_val:,} | {plcc} | {srocc} | {rmse} |")
    return lines


def _groups(reports: Sequence[LosoReport]) -> Table:
    groups = [report.groups for report in reports if report.groups]
    if not groups:
        return []
    plcc = _figure(mean_or_none([group.mean_plcc for group in groups]), 5)
    lowest = _figure(min(group.min_plcc for group in groups if group.min_plcc is not None), 5)
    return [
        "Clips that share content leak into each other's folds. With whole content groups held "
        f"out ({groups[0].n_folds} groups) the mean PLCC is {plcc}, the lowest {lowest}.",
        "",
    ]


def _slices(reports: Sequence[LosoReport]) -> Table:
    lines = ["| encoder | n | PLCC | SROCC | RMSE |", "|---|---|---|---|---|"]
    for index, first in enumerate(reports[0].encoders):
        same: list[SliceReport] = [report.encoders[index] for report in reports]
        plcc, srocc, rmse = (
            _figure(mean_or_none([getattr(part, name) for part in same]), digits)
            for name, digits in (("plcc", 4), ("srocc", 4), ("rmse", 2))
        )
        lines.append(f"| {first.name} | {first.n:,} | {plcc} | {srocc} | {rmse} |")
    return lines


def _intervals(report: IntervalReport | None) -> Table:
    if report is None:
        return []
    groups = report.calibration.n_groups
    lines = [
        "## Intervals",
        "",
        f"{report.nominal_coverage:.0%} intervals, conformal over {groups} content groups; "
        "coverage of groups that neither trained nor calibrated. With so few groups a coverage "
        "has a standard error of up to 7 points; `docs/evaluation.md` has bootstrap ranges, "
        "rivals and weak spots.",
        "",
        "| target | covered | mean width | lowest encoder |",
        "|---|---|---|---|",
    ]
    for target, measured in report.coverage.items():
        lowest = min(measured.encoders, key=lambda name: measured.encoders[name])
        lines.append(
            f"| {'frame' if target == 'frame' else 'clip mean'} | {measured.overall:.1%} | "
            f"{measured.mean_width:.2f} | {lowest} {measured.encoders[lowest]:.1%} |"
        )
    biases = ", ".join(
        f"{-correction:+.2f} at {knot:g}"
        for knot, correction in zip(
            report.calibration.knots, report.calibration.corrections, strict=True
        )
    )
    return [
        *lines,
        "",
        "The plain mean of the networks is biased, a consequence of dropout in the recipe. In "
        f"VMAF points by predicted score: {biases}. The one graph, and `predict`, correct it; a "
        "reader of the members alone does not.",
        "",
    ]


def _coverage(family: Family, sidecar: law.NetworkSidecar) -> Table:
    if not family.vocabulary:
        return ["It is codec-blind: it reads no encoder, preset or quality."]
    lines = ["| slot | training rows |", "|---|---|"]
    lines += [f"| {slot} | {rows:,} |" for slot, rows in sidecar.slot_rows.items()]
    lines.append("")
    if sidecar.unknown_encoders:
        named = ", ".join(f"{name} ({rows:,})" for name, rows in sidecar.unknown_encoders.items())
        lines.append(f"The slot `unknown` was trained by {named}.")
    excluded = getattr(sidecar, "rows_excluded", {})
    if excluded:
        named = ", ".join(f"{name} ({rows:,} rows)" for name, rows in excluded.items())
        lines.append(f"Left out, for want of a slot: {named}.")
    lines.append("A prediction in a slot without rows says so.")
    return lines


def _domain(provenance: Mapping[str, Any] | None, sidecar: law.NetworkSidecar) -> Table:
    if provenance is None:
        low, high = law.cq_range(sidecar)
        return [f"- Quality numbers seen, over all encoders: {low:g} to {high:g}."]
    sources = provenance["sources"]
    sizes = sorted({(source["width"], source["height"]) for source in sources})
    frames = [source["frames"] for source in sources]
    grid = provenance["grid"]
    presets = ", ".join(f"{name} {entry['preset']}" for name, entry in grid.items())
    qualities = ", ".join(
        f"{name} {min(entry['cq']):g} to {max(entry['cq']):g}" for name, entry in grid.items()
    )
    return [
        f"- Quality numbers seen: {qualities}.",
        f"- Clips: {len(sources)}, of {min(frames)} to {max(frames)} frames, sizes "
        + ", ".join(f"{width}x{height}" for width, height in sizes)
        + ".",
        f"- Encoders and the one preset of each: {presets}.",
        "- Never tried: larger pictures, HDR, interlaced or variable-rate video, hardware "
        "encoders, longer clips, scoring at another size than the source's.",
    ]


def _recipe(sidecar: law.NetworkSidecar, rows: Sequence[Row], corpus_sha256: str) -> Table:
    recipe = sidecar.training_recipe
    lines = [
        f"- {recipe.depth} hidden layers of {recipe.hidden}, GELU, dropout {recipe.dropout}; "
        f"{recipe.in_features} features + {recipe.num_codecs} codec columns.",
        f"- {recipe.optimizer}, lr {recipe.lr:g}, weight decay {recipe.weight_decay:g}, batch "
        f"{recipe.batch_size}, {recipe.epochs} epochs, {recipe.loss}.",
        f"- Fitted on every row of the corpus with sha256 `{corpus_sha256}`.",
        "",
        "| file | sha256 |",
        "|---|---|",
    ]
    return lines + [f"| {row.onnx} | `{row.sha256}` |" for row in rows]
