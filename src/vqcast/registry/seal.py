"""The one way into a registry folder: what is written whenever its content changes.

Sealing adds ``registry.json``, its schema and ``checksums.json`` to the models'
files, holds the result against the law, and swaps it in. Each state that is
replaced is kept beside the registry, so that a rollback has somewhere to go. A
signature vouches for one state alone: a change drops it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from vqcast import documents
from vqcast.documents import jsontext
from vqcast.documents.registry import (
    ROW_KINDS,
    AnyRegistry,
    AnyRow,
    Registry,
    Status,
    StatusEntry,
)
from vqcast.durable.files import sha256_bytes
from vqcast.durable.folder import remove_folder, replace_folder
from vqcast.durable.lock import locked
from vqcast.errors import ModelRefused, RegistryError
from vqcast.evidence.folder import prefix
from vqcast.families import Package, owner_of
from vqcast.registry import law
from vqcast.serve.folder import (
    CHECKSUMS_NAME,
    REGISTRY_NAME,
    SIGNATURE_NAME,
    STATUS_NAME,
    Folder,
    read_registry,
)

SCHEMA_NAME = "registry.schema.json"
KEPT_STATES = 5
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Content:
    """A registry's content: its rows, and every file that is not made by sealing."""

    rows: dict[str, AnyRow]
    """Of one shape: networks and tables never stand in one registry."""
    files: dict[str, bytes]


def registry_schema(kind: type[AnyRegistry] = Registry) -> dict[str, object]:
    """``registry.schema.json``: JSON Schema 2020-12 of ``registry.json``, from its type."""
    (reference,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vqcast model registry",
        **reference,
        "$defs": dict(sorted(components.items())),
    }


