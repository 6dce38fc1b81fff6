"""The files of one promoted family: graphs, sidecars, manifest, registry rows.

Pure: trained networks and a verdict in, names and bytes out. No clock and no
path of this machine enters them, so the same inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vqcast import documents
from vqcast.documents.evidence import GateReport, IntervalReport, LosoReport, Verdict
from vqcast.documents.model import (
    LEFT_SLOTS,
    SHARED_SLOTS,
    Confidence,
    Manifest,
    ManifestFigures,
    MeanSidecar,
    Member,
    Sidecar,
    SidecarCorpus,
    SidecarGate,
    SingleSidecar,
    TrainingRecipe,
    TrainingTrace,
)
from vqcast.documents.registry import LICENSE, LICENSE_URL, Row
from vqcast.durable.files import sha256_bytes
from vqcast.evidence.gate import MEAN_PLCC_MIN, PER_SEED_PLCC_MIN, PROMOTE
from vqcast.evidence.loso import SMOKE_NOTE
from vqcast.families import Package
from vqcast.interval import gaussian_z
from vqcast.regressor import graph
from vqcast.regressor.spec import Recipe, SlotRows, Spec
from vqcast.vocab import FEATURES, codec_block_layout

if TYPE_CHECKING:
    from vqcast.regressor.job import Fitted

GAUSSIAN_NOMINAL = 0.95


@dataclass(frozen=True, slots=True)
class Provenance:
    """What all members of a package share."""

    spec: Spec
    recipe: Recipe
    corpus: SidecarCorpus
    slots: SlotRows
    verdict: Verdict
    reports: Mapping[int, LosoReport]
    smoke: bool
    intervals: IntervalReport | None = None
    """The calibration that an ensemble's claim of coverage stands on."""


def package(networks: Sequence[Fitted], provenance: Provenance) -> Package:
    """Graph, sidecar and row of every network, and the manifest of an ensemble."""
    spec = provenance.spec
    files: dict[str, bytes] = {}
    rows: list[Row] = []
    members: list[Member] = []
    for trained in sorted(networks, key=lambda network: network.fit.seed):
        member_id = spec.member_id(trained.fit.seed)
        onnx_bytes = graph.build(trained.weights.layers, spec, member_id)
        digest = sha256_bytes(onnx_bytes)
        described = (
            sidecar(trained, provenance, digest)
            if spec.is_ensemble
            else single_sidecar(trained, provenance, digest)
        )
        files[f"{member_id}.onnx"] = onnx_bytes
        files[f"{member_id}.json"] = documents.to_bytes(described)
        rows.append(_row(member_id, digest, provenance))
        members.append(
            Member(id=member_id, onnx=f"{member_id}.onnx", seed=trained.fit.seed, sha256=digest)
        )
    if spec.is_ensemble:
        files[f"{spec.id}.json"] = documents.to_bytes(_manifest(networks[0], members, provenance))
    if spec.is_ensemble and provenance.intervals is not None:
        data = mean_graph(networks, provenance)
        digest = sha256_bytes(data)
        whole = mean_sidecar(members, provenance, digest)
        files[whole.onnx] = data
        files[f"{spec.mean_id}.json"] = documents.to_bytes(whole)
        rows.append(_row(spec.mean_id, digest, provenance))
    return Package(rows=rows, files=files)


def mean_graph(networks: Sequence[Fitted], provenance: Provenance) -> bytes:
    """The whole ensemble as one graph, scaler and calibration inside."""
    assert provenance.intervals is not None
    ordered = sorted(networks, key=lambda network: network.fit.seed)
    return graph.build_ensemble(
        [each.weights.layers for each in ordered],
        ordered[0].feature_mean,
        ordered[0].feature_std,
        provenance.intervals.calibration,
        provenance.slots.slot_rows,
        provenance.spec,
        provenance.spec.mean_id,
        provenance.intervals.nominal_coverage,
    )


def gate_block(verdict_name: str, gate: GateReport, seed: int | None) -> SidecarGate:
    """The verdict's figures as a sidecar repeats them, with its own seed's where it has one."""
    return SidecarGate(
        verdict=verdict_name,
        mean_plcc=gate.mean_plcc,
        mean_plcc_threshold=gate.mean_plcc_threshold,
        plcc_spread=gate.plcc_spread,
        plcc_spread_max=gate.plcc_spread_max,
        per_seed_min_threshold=PER_SEED_PLCC_MIN,
        this_seed_loso_plcc=None if seed is None else gate.per_seed_plccs.get(str(seed)),
        passed=gate.passed,
    )


