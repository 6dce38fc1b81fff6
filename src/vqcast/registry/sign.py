"""Signing a registry, and the pair of keys for it.

A signature vouches for ``checksums.json`` and with it for every byte of the
folder. Its serial is the UTC time of signing unless the signer names another, so
it rises from whatever copy of the registry the signer works on::

    private, public = keygen(Path("/media/keys"))
    signature = sign(Path("models"), private)

Reading and checking a signature is ``vqcast.serve.signature``.
"""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vqcast import documents
from vqcast.documents.registry import Signature, Statement
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.durable.folder import replace_folder
from vqcast.errors import InputError, RegistryError
from vqcast.registry import law
from vqcast.registry.seal import held, history_of
from vqcast.serve.folder import CHECKSUMS_NAME, REGISTRY_NAME, SIGNATURE_NAME, Folder
from vqcast.serve.signature import MAX_KEY_BYTES, fingerprint, require_cryptography

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE_NAME = "registry-private.pem"
PUBLIC_NAME = "registry-public.pem"
MAX_SERIAL = 2**53 - 1


def sign(registry: Path, private_key: Path, *, serial: int | None = None) -> Signature:
    """Sign the registry folder as it stands and put the signature into it.

    ``serial`` must exceed that of every signature here and in the states kept
    beside the registry; None gives the UTC time as YYYYMMDDHHMMSS, or one more
    than the highest. Raises RegistryError where the folder breaks its law,
    InputError for a serial that does not rise or a key that can't be used.
    """
    key = _read_private_key(private_key)
    with held(registry, "signing") as root:
        folder = Folder(root)
        folder.require_whole()
        problems = law.violations(folder.files)
        if problems:
            raise RegistryError(
                f"breaks the law and is not signed: {'; '.join(problems[:5])}",
                path=root,
                hint=f"vqcast registry verify {root}",
            )
        statement = Statement(
            serial=_next_serial(root, serial),
            checksums_sha256=sha256_bytes(folder.files[CHECKSUMS_NAME]),
        )
        signature = Signature(
            statement=statement,
            key=fingerprint(key.public_key()),
            signature=key.sign(documents.to_bytes(statement)).hex(),
        )
        replace_folder(root, folder.files | {SIGNATURE_NAME: documents.to_bytes(signature)})
    return signature


def _next_serial(root: Path, asked: int | None) -> int:
    highest = max((_serial_in(state) for state in (root, *history_of(root).glob("*"))), default=0)
    if asked is None:
        return max(highest + 1, int(datetime.now(UTC).strftime("%Y%m%d%H%M%S")))
    if not highest < asked <= MAX_SERIAL:
        raise InputError(
            f"{root}: serial {asked} is not above {highest}, that of an earlier signature"
            if asked <= highest
            else f"serial {asked} is above {MAX_SERIAL}",
            hint="leave --serial out: the time of signing is taken",
        )
    return asked


def _serial_in(state: Path) -> int:
    """The serial of a folder's signature; 0 where it has none that can be read."""
    path = state / SIGNATURE_NAME
    try:
        signature = documents.from_bytes(Signature, read_regular(path), where=str(path))
    except InputError:
        return 0
    return signature.statement.serial


def keygen(out: Path) -> tuple[Path, Path]:
    """Write a new pair of Ed25519 keys as PEM into ``out``; return private and public path.

    The private key is not encrypted and has mode 0600. Raises InputError
    inside a git checkout or a registry folder, and where a key is already there.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    _refuse_shared_place(out)
    private, public = out / PRIVATE_NAME, out / PUBLIC_NAME
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise InputError("already exists", path=path, hint="name another folder")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomic(private, pem, mode=0o600)
    write_atomic(
        public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def _refuse_shared_place(out: Path) -> None:
    real = out.resolve()
    for folder in (real, *real.parents):
        for name, what in ((".git", "a git checkout"), (REGISTRY_NAME, "a registry folder")):
            if (folder / name).exists():
                raise InputError(
                    f"lies in {what} ({folder}), where a private key does not belong",
                    path=out,
                    hint="name a folder that is neither shared nor published",
                )


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_regular(path, max_bytes=MAX_KEY_BYTES)
    try:
        key = load_pem_private_key(data, password=None)
    except Exception as error:  # cryptography raises several unrelated types
        raise InputError(
            "is no private key in PEM without a password",
            path=path,
            hint="vqcast registry keygen writes a pair",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("is a key of another kind than Ed25519", path=path)
    if path.stat().st_mode & stat.S_IRWXO:
        raise InputError(
            "everybody on this machine can use it", path=path, hint=f"chmod 600 {path}"
        )
    return key
