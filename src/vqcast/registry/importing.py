"""Other people's registries, taken over with open eyes.

A registry of this shape may keep weights in ``.onnx.data`` files that no
digest covers, call its vocabulary ``codec_vocab``, bake the scaler into the
graph, or leave fields out. The import takes every regressor on the six
features, names each thing it finds, says of any other model why not, and
writes a self-contained copy with new digests; ``imported_from`` in each sidecar
keeps the old ones. What it writes loads like any registry, and stands on no
verdict: ``registry verify`` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import onnx

from vqcast.documents import jsontext
from vqcast.documents.registry import Row
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.durable.folder import replace_folder
from vqcast.durable.lock import locked
from vqcast.errors import InputError, RegistryError, VqcastError
from vqcast.registry import foreign_graph
from vqcast.registry.seal import sealed
from vqcast.serve import guard
from vqcast.serve.folder import REGISTRY_NAME
from vqcast.vocab import FEATURES, VOCABULARIES

_MAX_BYTES = 256 << 20
_ROW_KEYS = tuple(field.name for field in msgspec.structs.fields(Row))
_GUESSED = "guessed"
"""Marks a sidecar whose features nobody states; never written."""
_OTHER_NAMES = (
    ("feature_order", "features"),
    ("feature_mean", "input_mean"),
    ("feature_std", "input_std"),
    ("encoder_vocab", "codec_vocab"),
)
"""What other tools call the keys of a sidecar (CONTRACTS §6)."""
_FROM_MANIFEST = ("feature_order", "feature_mean", "feature_std", "encoder_vocab")


@dataclass(slots=True)
class Imported:
    """What an import found and what it wrote."""

    models: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """One sentence each, beginning with the file or model it is about."""


def import_registry(source: Path, out: Path) -> Imported:
    """Copy the registry at ``source`` to the new folder ``out``, self-contained.

    Raises RegistryError where ``source`` is no registry, ``out`` exists, or no
    model of it can be taken over.
    """
    if out.exists():
        raise RegistryError("already exists", path=out, hint="name a new folder")
    document = jsontext.parse(_read(source, REGISTRY_NAME), where=REGISTRY_NAME)
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        raise RegistryError(f"its {REGISTRY_NAME} lists no models", path=source)
    result = Imported()
    manifests = _manifests(source)
    files: dict[str, bytes] = {}
    rows: dict[str, Row] = {}
    for entry in document["models"]:
        try:
            row, made = _model(source, entry, manifests, result.findings)
        except VqcastError as error:
            named = entry.get("id") if isinstance(entry, dict) else entry
            result.findings.append(f"{named}: left out: {error.message}")
            continue
        if row.id in rows:
            result.findings.append(f"{row.id}: left out: is listed twice")
            continue
        rows[row.id] = row
        files.update(made)
    if not rows:
        raise RegistryError(f"no model can be imported: {'; '.join(result.findings)}", path=source)
    for name, manifest in manifests.items():
        files[name] = _manifest(name, manifest, rows, result.findings)
    with locked(out, what="importing into"):
        replace_folder(out, sealed(list(rows.values()), files))
    result.models = sorted(rows)
    return result


def _read(source: Path, name: str) -> bytes:
    """A file inside the registry. Raises RegistryError where the name leads elsewhere."""
    pure = PurePosixPath(name)
    path = (source / name).resolve()
    if pure.is_absolute() or ".." in pure.parts or not path.is_relative_to(source.resolve()):
        raise RegistryError(f"{name!r} leads out of the registry")
    try:
        return read_regular(path, max_bytes=_MAX_BYTES)
    except InputError as error:
        raise RegistryError(error.reason, path=name) from error


def _manifests(source: Path) -> dict[str, dict[str, Any]]:
    """Ensemble manifests among the registry's JSON files, by file name."""
    found = {}
    for path in sorted(source.glob("*.json")):
        try:
            document = jsontext.parse(_read(source, path.name), where=path.name)
        except VqcastError:
            continue
        if isinstance(document, dict) and isinstance(document.get("members"), list):
            found[path.name] = document
    return found


