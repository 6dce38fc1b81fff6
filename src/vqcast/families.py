"""The model family: one declarative entry a model, and the training recipe.

A fourth model is a fourth entry: its vocabulary, its graph's input and output
names, and its seeds. Everything else (training, gate, export, registry) reads
the entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from vqcast.errors import InputError
from vqcast.vocab import FEATURES, VOCABULARIES


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained. The defaults are the published recipe."""

    hidden: int = 64
    depth: int = 2
    dropout: float = 0.1
    epochs: int = 200
    batch_size: int = 32
    lr: float = 5e-4
    weight_decay: float = 1e-5
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass(frozen=True, slots=True)
class Family:
    """One model family: what it reads, what it writes, how many seeds it has."""

    id: str
    vocabulary_version: int | None
    feature_input: str
    codec_input: str | None
    output: str
    seeds: tuple[int, ...]
    adrs: tuple[str, ...]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The encoder slots, empty where the family is codec-blind."""
        return VOCABULARIES[self.vocabulary_version] if self.vocabulary_version else ()

    @property
    def num_codecs(self) -> int:
        """Columns of the codec block: slots + preset_norm + crf_norm, or 0."""
        return len(self.vocabulary) + 2 if self.vocabulary else 0

    @property
    def num_inputs(self) -> int:
        """Columns of the network's input."""
        return len(FEATURES) + self.num_codecs

    def member_id(self, seed: int) -> str:
        """Registry id and file stem of the member trained with ``seed``."""
        return f"{self.id}_seed{seed}"


ENSEMBLE = Family(
    id="fr_regressor_v2_ensemble_v1",
    vocabulary_version=2,
    feature_input="features",
    codec_input="codec_onehot",
    output="score",
    seeds=(0, 1, 2, 3, 4),
    adrs=("ADR-0303", "ADR-0309", "ADR-0319", "ADR-0321"),
)

FAMILIES: dict[str, Family] = {family.id: family for family in (ENSEMBLE,)}


def family(model_id: str) -> Family:
    """The entry of ``model_id``. Raises InputError naming the known ones."""
    if model_id not in FAMILIES:
        raise InputError(
            f"no model family {model_id!r}", hint=f"known: {', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[model_id]
