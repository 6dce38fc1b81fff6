"""``vqcast pipeline``: check, train, gate and promote in one run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from vqcast.cli import gate, options, promote, render, train
from vqcast.corpus.table import load
from vqcast.families import Recipe, family
from vqcast.judge.gate import PROMOTE


def pipeline(
    corpus: options.CorpusFile,
    out_dir: options.OutDir,
    registry: promote.Registry,
    model: options.ModelId = options.DEFAULT_MODEL,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each fit.")] = Recipe().epochs,
    hold_out: Annotated[str, typer.Option(help="What a fold holds out: src or group.")] = "src",
    workers: options.Workers = None,
    device: options.Device = "cpu",
) -> None:
    """Check the corpus, train every seed, gate, and promote on PROMOTE.

    Exit code 1 on HOLD, which leaves the registry alone; 2 where the corpus is
    missing or too small. A killed run goes on where it stopped.
    """
    options.require_train()
    loaded = load(corpus)
    chosen = family(model)
    render.say(
        f"{corpus}: {len(loaded)} rows, {len(loaded.sources)} sources, sha256 {loaded.sha256[:16]}…"
    )
    reports = train.run(
        loaded,
        chosen,
        out_dir,
        seeds=chosen.seeds,
        recipe=replace(Recipe(), epochs=epochs),
        hold_out=hold_out,
        workers=workers,
        device=device,
    )
    train.show(reports)
    verdict = gate.run(out_dir, write=True)
    gate.show(verdict)
    if verdict.verdict != PROMOTE:
        render.note(f"{registry} is untouched")
        raise typer.Exit(1)
    promote.run(out_dir, loaded, registry, workers=workers, device=device)
