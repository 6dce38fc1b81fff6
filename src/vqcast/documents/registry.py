"""The registry's own documents: rows, the models' standing, the signature (CONTRACTS §6)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vqcast.documents.base import Document, Omitting

LICENSE = "BSD-2-Clause-Patent"
LICENSE_URL = "https://spdx.org/licenses/BSD-2-Clause-Patent.html"
"""Of the models that this project promotes."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
RowId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$(?!\n)", max_length=64)]
OnnxName = Annotated[
    str, msgspec.Meta(pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\:\x00]+\.onnx$(?!\n)", max_length=255)
]
SigstoreName = Annotated[
    str, msgspec.Meta(pattern=r"^[^/].*\.sigstore\.json$(?!\n)", max_length=255)
]


TableName = Annotated[
    str, msgspec.Meta(pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\:\x00]+\.json$(?!\n)", max_length=255)
]


class Row(Omitting, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a registry. No other keys are allowed."""

    id: RowId
    kind: Literal["fr", "nr", "filter"]
    onnx: OnnxName
    sha256: Sha256
    opset: int | None = None
    smoke: bool | None = None
    notes: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    license: str | None = None
    license_url: str | None = None
    sigstore_bundle: SigstoreName | None = None
    quant_mode: Literal["fp32", "static", "dynamic", "qat"] | None = None
    int8_sha256: Sha256 | None = None
    quant_calibration_set: str | None = None
    quant_accuracy_budget_plcc: float | None = None

    @property
    def is_smoke(self) -> bool:
        """Whether the row is a scaffold that nothing may score with."""
        return bool(self.smoke)

    @property
    def files(self) -> tuple[str, ...]:
        """The model's file, then its sidecar: the same stem with ``.json``."""
        return self.onnx, self.onnx.removesuffix(".onnx") + ".json"


class Registry(Document, frozen=True, kw_only=True):
    """``registry.json``: the rows, sorted by id."""

    schema: str = msgspec.field(name="$schema", default="./registry.schema.json")
    schema_version: Literal[1] = 1
    models: list[Row]


class ForecastRow(Omitting, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One forecaster of a forecast registry. No other keys are allowed."""

    id: RowId
    kind: Literal["forecast"]
    table: TableName
    sha256: Sha256
    smoke: bool | None = None
    notes: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    license: str | None = None
    license_url: str | None = None
    sigstore_bundle: str | None = None

    @property
    def is_smoke(self) -> bool:
        """Whether the row is a scaffold that nothing may forecast with."""
        return bool(self.smoke)

    @property
    def files(self) -> tuple[str, ...]:
        """The model's only file."""
        return (self.table,)


class ForecastRegistry(Document, frozen=True, kw_only=True):
    """``registry.json`` of a forecast registry: the rows, sorted by id."""

    schema: str = msgspec.field(name="$schema", default="./registry.schema.json")
    schema_version: Literal[1] = 1
    models: list[ForecastRow]


AnyRow = Row | ForecastRow
AnyRegistry = Registry | ForecastRegistry
ROW_KINDS: dict[str, type[AnyRegistry]] = {"forecast": ForecastRegistry}
"""The registry document of rows of a kind; of all other kinds it is `Registry`."""


class StatusEntry(Document, frozen=True, kw_only=True):
    """Why a model should no longer be the first choice."""

    state: Literal["deprecated", "superseded"]
    reason: str
    superseded_by: str | None = None


class Status(Document, frozen=True, kw_only=True):
    """``status.json``: the standing of a registry's models; absent where all is well."""

    schema_version: Literal[1] = 1
    models: dict[str, StatusEntry]


Serial = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""Rises with every signing; no reader of JSON rounds it."""


class Statement(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed: its canonical bytes, no others."""

    schema_version: Literal[1] = 1
    purpose: Literal["vqcast registry"] = "vqcast registry"
    serial: Serial
    checksums_sha256: Sha256


class Signature(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``checksums.sig.json``: a statement and the Ed25519 signature over it."""

    statement: Statement
    algorithm: Literal["ed25519"] = "ed25519"
    key: Sha256
    """Fingerprint of the public key: sha256 of its SubjectPublicKeyInfo."""
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}$(?!\n)")]


class SeenSerials(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A consumer's memory: the highest serial seen of each key, by fingerprint."""

    schema_version: Literal[1] = 1
    serials: dict[Sha256, Serial]
