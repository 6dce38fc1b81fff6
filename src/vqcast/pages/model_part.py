"""One model's part of the page: verdict, held-out accuracy, intervals, slots."""

from __future__ import annotations

from vqcast.evidence.gate import PROMOTE
from vqcast.pages import accuracy_part, gate_charts, html, interval_part
from vqcast.pages.part import Part, heading, side_by_side
from vqcast.pages.verdict_part import tiles
from vqcast.vocab import UNKNOWN


def model_part(part: Part, *, unfolded: bool) -> str:
    """The section of one model, as HTML; its details are unfolded where asked for."""
    subject, verdict = part.subject, part.subject.verdict
    kind = "pass" if verdict.verdict == PROMOTE else "fail"
    blocks = (
        accuracy_part.sources(part),
        accuracy_part.encoders(part),
        accuracy_part.frames(part),
        interval_part.intervals(part),
        _slots(part),
    )
    return (
        f'<section class="model" id="{part.key}"><div class="title"><h2>{html.text(part.key)}</h2>'
        f'<span class="pill {kind}">{html.text(verdict.verdict)}</span></div>'
        + html.paragraph(
            f"{subject.model.summary}. Verdict of {verdict.generated_at_utc} on "
            f"{verdict.corpus.path or 'an unnamed corpus'}: {verdict.recommendation}",
            kind="quiet",
        )
        + tiles(part)
        + f'<details class="model"{" open" if unfolded else ""}><summary>What '
        f"{html.text(part.key)} was measured to do</summary>{''.join(blocks)}</details></section>"
    )


def _slots(part: Part) -> str:
    rows = part.subject.slot_rows
    if not rows:
        return heading("Vocabulary", "It reads no encoder, preset or quality.")
    report, vocabulary = part.subject.reports[0], part.subject.model.vocabulary
    words = "A prediction in a slot without rows is a guess, and vqcast says so."
    strangers = [each.name for each in report.encoders if each.name not in vocabulary]
    if strangers and UNKNOWN in vocabulary:
        words += f" The slot {UNKNOWN} was trained by {', '.join(strangers)}."
    if report.rows_excluded:
        left = ", ".join(f"{name} ({count:,} rows)" for name, count in report.rows_excluded.items())
        words += f" Left out, for want of a slot: {left}."
    chart = part.inline(
        gate_charts.slot_rows(rows),
        "slots",
        "Training rows behind each slot of the vocabulary",
        "; ".join(f"{name}: {count:,}" for name, count in rows.items()),
    )
    figure = html.figure(
        "Rows behind each slot",
        chart,
        n=f"{sum(rows.values()):,} frames in {len(rows)} slots",
        evidence=part.cite([part.subject.loso_names[0]]),
        fallback=html.table(("slot", "rows"), list(rows.items())),
    )
    return heading("Vocabulary", words) + side_by_side([figure])
