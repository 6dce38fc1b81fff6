"""Promotion's last step: a package's rows, models and grounds go into a registry together."""

from __future__ import annotations

from pathlib import Path

from vqcast.errors import ModelRefused
from vqcast.evidence.folder import prefix
from vqcast.families import Package, owner_of
from vqcast.registry.seal import Content, change, read_status, with_status


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
        kept = _without(before, {name for owner in owners.values() for name in owner.row_ids})
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


def _without(before: Content, row_ids: set[str]) -> Content:
    """A registry's content without some rows and their files."""
    gone = {name for row in before.rows.values() if row.id in row_ids for name in row.files}
    return Content(
        {name: row for name, row in before.rows.items() if name not in row_ids},
        {name: data for name, data in before.files.items() if name not in gone},
    )
