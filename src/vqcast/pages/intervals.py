"""The evaluation as tables: sections of words and figures, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcast.evidence.coverage import Coverage
from vqcast.evidence.evaluation import Evaluation, Figures, Slice
from vqcast.evidence.methods import CONFORMAL
from vqcast.interval import Calibration, largest_level, needed_groups

METHOD_WORDS = {
    "conformal": "ensemble, conformal (ours)",
    "gaussian": "(a) ensemble, Gaussian",
    "single": "(b) one network, constant",
    "single+centre": "one network, our correction, constant",
}


_LEVELS_SHOWN = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Section:
    """A title, sentences, and at most one table."""

    title: str
    sentences: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(found: Evaluation, calibration: Calibration) -> list[Section]:
    """Everything a reader needs to judge the intervals, n in every table."""
    return [
        _verdict(found),
        _caution(found),
        _methods(found),
        _splits(found),
        _reliability(found),
        *(_slices(found, kind) for kind in ("encoder", "band", "source")),
        _shipped(calibration),
    ]


def percent(value: float | None) -> str:
    """A share in percent, a dash where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """VMAF points, a dash where there are none."""
    return "-" if value is None else f"{value:.2f}"


def spread_range(measured: Coverage | None) -> str:
    """The bootstrap bounds of a coverage in percent."""
    if measured is None or measured.low is None:
        return "-"
    return f"{percent(measured.low)}..{percent(measured.high)}"


def _of(found: Evaluation, method: str, target: str, level: float) -> Figures:
    return next(
        each
        for each in found.figures
        if (each.method, each.target) == (method, target) and abs(each.level - level) < 1e-9
    )


def _verdict(found: Evaluation) -> Section:
    sentences = []
    for target, noun in (("pooled", "a new source's clip scores"), ("frame", "its frames")):
        ours = _of(found, CONFORMAL, target, 0.9)
        theirs = _of(found, "single", target, 0.9)
        if ours.measured is None:
            sentences.append(
                f"90 % intervals for {noun} are out of reach: leaving one group out leaves "
                f"{found.n_groups - 1} groups, and {needed_groups(0.9)} are needed."
            )
            continue
        sentences.append(
            f"90 % intervals hold {percent(ours.measured.coverage)} % of {noun} "
            f"(n = {ours.measured.n} in {ours.measured.n_groups} groups; group bootstrap "
            f"{spread_range(ours.measured)} %) and are {points(ours.measured.width)} VMAF "
            f"points wide on average. At equal coverage, 90 %: {points(ours.width_at_level)}, "
            f"one network with a constant quantile {points(theirs.width_at_level)}."
        )
    sentences.append(
        f"RMSE on groups never seen: {found.rmse_mean:.3f} points for the ensemble's plain mean, "
        f"{found.rmse_centre:.3f} for the corrected centre of the interval."
    )
    return Section("Result", tuple(sentences))


def _caution(found: Evaluation) -> Section:
    return Section(
        "How to read these figures",
        (
            f"The unit is the content group: {found.n_groups} groups, {found.n_cells} cells, "
            f"{found.n_rows} frames. With {found.n_groups} groups a coverage near 90 % has a "
            f"standard error of up to {100 * found.standard_error_90:.0f} points (groups held or "
            "missed whole); the ranges come from drawing groups with replacement.",
            "Repeated splits of one finite set of groups drift to the nominal level by "
            "themselves: their mean says that the arithmetic is right, not that the next source "
            "is like these. The spread over splits, and the ranges, are what to look at.",
            "Every prediction is by networks that never saw the row's group; quantile, "
            "correction and distance are fitted without it too. The networks of a tested group "
            "were trained on the groups that calibrate, as in the shipped ensemble.",
            f"A level above n/(n+1) = {percent(largest_level(found.n_groups))} % "
            f"(n = {found.n_groups}) can't be promised without assumptions; such cells hold "
            "a dash.",
            "A width alone or a coverage alone proves nothing. Width at coverage scales each "
            "method by one factor until it covers exactly the level on these rows. Overall figures "
            "weigh groups alike; those per encoder, band and source weigh rows alike.",
            "The choice of scale (ADR-0004) was made on these same groups: a few constants "
            "were picked by hand, which may flatter the widths a little.",
        ),
    )


def _methods(found: Evaluation) -> Section:
    rows = [
        (
            METHOD_WORDS.get(each.method, each.method),
            each.target,
            f"{100 * each.level:.0f}",
            "-" if each.measured is None else str(each.measured.n),
            percent(each.measured.coverage if each.measured else None),
            spread_range(each.measured),
            points(each.measured.width if each.measured else None),
            points(each.measured.score if each.measured else None),
            points(each.width_at_level),
        )
        for each in sorted(found.figures, key=lambda each: (each.target, each.level))
    ]
    return Section(
        "Methods, one group left out at a time",
        (
            f"n groups = {found.n_groups}. Coverage in %, widths and interval scores (Gneiting & "
            "Raftery 2007, eq. 43; lower is better) in VMAF points. The Gaussian interval has no "
            f"calibration; figures of one network are means over {found.n_members} networks.",
        ),
        (
            *("method", "target", "level %", "n", "coverage %", "bootstrap 95 %"),
            *("width", "interval score", "width at coverage"),
        ),
        tuple(rows),
    )


