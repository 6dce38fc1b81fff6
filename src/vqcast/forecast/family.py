"""CRF forecasters behind the protocol of `vqcast.families`: a table instead of networks.

A run folder holds ``crf_forecast_v2.json`` (the table) and ``forecast_evidence.json``; the gate
adds its verdict. Promotion makes the table again from the corpora before it may be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vqcast import documents
from vqcast.documents.forecast import (
    CorpusPin,
    ForecastEvidence,
    ForecastRecipe,
    ForecastScenario,
    ForecastTable,
    ForecastVerdict,
    JointRecipe,
    LibraryCurve,
)
from vqcast.documents.registry import LICENSE, LICENSE_URL, AnyRow, ForecastRow
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.errors import EvidenceError, GateHeld, VqcastError
from vqcast.evidence.folder import prefix, read_verdict
from vqcast.evidence.gate import PROMOTE
from vqcast.families import Corpora, Judged, Package, Rebuilt, Trained, Training
from vqcast.forecast.judge import MEASURE, judge
from vqcast.forecast.latent import to_score
from vqcast.forecast.table import FORECASTER_V1, FORECASTER_V2, read_table
from vqcast.watch import Progress, Table, Watch

EVIDENCE_NAME = "forecast_evidence.json"
_WORST_AT = "0.9"
"""The level at which a card names the group that intervals cover least."""
_DESCRIPTION = "VMAF and size at every CRF from nothing, one probe or more"


@dataclass(frozen=True, slots=True)
class ForecasterFamily:
    """A library of measured curves, calibrated group by group."""

    id: str
    recipe: ForecastRecipe
    joint: JointRecipe | None = None
    """How encoders and presets are forecast together; None: each by itself."""
    evidence_names: tuple[str, ...] = (EVIDENCE_NAME,)
    options: frozenset[str] = frozenset()
    """None: the table is made from all corpora, every group held out in turn."""
    exported_by_training: bool = False
    card: str = "forecast"

    @property
    def row_ids(self) -> tuple[str, ...]:
        """See `Family.row_ids`."""
        return (self.id,)

    @property
    def verdict_name(self) -> str:
        """See `Family.verdict_name`."""
        return f"{self.id}_PROMOTE.json"

    @property
    def table_name(self) -> str:
        """File name of the table, in a run folder and in a registry."""
        return f"{self.id}.json"

    @property
    def evidence_path(self) -> str:
        """Where the evidence lies in a registry."""
        return prefix(self.id) + EVIDENCE_NAME

    def make(
        self,
        corpora: Corpora,
        recipe: ForecastRecipe | None = None,
        *,
        pinned: Sequence[CorpusPin] | None = None,
        watch: Watch,
    ) -> tuple[bytes, ForecastEvidence]:
        """The table's bytes and its evidence, from the corpora.

        Raises CorpusError where the corpora lack sizes, groups or qualities, EvidenceError where
        they are not those that are ``pinned``.
        """
        from vqcast.forecast import curves, fit  # SciPy and Polars are of the training extra

        found, pins = curves.read(corpora.all())
        if pinned is not None and list(pinned) != pins:
            raise EvidenceError(
                f"the table was made from {len(pinned)} corpora with other digests",
                hint="name every corpus that it was trained on, and no other",
            )
        empty = fit.empty_table(found, pins, recipe or self.recipe, self.id, self.joint)
        table, scenarios = fit.fit(empty, found, on_measure=_relayed(watch))
        data = documents.to_line(table)
        return data, fit.evidence(table, sha256_bytes(data), scenarios)

    def train(self, corpora: Corpora, run_dir: Path, asked: Training, *, watch: Watch) -> Trained:
        """Table and evidence; ``asked`` changes nothing."""
        data, evidence = self.make(corpora, watch=watch)
        write_atomic(run_dir / self.table_name, data)
        write_atomic(run_dir / EVIDENCE_NAME, documents.to_bytes(evidence))
        return Trained(self.id, evidence, (_evidence_table(evidence),))

    def judge(self, run_dir: Path, *, generated_at_utc: str) -> Judged:
        """The verdict on the evidence. Raises EvidenceError where the table is another."""
        evidence_data = read_regular(run_dir / EVIDENCE_NAME)
        evidence = documents.from_bytes(ForecastEvidence, evidence_data, where=EVIDENCE_NAME)
        table = run_dir / self.table_name
        if not table.exists() and (run_dir.parent.parent / self.table_name).exists():
            table = run_dir.parent.parent / self.table_name  # the evidence folder of a registry
        digest = sha256_bytes(read_regular(table))
        if digest != evidence.table_sha256:
            raise EvidenceError("is not the table of the evidence", path=table, hint="train again")
        verdict = judge(
            evidence,
            {self.table_name: digest, EVIDENCE_NAME: sha256_bytes(evidence_data)},
            generated_at_utc=generated_at_utc,
        )
        return Judged(verdict, verdict.recommendation, _verdict_tables(verdict))

    def fit(self, run_dir: Path, corpora: Corpora, *, scaffold: bool, watch: Watch) -> Package:
        """The table made again, which must be the run folder's, byte for byte."""
        verdict, verdict_data = read_verdict(ForecastVerdict, run_dir)
        if verdict.verdict != PROMOTE:
            raise GateHeld(
                f"the verdict is {verdict.verdict}: {verdict.recommendation}", path=run_dir
            )
        table_data = read_regular(run_dir / self.table_name)
        evidence_data = read_regular(run_dir / EVIDENCE_NAME)
        where = str(run_dir / self.table_name)
        table = documents.from_bytes(ForecastTable, table_data, where=where)
        digest = sha256_bytes(table_data)
        problems = self.verdict_problems(verdict_data, evidence_data, table, digest)
        if problems:
            raise EvidenceError(
                f"the verdict does not stand: {'; '.join(problems)}",
                path=run_dir,
                hint=f"vqcast gate {run_dir}",
            )
        again, evidence = self.make(corpora, table.recipe, pinned=table.corpora, watch=watch)
        if again != table_data or documents.to_bytes(evidence) != evidence_data:
            raise EvidenceError(
                "the corpora give another table, or other evidence",
                path=run_dir,
                hint="train it again on this machine",
            )
        row = ForecastRow(
            id=self.id,
            kind="forecast",
            table=self.table_name,
            sha256=digest,
            smoke=False,
            description=_DESCRIPTION,
            license=LICENSE,
            license_url=LICENSE_URL,
            sigstore_bundle=f"{self.table_name}.sigstore.json",
        )
        return Package(
            rows=[row],
            files={self.table_name: table_data},
            grounds={self.evidence_path: evidence_data, self.verdict_name: verdict_data},
            checked="the corpora gave the same table again",
        )

    def problems(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> list[str]:
        """Why its row may not stand."""
        mine = [row for row in rows.values() if isinstance(row, ForecastRow) and row.table in files]
        return [f"{row.id}: {each}" for row in mine for each in self._of_row(row, files)]

    def _of_row(self, row: ForecastRow, files: Mapping[str, bytes]) -> list[str]:
        try:
            table = read_table(files[row.table], row)
            if row.is_smoke:
                return []
            absent = [name for name in (self.verdict_name, self.evidence_path) if name not in files]
            if absent:
                return [f"no {name}" for name in absent]
            return self.verdict_problems(
                files[self.verdict_name], files[self.evidence_path], table, row.sha256
            )
        except VqcastError as error:
            return [str(error)]

    def verdict_problems(
        self, verdict_data: bytes, evidence_data: bytes, table: ForecastTable, table_sha256: str
    ) -> list[str]:
        """Why a table may not stand on a verdict and its evidence; empty where it does.

        Raises DocumentError or EvidenceError where either can't be read or judged.
        """
        verdict = documents.from_bytes(ForecastVerdict, verdict_data, where=f"{table.id}: verdict")
        found = documents.from_bytes(ForecastEvidence, evidence_data, where=EVIDENCE_NAME)
        problems = []
        if verdict.verdict != PROMOTE:
            problems.append(f"the verdict is {verdict.verdict}")
        if found.model != table.id:
            problems.append(f"the evidence is of {found.model}")
        if found.table_sha256 != table_sha256:
            problems.append("the evidence is of another table")
        if (found.corpora, found.recipe) != (table.corpora, table.recipe):
            problems.append("the evidence is of other corpora or of another recipe")
        digests = {self.table_name: table_sha256, EVIDENCE_NAME: sha256_bytes(evidence_data)}
        if judge(found, digests, generated_at_utc=verdict.generated_at_utc) != verdict:
            problems.append("the verdict, judged again from the evidence, is another")
        return problems

    def card_facts(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> dict[str, Any]:
        """Table, evidence and verdict. Raises EvidenceError where evidence is missing."""
        row, verdict_name, evidence_name = rows[self.id], self.verdict_name, self.evidence_path
        assert isinstance(row, ForecastRow)
        if evidence_name not in files:
            raise EvidenceError(f"{row.id}: has no {evidence_name}")
        verdict = documents.from_bytes(ForecastVerdict, files[verdict_name], where=verdict_name)
        found = documents.from_bytes(ForecastEvidence, files[evidence_name], where=evidence_name)
        table, coverage = read_table(files[row.table], row), verdict.gate.coverage
        main = [each for each in found.scenarios if each.measure == MEASURE]
        return {
            "level": _WORST_AT,
            "worst": {
                each.probes: min(each.groups, key=lambda group: group.covered[_WORST_AT])
                for each in main
            },
            "corpora": [pin.sha256 for pin in table.corpora],
            "row": row,
            "verdict": verdict,
            "found": found,
            "curves": table,
            "measure": MEASURE,
            "main": main,
            "probes": sorted({each.probes for each in found.scenarios}),
            "furthest": max(coverage, key=lambda each: abs(each.covered - each.nominal)),
        }

    def rebuild(
        self,
        rows: Mapping[str, AnyRow],
        files: Mapping[str, bytes],
        corpora: Corpora,
        *,
        watch: Watch,
    ) -> list[Rebuilt]:
        """The promoted table made again."""
        mine = [row for row in rows.values() if isinstance(row, ForecastRow)]
        return [self._rebuilt(row, files[row.table], corpora, watch) for row in mine]

    def _rebuilt(self, row: ForecastRow, data: bytes, corpora: Corpora, watch: Watch) -> Rebuilt:
        table = read_table(data, row)
        again_data, _ = self.make(corpora, table.recipe, pinned=table.corpora, watch=watch)
        again = documents.from_bytes(ForecastTable, again_data, where="made again")
        worst = _furthest(table.curves, again.curves)
        return Rebuilt(model_id=row.id, same_bytes=again_data == data, worst=worst)


def _furthest(ours: Sequence[LibraryCurve], theirs: Sequence[LibraryCurve]) -> float:
    """Largest difference between two libraries of the same corpora, VMAF points."""
    return max(
        float(np.abs(to_score(np.array(a.score[name])) - to_score(np.array(b.score[name]))).max())
        for a, b in zip(ours, theirs, strict=True)
        for name in a.score
    )


def _relayed(watch: Watch) -> Callable[[int, int, str], None]:
    return lambda done, total, measure: watch.progress(Progress(done, total, measure))


def _evidence_table(evidence: ForecastEvidence) -> Table:
    """Errors and coverage of held-out groups, by number of probes."""
    levels = [f"{float(level):.0%} covers" for level in evidence.scenarios[0].coverage]
    return Table(
        ("probes", "VMAF off by", "Gaussian floor", "linear", *levels, "size off by"),
        [_scenario_row(each) for each in evidence.scenarios if each.measure == MEASURE],
        title=f"{evidence.n_groups} content groups, each held out in turn; {MEASURE}",
    )


def _scenario_row(scenario: ForecastScenario) -> tuple[object, ...]:
    def mean(values: Sequence[float | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{sum(known) / len(known):.2f}" if known else "-"

    groups = scenario.groups
    return (
        str(scenario.probes),
        mean([each.model for each in groups]),
        mean([each.gaussian_floor for each in groups]),
        mean([each.linear for each in groups]),
        *(f"{covered:.1%}" for covered in scenario.coverage.values()),
        f"{scenario.bits_mae_percent:.1f} %",
    )


def _verdict_tables(verdict: ForecastVerdict) -> tuple[Table, ...]:
    """The gate's parts against their thresholds."""
    tolerance = f"within {100 * verdict.gate.coverage_tolerance:.0f} points"
    rivals = [
        (
            each.rival.replace("_", " "),
            str(each.probes),
            f"{each.model_mae:.2f}",
            f"{each.rival_mae:.2f}",
            f"{each.lower:+.3f} to {each.upper:+.3f}",
            _word(each.passed),
        )
        for each in verdict.gate.comparisons
    ]
    intervals = [
        (
            f"{each.nominal:.0%}",
            str(each.probes),
            f"{each.covered:.1%}",
            tolerance,
            _word(each.passed),
        )
        for each in verdict.gate.coverage
    ]
    return (
        Table(
            ("against", "probes", "model off by", "rival off by", "difference, 90 %", ""), rivals
        ),
        Table(("intervals", "probes", "covered", "threshold", ""), intervals),
    )


def _word(passed: bool) -> str:
    return "pass" if passed else "FAIL"


V1 = ForecasterFamily(FORECASTER_V1, ForecastRecipe())
V2 = ForecasterFamily(FORECASTER_V2, ForecastRecipe(freedom=6.0), JointRecipe())
