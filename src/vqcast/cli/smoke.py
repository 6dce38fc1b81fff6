"""``vqcast smoke``: the chain on a synthetic corpus, in seconds."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import gate, render, train
from vqcast.corpus.table import load
from vqcast.errors import RegistryError
from vqcast.evidence.gate import HOLD
from vqcast.families import ENSEMBLE, Recipe

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
    from vqcast.evidence import folder as evidence
    from vqcast.registry import law
    from vqcast.registry.promote import fit_and_package, install
    from vqcast.serve.load import load as load_model

    corpus_path = folder / "synthetic.jsonl"
    synthetic.write(corpus_path)
    corpus = load(corpus_path)
    render.say(f"corpus: {len(corpus)} synthetic rows, {len(corpus.sources)} sources")
    recipe = replace(Recipe(), epochs=_EPOCHS)
    run_dir = folder / "run"
    reports = train.run(corpus, ENSEMBLE, run_dir, seeds=ENSEMBLE.seeds, recipe=recipe)
    train.show(reports)
    verdict = gate.run(run_dir, write=True)
    if verdict.verdict != HOLD:
        raise RegistryError("a synthetic corpus was promoted: the gate is broken")
    render.say(f"verdict: {verdict.verdict}, as it must be")
    made, worst = fit_and_package(corpus, verdict, evidence.read(run_dir), smoke=True)
    registry = folder / "registry"
    install(registry, made, {})
    problems = law.verify(registry)
    if problems:
        raise RegistryError(f"the scaffold breaks the law: {'; '.join(problems)}")
    render.say(f"registry: {len(made.rows)} rows, all smoke: true, law kept")
    predictor = load_model(ENSEMBLE.id, registry, allow_smoke=True)
    predicted = predictor.predict(corpus.features[:8], encoder="libx264", cq=28)
    render.say(
        f"load: {predictor.size} networks answer through ONNX Runtime; "
        f"export differs by at most {worst:.1e}; a smoke score means nothing "
        f"({predicted.pooled_mean:.1f})"
    )
    render.say("smoke: the chain holds")
