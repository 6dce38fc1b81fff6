"""``heights.json``: what encodes of a title at lower heights have, beside its own height."""

from __future__ import annotations

from typing import Literal

from vqcast.documents.base import Document


class HeightTitle(Document, frozen=True, kw_only=True):
    """A measured title, as it is known before any encode."""

    group: str
    motion: float
    """ln(1 + motion2)."""
    ceilings: list[float]
    """Latent scores of its pictures scaled to each share and back."""


class HeightTable(Document, frozen=True, kw_only=True):
    """Steps from a title's own height to lower ones at the same CRF, scored at its own size.

    Channels are the latent score and log2 bits a pixel of the title; both at ``nodes`` places of
    the quality axis.
    """

    schema_version: Literal[1] = 1
    encoder: str
    preset: str | None
    shares: list[float]
    """Of the title's height, falling; at 1 every step is 0."""
    nodes: int
    coefficients: list[list[list[list[float]]]]
    """``[shares][channels][nodes][4]``: a constant, and by how much the step rises with the
    latent score and log2 bits at the own height, and with the latent score of no encode at all."""
    covariance: list[list[float]]
    """Of what steps have beside that, ``[shares * channels * nodes]`` square."""
    levels: list[float]
    """Coverages, rising."""
    score: list[list[float]]
    """Half widths at those in standard deviations, by probes at that height: 0, 1, 2 or more."""
    bits: list[list[float]]
    before: list[list[float]]
    """``[channels][4]``: score and bits in the middle of the axis before any encode, by 1, motion
    and the ceilings of the last two shares."""
    before_deviation: list[float]
    widened: list[list[float]]
    """Factors of the deviations of scores and bits, before any probe and after some: what the
    forecasts of whole titles held out needed beside all that."""
    titles: list[HeightTitle]
