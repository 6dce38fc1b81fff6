"""The report of the lift as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence

from studies.lift.judge import Interval, LiftReport
from vqcast.pages import template
from vqcast.pages.template import signed

_PER_ENCODER = (
    "codec_by_group",
    "v3_against_v2",
    "encoders_held_out",
    "teacher_vmaf_v1",
    "presets_mixed",
)
"""Comparisons whose encoders are listed on the page; the report holds all."""


def page(report: LiftReport, name: str) -> str:
    """The answer first, then every comparison; ``name`` is the report's file."""
    studies = report.studies
    return template.render(
        "lift.md.j2",
        "studies",
        report=report,
        name=name,
        studies={study.id: study for study in studies},
        per_encoder=_PER_ENCODER,
        excluded={name: n for study in studies for name, n in study.rows_excluded.items()},
        measured=sorted({each.name for study in studies for each in study.encoders}),
        teachers=sorted({study.teacher for study in studies}),
        change=change,
        span=span,
    )


def change(interval: Interval, digits: int) -> str:
    """A mean difference and its interval."""
    ends = "no interval"
    if interval.low is not None and interval.high is not None:
        ends = f"{signed(interval.low, digits)} to {signed(interval.high, digits)}"
    return f"{signed(interval.mean, digits)} ({ends})"


def span(values: Sequence[float | None], digits: int) -> str:
    """The lowest and the highest of several differences; a dash where one is undefined."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    return " to ".join(dict.fromkeys(signed(end, digits) for end in (min(known), max(known))))
