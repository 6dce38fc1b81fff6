"""``vqcast gate``: PROMOTE or HOLD, from the evidence alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from vqcast.cli import forecast, options, render
from vqcast.documents import to_dict
from vqcast.documents.evidence import Verdict
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import PROMOTE, judge
from vqcast.families import family
from vqcast.workflow import forecast as forecasters


def gate(
    run_dir: Annotated[Path, typer.Argument(help="The run folder with the evidence.")],
    check: Annotated[bool, typer.Option("--check", help="Judge only; write no verdict.")] = False,
    json: options.Json = False,
) -> None:
    """Apply the family's gate and write PROMOTE.json or HOLD.json.

    Exit code 0 on PROMOTE, 1 on HOLD, 2 where the evidence can't be judged.
    """
    if forecasters.is_run(run_dir):
        _gate_forecaster(run_dir, write=not check, json=json)
        return
    verdict = run(run_dir, write=not check)
    if json:
        whole = to_dict(verdict)
        more = {key: whole[key] for key in ("verdict", "recommendation", "intervals")}
        render.print_json(whole["gate"] | more)
    else:
        show(verdict)
    if verdict.verdict != PROMOTE:
        raise typer.Exit(1)


def _gate_forecaster(run_dir: Path, *, write: bool, json: bool) -> None:
    verdict = forecasters.gate(run_dir, write=write)
    if json:
        whole = to_dict(verdict)
        more = {key: whole[key] for key in ("verdict", "recommendation")}
        render.print_json(whole["gate"] | more)
    else:
        forecast.show_verdict(verdict)
    if verdict.verdict != PROMOTE:
        raise typer.Exit(1)


def run(run_dir: Path, *, write: bool) -> Verdict:
    """Judge a run folder's evidence, writing the verdict beside it if asked to."""
    found = evidence.read(run_dir)
    models = {report.model for report in found.reports.values()} - {""}
    if len(models) > 1:
        raise EvidenceError(f"{run_dir}: mixes evidence of {', '.join(sorted(models))}")
    verdict = judge(
        found.reports,
        found.digests,
        family(models.pop() if models else options.DEFAULT_MODEL),
        generated_at_utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        intervals=found.intervals,
    )
    if write:
        evidence.write_verdict(run_dir, verdict)
    return verdict


def show(verdict: Verdict) -> None:
    """The gate's parts against their thresholds, and what to do."""
    report = verdict.gate

    def word(passed: bool) -> str:
        return "pass" if passed else "FAIL"

    render.table(
        ("part", "measured", "threshold", ""),
        [
            (
                "mean PLCC over seeds",
                report.mean_plcc,
                f">= {report.mean_plcc_threshold}",
                word(report.mean_plcc_pass),
            ),
            (
                "spread over seeds",
                None if report.plcc_spread is None else f"{report.plcc_spread:.6f}",
                f"<= {report.plcc_spread_max}",
                word(report.plcc_spread_pass),
            ),
            (
                "lowest seed",
                report.per_seed_min,
                f">= {report.mean_plcc_threshold}",
                word(report.per_seed_pass),
            ),
        ],
    )
    if verdict.intervals is not None:
        claim = verdict.intervals
        render.table(
            (
                f"{claim.nominal_coverage:.0%} intervals, groups held out",
                "covered",
                "threshold",
                "",
            ),
            [
                (
                    target,
                    covered,
                    f">= {claim.coverage_min:.2f}",
                    word(covered >= claim.coverage_min),
                )
                for target, covered in claim.coverage.items()
            ],
        )
    render.say(f"{verdict.verdict}: {verdict.recommendation}")