def sealed(rows: Sequence[AnyRow], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """``files`` with the registry, its schema and the checksums of everything; unsigned.

    Raises RegistryError for rows of several shapes.
    """
    made_here = (CHECKSUMS_NAME, SIGNATURE_NAME)
    whole = {name: data for name, data in files.items() if name not in made_here}
    registry = _registry_of(sorted(rows, key=lambda row: row.id))
    whole[REGISTRY_NAME] = documents.to_bytes(registry)
    whole[SCHEMA_NAME] = jsontext.dump(registry_schema(type(registry)))
    return whole | {CHECKSUMS_NAME: jsontext.dump(law.digest_of(whole))}


def _registry_of(rows: Sequence[AnyRow]) -> AnyRegistry:
    kinds = {ROW_KINDS.get(row.kind, Registry) for row in rows} or {Registry}
    if len(kinds) > 1:
        raise RegistryError(
            "a registry holds networks or CRF forecasters, not both",
            hint="promote the forecaster into a folder of its own, such as model/forecast",
        )
    kind: Any = kinds.pop()
    return cast(AnyRegistry, kind(models=list(rows)))


@contextmanager
def held(registry: Path, what: str) -> Iterator[Path]:
    """The real path of ``registry``, with its lock held: nobody else changes it meanwhile.

    Raises Busy where another process is at it for too long.
    """
    registry = Path(os.path.realpath(registry))  # one lock, whatever name leads to it
    with locked(registry, what=what, timeout_s=_WAIT_S):
        yield registry


def change(registry: Path, edit: Callable[[Content], Content]) -> int:
    """Replace a registry's content by ``edit`` of it, in one step; return its number of files.

    A missing or empty folder is an empty registry. Raises RegistryError where
    the old folder is damaged or the new one would break the law.
    """
    with held(registry, "changing") as root:
        empty = not root.exists() or (root.is_dir() and not any(root.iterdir()))
        folder = None if empty else Folder(root)
        if folder is not None:
            folder.require_whole()
        before = Content(
            {row.id: row for row in read_registry(folder.files).models} if folder else {},
            dict(folder.files) if folder else {},
        )
        after = edit(before)
        files = sealed(list(after.rows.values()), after.files)
        problems = law.violations(files)
        if problems:
            raise RegistryError(f"would break the law: {'; '.join(problems)}", path=root)
        if files[CHECKSUMS_NAME] == before.files.get(CHECKSUMS_NAME):
            return len(files)
        if folder is not None:
            _keep(root, folder.files)
        replace_folder(root, files)
    return len(files)


def install(registry: Path, made: Package) -> int:
    """Put a package into a registry folder in one step and return its number of files.

    What other families the folder holds stays. Raises RegistryError where the
    old folder is damaged or the new one would break the law, ModelRefused
    where a scaffold would replace a row that passed.
    """

    def edit(before: Content) -> Content:
        for row in made.rows:
            held = before.rows.get(row.id)
            if row.is_smoke and held is not None and not held.is_smoke:
                raise ModelRefused(f"{row.id}: a scaffold never replaces a model that passed")
        owners = {owner.id: owner for row in made.rows if (owner := owner_of(row.id))}
        kept = _without_rows(before, {name for owner in owners.values() for name in owner.row_ids})
        prefixes = tuple(prefix(model_id) for model_id in owners)
        files = {name: data for name, data in kept.files.items() if not name.startswith(prefixes)}
        fresh = {row.id for row in made.rows} | set(owners)
        standing = read_status(before.files).models
        return Content(
            kept.rows | {row.id: row for row in made.rows},
            with_status(
                files | dict(made.files) | dict(made.grounds),
                {name: entry for name, entry in standing.items() if name not in fresh},
            ),
        )

    return change(registry, edit)


def _without_rows(before: Content, row_ids: set[str]) -> Content:
    """A registry's content without some rows and their files."""
    gone = {name for row in before.rows.values() if row.id in row_ids for name in row.files}
    return Content(
        {name: row for name, row in before.rows.items() if name not in row_ids},
        {name: data for name, data in before.files.items() if name not in gone},
    )


def mark(registry: Path, model_id: str, entry: StatusEntry | None) -> None:
    """Say of a model that it is deprecated or superseded, and why; None takes that back.

    Raises RegistryError for a model that is not there.
    """

    def edit(before: Content) -> Content:
        named = [model_id] + ([entry.superseded_by] if entry and entry.superseded_by else [])
        known = set(before.rows) | _ensembles(before.files)
        absent = [name for name in named if name not in known]
        if absent:
            raise RegistryError(
                f"has no model {', '.join(absent)}",
                path=registry,
                hint=f"it has: {', '.join(sorted(known)) or 'none'}",
            )
        models = dict(read_status(before.files).models)
        models.pop(model_id, None)
        if entry is not None:
            models[model_id] = entry
        return Content(before.rows, with_status(before.files, models))

    change(registry, edit)


def _ensembles(files: Mapping[str, bytes]) -> set[str]:
    names = {name.removesuffix(".json") for name in files if name.endswith(".json")}
    return {name for name in names if any(other.startswith(f"{name}_seed0.") for other in files)}


def read_status(files: Mapping[str, bytes]) -> Status:
    """What the registry says of its models' standing."""
    if STATUS_NAME not in files:
        return Status(models={})
    return documents.from_bytes(Status, files[STATUS_NAME], where=STATUS_NAME)


def with_status(files: Mapping[str, bytes], models: Mapping[str, StatusEntry]) -> dict[str, bytes]:
    """``files`` with that standing written down, or without the file where all is well."""
    kept = {name: data for name, data in files.items() if name != STATUS_NAME}
    if not models:
        return kept
    document = Status(models=dict(sorted(models.items())))
    return kept | {STATUS_NAME: documents.to_bytes(document)}


def history_of(registry: Path) -> Path:
    """Where a registry's earlier states are kept: beside it, newest with the highest number."""
    return registry.parent / f".{registry.name}.history"


def _kept(root: Path) -> list[Path]:
    return sorted(path for path in history_of(root).glob("[0-9]*") if path.is_dir())


def _keep(root: Path, files: Mapping[str, bytes], prefix: str = "") -> None:
    kept = _kept(root)
    number = int(kept[-1].name.partition("-")[0]) + 1 if kept else 1
    digest = sha256_bytes(files[CHECKSUMS_NAME])[:12]
    replace_folder(history_of(root) / f"{prefix}{number:06d}-{digest}", files)
    for old in _kept(root)[:-KEPT_STATES]:
        remove_folder(old)


def _readable(root: Path) -> Folder | None:
    try:
        return Folder(root)
    except RegistryError:
        return None


def rollback(registry: Path) -> Path:
    """Return a registry to the state before its last change; the undone one is kept aside.

    Works on a damaged registry too. Raises RegistryError where no earlier
    state is kept, or the kept one is damaged.
    """
    with held(registry, "rolling back") as root:
        current = _readable(root)
        present = current.files.get(CHECKSUMS_NAME) if current else None
        for state in reversed(_kept(root)):
            folder = Folder(state)
            folder.require_whole()
            if folder.files[CHECKSUMS_NAME] == present and current and not current.problems:
                continue
            problems = law.violations(folder.files)
            if problems:
                raise RegistryError(f"breaks the law: {'; '.join(problems)}", path=state)
            if current is not None and not current.problems:
                _keep(root, current.files, prefix="undone-")
            replace_folder(root, folder.files)
            remove_folder(state)
            return state
    raise RegistryError(
        "no earlier state is kept beside it",
        path=registry,
        hint="a registry in version control goes back with it",
    )