def _model(
    source: Path, entry: Any, manifests: dict[str, dict[str, Any]], findings: list[str]
) -> tuple[Row, dict[str, bytes]]:
    """One model's row and files, self-contained."""
    if not isinstance(entry, dict):
        raise RegistryError("is not an object")
    model_id, name = entry.get("id"), entry.get("onnx")
    if not isinstance(model_id, str) or not isinstance(name, str):
        raise RegistryError("lacks id or onnx")
    if entry.get("kind", "fr") != "fr":
        raise RegistryError(f"is of kind {entry.get('kind')}, not a full-reference regressor")
    original = _read(source, name)
    if entry.get("sha256") != sha256_bytes(original):
        findings.append(f"{model_id}: {name} does not have the digest that its row pins")
    data = foreign_graph.self_contained(original, name, lambda path: _read(source, path), findings)
    model = guard.parse(data, where=name)
    row = _row(entry, sha256_bytes(data), model, findings)
    sidecar_name = name.removesuffix(".onnx") + ".json"
    sidecar = _sidecar(source, sidecar_name, row, model, manifests, findings)
    if sidecar.pop(_GUESSED, False):
        row = msgspec.structs.replace(row, smoke=True)
    if "slot_rows" not in sidecar:
        sidecar |= _untrained(data, sidecar, findings)
    sidecar["imported_from"] = {
        "registry": source.resolve().name,
        "sha256": sha256_bytes(original),
        "row_sha256": entry.get("sha256"),
    }
    return row, {name: data, sidecar_name: jsontext.dump(sidecar)}


def _untrained(data: bytes, sidecar: dict[str, Any], findings: list[str]) -> dict[str, list[str]]:
    """Slots that the graph's weights show to be untrained, for a sidecar that counts no rows."""
    slots = sidecar.get("encoder_vocab") or []
    session = guard.CheckedGraph(
        data,
        sha256=sidecar["sha256"],
        input_names=sidecar["input_names"],
        output_names=sidecar["output_names"],
        where=sidecar["onnx"],
    )
    dead = foreign_graph.dead_slots(session, len(slots))
    if not dead:
        return {}
    names = [str(slots[index]) for index in dead]
    findings.append(
        f"{sidecar['id']}: does not count its training rows; its weights show that these slots "
        f"were never trained: {', '.join(names)}"
    )
    return {"untrained_slots": names}


def _row(entry: dict[str, Any], sha256: str, model: onnx.ModelProto, findings: list[str]) -> Row:
    kept = {key: value for key, value in entry.items() if key in _ROW_KEYS and value is not None}
    dropped = sorted(set(entry) - set(_ROW_KEYS))
    if dropped:
        findings.append(f"{entry['id']}: row keys left out: {', '.join(dropped)}")
    if "kind" not in kept:
        kept["kind"] = "fr"
        findings.append(f"{entry['id']}: its row says no kind, taken as fr")
    if kept.get("sha256") != sha256:
        stale = [key for key in ("sigstore_bundle", "int8_sha256") if kept.pop(key, None)]
        if stale:
            findings.append(f"{entry['id']}: of the old bytes, left out: {', '.join(stale)}")
    kept |= {"sha256": sha256, "opset": model.opset_import[0].version}
    try:
        return msgspec.convert(kept, Row)
    except msgspec.ValidationError as error:
        raise RegistryError(f"its row is not valid: {error}") from error


def _sidecar(
    source: Path,
    name: str,
    row: Row,
    model: onnx.ModelProto,
    manifests: dict[str, dict[str, Any]],
    findings: list[str],
) -> dict[str, Any]:
    """The model's sidecar with what a loader needs filled in, each filling named."""
    try:
        sidecar = jsontext.parse(_read(source, name), where=name)
    except RegistryError:
        sidecar = {}
        findings.append(f"{row.id}: has no sidecar {name}")
    if not isinstance(sidecar, dict):
        raise RegistryError(f"{name} is not an object")
    for ours, theirs in _OTHER_NAMES:
        if theirs in sidecar and ours not in sidecar:
            value = sidecar[theirs]
            sidecar[ours] = [value] if isinstance(value, str) else value
            findings.append(f"{row.id}: says {theirs}, read as {ours}")
    for key, value in _fillings(row, model, manifests):
        if key not in sidecar and value is not None:
            sidecar[key] = value
            findings.append(f"{row.id}: its sidecar lacks {key}, taken from elsewhere")
    sidecar |= _scaler(row, sidecar, model, findings) | _vocabulary(row, sidecar, model, findings)
    return sidecar | {"onnx": row.onnx, "sha256": row.sha256}


