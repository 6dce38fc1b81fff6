"""The registry law (CONTRACTS §6): every violation found, in words.

A registry is a trust root. Each model's file exists, is self-contained and has its pinned digest;
each row that is not smoke has a sidecar that agrees and stands on a verdict whose evidence is
there to be judged again. What a verdict and its evidence must say is each family's to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from vqcast import documents
from vqcast.documents.reading import ModelInfo
from vqcast.documents.registry import AnyRow, Row
from vqcast.durable.files import sha256_bytes
from vqcast.errors import SignatureRefused, VqcastError
from vqcast.families import all_families
from vqcast.serve import guard, signature
from vqcast.serve.folder import REGISTRY_NAME, Folder, read_registry
from vqcast.serve.trust import Trust


def verify(registry: Path | Folder, trust: Trust | None = None) -> list[str]:
    """Every violation in a registry folder; empty where it is sound.

    A signature that is there must be of these checksums; its key and serial
    are checked where ``trust`` names a key. Raises RegistryError only where
    there is no registry at all, InputError for a key that can't be read.
    """
    folder = Folder(registry) if isinstance(registry, Path) else registry
    return folder.problems + _signature_problems(folder, trust) + violations(folder.files)


def _signature_problems(folder: Folder, trust: Trust | None) -> list[str]:
    try:
        if trust is not None and trust.public_key is not None:
            signature.check(folder, trust)
        else:
            signature.read(folder)
    except SignatureRefused as error:
        return [error.message]
    return []


def violations(files: Mapping[str, bytes]) -> list[str]:
    """Every violation among a registry's ``files``, checksums and signature aside."""
    try:
        registry = read_registry(files)
    except (VqcastError, KeyError) as error:
        return [str(error)]
    problems = []
    ids = [row.id for row in registry.models]
    if ids != sorted(ids):
        problems.append(f"{REGISTRY_NAME}: rows are not sorted by id")
    problems += [
        f"{REGISTRY_NAME}: id {name!r} stands {count} times"
        for name, count in Counter(ids).items()
        if count > 1
    ]
    for row in registry.models:
        problems += [f"{row.id}: {each}" for each in _row_problems(row, files)]
    known: set[str] = set()
    for family in all_families():
        mine = {row.id: row for row in registry.models if row.id in family.row_ids}
        problems += family.problems(mine, files)
        known |= set(mine)
    problems += [
        f"{row.id}: no model family is known to judge it by: it stands on no verdict"
        for row in registry.models
        if row.id not in known and not row.is_smoke
    ]
    return problems


def _row_problems(row: AnyRow, files: Mapping[str, bytes]) -> list[str]:
    """What is wrong with a row's files, whatever its family."""
    name = row.files[0]
    if name not in files:
        return [f"{name} is missing"]
    if not isinstance(row, Row):
        return []  # a table is read by its family alone, digest first
    return _graph_problems(row, files)


def _graph_problems(row: Row, files: Mapping[str, bytes]) -> list[str]:
    """Digest, guard and sidecar of a row whose model is a graph."""
    graph_name, sidecar_name = row.files
    problems = []
    names = None
    try:
        guard.check_digest(files[graph_name], row.sha256, where=graph_name)
        names = guard.signature(guard.parse(files[graph_name], where=graph_name))
    except VqcastError as error:
        problems.append(str(error))
    if sidecar_name not in files:
        return problems if row.is_smoke else [*problems, f"has no sidecar {sidecar_name}"]
    try:
        sidecar = documents.from_bytes(ModelInfo, files[sidecar_name], where=sidecar_name)
    except VqcastError as error:
        return [*problems, str(error)]
    if names is not None and names != (sidecar.input_names, sidecar.output_names):
        problems.append("its graph's inputs or outputs are not its sidecar's")
    if sidecar.sha256 != row.sha256:
        problems.append("sidecar and row pin different digests")
    if sidecar.id != row.id or sidecar.onnx != row.onnx:
        problems.append(f"its sidecar speaks for {sidecar.id} ({sidecar.onnx})")
    return problems


def digest_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of every file, names sorted: what ``checksums.json`` holds."""
    return {name: sha256_bytes(files[name]) for name in sorted(files)}
