"""``vqcast smoke``: the chain on a synthetic corpus, in seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import render
from vqcast.errors import RegistryError
from vqcast.families import DEFAULT, Corpora, Training
from vqcast.serve.load import load
from vqcast.workflow import steps

_EPOCHS = 100


def smoke(
    out_dir: Annotated[
        Path | None, typer.Option("--out-dir", help="Keep what it makes here. Default: nowhere.")
    ] = None,
) -> None:
    """Prove the chain without video or network: synthesise, train, gate, install, load.

    Everything it makes is marked smoke: true, and its verdict is always HOLD.
    """
    extras.require("smoke")
    if out_dir is not None:
        _chain(out_dir)
        return
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        _chain(Path(folder))


def _chain(folder: Path) -> None:
    from vqcast.corpus import synthetic

    path, run_dir, registry = folder / "synthetic.jsonl", folder / "run", folder / "registry"
    synthetic.write(path)
    given = Corpora([path])
    corpus = given.one(DEFAULT)
    render.say(f"corpus: {len(corpus)} synthetic rows, {len(corpus.sources)} sources")
    with render.watching(f"training {DEFAULT}") as watch:
        trained = steps.train(DEFAULT, given, run_dir, asked=Training(epochs=_EPOCHS), watch=watch)
    render.tables(trained.tables)
    if steps.gate(run_dir).promotes:
        raise RegistryError("a synthetic corpus was promoted: the gate is broken")
    render.say("verdict: HOLD, as it must be")
    done = steps.promote(run_dir, given, registry, scaffold=True)
    problems = steps.verify(registry).violations
    if problems:
        raise RegistryError(f"the scaffold breaks the law: {'; '.join(problems)}")
    render.say(f"registry: {len(done.rows)} rows, all smoke: true, law kept; {done.checked}")
    predictor = load(DEFAULT, registry, allow_smoke=True)
    predicted = predictor.predict(corpus.features[:8], encoder="libx264", cq=28)
    render.say(
        f"load: {predictor.size} networks answer through ONNX Runtime; a smoke score means "
        f"nothing ({predicted.pooled_mean:.1f})"
    )
    render.say("smoke: the chain holds")
