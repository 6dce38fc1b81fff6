"""Why a network's row may not stand in a registry: its sidecar, verdict, evidence and manifest.

Pure: a registry's files in, sentences out. Nothing is trained, so no training extra is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from vqcast import documents
from vqcast.documents.evidence import Verdict
from vqcast.documents.model import Manifest, MeanSidecar, Sidecar, SingleSidecar
from vqcast.documents.reading import ModelInfo
from vqcast.documents.registry import AnyRow, Row
from vqcast.durable.files import sha256_bytes
from vqcast.errors import DocumentError, EvidenceError, VqcastError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import PROMOTE, is_earlier, verdict_problems
from vqcast.regressor import graph
from vqcast.regressor.package import confidence_of, evaluation_of, gate_block, training_trace
from vqcast.regressor.spec import Spec
from vqcast.serve import guard

NetworkSidecar = Sidecar | SingleSidecar
AnySidecar = NetworkSidecar | MeanSidecar
Files = Mapping[str, bytes]

_NO_VERDICT = "it stands on no verdict"
_FORGED = (
    VqcastError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    DecodeError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
)
"""What NumPy and ONNX raise where a forged member or calibration has another shape."""


def read_sidecar(row: Row, spec: Spec, files: Files) -> AnySidecar:
    """The sidecar of a row, of the kind that its family writes.

    Raises DocumentError where it lacks a field of that kind.
    """
    name = row.files[1]
    kind: type[AnySidecar] = Sidecar if spec.is_ensemble else SingleSidecar
    if spec.is_ensemble and row.id == spec.mean_id:
        kind = MeanSidecar
    return documents.from_bytes(kind, files[name], where=name)


def read_network_sidecar(row: Row, spec: Spec, files: Files) -> NetworkSidecar:
    """The sidecar of a row that is one trained network.

    Raises DocumentError where the row is an ensemble's one graph.
    """
    sidecar = read_sidecar(row, spec, files)
    if isinstance(sidecar, MeanSidecar):
        raise DocumentError(f"{row.id}: is an ensemble's one graph, not a network")
    return sidecar


def corpus_sha256(sidecar: AnySidecar) -> str:
    """Digest of the corpus that the model was fitted on."""
    if isinstance(sidecar, SingleSidecar):
        return sidecar.corpus_sha256
    return sidecar.corpus.sha256


def cq_range(sidecar: AnySidecar) -> tuple[float, float]:
    """Smallest and largest quality number that the model was fitted on."""
    if isinstance(sidecar, SingleSidecar):
        return sidecar.cq_min, sidecar.cq_max
    return sidecar.corpus.cq_min, sidecar.corpus.cq_max


def problems(spec: Spec, rows: Mapping[str, AnyRow], files: Files) -> list[str]:
    """Why a family's rows may not stand, and its manifest; empty where all is well."""
    mine = [row for row in rows.values() if isinstance(row, Row)]
    grounds = _Grounds(spec, files)
    found = [f"{row.id}: {each}" for row in mine for each in _of_row(row, grounds)]
    name = f"{spec.id}.json"
    if any(_origin(row, files) for row in mine):
        return found + ([f"{name}: its members were imported: {_NO_VERDICT}"] * (name in files))
    if spec.is_ensemble and (name in files or any(not row.is_smoke for row in mine)):
        found += [f"{name}: {each}" for each in _of_manifest(name, mine, grounds)]
    return found


class _Grounds:
    """What a family's rows stand on, read once for all of them."""

    def __init__(self, spec: Spec, files: Files) -> None:
        self.spec = spec
        self.files = files
        self._read: tuple[Verdict, evidence.Evidence] | EvidenceError | None = None

    def read(self) -> tuple[Verdict, evidence.Evidence]:
        """The verdict and its evidence. Raises EvidenceError where either can't be read."""
        if self._read is None:
            try:
                self._read = self._parse()
            except VqcastError as error:
                self._read = EvidenceError(error.message)
        if isinstance(self._read, EvidenceError):
            raise self._read
        return self._read

    def _parse(self) -> tuple[Verdict, evidence.Evidence]:
        name = self.spec.verdict_name
        if name not in self.files:
            raise EvidenceError(f"no verdict {name}")
        verdict = documents.from_bytes(Verdict, self.files[name], where=name)
        return verdict, evidence.in_registry(self.files, self.spec.id)


