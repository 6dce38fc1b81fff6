"""The registry law (CONTRACTS §6): every violation found, in words.

A registry is a trust root. Each ONNX file exists, is self-contained and has
its pinned digest; each row that is not smoke has a sidecar that agrees and
stands on a verdict whose evidence is there to be judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from vqcast import documents
from vqcast.documents.evidence import IntervalReport, Verdict
from vqcast.documents.forecast import ForecastRegistry
from vqcast.documents.model import Manifest, MeanSidecar, Sidecar, SingleSidecar
from vqcast.documents.registry import Registry, Row
from vqcast.durable.files import sha256_bytes
from vqcast.errors import DocumentError, EvidenceError, SignatureRefused, VqcastError
from vqcast.evidence import folder as evidence
from vqcast.evidence import gate
from vqcast.evidence.loso import DRY_RUN_NOTE, SMOKE_NOTE
from vqcast.families import FAMILIES, Family, family, owner_of
from vqcast.forecast import law as forecast_law
from vqcast.regressor import fused, graph
from vqcast.regressor.package import confidence_of, evaluation_of, gate_block, training_trace
from vqcast.serve import guard, signature
from vqcast.serve.folder import REGISTRY_NAME, Folder, read_registry, sidecar_name
from vqcast.serve.trust import Trust

NetworkSidecar = Sidecar | SingleSidecar
AnySidecar = NetworkSidecar | MeanSidecar
Grounds = Callable[[Family], tuple[Verdict, evidence.Evidence]]
"""What a family's rows stand on; parsed once for all of them."""


def verdict_name(ensemble_id: str) -> str:
    """File name of the verdict that an ensemble's rows stand on."""
    return f"{ensemble_id}_seed_flip_PROMOTE.json"


def verify(root: Path, trust: Trust | None = None) -> list[str]:
    """Every violation in the registry folder ``root``; empty where it is sound.

    A signature that is there must be of these checksums; its key and serial
    are checked where ``trust`` names a key. Raises RegistryError only where
    there is no registry at all, InputError for a key that can't be read.
    """
    folder = Folder(root)
    return folder.problems + _signature_problems(folder, trust) + violations(folder.files)


def _signature_problems(folder: Folder, trust: Trust | None) -> list[str]:
    try:
        if trust is not None and trust.public_key is not None:
            signature.check(folder, trust)
        else:
            signature.read(folder)
    except SignatureRefused as error:
        return [error.message]
    return []


def violations(files: Mapping[str, bytes]) -> list[str]:
    """Every violation among a registry's ``files``, checksums and signature aside."""
    try:
        registry = read_registry(files)
    except (VqcastError, KeyError) as error:
        return [str(error)]
    problems = []
    ids = [row.id for row in registry.models]
    if ids != sorted(ids):
        problems.append(f"{REGISTRY_NAME}: rows are not sorted by id")
    problems += [
        f"{REGISTRY_NAME}: id {name!r} stands {count} times"
        for name, count in Counter(ids).items()
        if count > 1
    ]
    if isinstance(registry, ForecastRegistry):
        return problems + forecast_law.violations(registry, files)
    grounds = cache(lambda owner: _grounds(owner, files))
    for row in registry.models:
        problems += _row_violations(row, files, grounds)
    problems += _manifest_violations(registry, files)
    return problems


def _row_violations(row: Row, files: Mapping[str, bytes], grounds: Grounds) -> list[str]:
    if row.onnx not in files:
        return [f"{row.id}: {row.onnx} is missing"]
    problems = []
    data = files[row.onnx]
    try:
        guard.check_digest(data, row.sha256, where=row.onnx)
        names = guard.signature(guard.parse(data, where=row.onnx))
    except VqcastError as error:
        problems.append(f"{row.id}: {error}")
        names = None
    name = sidecar_name(row)
    if row.is_smoke and name not in files:
        return problems
    if name not in files:
        return [*problems, f"{row.id}: has no sidecar {name}"]
    owner = owner_of(row.id)
    try:
        sidecar = read_sidecar(row, files)
    except VqcastError as error:
        return [*problems, f"{row.id}: {error}"]
    if names is not None and names != (sidecar.input_names, sidecar.output_names):
        problems.append(f"{row.id}: its graph's inputs or outputs are not its sidecar's")
    if sidecar.sha256 != row.sha256:
        problems.append(f"{row.id}: sidecar and row pin different digests")
    if sidecar.id != row.id or sidecar.onnx != row.onnx:
        problems.append(f"{row.id}: its sidecar speaks for {sidecar.id} ({sidecar.onnx})")
    if not row.is_smoke and owner is None:
        problems.append(f"{row.id}: no model family is known to judge it by")
    elif not row.is_smoke and owner is not None:
        against = _standing(sidecar, owner, files, grounds)
        problems += [f"{row.id}: {problem}" for problem in against]
    return problems


