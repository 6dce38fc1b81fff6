"""``shares.json``: how many titles meet their target, by the probability that answers must have."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class ShareTable(Document, frozen=True, kw_only=True):
    """Measured with one forecaster, on titles whose content group it had no curve of."""

    schema_version: Literal[1] = 1
    forecaster: str
    """sha256 of its table."""
    decisions: int
    floors: list[float]
    """Least probability of an answer, rising, 0..1."""
    met: list[float]
    """Share of the titles that met their target at each floor."""