def _splits(found: Evaluation) -> Section:
    rows = [
        (
            f"{each.n_calibration}/{each.n_test}",
            str(each.n_splits),
            each.target,
            f"{100 * each.level:.0f}",
            each.rule,
            percent(each.coverage),
            "-" if each.low is None else f"{percent(each.low)}..{percent(each.high)}",
            points(each.width),
        )
        for each in found.splits
    ]
    return Section(
        "Repeated splits",
        (
            "Groups to calibrate / to test. The hierarchical rule is the shipped one, with its "
            "finite-sample promise, and covers more than it promises where few groups calibrate "
            "(about level x (n+1)/n); the pooled CDF promises only in the limit and is shown for "
            "comparison.",
        ),
        (
            *("groups", "splits", "target", "level %", "rule", "mean coverage %"),
            *("5..95 % of splits", "width"),
        ),
        tuple(rows),
    )


def _reliability(found: Evaluation) -> Section:
    rows = [
        (
            f"{100 * each.level:.0f}",
            each.target,
            "-" if each.measured is None else str(each.measured.n),
            str(found.n_groups),
            percent(each.measured.coverage if each.measured else None),
            spread_range(each.measured),
            points(each.measured.width if each.measured else None),
        )
        for each in found.reliability
    ]
    return Section(
        "Reliability",
        ("Nominal level against what was covered, one group left out at a time.",),
        ("level %", "target", "n", "groups", "coverage %", "bootstrap 95 %", "width"),
        tuple(rows),
    )


def _slices(found: Evaluation, kind: str) -> Section:
    chosen = [each for each in found.slices if each.kind == kind]
    by_name: dict[tuple[str, str], dict[float, Slice]] = {}
    for each in chosen:
        by_name.setdefault((each.name, each.target), {})[each.level] = each
    levels = sorted({each.level for each in chosen})
    rows = []
    for (name, target), row in by_name.items():
        first = next(iter(row.values())).measured
        cells = [name, target, str(first.n), str(first.n_groups)]
        for level in levels:
            measured = row[level].measured if level in row else None
            cells += [
                percent(measured.coverage if measured else None),
                points(measured.width if measured else None),
            ]
        ninety = row[0.9].measured if 0.9 in row else None
        rows.append((*cells, spread_range(ninety)))
    heads = [f"{100 * level:.0f} %: {what}" for level in levels for what in ("coverage", "width")]
    titles = {"encoder": "Per encoder", "band": "Per VMAF band", "source": "Per source"}
    return Section(
        titles[kind],
        ("Our interval, one group left out at a time; bootstrap range of the 90 % coverage.",),
        (kind, "target", "n", "groups", *heads, "bootstrap at 90 %"),
        tuple(rows),
    )


def _shipped(calibration: Calibration) -> Section:
    def words(level: float, pooled: bool) -> str:
        if level > largest_level(calibration.n_groups):
            return "out of reach"
        return f"{calibration.quantile(level, pooled=pooled):.4f}"

    corrections = ", ".join(
        f"{knot:g}: {value:+.2f}"
        for knot, value in zip(calibration.knots, calibration.corrections, strict=True)
    )
    return Section(
        "Calibration on all groups",
        (
            f"n groups = {calibration.n_groups}, cells {calibration.n_cells}, frames "
            f"{calibration.n_rows}. Half width = quantile x (spread + "
            f"{calibration.spread_floor:g}) x difficulty x widening.",
            f"Correction of the predicted score in points, at: {corrections}.",
            "Quantiles that the number of groups can't support are refused.",
        ),
        ("level %", "frame quantile", "pooled quantile"),
        tuple(
            (f"{100 * level:.0f}", words(level, False), words(level, True))
            for level in _LEVELS_SHOWN
            if level >= calibration.frame[0].level
        ),
    )


def markdown(title: str, parts: Sequence[Section]) -> str:
    """The sections as one Markdown page."""
    lines = [f"# {title}", ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        for sentence in part.sentences:
            lines += [sentence, ""]
        if part.columns:
            lines.append("| " + " | ".join(part.columns) + " |")
            lines.append("|" + "---|" + "---:|" * (len(part.columns) - 1))
            lines += ["| " + " | ".join(row) + " |" for row in part.rows]
            lines.append("")
    return "\n".join(lines)