def read_sidecar(row: Row, files: Mapping[str, bytes]) -> AnySidecar:
    """The sidecar of a row, of the kind that its family writes.

    Raises DocumentError where it lacks a field of that kind.
    """
    name = sidecar_name(row)
    owner = owner_of(row.id)
    if owner is not None and owner.is_ensemble and row.id == owner.mean_id:
        return documents.decode(MeanSidecar, files[name], where=name)
    if owner is None or owner.is_ensemble:
        return documents.decode(Sidecar, files[name], where=name)
    return documents.decode(SingleSidecar, files[name], where=name)


def read_network_sidecar(row: Row, files: Mapping[str, bytes]) -> NetworkSidecar:
    """The sidecar of a row that is one trained network.

    Raises DocumentError where the row is an ensemble's one graph.
    """
    sidecar = read_sidecar(row, files)
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


def _grounds(owner: Family, files: Mapping[str, bytes]) -> tuple[Verdict, evidence.Evidence]:
    """A family's verdict and evidence. Raises VqcastError where either can't be read."""
    name = verdict_name(owner.id)
    prefix = evidence.prefix(owner.id)
    if name not in files:
        raise EvidenceError(f"no verdict {name}")
    verdict = documents.decode(Verdict, files[name], where=name)
    mine = {
        path.removeprefix(prefix): data for path, data in files.items() if path.startswith(prefix)
    }
    return verdict, evidence.parse(mine, where=prefix.rstrip("/"))


def _standing(
    sidecar: AnySidecar, owner: Family, files: Mapping[str, bytes], grounds: Grounds
) -> list[str]:
    """Why the sidecar's row does not stand on a verdict; empty where it does."""
    try:
        verdict, found = grounds(owner)
        problems = verdict_problems(verdict, found, corpus_sha256(sidecar))
    except VqcastError as error:
        return [str(error)]
    if verdict.verdict != gate.PROMOTE:
        problems.append(f"the verdict is {verdict.verdict}")
    if verdict.model != owner.id:
        problems.append(f"the verdict is on {verdict.model}")
    if isinstance(sidecar, MeanSidecar):
        return problems + _mean_problems(sidecar, owner, verdict, found, files)
    report = found.reports.get(sidecar.seed)
    if report is None:
        return [*problems, f"no evidence for its seed {sidecar.seed}"]
    if sidecar.loso_mean_plcc != report.mean_plcc:
        problems.append("its loso_mean_plcc is not the evidence's")
    if isinstance(sidecar, Sidecar):
        if sidecar.ensemble_id != owner.id:
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
    sidecar: MeanSidecar,
    owner: Family,
    verdict: Verdict,
    found: evidence.Evidence,
    files: Mapping[str, bytes],
) -> list[str]:
    """Why the ensemble's one graph may not stand, though its verdict does."""
    problems = []
    if sidecar.ensemble_id != owner.id:
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
        made_of_them = _is_made_of(sidecar, owner, found, files)
    except Exception:  # noqa: BLE001 - forged members fail in ONNX's and NumPy's own ways
        made_of_them = False
    return [] if made_of_them else ["its graph is not made of its members and the calibration"]


def _is_made_of(
    sidecar: MeanSidecar, owner: Family, found: evidence.Evidence, files: Mapping[str, bytes]
) -> bool:
    """Whether the one graph is what its members' weights and the calibration give.

    Raises whatever parsing and building raise where a member is forged.
    """
    if found.intervals is None:
        return False
    networks = [
        documents.decode(Sidecar, files[f"{member.id}.json"], where=member.id)
        for member in sidecar.members
    ]
    layers = [
        graph.layers_of(files[member.onnx], network.training_recipe.depth)
        for member, network in zip(sidecar.members, networks, strict=True)
    ]
    rebuilt = [
        fused.build(
            layers,
            np.asarray(networks[0].feature_mean),
            np.asarray(networks[0].feature_std),
            found.intervals.calibration,
            sidecar.slot_rows,
            owner,
            owner.mean_id,
            sidecar.level,
            reduce_l2=earlier,
        )
        for earlier in (False, True)
    ]
    same_rows = all(network.slot_rows == sidecar.slot_rows for network in networks)
    plain = not any(sidecar.feature_mean) and set(sidecar.feature_std) == {1.0}
    given = guard.parse(files[sidecar.onnx], where=sidecar.onnx)
    return (
        same_rows and plain and any(given == guard.parse(each, where="rebuilt") for each in rebuilt)
    )


