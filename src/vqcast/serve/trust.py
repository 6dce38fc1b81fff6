"""What a consumer asks of a registry beyond its checksums: ``Trust(Path("public.pem"))``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_doc import Doc

from vqcast.errors import InputError


@dataclass(frozen=True, slots=True)
class Trust:
    """A valid signature by ``public_key``, and what is asked beside it.

    Without a key nothing is asked; raises InputError where a key is needed and not given.
    """

    public_key: Annotated[
        Path | None, Doc("The registry must be signed by this key, a PEM file.")
    ] = None
    require_signature: Annotated[bool, Doc("Refuse to run without a public key.")] = False
    min_serial: Annotated[int | None, Doc("The lowest serial that is accepted.")] = None
    trust_file: Annotated[
        Path | None, Doc("A file that remembers the highest serial seen of each key.")
    ] = None

    def __post_init__(self) -> None:
        if self.min_serial is not None and self.min_serial < 1:
            raise InputError(f"{self.min_serial} is below 1", field="min_serial")
        asked = self.require_signature or self.min_serial is not None or self.trust_file is not None
        if asked and self.public_key is None:
            raise InputError(
                "a signature is required, and no public key is given to check it with",
                hint="--public-key PUBLIC.pem (public_key=...), from the publisher by another "
                "channel than the registry",
            )
