"""The law of a forecast registry: the same as that of networks, for tables.

Each table has its pinned digest; each row that is not smoke stands on a verdict that follows
from the evidence, and both speak of this very table and its corpora.
"""

from __future__ import annotations

from collections.abc import Mapping

from vqcast import documents
from vqcast.documents.forecast import (
    ForecastEvidence,
    ForecastRegistry,
    ForecastRow,
    ForecastTable,
    ForecastVerdict,
)
from vqcast.durable.files import sha256_bytes
from vqcast.errors import VqcastError
from vqcast.evidence.gate import PROMOTE
from vqcast.forecast.judge import judge
from vqcast.forecast.table import read_table

EVIDENCE_NAME = "forecast_evidence.json"


def table_name(model_id: str) -> str:
    """File name of a forecaster's table, in a run folder and in a registry."""
    return f"{model_id}.json"


def verdict_name(model_id: str) -> str:
    """File name of the verdict that a forecaster's row stands on."""
    return f"{model_id}_PROMOTE.json"


def evidence_name(model_id: str) -> str:
    """Where a forecaster's evidence lies in a registry."""
    return f"evidence/{model_id}/{EVIDENCE_NAME}"


def violations(registry: ForecastRegistry, files: Mapping[str, bytes]) -> list[str]:
    """Every violation among a forecast registry's rows and files."""
    return [f"{row.id}: {each}" for row in registry.models for each in _of_row(row, files)]


def _of_row(row: ForecastRow, files: Mapping[str, bytes]) -> list[str]:
    if row.table not in files:
        return [f"{row.table} is missing"]
    try:
        table = read_table(files[row.table], row)
    except VqcastError as error:
        return [str(error)]
    if row.is_smoke:
        return []
    absent = [name for name in (verdict_name(row.id), evidence_name(row.id)) if name not in files]
    if absent:
        return [f"no {name}" for name in absent]
    try:
        return verdict_problems(
            files[verdict_name(row.id)], files[evidence_name(row.id)], table, row.sha256
        )
    except VqcastError as error:
        return [str(error)]


def verdict_problems(
    verdict_data: bytes, evidence_data: bytes, table: ForecastTable, table_sha256: str
) -> list[str]:
    """Why a table may not stand on a verdict and its evidence; empty where it does.

    Raises DocumentError or EvidenceError where either can't be read or judged.
    """
    verdict = documents.decode(ForecastVerdict, verdict_data, where=f"{table.id}: verdict")
    found = documents.decode(ForecastEvidence, evidence_data, where=EVIDENCE_NAME)
    problems = []
    if verdict.verdict != PROMOTE:
        problems.append(f"the verdict is {verdict.verdict}")
    if found.model != table.id:
        problems.append(f"the evidence is of {found.model}")
    if found.table_sha256 != table_sha256:
        problems.append("the evidence is of another table")
    if (found.corpora, found.recipe) != (table.corpora, table.recipe):
        problems.append("the evidence is of other corpora or of another recipe")
    digests = {table_name(table.id): table_sha256, EVIDENCE_NAME: sha256_bytes(evidence_data)}
    if judge(found, digests, generated_at_utc=verdict.generated_at_utc) != verdict:
        problems.append("the verdict, judged again from the evidence, is another")
    return problems
