"""Forgeries that checksums can't tell: with a public key, none is loaded."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from registry_kit import contents, reseal

import vqcast
from attacks.count import Count, drawn, scratch
from attacks.disk import Tree, materialise
from attacks.editions import editions, old_registry
from attacks.tampering import flip
from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.errors import VqcastError
from vqcast.registry.sign import keygen, sign
from vqcast.serve.folder import CHECKSUMS_NAME, SIGNATURE_NAME

SERIAL = 5
Forgery = Callable[[Path, random.Random], None]


@cache
def keys() -> tuple[bytes, bytes]:
    """A private and a public key, made for this process."""
    with scratch() as folder:
        private, public = keygen(folder / "keys")
        return private.read_bytes(), public.read_bytes()


@cache
def signed() -> Tree:
    """The old edition, signed."""
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        sign(registry, _private(folder), serial=SERIAL)
        return contents(registry)


def _private(folder: Path, data: bytes | None = None) -> Path:
    path = folder / "private.pem"
    path.write_bytes(data or keys()[0])
    path.chmod(0o600)
    return path


def _resealed_bit(registry: Path, rng: random.Random) -> None:
    """Any bit of any file, and checksums that agree: only the signature can tell."""
    path = rng.choice([path for path in registry.rglob("*.*") if path.is_file()])
    while path.name in (CHECKSUMS_NAME, SIGNATURE_NAME):
        path = rng.choice([path for path in registry.rglob("*.*") if path.is_file()])
    path.write_bytes(flip(path.read_bytes(), rng.randrange(path.stat().st_size * 8)))
    _reseal(registry)


def _reseal(registry: Path) -> None:
    kept = (registry / SIGNATURE_NAME).read_bytes()
    (registry / SIGNATURE_NAME).unlink()
    reseal(registry)
    (registry / SIGNATURE_NAME).write_bytes(kept)


def _bit_of_the_signature(registry: Path, rng: random.Random) -> None:
    path = registry / SIGNATURE_NAME
    path.write_bytes(flip(path.read_bytes(), rng.randrange(path.stat().st_size * 8)))


def _cut_signature(registry: Path, rng: random.Random) -> None:
    path = registry / SIGNATURE_NAME
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def _no_signature(registry: Path, _: random.Random) -> None:
    (registry / SIGNATURE_NAME).unlink()


def _statement_of_other_checksums(registry: Path, rng: random.Random) -> None:
    """Another edition, and a statement about it under the old signature."""
    shutil.rmtree(registry)
    materialise(editions()[1].files | {SIGNATURE_NAME: signed()[SIGNATURE_NAME]}, registry)
    document = json.loads(signed()[SIGNATURE_NAME])
    digest = sha256_bytes((registry / CHECKSUMS_NAME).read_bytes())
    document["statement"]["checksums_sha256"] = digest
    (registry / SIGNATURE_NAME).write_bytes(jsontext.dump(document))


def _higher_serial(registry: Path, rng: random.Random) -> None:
    document = json.loads((registry / SIGNATURE_NAME).read_bytes())
    document["statement"]["serial"] += rng.randrange(1, 10**6)
    (registry / SIGNATURE_NAME).write_bytes(jsontext.dump(document))


def _another_signer(registry: Path, _: random.Random) -> None:
    with scratch() as folder:
        private, _public = keygen(folder / "keys")
        (registry / SIGNATURE_NAME).unlink()
        sign(registry, private, serial=SERIAL + 1)


def _another_signer_s_name(registry: Path, rng: random.Random) -> None:
    """Another's signature under the trusted key's name."""
    _another_signer(registry, rng)
    document = json.loads((registry / SIGNATURE_NAME).read_bytes())
    document["key"] = json.loads(signed()[SIGNATURE_NAME])["key"]
    (registry / SIGNATURE_NAME).write_bytes(jsontext.dump(document))


def _older(registry: Path, _: random.Random) -> None:
    """Validly signed, before what was seen."""
    with scratch() as folder:
        (registry / SIGNATURE_NAME).unlink()
        sign(registry, _private(folder), serial=SERIAL - 1)


FORGERIES: tuple[Forgery, ...] = (
    _resealed_bit, _resealed_bit, _bit_of_the_signature, _bit_of_the_signature, _cut_signature,
    _no_signature, _statement_of_other_checksums, _higher_serial, _another_signer,
    _another_signer_s_name, _older,
)  # fmt: skip


def forgeries(n: int, rng: random.Random) -> Count:
    """Each kind in turn, loaded with the key that the registry was signed by."""
    count = Count()
    with scratch() as folder:
        public, seen = folder / "public.pem", folder / "serials.json"
        public.write_bytes(keys()[1])
        registry = folder / "registry"
        for forgery in (None, *drawn(FORGERIES, n, rng)):
            materialise(signed(), registry)
            if forgery is not None:
                forgery(registry, rng)
            try:
                vqcast.load(registry=registry, trust=vqcast.Trust(public, True, trust_file=seen))
            except VqcastError as error:
                count.note("refused") if forgery and "\n" not in error.message else count.fail(
                    f"the sound registry: {error}" if not forgery else f"at length: {error}"
                )
            except Exception as error:
                count.fail(f"{forgery}: {type(error).__name__}: {error}")
            else:
                if forgery is not None:
                    count.fail(f"{forgery.__name__} was loaded")
            shutil.rmtree(registry)
    return count