def training_trace(report: LosoReport, *, gate_passed: bool, smoke: bool) -> TrainingTrace:
    """A single model's evidence as its sidecar repeats it."""
    return TrainingTrace(
        dataset=report.corpus,
        gate_passed=gate_passed,
        loso_folds=report.folds,
        loso_mean_plcc=report.mean_plcc,
        loso_std_plcc=report.std_plcc,
        loso_min_plcc=report.min_plcc,
        loso_max_plcc=report.max_plcc,
        loso_mean_srocc=report.mean_srocc,
        loso_mean_rmse=report.mean_rmse,
        n_rows=sum(fold.n_val for fold in report.folds),
        ship_gate_mean_plcc=MEAN_PLCC_MIN,
        smoke=smoke,
    )


def recipe_of(said: LosoReport | TrainingRecipe) -> Recipe:
    """The recipe that evidence or a sidecar says it was made with."""
    found = Recipe(
        epochs=said.epochs,
        batch_size=said.batch_size,
        lr=said.lr,
        weight_decay=said.weight_decay,
    )
    if isinstance(said, LosoReport):
        return found  # evidence is of the published shape alone
    return replace(
        found,
        hidden=said.hidden,
        depth=said.depth,
        dropout=said.dropout,
        share_untrained=said.untrained_slots == SHARED_SLOTS,
    )


def recipe_document(recipe: Recipe, spec: Spec) -> TrainingRecipe:
    """The recipe as a sidecar says it."""
    return TrainingRecipe(
        in_features=len(FEATURES),
        hidden=recipe.hidden,
        depth=recipe.depth,
        dropout=recipe.dropout,
        num_codecs=spec.num_codecs,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        untrained_slots=SHARED_SLOTS if recipe.share_untrained else LEFT_SLOTS,
    )


def _shared(model_id: str, provenance: Provenance, digest: str) -> dict[str, Any]:
    """What every sidecar says."""
    spec = provenance.spec
    return {
        "id": model_id,
        "kind": "fr",
        "codec_aware": bool(spec.vocabulary),
        "codec_block_layout": codec_block_layout(spec.vocabulary) if spec.vocabulary else [],
        "encoder_vocab": list(spec.vocabulary),
        "encoder_vocab_version": spec.vocabulary_version,
        "feature_order": list(FEATURES),
        "input_names": spec.input_names,
        "onnx": f"{model_id}.onnx",
        "opset": graph.OPSET,
        "sha256": digest,
        "slot_rows": dict(provenance.slots.slot_rows),
        "unknown_encoders": dict(provenance.slots.unknown_encoders),
        "presets": provenance.slots.presets,
        "cq_ranges": provenance.slots.cq_ranges,
        "parent_adrs": list(spec.adrs),
    }


def _common(trained: Fitted, provenance: Provenance, digest: str) -> dict[str, Any]:
    """What the sidecars of one network say, an ensemble's member or a model of its own."""
    spec = provenance.spec
    return _shared(spec.member_id(trained.fit.seed), provenance, digest) | {
        "seed": trained.fit.seed,
        "feature_mean": trained.feature_mean.tolist(),
        "feature_std": trained.feature_std.tolist(),
        "output_names": [spec.output],
        "training_recipe": recipe_document(provenance.recipe, spec),
        "loso_mean_plcc": provenance.verdict.gate.mean_plcc,
        "notes": _notes(provenance),
    }


def sidecar(trained: Fitted, provenance: Provenance, digest: str) -> Sidecar:
    """The sidecar of an ensemble's member (CONTRACTS §6)."""
    verdict = provenance.verdict
    return Sidecar(
        ensemble_id=provenance.spec.id,
        corpus=provenance.corpus,
        gate=gate_block(verdict.verdict, verdict.gate, trained.fit.seed),
        **_common(trained, provenance, digest),
    )


def mean_sidecar(members: Sequence[Member], provenance: Provenance, digest: str) -> MeanSidecar:
    """The sidecar of an ensemble as one graph."""
    assert provenance.intervals is not None
    verdict, level = provenance.verdict, provenance.intervals.nominal_coverage
    return MeanSidecar(
        **_shared(provenance.spec.mean_id, provenance, digest),
        ensemble_id=provenance.spec.id,
        feature_mean=[0.0] * len(FEATURES),
        feature_std=[1.0] * len(FEATURES),
        output_names=list(graph.OUTPUTS),
        corpus=provenance.corpus,
        members=list(members),
        level=level,
        gate=gate_block(verdict.verdict, verdict.gate, None),
        notes=f"Raw features in; score (corrected ensemble mean), std and {level:.0%} interval "
        "out, calibrated on content groups that the networks had not seen.",
    )


