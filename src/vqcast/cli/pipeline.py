"""``vqcast pipeline``: check, train, gate and promote in one run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import forecast, gate, options, promote, render, train
from vqcast.corpus.table import load
from vqcast.evidence.gate import PROMOTE
from vqcast.families import FORECASTER, Recipe, family
from vqcast.workflow import forecast as forecasters


def pipeline(
    corpus: options.CorpusFiles,
    out_dir: options.OutDir,
    registry: promote.Registry,
    model: options.ModelId = options.DEFAULT_MODEL,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each fit.")] = Recipe().epochs,
    hold_out: Annotated[str, typer.Option(help="What a fold holds out: src or group.")] = "src",
    workers: options.Workers = None,
) -> None:
    """Check the corpus, train every seed, gate, and promote on PROMOTE.

    Exit code 1 on HOLD, which leaves the registry alone; 2 where the corpus is
    missing or too small. A killed run goes on where it stopped.
    """
    extras.require("pipeline")
    if model == FORECASTER:
        forecast.refuse_given(
            {
                "--epochs": epochs != Recipe().epochs,
                "--hold-out": hold_out != "src",
            }
        )
        _forecaster(corpus, out_dir, registry)
        return
    chosen = family(model)
    path = options.one(corpus, model)
    loaded = load(path)
    render.say(
        f"{path}: {len(loaded)} rows, {len(loaded.sources)} sources, sha256 {loaded.sha256[:16]}…"
    )
    reports = train.run(
        loaded,
        chosen,
        out_dir,
        seeds=chosen.seeds,
        recipe=replace(Recipe(), epochs=epochs),
        hold_out=hold_out,
        workers=workers,
    )
    train.show(reports)
    verdict = gate.run(out_dir, write=True)
    gate.show(verdict)
    if verdict.verdict != PROMOTE:
        render.note(f"{registry} is untouched")
        raise typer.Exit(1)
    promote.run(out_dir, loaded, registry, workers=workers)


def _forecaster(corpora: list[Path], out_dir: Path, registry: Path) -> None:
    forecast.train(corpora, out_dir)
    verdict = forecasters.gate(out_dir, write=True)
    forecast.show_verdict(verdict)
    if verdict.verdict != PROMOTE:
        render.note(f"{registry} is untouched")
        raise typer.Exit(1)
    forecast.promote(out_dir, corpora, registry)