def _of_row(row: Row, grounds: _Grounds) -> list[str]:
    if row.files[1] not in grounds.files:
        return []  # the registry's own check names it
    try:
        origin = _origin(row, grounds.files)
        if origin is not None:
            return [] if row.is_smoke else [f"was imported from {origin}: {_NO_VERDICT}"]
        sidecar = read_sidecar(row, grounds.spec, grounds.files)
        return [] if row.is_smoke else _standing(sidecar, grounds)
    except VqcastError as error:
        return [str(error)]


def _origin(row: Row, files: Files) -> str | None:
    """The registry that a row was imported from; None for our own, or an unreadable sidecar."""
    name = row.files[1]
    try:
        info = documents.from_bytes(ModelInfo, files[name], where=name)
    except (VqcastError, KeyError):
        return None
    return None if info.imported_from is None else info.imported_from.registry


def _standing(sidecar: AnySidecar, grounds: _Grounds) -> list[str]:
    """Why the sidecar's row does not stand on a verdict; empty where it does."""
    verdict, found = grounds.read()
    spec = grounds.spec
    problems = verdict_problems(
        verdict, found.reports, found.digests, spec, corpus_sha256(sidecar),
        intervals=found.intervals,
    )  # fmt: skip
    if verdict.verdict != PROMOTE:
        problems.append(f"the verdict is {verdict.verdict}")
    if isinstance(sidecar, MeanSidecar):
        return problems + _mean_problems(sidecar, verdict, found, grounds)
    report = found.reports.get(sidecar.seed)
    if report is None:
        return [*problems, f"no evidence for its seed {sidecar.seed}"]
    earlier = is_earlier(verdict.gate)
    if sidecar.loso_mean_plcc != (report.mean_plcc if earlier else verdict.gate.mean_plcc):
        problems.append("its loso_mean_plcc is not the evidence's")
    if isinstance(sidecar, Sidecar):
        if sidecar.ensemble_id != spec.id:
            problems.append(f"its ensemble_id is {sidecar.ensemble_id}")
        if sidecar.gate != gate_block(verdict.verdict, verdict.gate, sidecar.seed):
            problems.append("its gate block is not the verdict's")
    else:
        trace = training_trace(report, gate_passed=verdict.gate.passed, smoke=False)
        if sidecar.training != trace or not sidecar.gate_passed:
            problems.append("its training block is not the evidence's")
        if sidecar.rows_excluded != report.rows_excluded:
            problems.append("its rows_excluded are not the evidence's")
    return problems


def _mean_problems(
    sidecar: MeanSidecar, verdict: Verdict, found: evidence.Evidence, grounds: _Grounds
) -> list[str]:
    """Why the ensemble's one graph may not stand, though its verdict does."""
    files = grounds.files
    problems = []
    if sidecar.ensemble_id != grounds.spec.id:
        problems.append(f"its ensemble_id is {sidecar.ensemble_id}")
    if verdict.intervals is None or not verdict.intervals.passed:
        problems.append("its interval stands on no verdict")
    if sidecar.gate != gate_block(verdict.verdict, verdict.gate, None):
        problems.append("its gate block is not the verdict's")
    if sorted(member.seed for member in sidecar.members) != sorted(found.reports):
        problems.append("its members are not the seeds that were judged")
    for member in sidecar.members:
        if member.onnx not in files or sha256_bytes(files[member.onnx]) != member.sha256:
            problems.append(f"its member {member.id} is not the registry's")
    if problems:
        return problems
    try:
        made_of_them = _is_made_of(sidecar, found, grounds)
    except _FORGED:
        made_of_them = False
    return [] if made_of_them else ["its graph is not made of its members and the calibration"]


