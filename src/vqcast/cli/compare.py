"""``vqcast compare``: encoders and presets beside each other at one target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.cli.tune import Input, probe_line, size_text
from vqcast.documents import to_dict
from vqcast.documents.compare import CompareResult, CompareRow
from vqcast.documents.tune import TuneProbed
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning import compare as comparing
from vqcast.tuning.compare import CompareRequest
from vqcast.tuning.machine import Machine


@grouped
def compare(
    input: Input,
    asked: CompareRequest,
    reading: options.Reading,
    stores: options.Stores,
    machine: Machine,
    trust: Trust,
    plot: Annotated[
        Path | None, typer.Option(help="Draw size against time: .png or .svg.", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Find what a target costs with each encoder and preset, in size and in time.

    A * marks the front: no other row is both smaller and faster. Times are those of an encode of
    the whole video on this machine, as the probes were timed on it.

    Exit codes: 3 no row reaches the target; 4 no row is within the budget.
    """
    options.check_plot(plot)
    extras.require("compare" if plot is None else "compare --plot")
    done = 0
    with render.spinner("reading the video") as update:

        def tell(row: str, event: TuneProbed) -> None:
            nonlocal done
            done += 1
            update(f"{row}: probed")
            render.note(f"{row}, {probe_line(done, event, asked.metric)}")

        result = comparing.compare(
            input, asked, registry=stores.registry, trust=trust, cache=stores.cache,
            keep=not stores.no_cache, machine=machine, on_probe=tell,
            on_progress=render.remaining("probing", update), intake=reading.intake(),
        )  # fmt: skip
    for words in result.notes:
        render.note(f"note: {words}")
    if json:
        render.print_json_line(to_dict(result))
    else:
        show(result)
    if plot is not None:
        from vqcast.pages import ladder_charts

        ladder_charts.write_comparison(result, plot)
        render.note(f"drew {plot}")
    if not any(row.status == "met" for row in result.rows):
        raise typer.Exit(3)
    if result.budget is not None and result.chosen is None:
        raise typer.Exit(4)


def show(result: CompareResult) -> None:
    """The table, and what the budget picks."""
    shown = METRICS[result.metric].shown
    render.table(
        ("encoder", "CRF", result.metric, "size", "interval", "encode", "interval", "energy", ""),
        [_cells(row, shown(row.score)) for row in result.rows],
    )
    if result.chosen is not None:
        row = result.rows[result.chosen]
        render.say(f"{name_of(row)}, CRF {row.crf:g}: {result.reason}")
    else:
        render.say(result.reason)


def name_of(row: CompareRow) -> str:
    """Encoder and preset."""
    return row.encoder if row.preset is None else f"{row.encoder} {row.preset}"


def _cells(row: CompareRow, score: str) -> tuple[str, ...]:
    said = {"met": "", "best_effort": "missed", "size_cap": "size cap"}[row.status]
    return (
        name_of(row), f"{row.crf:g}", score, size_text(row.bytes),
        f"{size_text(row.bytes_lower)}..{size_text(row.bytes_upper)}", time_text(row.encode_s),
        f"{time_text(row.encode_s_lower)}..{time_text(row.encode_s_upper)}",
        "-" if row.energy_j is None else f"{row.energy_j:.0f} J", "*" if row.front else said,
    )  # fmt: skip


def time_text(seconds: float) -> str:
    """Seconds in the unit that people read."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
