"""The model family: one declarative entry a model, and the training recipe.

Another model is another entry in ``FAMILIES``: its vocabulary, its graph's
input and output names, and its seeds. Everything else (training, gate, export,
registry, cards) reads the entry.
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
    """One network a seed; several make an ensemble, which has a manifest."""
    adrs: tuple[str, ...]
    summary: str
    """What it is, in a few words, for registry rows and cards."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The encoder slots, empty where the family is codec-blind."""
        return VOCABULARIES[self.vocabulary_version] if self.vocabulary_version else ()

    @property
    def num_codecs(self) -> int:
        """Columns of the codec block: slots + preset_norm + crf_norm, or 0."""
        return len(self.vocabulary) + 2 if self.vocabulary else 0

    @property
    def input_names(self) -> list[str]:
        """The graph's inputs, in order."""
        return [self.feature_input] + ([self.codec_input] if self.codec_input else [])

    @property
    def is_ensemble(self) -> bool:
        """Whether its members are rows of their own, under a manifest."""
        return len(self.seeds) > 1

    @property
    def num_inputs(self) -> int:
        """Columns of the network's input."""
        return len(FEATURES) + self.num_codecs

    def member_id(self, seed: int) -> str:
        """Registry id and file stem of the network trained with ``seed``."""
        return f"{self.id}_seed{seed}" if self.is_ensemble else self.id

    @property
    def mean_id(self) -> str:
        """Reserved id of the ensemble as one graph."""
        return f"{self.id}_mean"


ENSEMBLE = Family(
    id="fr_regressor_v2_ensemble_v1",
    vocabulary_version=2,
    feature_input="features",
    codec_input="codec_onehot",
    output="score",
    seeds=(0, 1, 2, 3, 4),
    adrs=("ADR-0303", "ADR-0309", "ADR-0319", "ADR-0321"),
    summary="Codec-aware per-frame VMAF regressor, five seeds",
)

V1 = Family(
    id="fr_regressor_v1",
    vocabulary_version=None,
    feature_input="features",
    codec_input=None,
    output="score",
    seeds=(0,),
    adrs=("ADR-0303",),
    summary="Codec-blind per-frame VMAF regressor, the baseline",
)

V2 = Family(
    id="fr_regressor_v2",
    vocabulary_version=2,
    feature_input="features",
    codec_input="codec",
    output="score",
    seeds=(0,),
    adrs=("ADR-0303",),
    summary="Codec-aware per-frame VMAF regressor, one network, 12 slots",
)

V3 = Family(
    id="fr_regressor_v3",
    vocabulary_version=3,
    feature_input="features",
    codec_input="codec_block",
    output="vmaf",
    seeds=(0,),
    adrs=("ADR-0303",),
    summary="Codec-aware per-frame VMAF regressor, one network, 16 slots",
)

FAMILIES: dict[str, Family] = {entry.id: entry for entry in (ENSEMBLE, V1, V2, V3)}


FORECASTER = "crf_forecast_v1"
"""The CRF forecaster: a table in a registry of its own folder, and no network."""


def owner_of(row_id: str) -> Family | None:
    """The family that a registry row belongs to, or None for a foreign row."""
    for entry in FAMILIES.values():
        if row_id in [entry.member_id(seed) for seed in entry.seeds]:
            return entry
        if entry.is_ensemble and row_id == entry.mean_id:
            return entry
    return None


def family(model_id: str) -> Family:
    """The entry of ``model_id``. Raises InputError naming the known ones."""
    if model_id not in FAMILIES:
        known = sorted([*FAMILIES, FORECASTER])
        raise InputError(f"no model family {model_id!r}", hint=f"known: {', '.join(known)}")
    return FAMILIES[model_id]
