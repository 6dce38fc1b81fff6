"""A corpus's curves as the page's template reads them: its points, and a chart for each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vqcast.corpus.table import Corpus
from vqcast.pages import curve_charts, ink, picture
from vqcast.pages.points import Point, points_of
from vqcast.pages.subject import CitedFile
from vqcast.pages.template import plural, slug

MAX_SOURCES = 40


@dataclass(frozen=True, slots=True)
class Curves:
    """A corpus's file and its encodes."""

    piece: CitedFile
    n_rows: int
    points: Sequence[Point]

    @property
    def sources(self) -> list[str]:
        """By name."""
        return sorted({point.source for point in self.points})

    @property
    def sized(self) -> bool:
        """Whether bits are known, so that quality can stand over them."""
        return any(point.kbit_per_frame is not None for point in self.points)

    @property
    def key(self) -> Markup:
        """The key to all panels."""
        return picture.inline(
            ink.key(curve_charts.named(curve_charts.looks(self.points))),
            name="corpus-key",
            title="Key",
            description="Colour and marker of each encoder, dashes of its presets.",
        )

    @property
    def panels(self) -> list[tuple[str, str, Markup]]:
        """Each source's name, n and chart, as many as a page shows."""
        look = curve_charts.looks(self.points)
        across = curve_charts.rate if self.sized else curve_charts.quality
        floor = 10.0 * (min(point.vmaf for point in self.points) // 10)
        panels = []
        for source in self.sources[:MAX_SOURCES]:
            points = [point for point in self.points if point.source == source]
            scores = [point.vmaf for point in points]
            encodes, frames = plural(len(points), "encode"), max(point.frames for point in points)
            chart = picture.inline(
                curve_charts.small(points, look, across, floor),
                name=f"corpus-{slug(source)}",
                title=f"VMAF of {source}, by encoder",
                description=f"{encodes}, VMAF {min(scores):.1f} to {max(scores):.1f}.",
            )
            panels.append((source, f"{encodes} of {plural(frames, 'frame')}", chart))
        return panels


def curves_of(corpus: Corpus) -> Curves:
    """Pool a corpus's frames into its encodes."""
    path = corpus.path
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    n_bytes = sum(each.stat().st_size for each in files)
    return Curves(
        CitedFile(path.name, corpus.sha256, n_bytes, path), len(corpus), points_of(corpus)
    )
