"""The files of one promoted ensemble: graphs, sidecars, manifest, registry rows.

Pure: trained networks and a verdict in, names and bytes out. No clock and no
path of this machine enters them, so the same inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vqcast.durable import documents
from vqcast.durable.files import sha256_bytes
from vqcast.export import graph
from vqcast.families import Family, Recipe
from vqcast.judge.gate import PER_SEED_PLCC_MIN
from vqcast.schemas import (
    Confidence,
    Evaluation,
    GateReport,
    LosoReport,
    Manifest,
    Member,
    Row,
    Sidecar,
    SidecarCorpus,
    SidecarGate,
    TrainingRecipe,
    Verdict,
)
from vqcast.vocab import FEATURES, codec_block_layout

LICENSE = "BSD-2-Clause-Patent"
LICENSE_URL = "https://spdx.org/licenses/BSD-2-Clause-Patent.html"
GAUSSIAN_NOMINAL = 0.95
GAUSSIAN_Z = 1.959963984540054
"""The two-sided 95 % quantile of the normal distribution."""


class Network(Protocol):
    """What a trained network must offer to be shipped."""

    @property
    def layers(self) -> Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]: ...


@dataclass(frozen=True, slots=True)
class Trained:
    """One production fit: its seed, layers and scaler."""

    seed: int
    network: Network
    feature_mean: NDArray[np.float64]
    feature_std: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What all members of a package share."""

    family: Family
    recipe: Recipe
    corpus: SidecarCorpus
    slot_rows: Mapping[str, int]
    unknown_encoders: Mapping[str, int]
    verdict: Verdict
    reports: Mapping[int, LosoReport]
    smoke: bool


@dataclass(frozen=True, slots=True)
class Package:
    """Files by name, and the registry rows that speak for them."""

    files: dict[str, bytes]
    rows: list[Row]


def package(networks: Sequence[Trained], provenance: Provenance) -> Package:
    """Graph, sidecar and row of every network, and the ensemble's manifest."""
    family = provenance.family
    files: dict[str, bytes] = {}
    rows: list[Row] = []
    members: list[Member] = []
    for trained in sorted(networks, key=lambda network: network.seed):
        member_id = family.member_id(trained.seed)
        onnx_bytes = graph.build(trained.network.layers, family, member_id)
        digest = sha256_bytes(onnx_bytes)
        files[f"{member_id}.onnx"] = onnx_bytes
        files[f"{member_id}.json"] = documents.encode(sidecar(trained, provenance, digest))
        rows.append(_row(member_id, digest, provenance))
        members.append(
            Member(id=member_id, onnx=f"{member_id}.onnx", seed=trained.seed, sha256=digest)
        )
    files[f"{family.id}.json"] = documents.encode(_manifest(networks[0], members, provenance))
    return Package(files=files, rows=rows)


def gate_block(verdict_name: str, gate: GateReport, seed: int) -> SidecarGate:
    """The verdict's figures as a sidecar repeats them, with its own seed's."""
    return SidecarGate(
        verdict=verdict_name,
        mean_plcc=gate.mean_plcc,
        mean_plcc_threshold=gate.mean_plcc_threshold,
        plcc_spread=gate.plcc_spread,
        plcc_spread_max=gate.plcc_spread_max,
        per_seed_min_threshold=PER_SEED_PLCC_MIN,
        this_seed_loso_plcc=gate.per_seed_plccs.get(str(seed)),
        passed=gate.passed,
    )


def sidecar(trained: Trained, provenance: Provenance, digest: str) -> Sidecar:
    """The sidecar of one network (CONTRACTS §6)."""
    family, recipe = provenance.family, provenance.recipe
    member_id = family.member_id(trained.seed)
    inputs = [family.feature_input] + ([family.codec_input] if family.codec_input else [])
    return Sidecar(
        id=member_id,
        ensemble_id=family.id,
        seed=trained.seed,
        kind="fr",
        codec_aware=bool(family.vocabulary),
        codec_block_layout=codec_block_layout(family.vocabulary) if family.vocabulary else [],
        encoder_vocab=list(family.vocabulary),
        encoder_vocab_version=family.vocabulary_version,
        feature_order=list(FEATURES),
        feature_mean=trained.feature_mean.tolist(),
        feature_std=trained.feature_std.tolist(),
        input_names=inputs,
        output_names=[family.output],
        onnx=f"{member_id}.onnx",
        opset=graph.OPSET,
        sha256=digest,
        corpus=provenance.corpus,
        training_recipe=TrainingRecipe(
            in_features=len(FEATURES),
            hidden=recipe.hidden,
            depth=recipe.depth,
            dropout=recipe.dropout,
            num_codecs=family.num_codecs,
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
        ),
        slot_rows=dict(provenance.slot_rows),
        unknown_encoders=dict(provenance.unknown_encoders),
        gate=gate_block(provenance.verdict.verdict, provenance.verdict.gate, trained.seed),
        loso_mean_plcc=provenance.reports[trained.seed].mean_plcc,
        notes=_notes(provenance),
        parent_adrs=list(family.adrs),
    )


def _notes(provenance: Provenance) -> str:
    if provenance.smoke:
        return "Smoke scaffold: proves the load path only; no score of it means anything."
    empty = [slot for slot, rows in provenance.slot_rows.items() if rows == 0]
    coverage = f" Slots without training rows: {', '.join(empty)}." if empty else ""
    return (
        "Predicts per-frame VMAF v0.6.1 from its own six features, of which it is a deterministic "
        "function: the codec block is not expected to add accuracy." + coverage
    )


def _row(member_id: str, digest: str, provenance: Provenance) -> Row:
    kind = "smoke scaffold" if provenance.smoke else "member"
    return Row(
        id=member_id,
        kind="fr",
        onnx=f"{member_id}.onnx",
        sha256=digest,
        opset=graph.OPSET,
        smoke=provenance.smoke,
        notes=f"Stands on {provenance.verdict.verdict} of {provenance.family.id}."
        if not provenance.smoke
        else "No verdict: proves the load path only.",
        description=f"Codec-aware per-frame VMAF regressor, {kind} of {provenance.family.id}.",
        license=LICENSE,
        license_url=LICENSE_URL,
        sigstore_bundle=f"{member_id}.onnx.sigstore.json",
        quant_mode="fp32",
    )


def _manifest(any_network: Trained, members: list[Member], provenance: Provenance) -> Manifest:
    family, verdict = provenance.family, provenance.verdict
    return Manifest(
        id=family.id,
        kind="fr_ensemble",
        ensemble_size=len(members),
        members=members,
        feature_order=list(FEATURES),
        feature_mean=any_network.feature_mean.tolist(),
        feature_std=any_network.feature_std.tolist(),
        encoder_vocab=list(family.vocabulary),
        encoder_vocab_version=family.vocabulary_version,
        codec_vocab=list(family.vocabulary),
        codec_vocab_version=family.vocabulary_version,
        confidence=Confidence(
            method="ensemble",
            nominal_coverage=GAUSSIAN_NOMINAL,
            gaussian_z=GAUSSIAN_Z,
            conformal_q_residual=None,
        ),
        eval=Evaluation(
            mean_loso_plcc=verdict.gate.mean_plcc,
            plcc_spread=verdict.gate.plcc_spread,
            n_sources=verdict.corpus.n_sources,
        ),
        smoke=provenance.smoke,
    )