def verdict_problems(verdict: Verdict, found: evidence.Evidence, corpus_sha256: str) -> list[str]:
    """Why ``verdict`` does not follow from the evidence on that corpus; empty where it does.

    Raises EvidenceError where the evidence can't be judged together, InputError
    where the verdict's model family is unknown.
    """
    problems = []
    if verdict.corpus.sha256 != corpus_sha256:
        problems.append("the verdict is on another corpus")
    for seed, report in sorted(found.reports.items()):
        if report.corpus_sha256 != corpus_sha256:
            problems.append(f"the evidence of seed {seed} is of another corpus")
        if report.note in (DRY_RUN_NOTE, SMOKE_NOTE):
            problems.append(f"the evidence of seed {seed} is a {report.note} run")
    if verdict.evidence != found.digests:
        problems.append("the evidence differs from the digests that the verdict pins")
    again = gate.judge(
        found.reports,
        found.digests,
        family(verdict.model),
        generated_at_utc=verdict.generated_at_utc,
        intervals=found.intervals,
    )
    if (again.gate, again.verdict, again.intervals) != (
        verdict.gate,
        verdict.verdict,
        verdict.intervals,
    ):
        problems.append("the gate, computed again from the evidence, disagrees with the verdict")
    return problems


def _manifest_violations(registry: Registry, files: Mapping[str, bytes]) -> list[str]:
    rows = {row.id: row for row in registry.models}
    problems = []
    for model in FAMILIES.values():
        name = f"{model.id}.json"
        if model.is_ensemble and name not in files:
            members = [rows.get(model.member_id(seed)) for seed in model.seeds]
            if any(row is not None and not row.is_smoke for row in members):
                problems.append(f"{name}: is missing, its members are there")
        if name not in files or model.id in rows:
            continue
        try:
            manifest = documents.decode(Manifest, files[name], where=name)
        except VqcastError as error:
            problems.append(str(error))
            continue
        for member in manifest.members:
            row = rows.get(member.id)
            if row is None or (row.sha256, row.onnx) != (member.sha256, member.onnx):
                problems.append(f"{name}: member {member.id} is not the registry's")
            elif row.is_smoke and not manifest.smoke:
                problems.append(f"{name}: is not smoke, its member {member.id} is")
            elif not _same_scaler(row, manifest, files):
                problems.append(f"{name}: its scaler is not that of its member {member.id}")
        if not manifest.smoke:
            problems += [f"{name}: {each}" for each in _unlike_evidence(manifest, model, files)]
        if manifest.ensemble_size != len(manifest.members):
            problems.append(f"{name}: ensemble_size is not the number of members")
    return problems


def _same_scaler(row: Row, manifest: Manifest, files: Mapping[str, bytes]) -> bool:
    try:
        sidecar = read_sidecar(row, files)
    except (VqcastError, KeyError):
        return True  # named as the row's own violation
    scaler = (sidecar.feature_mean, sidecar.feature_std)
    return scaler == (manifest.feature_mean, manifest.feature_std)


def _unlike_evidence(manifest: Manifest, model: Family, files: Mapping[str, bytes]) -> list[str]:
    """What a promoted ensemble's manifest says that verdict and evidence do not."""
    name = evidence.prefix(model.id) + evidence.INTERVALS_NAME
    problems = []
    try:
        verdict_file = verdict_name(model.id)
        verdict = documents.decode(Verdict, files[verdict_file], where=verdict_file)
        intervals = (
            documents.decode(IntervalReport, files[name], where=name) if name in files else None
        )
    except (VqcastError, KeyError):
        return []  # named as the rows' own violation
    if manifest.confidence != confidence_of(intervals):
        problems.append("its confidence is not the evidence's")
    if manifest.eval != evaluation_of(verdict):
        problems.append("its eval is not the verdict's")
    vocabulary = list(model.vocabulary)
    if manifest.encoder_vocab != vocabulary or manifest.codec_vocab != vocabulary:
        problems.append("its vocabulary is not the family's")
    return problems


def digest_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of every file, names sorted: what ``checksums.json`` holds."""
    return {name: sha256_bytes(files[name]) for name in sorted(files)}
