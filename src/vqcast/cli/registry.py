"""``vqcast registry``: list what is there, and hold it against its law."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.documents import from_bytes, to_dict
from vqcast.documents.provenance import CorpusProvenance
from vqcast.documents.registry import AnyRow, StatusEntry
from vqcast.durable.files import read_regular, write_atomic
from vqcast.errors import InputError
from vqcast.families import owner_of
from vqcast.pages import blocks
from vqcast.registry import seal
from vqcast.registry.importing import import_registry
from vqcast.registry.sign import keygen as make_keys
from vqcast.registry.sign import sign as sign_folder
from vqcast.serve.folder import Folder, packaged_registry, read_registry
from vqcast.serve.trust import Trust
from vqcast.workflow import steps

app = typer.Typer(help="List, verify, sign, import and roll back registries.", no_args_is_help=True)
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
    rows = read_registry(opened.files).models
    status = seal.read_status(opened.files).models
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


def _entry(row: AnyRow, status: Mapping[str, StatusEntry]) -> StatusEntry | None:
    """What is said of a row, or of the ensemble that it belongs to."""
    owner = owner_of(row.id)
    return status.get(row.id) or (status.get(owner.id) if owner else None)


def _state(row: AnyRow, status: Mapping[str, StatusEntry], files: Mapping[str, bytes]) -> str:
    owner, entry = owner_of(row.id), _entry(row, status)
    if row.is_smoke:
        return "smoke"
    if owner is None or owner.verdict_name not in files:
        return "no verdict"
    return entry.state if entry else "promoted"


@app.command()
@grouped
def verify(
    folder: FolderArgument = None,
    *,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Also train the models again and compare (needs --corpus)."),
    ] = False,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(help="The corpus they were fitted on; repeated for a forecaster's several."),
    ] = None,
    workers: options.Workers = None,
    trust: Trust,
    json: options.Json = False,
) -> None:
    """Check a registry against its law, and its signature, and name every violation.

    Exit code 0 where it is sound, 1 where it breaks the law or is not signed as
    asked, 2 where there is none.
    """
    if rebuild:
        if not corpus:
            raise InputError("--rebuild needs the corpus", hint="add --corpus FILE")
        extras.require("registry verify --rebuild")
    with render.watching("training again") as watch:
        found = steps.verify(
            folder,
            trust=trust,
            corpora=corpus if rebuild and corpus else (),
            workers=workers,
            watch=watch,
        )
    if json:
        render.print_json(_as_json(found))
    else:
        _show(found)
    if found.violations:
        raise typer.Exit(1)


def _as_json(found: steps.Verified) -> dict[str, Any]:
    signed = found.signature
    return {
        "registry": str(found.root),
        "sound": not found.violations,
        "violations": found.violations,
        "signature": signed
        and {
            "serial": signed.statement.serial,
            "key": signed.key,
            "checked": found.signature_checked,
        },
        "rebuilt": [
            {"id": each.model_id, "same_bytes": each.same_bytes, "max_abs_vmaf": each.worst}
            for each in found.rebuilt
        ],
    }


def _show(found: steps.Verified) -> None:
    for each in found.rebuilt:
        same = "the same bytes" if each.same_bytes else f"within {each.worst:.4f} VMAF"
        render.say(f"{each.model_id}: rebuilt, {same}")
    for problem in found.violations:
        render.say(f"violation: {problem}")
    if found.violations:
        render.say(f"{found.root}: {len(found.violations)} violations")
        return
    signed = "not signed"
    if found.signature is not None:
        how = "checked" if found.signature_checked else "not checked: no --public-key"
        key, serial = found.signature.key[:16], found.signature.statement.serial
        signed = f"signed by the key {key}…, serial {serial} ({how})"
    render.say(f"{found.root}: sound, {found.n_files} files; {signed}")


@app.command()
def sign(
    folder: RegistryArgument,
    key: Annotated[Path, typer.Option("--key", help="The private key, a PEM file.")],
    serial: Annotated[
        int | None,
        typer.Option(
            help="Must rise with every signing. Default: the UTC time, YYYYMMDDHHMMSS.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Sign a registry that keeps its law, so that changing or swapping it is noticed."""
    signature = sign_folder(folder, key, serial=serial)
    if json:
        render.print_json(to_dict(signature))
        return
    render.say(
        f"{folder}: signed by the key {signature.key[:16]}…, serial {signature.statement.serial}"
    )


