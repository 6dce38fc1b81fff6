"""Where a corpus comes from: ``PROVENANCE.json`` beside it."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from vqcast.documents.base import Document, Omitting
from vqcast.documents.forecast import CorpusPin


class Ffmpeg(Document, frozen=True, kw_only=True):
    """The ffmpeg that encoded and scored."""

    version: str
    sha256: str


class EncoderGrid(Omitting, frozen=True, kw_only=True):
    """How one encoder was run."""

    preset: str | UnsetType | None = UNSET
    """The one preset; null for an encoder without presets."""
    cq: list[float]
    presets: list[str] | UnsetType = UNSET
    """Instead, where there are several, in the order of the command."""
    options: str
    """Of ffmpeg, for the first preset and quality."""

    @property
    def all_presets(self) -> list[str]:
        """One, several, or none."""
        if not isinstance(self.presets, UnsetType):
            return self.presets
        return [self.preset] if isinstance(self.preset, str) else []


class Clip(Omitting, frozen=True, kw_only=True):
    """One source: its file, its picture, and what people know of it."""

    src: str
    file: str
    sha256: str
    width: int
    height: int
    bits: int
    frames: int
    group: str | None
    content: str | None = None
    origin: str | None = None
    licence: str | None = None
    licence_evidence: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


class CorpusProvenance(Document, frozen=True, kw_only=True):
    """Everything needed to make a corpus again, and whom to credit."""

    schema_version: Literal[1] = 1
    corpus: CorpusPin
    command: str
    ffmpeg: Ffmpeg
    libvmaf: str
    models: list[str]
    """The teacher first."""
    parts: list[CorpusPin] | UnsetType = UNSET
    """The corpora that it was merged from, where it was."""
    grid: dict[str, EncoderGrid]
    sources: list[Clip]
