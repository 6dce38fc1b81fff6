"""``vqcast smoke``: the chain on a synthetic corpus, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vqcast
from vqcast import extras
from vqcast.cli import options, render
from vqcast.corpus import synthetic
from vqcast.durable.scratch import scratch
from vqcast.errors import InputError, RegistryError
from vqcast.families import FAMILIES, Corpora, Training, family
from vqcast.workflow import steps

_EPOCHS = 100


def smoke(
    model: options.ModelId = options.DEFAULT_MODEL,
    out_dir: Annotated[
        Path | None, typer.Option("--out-dir", help="Keep what it makes here. Default: nowhere.")
    ] = None,
) -> None:
    """Run the whole chain without video: synthesise, train, gate, install, load.

    Everything it makes is marked smoke: true, and its verdict is always HOLD.
    """
    if "scaffold" not in family(model).options:
        able = [name for name in FAMILIES if "scaffold" in family(name).options]
        raise InputError(
            f"{model} is made of measured encodes alone, not of a synthetic corpus",
            hint=f"use one of: {', '.join(able)}",
        )
    extras.require("smoke")
    if out_dir is not None:
        _chain(model, out_dir)
        return
    with scratch() as folder:
        _chain(model, Path(folder))


def _chain(model: str, folder: Path) -> None:
    path, run_dir, registry = folder / "synthetic.jsonl", folder / "run", folder / "registry"
    synthetic.write(path)
    given = Corpora([path])
    corpus = given.one(model)
    render.say(f"corpus: {len(corpus)} synthetic rows, {len(corpus.sources)} sources")
    with render.watching(f"training {model}") as watch:
        trained = steps.train(model, given, run_dir, asked=Training(epochs=_EPOCHS), watch=watch)
    render.tables(trained.tables)
    if steps.gate(run_dir).promotes:
        raise RegistryError("a synthetic corpus was promoted: the gate is broken")
    render.say("verdict: HOLD, as it must be")
    done = steps.promote(run_dir, given, registry, scaffold=True)
    problems = steps.verify(registry).violations
    if problems:
        raise RegistryError(f"the scaffold breaks the law: {'; '.join(problems)}")
    render.say(f"registry: {_counted(len(done.rows), 'row')}, all smoke: true, law kept")
    render.say(f"export: {done.checked}")
    predictor = vqcast.load(model, registry, allow_smoke=True)
    predicted = predictor.predict(corpus.features[:8], encoder="libx264", cq=28)
    render.say(
        f"load: {_counted(predictor.size, 'network')} loaded by ONNX Runtime; a smoke score means "
        f"nothing ({predicted.pooled_mean:.1f})"
    )
    render.say("smoke: the chain holds")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
