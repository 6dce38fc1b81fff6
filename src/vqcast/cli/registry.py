"""``vqcast registry``: list what is there, and hold it against its law."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vqcast.cli import options, render
from vqcast.durable.documents import to_dict
from vqcast.errors import DocumentError, InputError
from vqcast.families import owner_of
from vqcast.registry.law import verdict_name
from vqcast.registry.seal import read_status
from vqcast.schemas import Row, StatusEntry
from vqcast.serve.folder import Folder, packaged_registry

app = typer.Typer(help="List and verify a registry of models.", no_args_is_help=True)
FolderArgument = Annotated[
    Path | None,
    typer.Argument(help="The registry folder. Default: the one that travels with vqcast."),
]
RegistryArgument = Annotated[Path, typer.Argument(help="The registry folder.")]


@app.command("list")
def list_models(folder: FolderArgument = None, json: options.Json = False) -> None:
    """List the models of a registry."""
    root = folder or packaged_registry()
    opened = Folder(root)
    rows = opened.registry().models
    status = read_status(opened.files).models
    if json:
        said = [(row, _entry(row, status)) for row in rows]
        render.print_json(
            [to_dict(row) | {"status": to_dict(entry) if entry else None} for row, entry in said]
        )
        return
    render.table(
        ("id", "kind", "state", "sha256", "description"),
        [
            (
                row.id,
                row.kind,
                _state(row, status, opened.files),
                row.sha256[:16],
                row.description,
            )
            for row in rows
        ],
    )


def _entry(row: Row, status: Mapping[str, StatusEntry]) -> StatusEntry | None:
    """What is said of a row, or of the ensemble that it belongs to."""
    owner = owner_of(row.id)
    return status.get(row.id) or (status.get(owner.id) if owner else None)


def _state(row: Row, status: Mapping[str, StatusEntry], files: Mapping[str, bytes]) -> str:
    owner, entry = owner_of(row.id), _entry(row, status)
    if row.is_smoke:
        return "smoke"
    if owner is None or verdict_name(owner.id) not in files:
        return "no verdict"
    return entry.state if entry else "promoted"


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
def rollback(folder: RegistryArgument) -> None:
    """Return a registry to the state before its last change, digests checked."""
    from vqcast.registry.seal import rollback as roll_back

    restored = roll_back(folder)
    render.say(f"{folder}: back at the state {restored.name}; the undone one is kept beside it")


@app.command()
def deprecate(
    folder: RegistryArgument,
    model_id: Annotated[str, typer.Argument(help="The model, or the ensemble's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence that users read.")],
    superseded_by: Annotated[
        str | None, typer.Option("--superseded-by", help="The model to use instead.")
    ] = None,
) -> None:
    """Mark a model as deprecated, or superseded by another; whoever predicts with it is told."""
    from vqcast.registry.seal import mark

    entry = StatusEntry(
        state="superseded" if superseded_by else "deprecated",
        reason=reason,
        superseded_by=superseded_by,
    )
    mark(folder, model_id, entry)
    render.say(f"{folder}: {model_id} is {entry.state}")


@app.command()
def reinstate(
    folder: RegistryArgument,
    model_id: Annotated[str, typer.Argument(help="The model, or the ensemble's id.")],
) -> None:
    """Take back what deprecate said of a model."""
    from vqcast.registry.seal import mark

    mark(folder, model_id, None)
    render.say(f"{folder}: nothing is said against {model_id}")


@app.command("import")
def import_foreign(
    source: Annotated[Path, typer.Argument(help="Somebody else's registry folder.")],
    out: Annotated[Path, typer.Option("--out", help="The new folder to write.")],
    json: options.Json = False,
) -> None:
    """Copy a foreign registry into a self-contained one, naming everything it finds.

    What it writes can be loaded and stands on no verdict.
    """
    from vqcast.registry.foreign import import_registry

    done = import_registry(source, out)
    if json:
        render.print_json({"registry": str(out), "models": done.models, "findings": done.findings})
        return
    for finding in done.findings:
        render.say(f"found: {finding}")
    render.say(f"{out}: {len(done.models)} models: {', '.join(done.models)}")


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
        try:
            page = pages.card(entry, opened.files, provenance=origin, lift=study)
        except (KeyError, TypeError) as error:
            raise DocumentError(f"the provenance or the lift study lacks {error}") from error
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
