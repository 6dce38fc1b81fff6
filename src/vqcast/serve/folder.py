"""A registry folder as a reader sees it: whole, checked, and of one moment.

The folder is opened once and every file is read relative to that handle, so a
promotion that swaps the folder meanwhile is not seen half. ``checksums.json``
names every file; one that differs, is absent or is not listed is refused. Only
the signature is not listed: it is of ``checksums.json``'s own bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from vqcast import documents
from vqcast.documents import jsontext
from vqcast.documents.reading import ModelInfo
from vqcast.documents.registry import ROW_KINDS, AnyRegistry, Registry, Row
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.errors import DocumentError, InputError, RegistryError

REGISTRY_NAME = "registry.json"
CHECKSUMS_NAME = "checksums.json"
SIGNATURE_NAME = "checksums.sig.json"
STATUS_NAME = "status.json"
_MAX_FILE_BYTES = 256 << 20
_MAX_DEPTH = 8
_TRIES = 20
"""A promotion swaps the folder at most once in the time that one reading takes."""


def packaged_registry(name: str = "tiny") -> Path:
    """A registry that travels with vqcast: inside the wheel, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "model" / name
    return inside if inside.is_dir() else package.parents[1] / "model" / name


def read_registry(files: Mapping[str, bytes]) -> AnyRegistry:
    """``registry.json``, read as the document of its rows' kind.

    Raises DocumentError where it is none, or mixes rows of several shapes.
    """
    data = files[REGISTRY_NAME]
    value = jsontext.parse(data, where=REGISTRY_NAME)
    rows = value.get("models") if isinstance(value, dict) else None
    kinds = (
        [row.get("kind") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    )
    found = [ROW_KINDS[kind] for kind in kinds if isinstance(kind, str) and kind in ROW_KINDS]
    return documents.from_bytes(found[0] if found else Registry, data, where=REGISTRY_NAME)


class Folder:
    """All files of a registry folder, read once, with what is wrong with them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for _ in range(_TRIES):
            self.files: dict[str, bytes] = {}
            self.problems: list[str] = []
            if self._read_all():
                break
        if REGISTRY_NAME not in self.files:
            raise RegistryError(
                f"holds no {REGISTRY_NAME}", path=root, hint="vqcast promote makes one"
            )
        self.problems += self._compare_checksums()

    def _read_all(self) -> bool:
        """Read every file; False where the folder was swapped meanwhile."""
        try:
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise RegistryError(
                f"no registry folder: {error.strerror}",
                path=self.root,
                hint="vqcast promote makes one",
            ) from error
        try:
            for name in self._walk(descriptor, ""):
                try:
                    self.files[name] = self._read(descriptor, name)
                except InputError as error:
                    self.problems.append(error.message)
            # What was swapped out is being removed: even a reading without an
            # error may have missed files.
            return self._still_there(descriptor)
        finally:
            os.close(descriptor)

    def _still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.root))
        except OSError:
            return False

    def _walk(self, descriptor: int, prefix: str, depth: int = 0) -> Iterator[str]:
        if depth > _MAX_DEPTH:
            self.problems.append(f"{prefix}: nested deeper than {_MAX_DEPTH} folders")
            return
        try:
            inner = os.open(prefix or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
            try:
                names = sorted(os.listdir(inner))
            finally:
                os.close(inner)
        except OSError as error:  # removed meanwhile, or not to be opened by this user
            self.problems.append(f"{prefix or '.'}: {error.strerror}")
            return
        for name in names:
            path = f"{prefix}/{name}" if prefix else name
            if path != path.encode(errors="replace").decode():
                self.problems.append(f"{path!r}: its name is not UTF-8")
                continue
            try:
                mode = os.stat(path, dir_fd=descriptor, follow_symlinks=False).st_mode
            except OSError as error:
                self.problems.append(f"{path!r}: {error.strerror}")
                continue
            if stat.S_ISDIR(mode):
                yield from self._walk(descriptor, path, depth + 1)
            else:
                yield path

    def _read(self, descriptor: int, name: str) -> bytes:
        if os.path.islink(self.root / name):
            target = Path(os.path.realpath(self.root / name))
            if not target.is_relative_to(self.root.resolve()):
                raise InputError(f"{name}: is a link that leads out of the registry")
        return read_regular(Path(name), max_bytes=_MAX_FILE_BYTES, dir_fd=descriptor)

    def _compare_checksums(self) -> list[str]:
        if CHECKSUMS_NAME not in self.files:
            return [f"{CHECKSUMS_NAME}: is missing"]
        try:
            listed = jsontext.parse(self.files[CHECKSUMS_NAME], where=CHECKSUMS_NAME)
        except DocumentError as error:
            return [error.message]
        if not isinstance(listed, dict):
            return [f"{CHECKSUMS_NAME}: is not an object of file names"]
        problems = []
        if jsontext.dump(dict(sorted(listed.items()))) != self.files[CHECKSUMS_NAME]:
            problems.append(f"{CHECKSUMS_NAME}: is not in its canonical bytes")
        for name in sorted((set(listed) | set(self.files)) - {CHECKSUMS_NAME, SIGNATURE_NAME}):
            if name not in self.files:
                problems.append(f"{name}: is in {CHECKSUMS_NAME} but not in the folder")
            elif name not in listed:
                problems.append(f"{name}: is not listed in {CHECKSUMS_NAME}")
            elif sha256_bytes(self.files[name]) != listed[name]:
                problems.append(f"{name}: differs from its digest in {CHECKSUMS_NAME}")
        return problems

    def require_whole(self) -> None:
        """Raise RegistryError naming every file that differs, is absent or is extra."""
        if self.problems:
            raise RegistryError(
                f"{self.root}: {'; '.join(self.problems[:5])}"
                + (f"; and {len(self.problems) - 5} more" if len(self.problems) > 5 else ""),
                hint=f"vqcast registry verify {self.root}",
            )

    def registry(self) -> Registry:
        """The parsed ``registry.json``. Raises RegistryError where it is of forecasters."""
        found = read_registry(self.files)
        if not isinstance(found, Registry):
            raise RegistryError(
                "is a registry of CRF forecasters, it holds no network",
                path=self.root,
                hint="vqcast tune forecasts with it",
            )
        return found

    def row(self, model_id: str) -> Row:
        """The row of ``model_id``. Raises RegistryError naming those that are there."""
        rows = self.registry().models
        for row in rows:
            if row.id == model_id:
                return row
        raise RegistryError(
            f"has no model {model_id!r}",
            path=self.root,
            hint=f"it has: {', '.join(row.id for row in rows) or 'none'}",
        )

    def info(self, row: Row) -> ModelInfo:
        """The sidecar beside a row's ONNX file."""
        name = row.files[1]
        if name not in self.files:
            raise RegistryError(f"{row.id} has no sidecar {name}", path=self.root)
        return documents.from_bytes(ModelInfo, self.files[name], where=name)
