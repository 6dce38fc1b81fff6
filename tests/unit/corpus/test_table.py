"""Loading a corpus: what is read, and every refusal of CONTRACTS §1 with its row named."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vqcast.corpus import lines
from vqcast.corpus.table import MIN_ROWS, load
from vqcast.durable.files import sha256_file
from vqcast.errors import CorpusError
from vqcast.vocab import FEATURES

Row = dict[str, Any]
REQUIRED = ("src", "encoder", "cq", "frame_index", "vmaf", *FEATURES)


def frame_row(number: int = 0) -> Row:
    """A whole per-frame row."""
    row: Row = {"src": f"s{number % 3}", "encoder": "libx264", "cq": 20 + number % 7}
    row |= {"frame_index": number, "vmaf": 90.0 - number / 10}
    row |= {name: 0.5 + column / 10 + number / 1e4 for column, name in enumerate(FEATURES)}
    return row | {"preset": "medium", "enc_bytes": 10, "enc_time_ms": 1.5, "group": "g"}


def pooled_row(number: int = 0) -> Row:
    """A whole pooled row of schema 3."""
    row: Row = {"schema_version": 3, "src": f"s{number % 3}", "encoder": "h264_qsv"}
    row |= {"preset": "fast", "crf": 20 + number, "vmaf_score": 90.0 - number / 10}
    for name in FEATURES:
        row |= {f"{name}_mean": 0.5 + number / 1e4, f"{name}_std": 0.1}
    return row


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(rows)``: the rows as JSON Lines, by Python's own writer (bare NaN and all)."""

    def make(rows: list[Row | bytes], name: str = "c.jsonl") -> Path:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path = tmp_path / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return make


def _refused(path: Path, *words: str, min_rows: int = 1) -> None:
    with pytest.raises(CorpusError) as refused:
        load(path, min_rows=min_rows)
    assert refused.value.exit_status == 2
    for word in (str(path), *words):
        assert word in refused.value.message
    assert "\n" not in refused.value.message


def test_a_whole_corpus_gives_every_column_in_file_order(write: Write) -> None:
    rows = [frame_row(number) for number in range(120)]
    path = write(rows)
    corpus = load(path)
    assert len(corpus) == 120
    assert corpus.path == path
    assert corpus.sha256 == sha256_file(path)
    assert corpus.shape == "per_frame"
    assert corpus.src == [row["src"] for row in rows]
    assert corpus.encoder == ["libx264"] * 120
    assert corpus.preset == ["medium"] * 120
    assert corpus.group == ["g"] * 120
    assert corpus.cq.tolist() == [row["cq"] for row in rows]
    assert corpus.frame_index.tolist() == list(range(120))
    assert corpus.frame_index.dtype == np.int64
    assert corpus.vmaf.tolist() == [row["vmaf"] for row in rows]
    assert corpus.features.tolist() == [[row[name] for name in FEATURES] for row in rows]
    assert corpus.sources == ["s0", "s1", "s2"]
    assert (corpus.cq_min, corpus.cq_max) == (20, 26)
    assert corpus.extra_columns == ("enc_bytes", "enc_time_ms", "group", "preset")
    assert not corpus.synthetic
    assert corpus.dropped_nan_rows == 0


def test_only_the_required_columns_are_needed(write: Write) -> None:
    corpus = load(write([{name: frame_row()[name] for name in REQUIRED}]), min_rows=1)
    assert corpus.preset == [None]
    assert corpus.group == [None]
    assert corpus.group_of() == {"s0": "s0"}
    assert corpus.extra_columns == ()


def test_extra_columns_of_any_type_are_ignored(write: Write) -> None:
    row = frame_row() | {"note": {"a": [None, "x"]}, "vmaf_v1": None, "synthetic": True}
    corpus = load(write([row]), min_rows=1)
    assert corpus.synthetic
    assert {"note", "vmaf_v1", "synthetic"} <= set(corpus.extra_columns)


def test_blank_lines_and_a_missing_last_newline_are_no_rows(write: Write) -> None:
    path = write([b"", frame_row(), b"  ", frame_row(1)])
    path.write_bytes(path.read_bytes().rstrip() + b"\r\n\r\n")
    assert len(load(path, min_rows=1)) == 2


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl"])
def test_gzip_and_plain_are_equal_whatever_the_name(name: str, write: Write) -> None:
    path = write([frame_row(number) for number in range(100)])
    plain = load(path)
    packed = path.with_name(f"packed-{name}")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    other = load(packed)
    assert other.src == plain.src
    assert np.array_equal(other.features, plain.features)
    assert np.array_equal(other.vmaf, plain.vmaf)
    assert other.sha256 == sha256_file(packed) != plain.sha256


