"""What all documents share."""

from __future__ import annotations

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of all documents: immutable, built by name."""


class Omitting(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A document whose optional keys are absent rather than null."""
