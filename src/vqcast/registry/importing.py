"""Other people's registries, taken over with open eyes.

A registry of this shape may keep weights in ``.onnx.data`` files that no
digest covers, call its vocabulary ``codec_vocab``, or leave fields out. The
import names each thing it finds and writes a self-contained copy with new
digests; ``imported_from`` in each sidecar keeps the old ones. What it writes
loads like any registry, and stands on no verdict: ``registry verify`` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import onnx
from google.protobuf.message import DecodeError

from vqcast.documents import jsontext
from vqcast.documents.registry import Row
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.durable.folder import replace_folder
from vqcast.durable.lock import locked
from vqcast.errors import InputError, ModelRefused, RegistryError, VqcastError
from vqcast.registry.seal import sealed
from vqcast.serve import guard
from vqcast.serve.folder import REGISTRY_NAME

_MAX_BYTES = 256 << 20
_ROW_KEYS = tuple(field.name for field in msgspec.structs.fields(Row))
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
        raise RegistryError(f"{out}: exists already", hint="name a new folder")
    document = jsontext.parse(_read(source, REGISTRY_NAME), where=REGISTRY_NAME)
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        raise RegistryError(f"{source}: its {REGISTRY_NAME} lists no models")
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
            result.findings.append(f"{row.id}: left out: stands twice")
            continue
        rows[row.id] = row
        files.update(made)
    if not rows:
        raise RegistryError(f"{source}: no model can be taken over: {'; '.join(result.findings)}")
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
        raise RegistryError(f"{name}: {error.message.rpartition(': ')[2]}") from error


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
    original = _read(source, name)
    if entry.get("sha256") != sha256_bytes(original):
        findings.append(f"{model_id}: {name} does not have the digest that its row pins")
    data = _self_contained(source, name, original, findings)
    model = guard.parse(data, where=name)
    row = _row(entry, sha256_bytes(data), model, findings)
    sidecar_name = name.removesuffix(".onnx") + ".json"
    sidecar = _sidecar(source, sidecar_name, row, model, manifests, findings)
    sidecar["imported_from"] = {
        "registry": source.resolve().name,
        "sha256": sha256_bytes(original),
        "row_sha256": entry.get("sha256"),
    }
    return row, {name: data, sidecar_name: jsontext.dump(sidecar)}


def _self_contained(source: Path, name: str, original: bytes, findings: list[str]) -> bytes:
    """The model with every external tensor's bytes moved inside."""
    try:
        model = onnx.ModelProto.FromString(original)
    except DecodeError as error:
        raise ModelRefused(f"{name} is not ONNX") from error
    outside: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        facts = {pair.key: pair.value for pair in tensor.external_data}
        location = str(PurePosixPath(name).parent / facts.get("location", ""))
        tensor.raw_data = _slice(_read(source, location), facts, tensor.name)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        outside[location] = outside.get(location, 0) + len(tensor.raw_data)
    for location, count in outside.items():
        findings.append(
            f"{name}: kept {count} bytes of weights in {location}, which no digest covered"
        )
    if not outside:
        return original
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _slice(data: bytes, facts: dict[str, str], tensor: str) -> bytes:
    try:
        offset = int(facts.get("offset", "0"))
        length = int(facts.get("length", str(len(data) - offset)))
    except ValueError as error:
        raise ModelRefused(f"tensor {tensor!r} has no readable offset or length") from error
    if offset < 0 or length < 0 or offset + length > len(data):
        raise ModelRefused(f"tensor {tensor!r} lies beyond the end of its data file")
    return data[offset : offset + length]


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
    for key, value in _fillings(row, model, manifests):
        if key not in sidecar and value is not None:
            sidecar[key] = value
            findings.append(f"{row.id}: its sidecar lacks {key}, taken from elsewhere")
    if "codec_vocab" in sidecar and "encoder_vocab" not in sidecar:
        sidecar["encoder_vocab"] = sidecar["codec_vocab"]
        findings.append(f"{row.id}: says codec_vocab, read as encoder_vocab")
    missing = [
        key for key in ("feature_order", "feature_mean", "feature_std") if key not in sidecar
    ]
    if missing:
        raise RegistryError(f"nothing says its {', '.join(missing)}")
    return sidecar | {"onnx": row.onnx, "sha256": row.sha256}


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