def test_a_gzip_of_two_members_is_read_whole(write: Write) -> None:
    path = write([frame_row()])
    path.write_bytes(gzip.compress(path.read_bytes()) * 3)
    assert len(load(path, min_rows=1)) == 3


# --- refusals ---------------------------------------------------------------


def test_a_missing_file_is_refused_with_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such corpus") as refused:
        load(tmp_path / "absent.jsonl")
    assert "vqcast corpus build" in str(refused.value.hint)


def test_a_folder_or_an_impossible_name_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, "holds no .parquet file")
    _refused(tmp_path / ("x" * 300), "too long")


@pytest.mark.parametrize(
    "data", [b"", b"\n\n  \n", gzip.compress(b"")], ids=["nothing", "blank", "packed"]
)
def test_an_empty_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(data)
    _refused(path, "is empty")


def test_the_floor_is_100_rows(write: Write) -> None:
    rows = [frame_row(number) for number in range(100)]
    _refused(write(rows[:99]), "99 rows, at least 100", min_rows=MIN_ROWS)
    with pytest.raises(CorpusError, match="99 rows"):
        load(write(rows[:99]))
    assert len(load(write(rows))) == 100


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_column_is_refused_by_name_and_row(name: str, write: Write) -> None:
    row = frame_row(2)
    del row[name]
    _refused(write([frame_row(), frame_row(1), row]), "row 3: lacks " + name)


def test_all_missing_columns_are_named_at_once(write: Write) -> None:
    row = frame_row()
    for name in ("src", "vmaf", "adm2", "motion2"):
        del row[name]
    _refused(write([row]), "row 1: lacks src, vmaf, adm2, motion2")
    _refused(write([{}]), *REQUIRED)


NOT_FINITE = [None, math.nan, math.inf, -math.inf, "1", True, [], {}, 10**400]


@pytest.mark.parametrize("name", REQUIRED[2:])
@pytest.mark.parametrize("value", NOT_FINITE, ids=lambda value: repr(value)[:8])
def test_what_is_no_finite_number_is_refused_by_name_and_row(
    name: str, value: object, write: Write
) -> None:
    _refused(write([frame_row(), frame_row(1) | {name: value}]), f"row 2: {name}", "finite number")


def test_a_number_that_overflows_is_refused_by_row(write: Write) -> None:
    line = json.dumps(frame_row() | {"vmaf": 12.25}).replace("12.25", "1e400").encode()
    _refused(write([frame_row(), line]), "row 2")


@pytest.mark.parametrize("vmaf", [-0.001, 100.001, -1e300, 1e300])
def test_a_score_outside_0_to_100_is_refused_by_row(vmaf: float, write: Write) -> None:
    _refused(write([frame_row(), frame_row() | {"vmaf": vmaf}]), "row 2: vmaf", "outside 0..100")


@pytest.mark.parametrize("vmaf", [0, 100, 0.0, 100.0])
def test_the_ends_of_the_scale_are_scores(vmaf: float, write: Write) -> None:
    assert load(write([frame_row() | {"vmaf": vmaf}]), min_rows=1).vmaf[0] == vmaf


@pytest.mark.parametrize("index", [-1, 0.5, 1e300, 2**63])
def test_a_frame_number_that_is_none_is_refused_by_row(index: float, write: Write) -> None:
    _refused(write([frame_row(), frame_row() | {"frame_index": index}]), "row 2: frame_index")


@pytest.mark.parametrize("name", ["src", "encoder"])
@pytest.mark.parametrize("value", ["", None, 3, ["a"]])
def test_a_name_that_is_none_is_refused_by_row(name: str, value: object, write: Write) -> None:
    _refused(write([frame_row(), frame_row() | {name: value}]), f"row 2: {name}", "not a name")


