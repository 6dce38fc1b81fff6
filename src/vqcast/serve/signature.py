"""Who vouches for a registry folder, and whether an older one was put in its place.

``checksums.json`` names every byte of a folder, so a signature over its digest
covers the folder. The signed serial rises with every signing: whoever remembers
the highest one seen notices an older folder, though it was validly signed::

    folder = opened(Path("models"), Trust(public_key=Path("registry-public.pem")))

Needs the extra ``sign``, but only where a public key is given.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vqcast import documents
from vqcast.documents.registry import SeenSerials, Signature
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.durable.lock import locked
from vqcast.errors import DocumentError, InputError, SignatureRefused
from vqcast.extras import needed
from vqcast.serve.folder import CHECKSUMS_NAME, SIGNATURE_NAME, Folder
from vqcast.serve.trust import Trust

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_KEY_BYTES = 16 << 10
_WAIT_S = 10.0
_SIGN_HINT = "its publisher runs: vqcast registry sign FOLDER --key PRIVATE.pem"


def opened(root: Path, trust: Trust | None = None) -> Folder:
    """The registry folder ``root``, whole, and signed where ``trust`` asks for it.

    Raises RegistryError where the folder breaks its checksums, SignatureRefused
    where it is not signed as asked, MissingDependency without the extra ``sign``.
    """
    folder = Folder(root)
    folder.require_whole()
    if trust is not None and trust.public_key is not None:
        check(folder, trust)
    return folder


def read(folder: Folder) -> Signature | None:
    """The folder's signature, not yet checked; None where it has none.

    Raises SignatureRefused where it is damaged or of other checksums.
    """
    if SIGNATURE_NAME not in folder.files:
        return None
    data = folder.files[SIGNATURE_NAME]
    try:
        signature = documents.from_bytes(Signature, data, where=SIGNATURE_NAME)
    except DocumentError as error:
        raise SignatureRefused(f"{error.message}", path=folder.root, hint=_SIGN_HINT) from error
    if documents.to_bytes(signature) != data:
        raise SignatureRefused(f"{SIGNATURE_NAME}: is not in its canonical bytes", path=folder.root)
    if signature.statement.checksums_sha256 != sha256_bytes(folder.files.get(CHECKSUMS_NAME, b"")):
        raise SignatureRefused(
            f"{SIGNATURE_NAME}: is of another {CHECKSUMS_NAME}", path=folder.root, hint=_SIGN_HINT
        )
    return signature


def check(folder: Folder, trust: Trust) -> Signature:
    """The folder's signature, valid by ``trust``'s key and no older than it allows.

    The folder must be known to be whole. The serial is remembered where
    ``trust`` names a file for it. Raises SignatureRefused, or InputError for a key
    file or a trust file that can't be used.
    """
    assert trust.public_key is not None
    key = read_public_key(trust.public_key)
    signature = read(folder)
    if signature is None:
        raise SignatureRefused("is not signed", path=folder.root, hint=_SIGN_HINT)
    if signature.key != fingerprint(key):
        raise SignatureRefused(
            f"is signed by the key {signature.key[:16]}…, {trust.public_key} is "
            f"{fingerprint(key)[:16]}…",
            path=folder.root,
        )
    from cryptography.exceptions import InvalidSignature

    statement = documents.to_bytes(signature.statement)
    try:
        key.verify(bytes.fromhex(signature.signature), statement)
    except InvalidSignature as error:
        raise SignatureRefused(
            f"{SIGNATURE_NAME}: the signature is not by {trust.public_key}",
            path=folder.root,
            hint="the file was changed: get the registry again, and tell its publisher",
        ) from error
    _check_serial(folder.root, signature, trust.min_serial or 0, "was asked for")
    if trust.trust_file is not None:
        _remember(folder.root, signature, trust.trust_file)
    return signature


def _check_serial(root: Path, signature: Signature, at_least: int, why: str) -> None:
    if signature.statement.serial < at_least:
        raise SignatureRefused(
            f"its serial is {signature.statement.serial}, and {at_least} {why}",
            path=root,
            hint="an older registry stands in the newer one's place: get the newest again, or have "
            "its publisher sign this one anew",
        )


def _remember(root: Path, signature: Signature, memory: Path) -> None:
    """Refuse a serial below the highest seen of that key; remember a higher one."""
    with locked(memory, what="writing", timeout_s=_WAIT_S):
        seen = SeenSerials(serials={})
        if memory.exists():
            seen = documents.from_bytes(SeenSerials, read_regular(memory), where=str(memory))
        highest = seen.serials.get(signature.key, 0)
        _check_serial(root, signature, highest, f"was seen before, says {memory}")
        if signature.statement.serial > highest:
            serials = seen.serials | {signature.key: signature.statement.serial}
            write_atomic(
                memory, documents.to_bytes(SeenSerials(serials=dict(sorted(serials.items()))))
            )


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key of a PEM file.

    Raises InputError for any other file, MissingDependency without the extra ``sign``.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = read_regular(path, max_bytes=MAX_KEY_BYTES)
    try:
        key = load_pem_public_key(data)
    except Exception as error:  # cryptography raises several unrelated types
        raise InputError(
            "is no public key in PEM",
            path=path,
            hint="the private key stays with its publisher: name the public one"
            if b"PRIVATE KEY" in data
            else "vqcast registry keygen writes a pair",
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("is a key of another kind than Ed25519", path=path)
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """A public key's name: lowercase hex sha256 of its SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def require_cryptography() -> None:
    """Raise MissingDependency where the extra ``sign`` is not installed."""
    with needed("cryptography", "a signature"):
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