def single_sidecar(trained: Fitted, provenance: Provenance, digest: str) -> SingleSidecar:
    """The sidecar of a model that is one network (CONTRACTS §6)."""
    passed = provenance.verdict.verdict == PROMOTE
    report = provenance.reports[trained.fit.seed]
    return SingleSidecar(
        corpus=provenance.corpus.path,
        corpus_sha256=provenance.corpus.sha256,
        cq_min=provenance.corpus.cq_min,
        cq_max=provenance.corpus.cq_max,
        rows_excluded=report.rows_excluded,
        gate_passed=passed,
        training=training_trace(report, gate_passed=passed, smoke=provenance.smoke),
        **_common(trained, provenance, digest),
    )


def _notes(provenance: Provenance) -> str:
    if any(report.note == SMOKE_NOTE for report in provenance.reports.values()):
        return "Smoke scaffold: proves the load path only; no score of it means anything."
    if provenance.smoke:
        version = provenance.spec.id.removeprefix("fr_regressor_").split("_")[0]
        return f"Below the gate: {version} retrain pending. Proves the load path only."
    empty = [slot for slot, rows in provenance.slots.slot_rows.items() if rows == 0]
    coverage = f" Slots without training rows: {', '.join(empty)}." if empty else ""
    aware = (
        ": the codec block is not expected to add accuracy." if provenance.spec.vocabulary else "."
    )
    return (
        "Predicts per-frame VMAF v0.6.1 from its own six features, of which it is a deterministic "
        "function" + aware + coverage
    )


def _row(member_id: str, digest: str, provenance: Provenance) -> Row:
    spec = provenance.spec
    if provenance.smoke:
        notes = _notes(provenance)
    else:
        notes = f"Stands on the {provenance.verdict.verdict} verdict of {spec.id}."
    return Row(
        id=member_id,
        kind="fr",
        onnx=f"{member_id}.onnx",
        sha256=digest,
        opset=graph.OPSET,
        smoke=provenance.smoke,
        notes=notes,
        description=spec.summary + (" (smoke scaffold)." if provenance.smoke else "."),
        license=LICENSE,
        license_url=LICENSE_URL,
        sigstore_bundle=f"{member_id}.onnx.sigstore.json",
        quant_mode="fp32",
    )


def confidence_of(intervals: IntervalReport | None) -> Confidence:
    """Conformal where coverage was measured; the Gaussian factor of that level beside it."""
    if intervals is None:
        return Confidence(
            method="ensemble",
            nominal_coverage=GAUSSIAN_NOMINAL,
            gaussian_z=gaussian_z(GAUSSIAN_NOMINAL),
            conformal_q_residual=None,
        )
    level, calibration = intervals.nominal_coverage, intervals.calibration
    return Confidence(
        method="ensemble+conformal",
        nominal_coverage=level,
        gaussian_z=gaussian_z(level),
        conformal_q_residual=calibration.quantile(level)
        if intervals.sigma_quantile is None
        else intervals.sigma_quantile,
        calibration=calibration,
    )


def evaluation_of(verdict: Verdict) -> ManifestFigures:
    """The verdict's figures as the manifest repeats them."""
    return ManifestFigures(
        mean_loso_plcc=verdict.gate.mean_plcc,
        plcc_spread=verdict.gate.plcc_spread,
        n_sources=verdict.corpus.n_sources,
    )


def _manifest(network: Fitted, members: list[Member], provenance: Provenance) -> Manifest:
    spec, verdict = provenance.spec, provenance.verdict
    return Manifest(
        id=spec.id,
        kind="fr_ensemble",
        ensemble_size=len(members),
        members=members,
        feature_order=list(FEATURES),
        feature_mean=network.feature_mean.tolist(),
        feature_std=network.feature_std.tolist(),
        encoder_vocab=list(spec.vocabulary),
        encoder_vocab_version=spec.vocabulary_version,
        codec_vocab=list(spec.vocabulary),
        codec_vocab_version=spec.vocabulary_version,
        confidence=confidence_of(provenance.intervals),
        eval=evaluation_of(verdict),
        smoke=provenance.smoke,
    )