@app.command()
def keygen(
    out: Annotated[Path, typer.Option("--out", help="A folder outside of any repository.")],
) -> None:
    """Write a new pair of keys: the private one to sign with, the public one to distribute."""
    private, public = make_keys(out)
    render.say(f"private key, to keep secret: {private}")
    render.say(f"public key, to distribute: {public}")


@app.command()
def rollback(folder: RegistryArgument) -> None:
    """Return a registry to the state before its last change, digests checked."""
    restored = seal.rollback(folder)
    render.say(f"{folder}: restored the state {restored.name}; the other is kept beside it")


@app.command()
def deprecate(
    folder: RegistryArgument,
    model_id: Annotated[str, typer.Argument(help="The model, or the ensemble's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence that users read.")],
    superseded_by: Annotated[
        str | None, typer.Option("--superseded-by", help="The model to use instead.")
    ] = None,
) -> None:
    """Mark a model as deprecated, or superseded by another; predicting with it prints why."""
    entry = StatusEntry(
        state="superseded" if superseded_by else "deprecated",
        reason=reason,
        superseded_by=superseded_by,
    )
    seal.mark(folder, model_id, entry)
    render.say(f"{folder}: {model_id} is {entry.state}")


@app.command()
def reinstate(
    folder: RegistryArgument,
    model_id: Annotated[str, typer.Argument(help="The model, or the ensemble's id.")],
) -> None:
    """Remove what deprecate said of a model."""
    seal.mark(folder, model_id, None)
    render.say(f"{folder}: {model_id} reinstated")


@app.command("import")
def import_foreign(
    source: Annotated[Path, typer.Argument(help="The registry folder to import.")],
    out: Annotated[Path, typer.Option("--out", help="The new folder to write.")],
    json: options.Json = False,
) -> None:
    """Copy another registry into a self-contained one, naming everything it finds.

    What it writes can be loaded and stands on no verdict.
    """
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
        list[Path] | None,
        typer.Option(
            help="A corpus's provenance, for the domain; repeated for models made from several."
        ),
    ] = None,
    lift: Annotated[
        Path | None, typer.Option(help="The study of what the codec adds, of the same corpus.")
    ] = None,
    readme: Annotated[
        Path | None, typer.Option(help="A page in which each model's verdict is updated too.")
    ] = None,
) -> None:
    """Write a card for each model from its evidence."""
    extras.require("registry cards")
    from vqcast.pages import cards as pages

    opened = Folder(folder or packaged_registry())
    opened.require_whole()
    beside = pages.Beside(
        [
            from_bytes(CorpusProvenance, read_regular(path), where=str(path))
            for path in provenance or []
        ],
        from_bytes(pages.LiftAnswer, read_regular(lift), where=str(lift)) if lift else None,
    )
    for name, page in pages.card_pages(opened.files, beside).items():
        write_atomic(out / f"{name}.md", page.encode())
        render.say(f"wrote {out / name}.md")
    if readme is not None:
        text = read_regular(readme).decode()
        for name, line in pages.card_lines(opened.files).items():
            if blocks.marks(name)[0] in text:
                card = os.path.relpath(out / f"{name}.md", readme.parent)
                text = blocks.replaced(text, name, f"{line} [Its card]({Path(card).as_posix()}).")
        write_atomic(readme, text.encode())
        render.say(f"wrote the verdicts in {readme}")
