"""``vqcast evaluate``: do the intervals keep their word on sources never seen?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.corpus.table import load
from vqcast.pages import blocks
from vqcast.serve.folder import packaged_registry
from vqcast.serve.trust import Trust


@grouped
def evaluate(
    corpus: options.CorpusFile,
    *,
    registry: options.RegistryFolder = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the result into this page.")
    ] = None,
    trust: Trust,
    json: options.Json = False,
) -> None:
    """Measure coverage and width of the ensemble's intervals on held-out groups.

    Nothing is trained: the registry's evidence holds every out-of-fold prediction.
    """
    extras.require("evaluate")
    from vqcast.pages.evaluation import evaluation
    from vqcast.workflow.evaluate import evaluate_registry

    root = registry or packaged_registry()
    judged = evaluate_registry(root, load(corpus), model, trust=trust)
    page = evaluation(judged, corpus=corpus.name, command=_command(root, corpus, markdown))
    if markdown is not None:
        blocks.write(markdown, "evaluation", page)
    if json:
        render.print_json({"evaluation": msgspec.to_builtins(judged)})
    else:
        render.markdown(page)


def _command(root: Path, corpus: Path, markdown: Path | None) -> str:
    """The command that writes the page again, without this machine's folders."""

    def shown(path: Path) -> str:
        return path.name if path.is_absolute() else path.as_posix()

    words = ["vqcast evaluate", f"--registry {shown(root)}", f"--corpus {shown(corpus)}"]
    return " ".join([*words, f"--markdown {shown(markdown)}"] if markdown else words)