def _scaler(
    row: Row, sidecar: dict[str, Any], model: onnx.ModelProto, findings: list[str]
) -> dict[str, Any]:
    """Feature order, mean and deviation that the graph's input needs."""
    found: dict[str, Any] = {}
    unsaid = [key for key in ("feature_order", "feature_mean", "feature_std") if key not in sidecar]
    if foreign_graph.scales_itself(model, sidecar.get("feature_mean")):
        findings.append(f"{row.id}: its graph standardises by itself: raw features go in")
        found = {"feature_mean": [0.0] * len(FEATURES), "feature_std": [1.0] * len(FEATURES)}
        unsaid = [key for key in unsaid if key == "feature_order"]
    if unsaid:
        findings.append(
            f"{row.id}: nothing says its {', '.join(unsaid)}: taken for raw canonical-6, as a "
            "scaffold that nothing scores with unless asked by name"
        )
        found |= {"feature_order": list(FEATURES), _GUESSED: True}
        if "feature_mean" not in sidecar or "feature_std" not in sidecar:
            found |= {"feature_mean": [0.0] * len(FEATURES), "feature_std": [1.0] * len(FEATURES)}
    return found


def _vocabulary(
    row: Row, sidecar: dict[str, Any], model: onnx.ModelProto, findings: list[str]
) -> dict[str, Any]:
    """The vocabulary that fits the graph's codec block; nothing for a graph without one."""
    widths = foreign_graph.widths(model)
    if len(widths) == 1:
        return {"encoder_vocab": []} if sidecar.get("encoder_vocab") else {}
    slots = sidecar.get("encoder_vocab") or []
    if widths[1] == len(slots) + 2:
        return {}
    for version, vocabulary in VOCABULARIES.items():
        if widths[1] == len(vocabulary) + 2:
            findings.append(
                f"{row.id}: its graph reads {widths[1]} codec columns, its sidecar names "
                f"{len(slots)} slots: read with vocabulary {version}"
            )
            return {"encoder_vocab": list(vocabulary), "encoder_vocab_version": version}
    raise RegistryError(
        f"its graph reads {widths[1]} codec columns, and no vocabulary of {widths[1] - 2} slots "
        "is known"
    )


def _fillings(
    row: Row, model: onnx.ModelProto, manifests: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, Any]]:
    inputs, outputs = guard.signature(model)
    yield "id", row.id
    yield "kind", row.kind
    yield "onnx", row.onnx
    yield "sha256", row.sha256
    yield "input_names", inputs
    yield "output_names", outputs
    for manifest in manifests.values():
        if any(isinstance(m, dict) and m.get("id") == row.id for m in manifest["members"]):
            for key in _FROM_MANIFEST:
                fallback = manifest.get("codec_vocab") if key == "encoder_vocab" else None
                yield key, manifest.get(key, fallback)


def _manifest(
    name: str, manifest: dict[str, Any], rows: dict[str, Row], findings: list[str]
) -> bytes:
    """The ensemble's manifest with its members' new digests."""
    members = []
    for member in manifest["members"]:
        row = rows.get(str(member.get("id"))) if isinstance(member, dict) else None
        if row is None:
            findings.append(f"{name}: names a member that is not there: {member}")
            continue
        members.append(member | {"onnx": row.onnx, "sha256": row.sha256})
    changed = dict(manifest) | {"members": members, "ensemble_size": len(members)}
    for ours, theirs in (
        ("encoder_vocab", "codec_vocab"),
        ("encoder_vocab_version", "codec_vocab_version"),
    ):
        if ours not in changed and theirs in changed:
            changed[ours] = changed[theirs]
            findings.append(f"{name}: says {theirs}, read as {ours}")
    return jsontext.dump(changed)
