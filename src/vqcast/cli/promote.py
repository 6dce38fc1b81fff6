"""``vqcast promote``: the one way for models, sidecars and rows to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.documents import to_dict
from vqcast.workflow import steps

Registry = Annotated[Path, typer.Option("--registry", help="The registry folder to promote into.")]


def promote(
    run_dir: Annotated[Path, typer.Argument(help="The run folder with evidence and PROMOTE.json.")],
    corpus: options.CorpusFiles,
    registry: Registry,
    scaffold: Annotated[
        bool,
        typer.Option("--scaffold", help="Install a family that was held as smoke rows."),
    ] = False,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Fit the production models on the whole corpus and install them in one step.

    A CRF forecaster's table is made again from its corpora instead, and must be
    the run folder's, byte for byte.

    Refuses without a PROMOTE verdict that matches evidence and corpus by
    digest (exit code 1 on HOLD). All or nothing, even if it is killed.
    """
    extras.require("promote")
    with render.watching("fitting the production models") as watch:
        done = steps.promote(
            run_dir, corpus, registry, scaffold=scaffold, workers=workers, watch=watch
        )
    if json:
        render.print_json(
            {
                "registry": str(registry),
                "rows": [to_dict(row) for row in done.rows],
                "files": done.files,
                **done.figures,
            }
        )
        return
    show(done)


def show(done: steps.Promoted) -> None:
    """What was installed, and what was checked before."""
    for row in done.rows:
        state = "scaffold" if row.is_smoke else "promoted"
        render.say(f"{state} {row.id}  sha256 {row.sha256[:16]}…")
    render.say(f"{done.registry}: {done.files} files; {done.checked}")
