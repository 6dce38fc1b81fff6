"""What the forecaster's card shows, read from its row of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqcast import documents
from vqcast.documents.forecast import ForecastEvidence, ForecastVerdict
from vqcast.documents.registry import ForecastRow
from vqcast.errors import EvidenceError
from vqcast.forecast.judge import MEASURE
from vqcast.forecast.table import read_table


def facts(
    row: ForecastRow, verdict_name: str, evidence_name: str, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """What ``forecast_card.md.j2`` reads. Raises EvidenceError where evidence is missing."""
    if evidence_name not in files:
        raise EvidenceError(f"{row.id}: has no {evidence_name}")
    verdict = documents.from_bytes(ForecastVerdict, files[verdict_name], where=verdict_name)
    found = documents.from_bytes(ForecastEvidence, files[evidence_name], where=evidence_name)
    table = read_table(files[row.table], row)
    return {
        "corpora": [pin.sha256 for pin in table.corpora],
        "row": row,
        "verdict": verdict,
        "found": found,
        "curves": table,
        "measure": MEASURE,
        "main": [each for each in found.scenarios if each.measure == MEASURE],
        "probes": sorted({each.probes for each in found.scenarios}),
        "furthest": max(verdict.gate.coverage, key=lambda each: abs(each.covered - each.nominal)),
    }
