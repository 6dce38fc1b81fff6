"""What ``train``, ``gate``, ``promote`` and ``verify`` do and say for the CRF forecaster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vqcast import extras
from vqcast.cli import render
from vqcast.documents import to_dict
from vqcast.documents.forecast import ForecastEvidence, ForecastScenario, ForecastVerdict
from vqcast.errors import InputError
from vqcast.families import FORECASTER
from vqcast.forecast.judge import MEASURE
from vqcast.workflow import forecast as forecasters
from vqcast.workflow.forecast import OnMeasure

if TYPE_CHECKING:
    from vqcast.registry.rebuild import Rebuilt


def train(corpora: Sequence[Path], out_dir: Path, *, json: bool = False) -> None:
    """Make the table and its evidence with a progress bar, and show what it is worth."""
    extras.require("train")
    with _bar("making the table, every group held out") as update:
        evidence = forecasters.train(corpora, out_dir, on_measure=update)
    if json:
        render.print_json(to_dict(evidence))
    else:
        show_evidence(evidence)
    render.note(f"table and evidence in {out_dir}; next: vqcast gate {out_dir}")


def show_evidence(evidence: ForecastEvidence) -> None:
    """Errors and coverage of held-out groups, by number of probes."""
    rows = [_row(each) for each in evidence.scenarios if each.measure == MEASURE]
    levels = list(evidence.scenarios[0].coverage)
    render.table(
        (
            "probes",
            "VMAF off by",
            "Gaussian floor",
            "linear",
            *(f"{float(level):.0%} covers" for level in levels),
            "size off by",
        ),
        rows,
        title=f"{evidence.n_groups} content groups, each held out in turn; {MEASURE}",
    )


def _row(scenario: ForecastScenario) -> tuple[object, ...]:
    def mean(values: Sequence[float | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{sum(known) / len(known):.2f}" if known else "-"

    groups = scenario.groups
    return (
        str(scenario.probes),
        mean([each.model for each in groups]),
        mean([each.gaussian_floor for each in groups]),
        mean([each.linear for each in groups]),
        *(f"{covered:.1%}" for covered in scenario.coverage.values()),
        f"{scenario.bits_mae_percent:.1f} %",
    )


def show_verdict(verdict: ForecastVerdict) -> None:
    """The gate's parts against their thresholds, and what to do."""
    render.table(
        ("against", "probes", "model off by", "rival off by", "difference, 90 %", ""),
        [
            (
                each.rival.replace("_", " "),
                str(each.probes),
                f"{each.model_mae:.2f}",
                f"{each.rival_mae:.2f}",
                f"{each.lower:+.3f} to {each.upper:+.3f}",
                _word(each.passed),
            )
            for each in verdict.gate.comparisons
        ],
    )
    render.table(
        ("intervals", "probes", "covered", "threshold", ""),
        [
            (
                f"{each.nominal:.0%}",
                str(each.probes),
                f"{each.covered:.1%}",
                f"within {100 * verdict.gate.coverage_tolerance:.0f} points",
                _word(each.passed),
            )
            for each in verdict.gate.coverage
        ],
    )
    render.say(f"{verdict.verdict}: {verdict.recommendation}")


def _word(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def promote(run_dir: Path, corpora: Sequence[Path], registry: Path, *, json: bool = False) -> None:
    """Promote with a progress bar and say what was installed."""
    extras.require("promote")
    with _bar("making the table again") as update:
        row, files = forecasters.promote(run_dir, corpora, registry, on_measure=update)
    if json:
        render.print_json({"registry": str(registry), "rows": [to_dict(row)], "files": files})
        return
    render.say(f"promoted {row.id}  sha256 {row.sha256[:16]}…")
    render.say(f"{registry}: {files} files; the corpora gave the same table again")


def rebuild(root: Path, corpora: Sequence[Path]) -> list[Rebuilt]:
    """Every promoted table made again with a progress bar, and compared."""
    with _bar("making the tables again") as update:
        return forecasters.rebuild(root, corpora, on_measure=update)


def refuse_given(options_given: dict[str, bool]) -> None:
    """Raise InputError for options that a forecaster has no use for."""
    given = [name for name, was_given in options_given.items() if was_given]
    if given:
        raise InputError(
            f"{FORECASTER}: {', '.join(given)} does nothing for a forecaster",
            hint="leave it out: the table is made from all corpora, every group held out in turn",
        )


@contextmanager
def _bar(label: str) -> Iterator[OnMeasure]:
    """A bar over the pairs of metric and pool."""
    with render.weighted_bar(label, 1.0) as advance:
        yield lambda done, of, measure: advance(1.0 / of, measure)
