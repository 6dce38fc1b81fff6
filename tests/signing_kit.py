"""A small signed registry, with keys made for the test."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vqcast.registry.sign import keygen, sign

GOLDEN = Path(__file__).parent / "golden" / "registries" / "signed" / "registry"
MODEL = "fr_regressor_v2_ensemble_v1_mean"


@dataclass(frozen=True)
class Signed:
    """A registry signed with serial 5, and its signer's keys."""

    registry: Path
    private: Path
    public: Path

    def copy(self, to: Path) -> Signed:
        """The same with a registry to change freely."""
        shutil.copytree(self.registry, to / "registry")
        return Signed(to / "registry", self.private, self.public)


def build_signed(folder: Path) -> Signed:
    """A lawful registry of one scaffold under ``folder``, signed by a new key."""
    registry = Path(shutil.copytree(GOLDEN, folder / "registry"))
    (registry / "checksums.sig.json").unlink()
    private, public = keygen(folder / "keys")
    sign(registry, private, serial=5)
    return Signed(registry, private, public)
