"""Which cells a build measures: a pure list, and each cell's identity.

A cell is one (source, encoder, preset, cq). Its key is the digest of all that
its numbers depend on: the source's bytes, how they are read, the encoder's
arguments, the score's filter and ffmpeg itself. Names and groups are not
among them, so a renamed file or a new group costs no encode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.errors import CorpusError, InputError
from vqcast.media import argv
from vqcast.media.encoders import encoder
from vqcast.media.source import Source

RELATIVE_COST = {
    "libx264": 1.0,
    "libx265": 1.6,
    "libsvtav1": 1.2,
    "libaom-av1": 3.9,
    "libvpx-vp9": 1.9,
    "libvvenc": 5.2,
}
"""Encode seconds beside libx264 medium at vqcast's default presets; for time left only."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One encode to make and score."""

    source: Source
    encoder: str
    preset: str | None
    """None: the encoder has no presets."""
    cq: float
    v1: bool

    @property
    def depth(self) -> int:
        """Bits at which it is scored: the deeper of source and encode."""
        encodes_deep = "10" in encoder(self.encoder).pix_fmt(self.source.depth)
        return 10 if encodes_deep else self.source.depth

    @property
    def weight(self) -> float:
        """Expected cost, in arbitrary units, for estimating the time left."""
        pixels = self.source.width * self.source.height * self.source.frames
        return pixels * (0.7 + RELATIVE_COST.get(self.encoder, 1.0))

    def __str__(self) -> str:
        words = (self.source.name, self.encoder, self.preset, f"{self.cq:g}")
        return " ".join(word for word in words if word is not None)


def key(cell: Cell, ffmpeg_sha256: str) -> str:
    """The cell's content address: 64 hex digits."""
    source, raw = cell.source, cell.source.raw
    identity = {
        "source": source.sha256,
        "raw": [raw.width, raw.height, raw.pix_fmt, str(raw.fps)] if raw else None,
        "frames": source.frames,
        "encode": encoder(cell.encoder).options(cell.cq, cell.preset, source.depth),
        "score": argv.score_filter(cell.depth, source.frames, v1=cell.v1),
        "ffmpeg": ffmpeg_sha256,
    }
    return sha256_bytes(jsontext.dump_line(identity))


def plan(
    sources: Sequence[Source],
    qualities: Mapping[str, Sequence[float]],
    presets: Mapping[str, str | tuple[str, ...]],
    *,
    v1: bool,
) -> list[Cell]:
    """Every cell of the grid: sources by name, encoders and presets as given, qualities rising.

    ``qualities`` gives each encoder's values, ``presets`` overrides defaults: one preset of an
    encoder, or several.
    Raises CorpusError for two sources of one name or a name that is not UTF-8,
    InputError for a value off an encoder's scale or a source deeper than it encodes.
    """
    by_name: dict[str, Source] = {}
    for source in sources:
        try:
            source.name.encode()
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{source.path!a}: its name is not UTF-8, as the corpus's src must be",
                hint="rename the file",
            ) from error
        if source.name in by_name:
            raise CorpusError(
                f"two sources named {source.name!r}: {by_name[source.name].path}, {source.path}",
                hint="rename one: the name is what cross-validation holds out",
            )
        by_name[source.name] = source
    cells = []
    for name in sorted(by_name):
        for encoder_name, values in qualities.items():
            entry = encoder(encoder_name)
            given = presets.get(encoder_name, entry.default_preset)
            if by_name[name].depth > 8 and entry.pix_fmt_10 is None:
                raise InputError(
                    f"{by_name[name].path}: has more than 8 bits a sample, {encoder_name} takes 8",
                    hint="leave one of them out, or convert the source to 8 bits",
                )
            for preset in dict.fromkeys(given if isinstance(given, tuple) else (given,)):
                for cq in sorted(set(values)):
                    entry.check(cq, preset)
                    cells.append(Cell(by_name[name], encoder_name, preset, cq, v1))
    if not cells:
        raise InputError("the grid is empty", hint="name at least one source, encoder and quality")
    return cells
