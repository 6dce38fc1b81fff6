"""``vqcast promote``: the one way for weights, sidecars and rows to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import forecast, options, render
from vqcast.corpus.table import Corpus, load
from vqcast.documents import to_dict
from vqcast.workflow import forecast as forecasters

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
    digest (exit code 1 on HOLD). All or nothing, whenever it is killed.
    """
    extras.require("promote")
    if forecasters.is_run(run_dir):
        forecast.refuse_given({"--scaffold": scaffold})
        forecast.promote(run_dir, corpus, registry, json=json)
        return
    run(
        run_dir,
        load(options.one(corpus, "this model")),
        registry,
        scaffold=scaffold,
        workers=workers,
        json=json,
    )


def run(
    run_dir: Path,
    corpus: Corpus,
    registry: Path,
    *,
    scaffold: bool = False,
    workers: int | None = None,
    json: bool = False,
) -> None:
    """Promote with a progress bar and say what was installed."""
    from vqcast.registry.promote import promote as promote_run

    with render.training_bar("fitting the production models") as update:
        done = promote_run(
            run_dir,
            corpus,
            registry,
            scaffold=scaffold,
            workers=workers,
            on_progress=update,
        )
    if json:
        render.print_json(
            {
                "registry": str(registry),
                "rows": [to_dict(row) for row in done.rows],
                "files": done.files,
                "max_abs_export_difference": done.worst_parity,
            }
        )
        return
    for row in done.rows:
        state = "scaffold" if row.is_smoke else "promoted"
        render.say(f"{state} {row.id}  sha256 {row.sha256[:16]}…")
    render.say(
        f"{registry}: {done.files} files; the graphs differ from the trained networks by at most "
        f"{done.worst_parity:.1e} VMAF"
    )
