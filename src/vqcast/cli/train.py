"""``vqcast train``: evidence of what a model is worth, made on data held out."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.families import Corpora, Training, family
from vqcast.workflow import steps

Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Epochs of each fit. Default: the recipe's 200.", show_default=False),
]
HoldOut = Annotated[
    str | None,
    typer.Option(
        help="What a fold holds out: src, or group for sources that share content. Default: src.",
        show_default=False,
    ),
]
Unseen = Annotated[
    bool,
    typer.Option(
        "--unseen",
        help="Also refit without each preset and each encoder, and measure how far the ensemble's "
        "interval must widen there.",
    ),
]


def train(
    corpus: options.CorpusFiles,
    out_dir: options.OutDir,
    model: options.ModelId = options.DEFAULT_MODEL,
    seeds: Annotated[str, typer.Option(help="Seeds to train. Default: all of the family.")] = "",
    epochs: Epochs = None,
    hold_out: HoldOut = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One epoch, marked so that no gate accepts it.")
    ] = False,
    unseen: Unseen = False,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Train every fold of every seed and write one loso_seed{N}.json each.

    A model that is one network is also judged, fitted on the whole corpus and
    exported into the run folder; below the gate the exit code is 1. A killed
    run resumes where it stopped when the same command is run again. The CRF
    forecaster reads several corpora, and writes its table and evidence.
    """
    extras.require("train")
    given = Corpora(corpus)
    asked = Training(
        seeds=options.integers(seeds, "--seeds") if seeds else None,
        epochs=epochs,
        hold_out=hold_out,
        dry_run=dry_run,
        unseen=unseen,
    )
    with render.watching(f"training {model}") as watch:
        trained = steps.train(model, given, out_dir, asked=asked, workers=workers, watch=watch)
    if json:
        render.print_json(msgspec.to_builtins(trained.evidence))
    else:
        render.tables(trained.tables)
    if dry_run or not family(model).exported_by_training:
        render.note(f"evidence in {out_dir}; next: vqcast gate {out_dir}")
        return
    with render.watching(f"fitting {model} on every row") as watch:
        judged = steps.export(out_dir, given, workers=workers, watch=watch)
    folder = out_dir / steps.EXPORT_FOLDER
    if not judged.promotes:
        render.note(f"HOLD: {model} in {folder} is a scaffold, which nothing may score with")
        render.note(judged.recommendation)
        raise typer.Exit(1)
    render.note(f"PROMOTE: {model} is in {folder}; to install it:")
    render.note(options.promotion(out_dir, corpus, None))
