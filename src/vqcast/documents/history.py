"""What was measured of a title, by whatever encoder: beside the probes that are kept."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class TitleProbe(Document, frozen=True, kw_only=True):
    """One quality of a title, as a forecaster sees it."""

    encoder: str
    preset: str | None
    metric: str
    pool: str
    crf: float
    score: float
    """The whole title's, on its metric's own scale."""
    bits_per_pixel: float
    features: list[float]
    """Means of canonical-6, ``[6]``."""

    @property
    def key(self) -> tuple[str, ...]:
        """What a later one of the same takes the place of."""
        return (self.encoder, str(self.preset), self.metric, self.pool, f"{self.crf:g}")


class TitleHistory(Document, frozen=True, kw_only=True):
    """``titles/IDENTITY.json`` in the folder of probes."""

    schema_version: Literal[1] = 1
    probes: list[TitleProbe]
