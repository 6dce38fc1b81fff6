"""The plan is a pure list of cells; the key is all that a cell's numbers depend on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from vqcast.corpus.build import rows_of
from vqcast.corpus.plan import plan, weight
from vqcast.errors import CorpusError, InputError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement
from vqcast.media.inputs import RawFormat
from vqcast.media.source import Source

A = Source(Path("/a.mkv"), "a", "a" * 64, 128, 96, 8, 10)
B = Source(Path("/b.mkv"), "b", "b" * 64, 64, 48, 10, 4, group="g")
QUALITIES = {"libx265": [40, 20], "libx264": [30]}
FFMPEG = "f" * 64


def _plan(*sources: Source, **options: object) -> list[Cell]:
    given = {"qualities": QUALITIES, "presets": {}} | options
    return plan(sources, **given)  # type: ignore[arg-type]


def test_order_is_source_name_then_encoder_as_given_then_quality_rising() -> None:
    cells = _plan(B, A)
    assert [(c.source.name, c.encoder, c.cq) for c in cells] == [
        *[("a", "libx265", 20), ("a", "libx265", 40), ("a", "libx264", 30)],
        *[("b", "libx265", 20), ("b", "libx265", 40), ("b", "libx264", 30)],
    ]


def test_the_same_input_gives_the_same_plan_and_is_left_alone() -> None:
    qualities = {"libx264": [30, 20, 30, 30.0]}
    first, second = (_plan(A, B, qualities=qualities) for _ in range(2))
    assert first == second
    assert qualities == {"libx264": [30, 20, 30, 30.0]}
    assert [c.cq for c in first] == [20, 30, 20, 30], "a quality given twice is one cell"


def test_default_presets_give_way_to_given_ones() -> None:
    cells = _plan(A, presets={"libx264": "veryfast"})
    assert {c.encoder: c.preset for c in cells} == {"libx265": "medium", "libx264": "veryfast"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"qualities": {"libx264": [52]}}, "outside 0..51"),
        ({"qualities": {"libx264": [-1]}}, "outside"),
        ({"qualities": {"libsvtav1": [0]}}, "outside 1..63"),
        ({"qualities": {"libx264": [float("nan")]}}, "outside"),
        ({"qualities": {"libsvtav1": [30.3]}}, "not a multiple"),
        ({"qualities": {"prores_ks": [30]}}, "no adapter"),
        ({"presets": {"libx264": "p4"}}, "no preset 'p4'"),
        ({"qualities": {}}, "grid is empty"),
        ({"qualities": {"libx264": []}}, "grid is empty"),
    ],
)
def test_what_no_encoder_can_do_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _plan(A, **options)


def test_an_encoder_without_presets_has_cells_and_rows_without_one() -> None:
    (cell,) = _plan(A, qualities={"h264_vaapi": [25]})
    assert cell.preset is None
    assert str(cell) == "a h264_vaapi 25"
    measured = Measurement(
        enc_bytes=1, enc_time_ms=1.0, wall_s=1.0, score_width=128, score_height=96,
        columns={"vmaf": [90.0] * 10},
    )  # fmt: skip
    assert "preset" not in rows_of(cell, measured)[0]
    assert rows_of(CELL, measured)[0]["preset"] == "medium"


def test_a_source_deeper_than_an_encoder_takes_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(InputError, match=r"/b\.mkv: has more than 8 bits .* h264_qsv takes 8"):
        _plan(A, B, qualities={"h264_qsv": [25]})
    assert len(_plan(A, B, qualities={"hevc_qsv": [25]})) == 2


def test_no_source_is_refused() -> None:
    with pytest.raises(InputError, match="grid is empty"):
        _plan()


def test_two_sources_of_one_name_are_refused_with_both_paths() -> None:
    with pytest.raises(CorpusError) as refused:
        _plan(A, replace(A, path=Path("/elsewhere/a.mp4"), sha256="c" * 64))
    assert "/a.mkv" in refused.value.message
    assert "/elsewhere/a.mp4" in refused.value.message


def test_a_name_that_json_can_not_hold_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(CorpusError, match="not UTF-8") as refused:
        _plan(A, replace(B, name="b\udcff", path=Path("/b\udcff.mkv")))
    refused.value.message.encode()


CELL = Cell(A, "libx264", "medium", 30)
RAW = RawFormat(128, 96, "yuv420p", Fraction(25))


@pytest.mark.parametrize(
    "other",
    [
        replace(CELL, source=replace(A, sha256="b" * 64)),
        replace(CELL, source=replace(A, frames=9)),
        replace(CELL, source=replace(A, depth=10)),
        replace(CELL, source=replace(A, raw=RAW)),
        replace(CELL, source=replace(A, raw=replace(RAW, width=96, height=128))),
        replace(CELL, source=replace(A, raw=replace(RAW, pix_fmt="yuv422p"))),
        replace(CELL, source=replace(A, raw=replace(RAW, fps=Fraction(30)))),
        replace(CELL, encoder="libx265"),
        replace(CELL, preset="slow"),
        replace(CELL, cq=30.1),
        replace(CELL, also=("vmaf-v1",)),
    ],
)
def test_the_key_changes_with_each_thing_that_the_numbers_depend_on(other: Cell) -> None:
    assert other.key(FFMPEG) != CELL.key(FFMPEG)


def test_the_key_changes_with_ffmpeg() -> None:
    assert CELL.key("e" * 64) != CELL.key(FFMPEG)


def test_all_keys_of_a_grid_differ() -> None:
    qualities = {"libx264": range(52), "libsvtav1": range(1, 64), "libvvenc": range(64)}
    cells = _plan(A, B, qualities=qualities)
    assert len({cell.key(FFMPEG) for cell in cells}) == len(cells) == 2 * (52 + 63 + 64)


@pytest.mark.parametrize(
    "other",
    [
        replace(CELL, source=replace(A, name="other", path=Path("/x/other.mkv"), group="g")),
        replace(CELL, cq=30.0),
        CELL,
    ],
)
def test_the_key_does_not_change_with_names_and_groups(other: Cell) -> None:
    assert other.key(FFMPEG) == CELL.key(FFMPEG)
    assert len(other.key(FFMPEG)) == 64


@pytest.mark.parametrize(
    ("encoder", "source_depth", "depth"),
    [("libx264", 8, 8), ("libx264", 10, 10), ("libvvenc", 8, 10), ("libvvenc", 10, 10)],
)
def test_a_cell_is_scored_at_the_deeper_of_source_and_encode(
    encoder: str, source_depth: int, depth: int
) -> None:
    assert Cell(replace(A, depth=source_depth), encoder, "faster", 30).depth == depth


def test_weight_grows_with_pixels_frames_and_the_encoder_s_cost() -> None:
    twice = replace(CELL, source=replace(A, frames=20))
    assert weight(twice) == pytest.approx(2 * weight(CELL))
    assert weight(replace(CELL, encoder="libvvenc")) > weight(CELL)
    assert str(CELL) == "a libx264 medium 30"


def test_several_presets_are_a_grid_in_the_order_given() -> None:
    cells = _plan(A, presets={"libx264": ("slow", "fast", "slow")}, qualities={"libx264": [30, 20]})
    assert [(c.preset, c.cq) for c in cells] == [
        ("slow", 20),
        ("slow", 30),
        ("fast", 20),
        ("fast", 30),
    ]
    assert _plan(A, presets={"libx264": ("fast",)}) == _plan(A, presets={"libx264": "fast"})
    assert len({cell.key(FFMPEG) for cell in cells}) == 4
    with pytest.raises(InputError, match="no preset 'p4'"):
        _plan(A, presets={"libx264": ("fast", "p4")})
