"""``vqcast pipeline``: check, train and gate in one run; promote where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import gate, options, promote, render, train
from vqcast.errors import InputError
from vqcast.families import Judged, Trained, Training
from vqcast.workflow import steps


def pipeline(
    corpus: options.CorpusFiles,
    out_dir: options.OutDir,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="The registry that a promotion installs into."),
    ] = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    epochs: train.Epochs = None,
    hold_out: train.HoldOut = None,
    install: Annotated[
        bool, typer.Option("--promote", help="On PROMOTE also install it into --registry.")
    ] = False,
    unseen: train.Unseen = False,
    workers: options.Workers = None,
) -> None:
    """Check the corpus, train every seed and gate; the verdict alone installs nothing.

    Ends with the verdict and the promotion's command line, or with --promote does
    both at once. Exit code 1 on HOLD; 2 where the corpus is missing or too small.
    A killed run resumes where it stopped.
    """
    extras.require("pipeline")
    if install and registry is None:
        raise InputError("--promote needs a registry", hint="add --registry DIR")
    with render.watching(model) as watch:
        judged = steps.pipeline(
            model,
            corpus,
            out_dir,
            promote_into=registry if install else None,
            asked=Training(epochs=epochs, hold_out=hold_out, unseen=unseen),
            workers=workers,
            watch=watch,
            on_step=_show,
        )
    if not judged.promotes:
        render.note("nothing is installed")
        raise typer.Exit(1)
    if not install:
        render.say("nothing is installed yet; to install it:")
        render.say(options.promotion(out_dir, corpus, registry))


def _show(step: steps.Step) -> None:
    if isinstance(step, Trained):
        render.tables(step.tables)
    elif isinstance(step, Judged):
        gate.show(step)
    else:
        render.say("--promote: installed")
        promote.show(step)
