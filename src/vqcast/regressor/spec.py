"""The four network families as values, and the recipe that all of them are trained with.

Another network family of this kind is another `Spec`: its vocabulary, its graph's input and
output names, and its seeds. Training, gate, export and law read the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vqcast.errors import InputError
from vqcast.vocab import VOCABULARIES

if TYPE_CHECKING:
    from vqcast.documents.model import PresetUse


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
    share_untrained: bool = True
    """Give slots without training rows the mean weights of the others, once trained."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One network family: what it reads, what it writes, how many seeds it has."""

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

    def member_id(self, seed: int) -> str:
        """Registry id and file stem of the network trained with ``seed``."""
        return f"{self.id}_seed{seed}" if self.is_ensemble else self.id

    @property
    def mean_id(self) -> str:
        """Reserved id of the ensemble as one graph."""
        return f"{self.id}_mean"

    @property
    def verdict_name(self) -> str:
        """The file in a registry that holds the verdict its rows stand on."""
        return f"{self.id}_seed_flip_PROMOTE.json"

    @property
    def row_ids(self) -> tuple[str, ...]:
        """Every registry row that may be its own."""
        members = tuple(self.member_id(seed) for seed in self.seeds)
        return (*members, self.mean_id) if self.is_ensemble else members


@dataclass(frozen=True, slots=True)
class SlotRows:
    """Training rows per vocabulary slot, who trained ``unknown``, and what each encoder had."""

    slot_rows: dict[str, int]
    unknown_encoders: dict[str, int]
    presets: dict[str, PresetUse]
    cq_ranges: dict[str, list[float]]


ENSEMBLE = Spec(
    id="fr_regressor_v2_ensemble_v1",
    vocabulary_version=2,
    feature_input="features",
    codec_input="codec_onehot",
    output="score",
    seeds=(0, 1, 2, 3, 4),
    adrs=("ADR-0303", "ADR-0309", "ADR-0319", "ADR-0321"),
    summary="Codec-aware per-frame VMAF regressor, five seeds",
)

V1 = Spec(
    id="fr_regressor_v1",
    vocabulary_version=None,
    feature_input="features",
    codec_input=None,
    output="score",
    seeds=(0,),
    adrs=("ADR-0249",),
    summary="Codec-blind per-frame VMAF regressor, the baseline",
)

V2 = Spec(
    id="fr_regressor_v2",
    vocabulary_version=2,
    feature_input="features",
    codec_input="codec",
    output="score",
    seeds=(0,),
    adrs=("ADR-0272", "ADR-0235"),
    summary="Codec-aware per-frame VMAF regressor, one network, 12 slots",
)

V3 = Spec(
    id="fr_regressor_v3",
    vocabulary_version=3,
    feature_input="features",
    codec_input="codec_block",
    output="vmaf",
    seeds=(0,),
    adrs=("ADR-0323", "ADR-0302", "ADR-0291", "ADR-0235"),
    summary="Codec-aware per-frame VMAF regressor, one network, 16 slots",
)


SPECS = {spec.id: spec for spec in (ENSEMBLE, V1, V2, V3)}


def spec_of(model_id: str) -> Spec:
    """The network family of that id. Raises InputError naming those that there are."""
    if model_id not in SPECS:
        raise InputError(
            f"{model_id!r} is no family of networks", hint=f"there are: {', '.join(SPECS)}"
        )
    return SPECS[model_id]
