"""Train, judge, promote and rebuild CRF forecasters: tables instead of networks.

A run folder holds ``crf_forecast_v1.json`` (the table) and ``forecast_evidence.json``; the gate
adds its verdict. Promotion makes the table again from the corpora before it installs anything::

    train([Path("a.jsonl.gz"), Path("b.jsonl.gz")], Path("runs/crf_forecast_v1"))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vqcast import documents
from vqcast.documents.forecast import (
    CorpusPin,
    ForecastEvidence,
    ForecastRecipe,
    ForecastRegistry,
    ForecastRow,
    ForecastTable,
    ForecastVerdict,
    LibraryCurve,
)
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.errors import EvidenceError, GateHeld, RegistryError
from vqcast.evidence.folder import read_verdict_as, write_verdict
from vqcast.evidence.gate import PROMOTE
from vqcast.families import FORECASTER
from vqcast.forecast import law
from vqcast.forecast.judge import judge
from vqcast.forecast.latent import to_score
from vqcast.forecast.table import read_table
from vqcast.registry.seal import State, change, read_status, with_status
from vqcast.regressor.package import LICENSE, LICENSE_URL
from vqcast.serve.folder import Folder, read_registry

if TYPE_CHECKING:
    from vqcast.registry.rebuild import Rebuilt

OnMeasure = Callable[[int, int, str], None]
"""Called with how many metric and pool pairs are done, how many there are, and the last one."""
_DESCRIPTION = "VMAF and size at every CRF from nothing, one probe or more"


def is_run(folder: Path) -> bool:
    """Whether a run folder is of a forecaster."""
    return (folder / law.EVIDENCE_NAME).is_file()


def make(
    corpora: Sequence[Path],
    recipe: ForecastRecipe | None = None,
    *,
    pinned: Sequence[CorpusPin] | None = None,
    on_measure: OnMeasure | None = None,
) -> tuple[bytes, ForecastEvidence]:
    """The table's bytes and its evidence, from the corpora.

    Raises CorpusError where the corpora lack sizes, groups or qualities, EvidenceError where they
    are not those that are ``pinned``.
    """
    from vqcast.forecast import curves as measured  # gating and loading need no training extra
    from vqcast.forecast import fit as learn

    found, pins = measured.read(corpora)
    if pinned is not None and list(pinned) != pins:
        raise EvidenceError(
            f"the table was made from {len(pinned)} corpora with other digests",
            hint="name every corpus that it was trained on, and no other",
        )
    table, scenarios = learn.fit(found, pins, recipe or ForecastRecipe(), on_measure=on_measure)
    data = documents.encode_compact(table)
    return data, learn.evidence(table, sha256_bytes(data), scenarios)


def train(
    corpora: Sequence[Path], run_dir: Path, *, on_measure: OnMeasure | None = None
) -> ForecastEvidence:
    """Make a forecaster and write table and evidence into ``run_dir``."""
    data, evidence = make(corpora, on_measure=on_measure)
    write_atomic(run_dir / law.table_name(FORECASTER), data)
    write_atomic(run_dir / law.EVIDENCE_NAME, documents.encode(evidence))
    return evidence


def gate(run_dir: Path, *, write: bool) -> ForecastVerdict:
    """Judge a run folder's evidence, writing the verdict beside it if asked to.

    Raises EvidenceError where the table is not the one that the evidence is of.
    """
    evidence_data = read_regular(run_dir / law.EVIDENCE_NAME)
    evidence = documents.decode(ForecastEvidence, evidence_data, where=law.EVIDENCE_NAME)
    name = law.table_name(evidence.model)
    table = run_dir / name
    if not table.exists() and (run_dir.parent.parent / name).exists():
        table = run_dir.parent.parent / name  # the evidence folder of a registry
    digest = sha256_bytes(read_regular(table))
    if digest != evidence.table_sha256:
        raise EvidenceError(f"{table}: is not the table of the evidence", hint="train again")
    verdict = judge(
        evidence,
        {name: digest, law.EVIDENCE_NAME: sha256_bytes(evidence_data)},
        generated_at_utc=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if write:
        write_verdict(run_dir, verdict)
    return verdict


def promote(
    run_dir: Path,
    corpora: Sequence[Path],
    registry: Path,
    *,
    on_measure: OnMeasure | None = None,
) -> tuple[ForecastRow, int]:
    """Make the table again, and install it with its verdict; the row and the number of files.

    Raises GateHeld where the verdict is HOLD, EvidenceError where it does not follow from the
    evidence, or the corpora give another table. The registry is then as it was.
    """
    verdict, verdict_data = read_verdict_as(ForecastVerdict, run_dir)
    if verdict.verdict != PROMOTE:
        raise GateHeld(f"{run_dir}: the verdict is {verdict.verdict}: {verdict.recommendation}")
    name = law.table_name(verdict.model)
    table_data = read_regular(run_dir / name)
    evidence_data = read_regular(run_dir / law.EVIDENCE_NAME)
    table = documents.decode(ForecastTable, table_data, where=str(run_dir / name))
    digest = sha256_bytes(table_data)
    problems = law.verdict_problems(verdict_data, evidence_data, table, digest)
    if problems:
        raise EvidenceError(
            f"{run_dir}: the verdict does not stand: {'; '.join(problems)}",
            hint=f"vqcast gate {run_dir}",
        )
    again, evidence = make(corpora, table.recipe, pinned=table.corpora, on_measure=on_measure)
    if again != table_data or documents.encode(evidence) != evidence_data:
        raise EvidenceError(
            f"{run_dir}: the corpora give another table, or other evidence",
            hint="train it again on this machine",
        )
    row = ForecastRow(
        id=verdict.model,
        kind="forecast",
        table=name,
        sha256=digest,
        smoke=False,
        description=_DESCRIPTION,
        license=LICENSE,
        license_url=LICENSE_URL,
        sigstore_bundle=f"{name}.sigstore.json",
    )
    files = {
        name: table_data,
        law.evidence_name(row.id): evidence_data,
        law.verdict_name(row.id): verdict_data,
    }
    return row, _install(registry, row, files)


def _install(registry: Path, row: ForecastRow, files: dict[str, bytes]) -> int:
    def edit(state: State) -> State:
        standing = dict(read_status(state.files).models)
        standing.pop(row.id, None)
        return State(state.rows | {row.id: row}, with_status(state.files | files, standing))

    return change(registry, edit)


def rebuild(
    root: Path, corpora: Sequence[Path], *, on_measure: OnMeasure | None = None
) -> list[Rebuilt]:
    """Make every promoted table of a registry again and compare.

    Raises EvidenceError where the corpora are others, RegistryError where the folder is not whole
    or holds no promoted forecaster.
    """
    folder = Folder(root)
    folder.require_whole()
    registry = read_registry(folder.files)
    rows = registry.models if isinstance(registry, ForecastRegistry) else []
    promoted = [row for row in rows if not row.is_smoke]
    if not promoted:
        raise RegistryError(f"{root}: holds no promoted forecaster to rebuild")
    return [_rebuild_one(row, folder.files[row.table], corpora, on_measure) for row in promoted]


def _rebuild_one(
    row: ForecastRow, data: bytes, corpora: Sequence[Path], on_measure: OnMeasure | None
) -> Rebuilt:
    from vqcast.registry.rebuild import Rebuilt

    table = read_table(data, row)
    again_data, _ = make(corpora, table.recipe, pinned=table.corpora, on_measure=on_measure)
    again = documents.decode(ForecastTable, again_data, where="made again")
    return Rebuilt(
        model_id=row.id, same_bytes=again_data == data, worst=_furthest(table.curves, again.curves)
    )


def _furthest(ours: Sequence[LibraryCurve], theirs: Sequence[LibraryCurve]) -> float:
    """Largest difference between two libraries of the same corpora, VMAF points."""
    return max(
        float(np.abs(to_score(np.array(a.score[name])) - to_score(np.array(b.score[name]))).max())
        for a, b in zip(ours, theirs, strict=True)
        for name in a.score
    )
