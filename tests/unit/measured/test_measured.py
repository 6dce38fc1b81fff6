"""One encode's numbers: one identity, one document, shared by corpora and tunings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vqcast.corpus.build import build, cells_folder
from vqcast.corpus.execute import LocalPool
from vqcast.corpus.plan import plan
from vqcast.documents import codec
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import measure, read
from vqcast.measured.probe import Prober
from vqcast.measured.store import FolderStore, measure_once
from vqcast.media.inputs import RawFormat, Segment, Video
from vqcast.media.options import EncoderOptions
from vqcast.media.source import Source
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool
from vqcast.metric import METRICS

SOURCE = Source(Path("/a.mkv"), "a", "a" * 64, 128, 96, 8, 10)
CELL = Cell(SOURCE, "libx264", "medium", 30)
FFMPEG = "f" * 64
PART = Segment(2, 4, 0, 90_000, 250_000)

SOURCE_CHANGES: dict[str, Any] = {
    "sha256": "b" * 64,
    "depth": 10,
    "frames": 9,
    "raw": RawFormat(128, 96, "yuv420p", Fraction(25)),
    "steady": False,
    "video": Video("v:0", "hflip"),
    "flagged": True,
    "one_view": True,
}
SOURCE_SAYS_NOTHING = {
    "path": "a moved file is the same",
    "name": "a renamed file is the same",
    "group": "what it shares content with changes no number",
    "width": "is in the bytes",
    "height": "is in the bytes",
    "whole": "the frames are counted",
    "notes": "words",
    "index": "is in the bytes",
    "packets": "is in the bytes",
    "sampled": "stands in for a sha256 that is not there",
    "rate": "is in the bytes",
    "video_bytes": "is in the bytes",
    "damage": "is in the bytes",
    "codec": "is in the bytes",
    "pix_fmt": "is in the bytes",
    "light": "is in the bytes, and in the encoder's options",
    "unusual": "is in the bytes",
    "intake": "its filters are in the video, the rest finds out what is here",
}
CELL_SAYS_NOTHING = {"spliced": "is in the encoder's options, where it needs one"}
CELL_CHANGES: dict[str, Any] = {
    "source": replace(SOURCE, sha256="b" * 64),
    "encoder": "libx265",
    "preset": "slow",
    "cq": 30.1,
    "segment": PART,
    "size": (64, 48),
    "coded": (64, 48),
    "uncoded": True,
    "every": 3,
    "threads": Threads(1, 2, 1, 1),
    "options": EncoderOptions(x264="aq-mode=3"),
    "also": ("xpsnr",),
    "vmaf": False,
}


def test_every_field_is_in_the_key_or_has_a_reason_not_to_be() -> None:
    assert {each.name for each in fields(Cell)} == CELL_CHANGES.keys() | CELL_SAYS_NOTHING.keys()
    named = SOURCE_CHANGES.keys() | SOURCE_SAYS_NOTHING.keys()
    assert {each.name for each in fields(Source)} == named
    changed = [replace(CELL, **{name: value}) for name, value in CELL_CHANGES.items()]
    changed += [
        replace(CELL, source=replace(SOURCE, **{name: value}))
        for name, value in SOURCE_CHANGES.items()
        if name != "sha256"
    ]
    assert len({cell.key(FFMPEG) for cell in (CELL, *changed)}) == 1 + len(changed)
    assert CELL.key("e" * 64) != CELL.key(FFMPEG)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "vmaf"])
def test_each_metric_is_part_of_the_identity(name: str) -> None:
    with_it = replace(CELL, also=(name,))
    assert with_it.key(FFMPEG) != CELL.key(FFMPEG)
    assert set(with_it.columns) > set(CELL.columns)


def test_the_order_in_which_metrics_are_named_is_not() -> None:
    one, other = (replace(CELL, also=each) for each in (("xpsnr", "ssim"), ("ssim", "xpsnr")))
    assert one.key(FFMPEG) == other.key(FFMPEG) and one.columns == other.columns


def test_a_large_file_is_told_apart_by_what_was_read_of_it() -> None:
    large = [replace(CELL, source=replace(SOURCE, sha256=None, sampled=each)) for each in "bc"]
    assert len({cell.key(FFMPEG) for cell in (CELL, *large)}) == 3


def test_where_an_encoder_is_made_to_start_anew_is_part_of_the_identity() -> None:
    svt = replace(CELL, encoder="libsvtav1", preset="10")
    assert replace(svt, spliced=17).key(FFMPEG) != svt.key(FFMPEG)


def test_a_variable_rate_s_clock_is_part_of_the_identity() -> None:
    unsteady = replace(CELL, source=replace(SOURCE, steady=False))
    assert "-enc_time_base" in unsteady.identity(FFMPEG)["encode"]
    assert "-enc_time_base" not in CELL.identity(FFMPEG)["encode"]


def test_the_way_into_a_part_is_not_part_of_its_identity_and_its_frames_are() -> None:
    part = replace(CELL, segment=PART)
    again = replace(CELL, segment=replace(PART, seek_us=40_000))
    assert part.key(FFMPEG) == again.key(FFMPEG)
    assert part.key(FFMPEG) != replace(CELL, segment=replace(PART, start=3)).key(FFMPEG)
    assert part.key(FFMPEG) != replace(CELL, segment=replace(PART, frames=5)).key(FFMPEG)


def test_scoring_at_the_source_s_own_size_is_not_another_cell() -> None:
    assert replace(CELL, size=(128, 96)).key(FFMPEG) == CELL.key(FFMPEG)


def test_a_key_is_the_same_from_release_to_release() -> None:
    """Where this fails, everybody's finished cells are measured again: say so in the changelog."""
    scaled = replace(CELL, segment=PART, size=(64, 48), also=("vmaf-v1",))
    assert [CELL.key(FFMPEG), scaled.key(FFMPEG)] == [
        "c28051d7f4e75de64c9db5a78c22583f1ee3a6518ff8efef08487539196cfa6b",
        "a990ff8476a545d10da710ba861f30b74d1303b3072953f3fbe67524b44a3618",
    ]


