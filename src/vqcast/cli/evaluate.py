"""``vqcast evaluate``: do the intervals keep their word on sources never seen?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.errors import InputError
from vqcast.families import family
from vqcast.serve.trust import Trust


@grouped
def evaluate(
    corpus: options.CorpusFile,
    *,
    registry: options.RegistryFolder = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the tables to this page.")
    ] = None,
    bootstrap_clips: Annotated[
        Path | None,
        typer.Option(
            "--bootstrap-clips",
            help="A folder with the corpus's source videos: encode and score a sample of cells "
            "with Netflix's bootstrap model too.",
        ),
    ] = None,
    bootstrap_cells: Annotated[
        int, typer.Option("--bootstrap-cells", min=1, help="How many cells that sample has.")
    ] = 24,
    trust: Trust,
    json: options.Json = False,
) -> None:
    """Measure coverage and width of the ensemble's intervals on held-out groups.

    Nothing is trained: the registry's evidence holds every out-of-fold prediction.
    """
    extras.require("evaluate")
    import msgspec

    from studies.bootstrap import compare, section
    from vqcast.corpus.table import load
    from vqcast.pages import intervals as intervalreport
    from vqcast.regressor.evaluate import evaluate_registry
    from vqcast.serve.folder import packaged_registry

    if bootstrap_clips is not None:
        extras.require("corpus build")
    root = registry or packaged_registry()
    table = load(corpus)
    if not family(model).is_ensemble:
        raise InputError(
            f"{model} is one network and ships no interval", hint="evaluate an ensemble"
        )
    judged = evaluate_registry(root, table, model, trust=trust)
    compared = None
    if bootstrap_clips is not None:
        compared = compare(
            root,
            table,
            model,
            bootstrap_clips,
            cells=bootstrap_cells,
            note=render.note,
            trust=trust,
        )
    parts = intervalreport.sections(judged.evaluation, judged.calibration)
    parts.insert(
        1,
        intervalreport.Section(
            "The shipped networks",
            (
                f"On the {judged.shipped.n_rows} frames they were fitted on: RMSE "
                f"{judged.shipped.rmse_mean:.3f} points for the plain mean, "
                f"{judged.shipped.rmse_centre:.3f} with the correction that the out-of-fold "
                "predictions taught. A correction that did not carry over would show here.",
            ),
        ),
    )
    parts.append(section(compared))
    if markdown is not None:
        from vqcast.durable.files import write_atomic

        page = intervalreport.markdown(f"Intervals of {model}", parts)
        command = _command(root, corpus, markdown, bootstrap_clips, bootstrap_cells)
        origin = (
            f"Written by `{command}`; do not edit. Corpus {corpus.name}, sha256 "
            f"{judged.corpus_sha256}.\n\n"
        )
        first, rest = page.split("\n\n", 1)
        write_atomic(markdown, f"{first}\n\n{origin}{rest}".encode())
    if json:
        render.print_json(
            {"evaluation": msgspec.to_builtins(judged), "bootstrap": msgspec.to_builtins(compared)}
        )
        return
    for part in parts:
        render.say(f"\n{part.title}")
        for sentence in part.sentences:
            render.say(sentence)
        if part.columns:
            render.table(part.columns, part.rows)


def _command(root: Path, corpus: Path, markdown: Path, clips: Path | None, cells: int) -> str:
    """The command that writes the page again, without this machine's folders."""

    def shown(path: Path) -> str:
        return path.name if path.is_absolute() else path.as_posix()

    words = ["vqcast evaluate", f"--registry {shown(root)}", f"--corpus {shown(corpus)}"]
    if clips is not None:
        words.append(f"--bootstrap-clips CLIPS --bootstrap-cells {cells}")
    return " ".join([*words, f"--markdown {shown(markdown)}"])
