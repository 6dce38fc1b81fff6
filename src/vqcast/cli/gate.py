"""``vqcast gate``: PROMOTE or HOLD, from the evidence alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import documents
from vqcast.cli import options, render
from vqcast.families import Judged
from vqcast.workflow import steps


def gate(
    run_dir: Annotated[Path, typer.Argument(help="The run folder with the evidence.")],
    check: Annotated[bool, typer.Option("--check", help="Judge only; write no verdict.")] = False,
    json: options.Json = False,
) -> None:
    """Apply the family's gate and write PROMOTE.json or HOLD.json.

    Exit code 0 on PROMOTE, 1 on HOLD, 2 where the evidence can't be judged.
    """
    judged = steps.gate(run_dir, write=not check)
    if json:
        whole = documents.to_dict(judged.verdict)
        beside = ("verdict", "recommendation", "intervals")
        render.print_json(whole["gate"] | {key: whole[key] for key in beside if key in whole})
    else:
        show(judged)
    if not judged.promotes:
        raise typer.Exit(1)


def show(judged: Judged) -> None:
    """The gate's parts against their thresholds, and what to do."""
    render.tables(judged.tables)
    render.say(f"{judged.verdict.verdict}: {judged.recommendation}")
