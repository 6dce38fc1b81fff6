"""A cell's key: everything that its numbers depend on changes it, nothing else does."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vqcast.corpus.plan import plan
from vqcast.measured.cell import Cell
from vqcast.media.inputs import RawFormat
from vqcast.media.source import Source

SOURCE = Source(
    path=Path("/clips/a.mkv"), name="a", sha256="ab" * 32, width=128, height=96, depth=8, frames=8
)
CELL = Cell(SOURCE, "libx264", "medium", 28)
FFMPEG = "cd" * 32
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.text(min_size=1, max_size=9), st.none() | st.text(max_size=9))
def test_names_paths_and_groups_cost_no_encode(name, group) -> None:
    renamed = replace(SOURCE, name=name, path=Path("/elsewhere") / "b.mkv", group=group)
    assert replace(CELL, source=renamed).key(FFMPEG) == CELL.key(FFMPEG)


@given(DIGEST)
def test_other_bytes_and_another_ffmpeg_are_another_cell(digest) -> None:
    other = replace(CELL, source=replace(SOURCE, sha256=digest))
    assert (other.key(FFMPEG) == CELL.key(FFMPEG)) == (digest == SOURCE.sha256)
    assert (CELL.key(digest) == CELL.key(FFMPEG)) == (digest == FFMPEG)


def test_every_part_of_the_measurement_is_in_the_key() -> None:
    raw = RawFormat(128, 96, "yuv420p", Fraction(25))
    raws = [raw, replace(raw, width=64), replace(raw, height=48), replace(raw, pix_fmt="gray"),
            replace(raw, fps=Fraction(24))]  # fmt: skip
    cells = [
        CELL,
        replace(CELL, cq=29),
        replace(CELL, preset="fast"),
        replace(CELL, encoder="libx265"),
        replace(CELL, also=("vmaf-v1",)),
        replace(CELL, source=replace(SOURCE, depth=10)),
        replace(CELL, source=replace(SOURCE, frames=7)),
        *(replace(CELL, source=replace(SOURCE, raw=each)) for each in raws),
    ]
    keys = {cell.key(FFMPEG) for cell in cells}
    assert len(keys) == len(cells) and all(len(each) == 64 for each in keys)


@given(
    st.permutations(["a", "b", "c"]),
    st.lists(st.integers(0, 51), min_size=1, max_size=5),
    st.permutations(["libx264", "libx265"]),
)
def test_a_plan_does_not_depend_on_the_order_of_sources_or_qualities(names, cqs, encoders) -> None:
    sources = [replace(SOURCE, name=name) for name in names]
    made = plan(sources, dict.fromkeys(encoders, cqs), {})
    again = plan(sources[::-1], dict.fromkeys(encoders, cqs[::-1]), {})
    assert made == again
    assert len(made) == len(set(made)) == 3 * 2 * len(set(cqs))
    assert [cell.source.name for cell in made] == sorted(cell.source.name for cell in made)