@pytest.fixture(scope="module")
def cell(pattern_source: Source) -> Cell:
    return Cell(pattern_source, "libx264", "ultrafast", 30)


@pytest.mark.usefixtures("private_tmp")
def test_a_tuning_takes_a_corpus_s_cells_and_a_corpus_a_tuning_s(
    pattern_source: Source, tool: Tool, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    cells = plan([pattern_source], {"libx264": [30]}, {"libx264": "ultrafast"})
    assert build(cells, out, tool, executor=LocalPool(1)).measured == 1
    prober = Prober(Cell(pattern_source, "libx264", "ultrafast", 0), tool, cells_folder(out))
    found, reused = prober.measure(30.0)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert reused and found.frames == 8
    assert found.columns["vmaf"] == [row["vmaf"] for row in rows]
    assert found.enc_bytes == rows[0]["enc_bytes"]
    probed, reused = prober.measure(35.0)
    assert not reused and prober.measure(35.0)[1]
    more = plan([pattern_source], {"libx264": [30, 35]}, {"libx264": "ultrafast"})
    built = build(more, out, tool)
    assert (built.measured, built.reused) == (1, 1)  # a corpus says how long an encode took
    again, reused = prober.measure(35.0)
    assert reused and again.columns["vmaf"] == probed.columns["vmaf"]
    assert again.enc_bytes == probed.enc_bytes


def test_threads_are_part_of_the_identity_where_they_matter() -> None:
    """x264 on one thread is a corpus's cell; x265's own blocks are coded as on three."""

    def key(cell: Cell, threads: int) -> str:
        return replace(cell, threads=Threads(1, threads, threads, threads)).key(FFMPEG)

    assert key(CELL, 1) == CELL.key(FFMPEG) != key(CELL, 2)
    svt = replace(CELL, encoder="libsvtav1", preset="10")
    assert {key(svt, threads) for threads in (1, 2, 64)} == {svt.key(FFMPEG)}
    x265 = replace(CELL, encoder="libx265")
    assert len({key(x265, threads) for threads in (1, 2, 3)} | {x265.key(FFMPEG)}) == 2
    assert key(x265, 4) != key(x265, 3)


def _spoilt(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return spoil


DAMAGES: list[Callable[[bytes], bytes]] = [
    lambda data: b"",
    lambda data: data[:-2],
    lambda data: b"null",
    lambda data: data.replace(b'"vmaf":[', b'"vmaf":[1e999,'),
    lambda data: data.replace(b'"vmaf":[', b'"vmaf":[NaN,'),
    lambda data: data.replace(b'"enc_bytes"', b'"enc_bytes":1,"enc_bytes"'),
    _spoilt(lambda document: document.pop("wall_s")),
    _spoilt(lambda document: document.update(schema_version=2)),
    _spoilt(lambda document: document.update(enc_bytes="1")),
    _spoilt(lambda document: document.update(enc_bytes=1.5)),
    _spoilt(lambda document: document["columns"]["vmaf"].pop()),
    _spoilt(lambda document: document["columns"].update(more=[1.0] * 8)),
    _spoilt(lambda document: document["columns"].pop("adm2")),
    _spoilt(lambda document: document["columns"]["vmaf"].__setitem__(0, True)),
]


@pytest.fixture(scope="module")
def kept(cell: Cell, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The cell's file."""
    folder = tmp_path_factory.mktemp("kept")
    name, made = cell.file_name(tool.sha256), measure(cell, tool)
    FolderStore(folder).write(name, codec.to_line(made))
    return (folder / cell.file_name(tool.sha256)).read_bytes()


def test_a_file_is_read_back_as_it_was_measured(cell: Cell, kept: bytes, tool: Tool) -> None:
    found = read(kept, cell, where="kept")
    again = measure(cell, tool, together=True)
    assert found is not None
    assert found.columns == again.columns and found.enc_bytes == again.enc_bytes
    assert np.array_equal(found.column("vmaf"), np.array(found.columns["vmaf"]))
    assert 0 < found.enc_time_ms < 1000 * found.wall_s
    assert again.enc_time_ms is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_counts_as_none(
    damage: Callable[[bytes], bytes], cell: Cell, kept: bytes
) -> None:
    assert read(damage(kept), cell, where="kept") is None
    assert read(None, cell, where="absent") is None
    assert read(kept, replace(cell, also=("vmaf-v1",)), where="kept") is None


@pytest.mark.usefixtures("private_tmp")
def test_a_damaged_file_is_measured_again_and_replaced(
    cell: Cell, kept: bytes, tool: Tool, tmp_path: Path
) -> None:
    store, path = FolderStore(tmp_path), tmp_path / cell.file_name(tool.sha256)
    assert not measure_once(cell, tool, None)[1]
    path.write_bytes(kept)
    assert measure_once(cell, tool, store)[1]
    path.write_bytes(kept[:100])
    assert not measure_once(cell, tool, store)[1]
    assert read(path.read_bytes(), cell, where="again") is None  # its encode was not timed
    assert read(path.read_bytes(), cell, where="again", timed=False) is not None