@pytest.mark.parametrize("name", ["preset", "group"])
def test_an_optional_name_is_text_or_absent(name: str, write: Write) -> None:
    _refused(write([frame_row(), frame_row() | {name: 8}]), f"row 2: {name} is 8, not text")
    assert len(load(write([frame_row() | {name: None}]), min_rows=1)) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"nonsense",
        b"{'src': 1}",
        b'{"src":"\xff"}',
        b'{"src":"\\ud800"}',
        b'{"src":"\\ud800","x":NaN}',
        b"[" * 100_000,
        b"[" * 100_000 + b"NaN",
        b"\x00",
        b"{}{}",
        b"[]",
        b"1",
        b"null",
        b"NaN",
    ],
    ids=lambda line: ascii(line[:20]),
)
def test_a_line_that_is_no_json_object_is_refused_by_row(line: bytes, write: Write) -> None:
    _refused(write([frame_row(), line, frame_row()]), "row 2")


def test_a_row_cut_by_a_full_disk_is_refused_by_row(write: Write) -> None:
    path = write([frame_row(), frame_row(1)])
    path.write_bytes(path.read_bytes()[:-20])
    _refused(path, "row 2: not JSON")


def test_a_damaged_gzip_is_refused(write: Write) -> None:
    path = write([frame_row(number) for number in range(100)])
    packed = gzip.compress(path.read_bytes())
    for damaged in (
        packed[:-1],
        packed[: len(packed) // 2],
        packed[:3],
        packed[:20] + b"\xff\xff\xff" + packed[23:],
        packed[:-8] + bytes(8),
        packed + b"trailing",
    ):
        path.write_bytes(damaged)
        _refused(path, "gzip")


def test_a_gzip_that_unpacks_without_end_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([frame_row()])
    path.write_bytes(gzip.compress(b" " * 10**6))
    monkeypatch.setattr(lines, "MAX_READ_BYTES", 10**5)
    monkeypatch.setattr(lines, "_PIECE_BYTES", 10**4)
    _refused(path, "unpacks to more than 100000 bytes")


# --- pooled rows ------------------------------------------------------------


def test_pooled_rows_of_schema_3_are_read(write: Write) -> None:
    corpus = load(write([pooled_row(number) for number in range(100)]))
    assert corpus.shape == "pooled"
    assert corpus.cq.tolist() == [20 + number for number in range(100)]
    assert corpus.vmaf[1] == 89.9
    assert corpus.features.shape == (100, 6)
    assert corpus.features[1].tolist() == [0.5001] * 6
    assert corpus.preset[0] == "fast"


@pytest.mark.parametrize("value", [math.nan, None], ids=["NaN", "null"])
@pytest.mark.parametrize("name", FEATURES)
def test_a_pooled_row_with_a_nan_mean_is_dropped_and_counted(
    value: float | None, name: str, write: Write
) -> None:
    rows = [pooled_row(number) for number in range(5)]
    rows[0][f"{name}_mean"] = value
    rows[3][f"{name}_mean"] = value
    corpus = load(write(rows), min_rows=1)
    assert corpus.dropped_nan_rows == 2
    assert corpus.cq.tolist() == [21, 22, 24]


def test_dropped_rows_do_not_count_towards_the_floor_and_are_told(write: Write) -> None:
    rows = [pooled_row(number) for number in range(100)]
    rows[0]["adm2_mean"] = math.nan
    _refused(write(rows), "99 rows (1 more were dropped", min_rows=100)


def test_pooled_rows_all_of_them_nan_are_refused(write: Write) -> None:
    _refused(write([pooled_row() | {"adm2_mean": None}]), "0 rows (1 more")


def test_pooled_rows_without_their_means_are_refused(write: Write) -> None:
    bare = {name: value for name, value in pooled_row().items() if not name.endswith("_mean")}
    _refused(write([bare]), "row 1: lacks", *(f"{name}_mean" for name in FEATURES))


@pytest.mark.parametrize("name", ["src", "encoder", "crf", "vmaf_score"])
def test_a_missing_pooled_column_is_refused(name: str, write: Write) -> None:
    row = pooled_row()
    del row[name]
    _refused(write([pooled_row(), row]), "row 2: lacks " + name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vmaf_score": 101}, "outside 0..100"),
        ({"crf": None}, "crf"),
        ({"adm2_mean": math.inf}, "adm2_mean"),
        ({"adm2_mean": "0.5"}, "adm2_mean"),
        ({"schema_version": 2}, "schema 2, not 3"),
        ({"schema_version": "3"}, "schema '3', not 3"),
        ({"schema_version": None}, "schema None, not 3"),
    ],
)
def test_an_impossible_pooled_row_is_refused(change: Row, words: str, write: Write) -> None:
    _refused(write([pooled_row(), pooled_row() | change]), "row 2", words)