def _is_made_of(sidecar: MeanSidecar, found: evidence.Evidence, grounds: _Grounds) -> bool:
    """Whether the one graph is what its members' weights and the calibration give.

    Raises whatever parsing and building raise where a member is forged.
    """
    files, spec = grounds.files, grounds.spec
    if found.intervals is None:
        return False
    networks = [
        documents.from_bytes(Sidecar, files[f"{member.id}.json"], where=member.id)
        for member in sidecar.members
    ]
    layers = [
        graph.layers_of(files[member.onnx], network.training_recipe.depth)
        for member, network in zip(sidecar.members, networks, strict=True)
    ]
    rebuilt = [
        graph.build_ensemble(
            layers,
            np.asarray(networks[0].feature_mean),
            np.asarray(networks[0].feature_std),
            found.intervals.calibration,
            sidecar.slot_rows,
            spec,
            spec.mean_id,
            sidecar.level,
            reduce_l2=earlier,
        )
        for earlier in (False, True)
    ]
    same_rows = all(
        (network.slot_rows, network.presets, network.cq_ranges)
        == (sidecar.slot_rows, sidecar.presets, sidecar.cq_ranges)
        for network in networks
    )
    plain = not any(sidecar.feature_mean) and set(sidecar.feature_std) == {1.0}
    given = guard.parse(files[sidecar.onnx], where=sidecar.onnx)
    alike = any(given == guard.parse(each, where="rebuilt") for each in rebuilt)
    return same_rows and plain and alike


def _of_manifest(name: str, mine: Sequence[Row], grounds: _Grounds) -> list[str]:
    """Why an ensemble's manifest does not speak for its members."""
    if name not in grounds.files:
        return ["is missing, its members are there"]
    try:
        manifest = documents.from_bytes(Manifest, grounds.files[name], where=name)
    except VqcastError as error:
        return [error.message.removeprefix(f"{name}: ")]
    rows = {row.id: row for row in mine}
    found = []
    for member in manifest.members:
        row = rows.get(member.id)
        if row is None or (row.sha256, row.onnx) != (member.sha256, member.onnx):
            found.append(f"member {member.id} is not the registry's")
        elif row.is_smoke and not manifest.smoke:
            found.append(f"is not smoke, its member {member.id} is")
        elif not _same_scaler(row, manifest, grounds):
            found.append(f"its scaler is not that of its member {member.id}")
    if not manifest.smoke:
        found += _unlike_evidence(manifest, grounds)
    if manifest.ensemble_size != len(manifest.members):
        found.append("ensemble_size is not the number of members")
    return found


def _same_scaler(row: Row, manifest: Manifest, grounds: _Grounds) -> bool:
    try:
        sidecar = read_sidecar(row, grounds.spec, grounds.files)
    except (VqcastError, KeyError):
        return True  # named as the row's own violation
    scaler = (sidecar.feature_mean, sidecar.feature_std)
    return scaler == (manifest.feature_mean, manifest.feature_std)


def _unlike_evidence(manifest: Manifest, grounds: _Grounds) -> list[str]:
    """What a promoted ensemble's manifest says that verdict and evidence do not."""
    try:
        verdict, found = grounds.read()
    except EvidenceError:
        return []  # named as the rows' own violation
    problems = []
    if manifest.confidence != confidence_of(found.intervals):
        problems.append("its confidence is not the evidence's")
    if manifest.eval != evaluation_of(verdict):
        problems.append("its eval is not the verdict's")
    vocabulary = list(grounds.spec.vocabulary)
    if manifest.encoder_vocab != vocabulary or manifest.codec_vocab != vocabulary:
        problems.append("its vocabulary is not the family's")
    return problems
