"""``vqcast registry``: list what is there, and hold it against its law."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vqcast.cli import options, render
from vqcast.durable.documents import to_dict
from vqcast.errors import InputError
from vqcast.serve.folder import Folder, packaged_registry

app = typer.Typer(help="List and verify a registry of models.", no_args_is_help=True)
FolderArgument = Annotated[
    Path | None,
    typer.Argument(help="The registry folder. Default: the one that travels with vqcast."),
]


@app.command("list")
def list_models(folder: FolderArgument = None, json: options.Json = False) -> None:
    """List the models of a registry."""
    root = folder or packaged_registry()
    rows = Folder(root).registry().models
    if json:
        render.print_json([to_dict(row) for row in rows])
        return
    render.table(
        ("id", "kind", "state", "sha256", "description"),
        [
            (
                row.id,
                row.kind,
                "smoke" if row.is_smoke else "promoted",
                row.sha256[:16],
                row.description,
            )
            for row in rows
        ],
    )


@app.command()
def verify(
    folder: FolderArgument = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Also train the models again and compare (needs --corpus)."),
    ] = False,
    corpus: Annotated[Path | None, typer.Option(help="The corpus they were fitted on.")] = None,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Check a registry against its law and name every violation.

    Exit code 0 where it is sound, 1 where it breaks the law, 2 where there is none.
    """
    from vqcast.registry.law import verify as verify_folder

    if rebuild and corpus is None:
        raise InputError("--rebuild needs the corpus", hint="add --corpus FILE")
    root = folder or packaged_registry()
    problems = verify_folder(root)
    compared = []
    if rebuild and corpus is not None and not problems:
        options.require_train()
        from vqcast.corpus.table import load
        from vqcast.registry.rebuild import rebuild as rebuild_models

        with render.training_bar("training again") as update:
            compared = rebuild_models(root, load(corpus), workers=workers, on_progress=update)
        problems += [each.problem for each in compared if each.problem is not None]
    if json:
        render.print_json(
            {
                "registry": str(root),
                "sound": not problems,
                "violations": problems,
                "rebuilt": [
                    {"id": each.model_id, "same_bytes": each.same_bytes, "max_abs_vmaf": each.worst}
                    for each in compared
                ],
            }
        )
    else:
        for each in compared:
            same = "the same bytes" if each.same_bytes else f"within {each.worst:.4f} VMAF"
            render.say(f"{each.model_id}: rebuilt, {same}")
        for problem in problems:
            render.say(f"violation: {problem}")
        count = len(Folder(root).files)
        render.say(
            f"{root}: {len(problems)} violations" if problems else f"{root}: sound, {count} files"
        )
    if problems:
        raise typer.Exit(1)


@app.command()
def cards(
    folder: FolderArgument = None,
    out: Annotated[Path, typer.Option("--out", help="The folder for the pages.")] = Path(
        "docs/models"
    ),
    provenance: Annotated[
        Path | None, typer.Option(help="The corpus's provenance, for the domain.")
    ] = None,
    lift: Annotated[Path | None, typer.Option(help="The codec lift study.")] = None,
    readme: Annotated[
        Path | None, typer.Option(help="A page whose figures block is written too.")
    ] = None,
) -> None:
    """Write a model card a family, and the README's figures, from the evidence."""
    from vqcast.durable.files import read_regular, write_atomic
    from vqcast.families import ENSEMBLE
    from vqcast.registry import cards as pages

    root = folder or packaged_registry()
    opened = Folder(root)
    opened.require_whole()
    origin, study = _json(provenance), _json(lift)
    for entry in pages.families_in(opened.files):
        page = pages.card(entry, opened.files, provenance=origin, lift=study)
        write_atomic(out / f"{entry.id}.md", page.encode())
        render.say(f"wrote {out / entry.id}.md")
    if readme is not None:
        text = read_regular(readme).decode()
        write_atomic(readme, pages.with_block(text, pages.summary(opened.files, ENSEMBLE)).encode())
        render.say(f"wrote the figures of {readme}")


def _json(path: Path | None) -> Any:
    from vqcast.durable import jsontext
    from vqcast.durable.files import read_regular

    return None if path is None else jsontext.parse(read_regular(path), where=str(path))
