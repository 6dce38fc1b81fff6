"""A corpus as points of curves: what each encode scored on average, and what it cost in bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from vqcast.corpus.parquet import read_parts
from vqcast.corpus.table import Corpus, rows_text
from vqcast.errors import InputError


@dataclass(frozen=True, slots=True)
class Point:
    """One encode of one source, pooled over its frames."""

    source: str
    encoder: str
    preset: str | None
    cq: float
    frames: int
    vmaf: float
    """Mean over the frames."""
    kbit_per_frame: float | None
    """Of the encoded video; None where the corpus records no size."""

    @property
    def series(self) -> tuple[str, str | None]:
        """What is drawn as one curve."""
        return self.encoder, self.preset

    @property
    def row(self) -> tuple[str, str, str | None, str, int, float, float | None]:
        """Its line of a table."""
        quality = f"{self.cq:g}"
        return (self.source, self.encoder, self.preset, quality, self.frames, self.vmaf,
                self.kbit_per_frame)  # fmt: skip


class _Size(msgspec.Struct):
    src: str
    encoder: str
    preset: str | None = None
    cq: float | None = None
    crf: float | None = None
    enc_bytes: float | None = None


def points_of(corpus: Corpus) -> list[Point]:
    """The corpus's encodes, sorted by source, encoder, preset and quality."""
    sizes = _sizes(corpus.path)
    qualities, quality = np.unique(corpus.cq, return_inverse=True)
    columns = (corpus.src.codes, corpus.encoder.codes, corpus.preset.codes, quality)
    codes, cell = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    cell = cell.ravel()
    frames = np.bincount(cell)
    means = np.bincount(cell, corpus.vmaf) / frames
    points = []
    for (src, encoder, preset, cq), count, mean in zip(codes, frames.tolist(), means, strict=True):
        key = (
            corpus.src.names[src],
            corpus.encoder.names[encoder],
            corpus.preset.names[preset],
            float(qualities[cq]),
        )
        bits = sizes[key] * 8e-3 / count if key in sizes else None
        points.append(Point(*key, frames=count, vmaf=float(mean), kbit_per_frame=bits))
    return sorted(points, key=lambda each: (each.source, each.encoder, each.preset or "", each.cq))


def of_sources(points: Iterable[Point], sources: Iterable[str]) -> list[Point]:
    """The points of ``sources``. Raises InputError for a name that is not there."""
    points, wanted = list(points), list(sources)
    known = {point.source for point in points}
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InputError(
            f"the corpus has no source {', '.join(absent)}",
            hint=f"it has: {', '.join(sorted(known))}",
        )
    return [point for point in points if point.source in wanted]


def _sizes(path: Path) -> dict[tuple[str, str, str | None, float], float]:
    """Encoded bytes of each cell that records them."""
    sizes = {}
    for row in _rows(path):
        cq = row.cq if row.cq is not None else row.crf
        if cq is not None and row.enc_bytes is not None and row.enc_bytes > 0:
            sizes[row.src, row.encoder, row.preset, cq] = row.enc_bytes
    return sizes


def _rows(path: Path) -> Iterator[_Size]:
    if path.is_dir():
        for part in read_parts(path, _Size.__struct_fields__):
            yield from msgspec.convert(part.frame.unique().to_dicts(), list[_Size])
        return
    decoder = msgspec.json.Decoder(_Size)
    for line in rows_text(path):
        if b"enc_bytes" in line:
            yield decoder.decode(line)