@pytest.mark.parametrize("first", [frame_row, pooled_row])
def test_the_two_shapes_do_not_mix(first: Callable[[], Row], write: Write) -> None:
    second = pooled_row if first is frame_row else frame_row
    _refused(write([first(), second()]), "row 2: mixes")


@pytest.mark.parametrize("value", [math.nan, None, math.inf], ids=["NaN", "null", "inf"])
def test_a_pooled_row_without_a_finite_score_is_dropped_and_counted(
    value: float | None, write: Write
) -> None:
    rows = [pooled_row(number) for number in range(4)]
    rows[2]["vmaf_score"] = value
    corpus = load(write(rows), min_rows=1)
    assert corpus.dropped_nan_rows == 1
    assert corpus.cq.tolist() == [20, 21, 23]
    _refused(
        write([pooled_row(), pooled_row() | {"vmaf_score": "90"}]), "row 2: vmaf_score is '90'"
    )


# --- what is kept -----------------------------------------------------------


def test_every_column_is_kept_as_it_was_written(write: Write) -> None:
    rows = [frame_row(number) | {"options": "a=b", "xpsnr": 40 + number} for number in range(4)]
    rows[1] |= {"threads": 2, "note": [1, None], "xpsnr": 41.5}
    rows[2] |= {"preset": None, "xpsnr": 42.0}
    frame = load(write(rows), min_rows=1).frame
    assert list(frame.rows()) == rows
    assert [type(row["xpsnr"]) for row in frame.rows()] == [int, float, float, int]
    assert frame.number("xpsnr").to_list() == [40, 41.5, 42, 43]
    assert frame.text("options").to_list() == ["a=b"] * 4


def test_a_long_file_is_read_piece_by_piece_and_is_one_table(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [frame_row(number) for number in range(23)]
    for row in rows[:8]:
        row |= {"depth": 8}
    for row in rows[16:]:
        row |= {"depth": 8.0, "late": "x"}
    rows[20] |= {"enc_bytes": "many"}
    whole = load(write(rows), min_rows=1)
    monkeypatch.setattr(lines, "_ROWS", 4)
    pieces = load(write(rows), min_rows=1)
    assert list(pieces.frame.rows()) == list(whole.frame.rows()) == rows
    assert pieces.frame.kinds == whole.frame.kinds
    assert np.array_equal(pieces.features, whole.features)
    spoilt = [*rows[:17], frame_row() | {"vmaf": 101}, b"{", *rows[18:]]
    _refused(write(spoilt), "row 18: vmaf")
    _refused(write([*rows[:17], b"{", frame_row() | {"vmaf": 101}]), "row 18: not JSON")
    _refused(write([*rows[:17], pooled_row()]), "row 18: mixes")


# --- scoring sizes ----------------------------------------------------------


def sized(number: int, width: int, height: int) -> Row:
    return frame_row(number) | {"score_width": width, "score_height": height}


def test_sources_of_several_sizes_are_one_corpus(write: Write) -> None:
    rows = [sized(number, (640, 1920, 128)[number % 3], 96) for number in range(9)]
    assert len(load(write(rows), min_rows=1)) == 9


def test_a_source_at_several_sizes_is_loaded_only_at_the_size_that_is_named(write: Write) -> None:
    rows = [sized(number, 640, 360) for number in range(6)]
    rows += [sized(number, 1920, 1080) for number in range(4)]
    path = write(rows)
    _refused(path, "s0 is scored at 640x360 and at 1920x1080")
    corpus = load(path, min_rows=1, score_size=(1920, 1080))
    assert list(corpus.frame.rows()) == rows[6:]
    with pytest.raises(CorpusError, match="4 rows are scored at 1920x1080, at least 5") as refused:
        load(path, min_rows=5, score_size=(1920, 1080))
    assert "640x360" in str(refused.value.hint)
    with pytest.raises(CorpusError, match="0 rows are scored at 1x1"):
        load(path, min_rows=1, score_size=(1, 1))
    with pytest.raises(CorpusError, match="records no scoring size"):
        load(write([frame_row()]), min_rows=1, score_size=(640, 360))
