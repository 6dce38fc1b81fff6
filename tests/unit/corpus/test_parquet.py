"""Parquet datasets: nothing lost, nothing let in that JSON Lines would not, one digest."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from vqcast.corpus.check import describe, oddities
from vqcast.corpus.frame import Frame
from vqcast.corpus.parquet import ROW, Part, part_name, write_dataset
from vqcast.corpus.select import select
from vqcast.corpus.table import Corpus, load
from vqcast.corpus.writing import convert, parts_of
from vqcast.errors import CorpusError, InputError
from vqcast.vocab import FEATURES

Row = dict[str, Any]
DATA = Path(__file__).parents[3] / "data"
PRESETS = DATA / "presets" / "per_frame_canonical6.jsonl.gz"


def row_of(number: int) -> Row:
    """A per-frame row; sources and encoders alternate, so no part is one run of lines."""
    row: Row = {"src": f"clip {number % 3}/%é", "encoder": ("libx264", "hevc_vaapi")[number % 2]}
    row |= {"cq": 20 if number % 4 else 22.5, "frame_index": number, "vmaf": 90.0 - number / 10}
    row |= {name: 0.5 + column / 10 for column, name in enumerate(FEATURES)}
    row |= {"motion2": 0 if number % 5 else 1.25, "enc_time_ms": 7.0}
    if number % 2 == 0:
        row["preset"] = "medium"
    if number % 3:
        row["group"] = "g"
    if number % 7 == 0:
        row |= {"note": ["a", 1, None], "flag": True}
    if number % 11 == 0:
        row["nothing"] = None
    return row


def write(path: Path, rows: list[Row]) -> Path:
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write(tmp_path / "c.jsonl", [row_of(number) for number in range(120)])


@pytest.fixture
def dataset(lines: Path) -> Path:
    out = lines.with_name("c.parquet")
    convert(lines, out)
    return out


def same(one: Corpus, two: Corpus) -> bool:
    labels = all(getattr(one, name) == getattr(two, name) for name in LABELS)
    return labels and all(
        np.array_equal(getattr(one, name), getattr(two, name)) for name in NUMBERS
    )


LABELS = ("src", "encoder", "preset", "group")
NUMBERS = ("cq", "frame_index", "vmaf", "features")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phase_a", "presets"])
def test_a_shipped_corpus_goes_to_parquet_and_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    corpus = DATA / name / "per_frame_canonical6.jsonl.gz"
    rows, digest = convert(corpus, tmp_path / "c.parquet")
    assert convert(tmp_path / "c.parquet", tmp_path / "c.jsonl.gz")[0] == rows
    assert (tmp_path / "c.jsonl.gz").read_bytes() == corpus.read_bytes()
    one, two = load(corpus), load(tmp_path / "c.parquet")
    assert same(one, two) and two.sha256 == digest
    assert describe(one) | {"path": "", "sha256": ""} == describe(two) | {"path": "", "sha256": ""}
    assert oddities(one) == oddities(two)


def test_rows_of_any_order_and_values_of_any_kind_come_back(lines: Path, dataset: Path) -> None:
    back = lines.with_name("back.jsonl")
    assert convert(dataset, back)[0] == 120
    assert back.read_bytes() == lines.read_bytes()
    assert same(load(lines), load(dataset))
    assert {"note", "flag", "nothing", "preset"} <= set(load(dataset).extra_columns)


def test_every_part_holds_one_encoder_and_source_under_names_that_hive_reads(
    dataset: Path,
) -> None:
    parts = sorted(path.relative_to(dataset).as_posix() for path in dataset.rglob("*.parquet"))
    assert len(parts) == 6
    assert parts[0] == "encoder=hevc_vaapi/src=clip%200%2F%25%C3%A9/part.parquet"


@pytest.mark.slow
def test_other_readers_find_one_schema_in_all_parts_of_our_own_corpora(tmp_path: Path) -> None:
    rows = load(PRESETS)
    convert(PRESETS, tmp_path / "c.parquet")
    frame = pl.scan_parquet(tmp_path / "c.parquet" / "**/*.parquet", hive_partitioning=True)
    means = frame.group_by("encoder").agg(pl.col("vmaf").mean()).collect()
    for encoder, mean in means.iter_rows():
        assert mean == pytest.approx(rows.vmaf[np.array(rows.encoder) == encoder].mean())


def test_the_digest_is_what_the_shell_says(dataset: Path, lines: Path) -> None:
    said = subprocess.run(
        "find * -name '*.parquet' | LC_ALL=C sort | xargs sha256sum | sha256sum",
        shell=True, cwd=dataset, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert load(dataset).sha256 == said.stdout.split()[0]
    again = lines.with_name("again.parquet")
    assert convert(lines, again)[1] == load(dataset).sha256, "the same rows, the same bytes"


def test_a_changed_or_missing_part_is_another_corpus(dataset: Path) -> None:
    whole = load(dataset).sha256
    part = next(dataset.rglob("*.parquet"))
    part.unlink()
    assert load(dataset, min_rows=1).sha256 != whole
    assert len(load(dataset, min_rows=1)) == 100


def test_a_folder_that_holds_anything_else_is_not_replaced(dataset: Path, lines: Path) -> None:
    (dataset / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds thesis\.txt"):
        convert(lines, dataset)
    assert (dataset / "thesis.txt").exists()
    (lines.parent / "file.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match="a Parquet dataset is a folder"):
        convert(lines, lines.parent / "file.parquet")


@pytest.mark.parametrize("name", ["c.json", "c", "c.parquet.gz"])
def test_a_name_that_asks_for_no_shape_is_refused(name: str, lines: Path) -> None:
    with pytest.raises(InputError, match="a corpus is named"):
        convert(lines, lines.with_name(name))


def test_a_corpus_is_not_converted_into_itself(lines: Path) -> None:
    with pytest.raises(InputError, match="into itself"):
        convert(lines, lines)


def test_a_name_too_long_for_a_folder_and_a_reserved_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        part_name("libx264", "é" * 100)
    rows = [row_of(0) | {"vqcast.x": 1}]
    part = Part("libx264", "s", lambda: iter(enumerate(rows)))
    with pytest.raises(InputError, match="can't be named"):
        write_dataset(tmp_path / "c.parquet", [part])
    assert list(tmp_path.glob("[!.]*")) == []


SPOILT: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = [
    ("lacks adm2, motion2", lambda f: f.drop("adm2", "motion2")),
    ("row 3: vmaf is nan, not a finite number", lambda f: f.with_columns(at(f, "vmaf", np.nan))),
    ("row 3: vmaf is None", lambda f: f.with_columns(at(f, "vmaf", None))),
    ("row 3: vmaf is 100.5, outside 0..100", lambda f: f.with_columns(at(f, "vmaf", 100.5))),
    ("row 3: adm2 is inf", lambda f: f.with_columns(at(f, "adm2", np.inf))),
    ("row 3: frame_index is -1", lambda f: f.with_columns(at(f, "frame_index", -1))),
    ("row 3: src is ''", lambda f: f.with_columns(at(f, "src", ""))),
    ("row 3: encoder is None", lambda f: f.with_columns(at(f, "encoder", None))),
    ("cq is String, not a number", lambda f: f.with_columns(pl.col("cq").cast(pl.String))),
    ("preset is Int32, not text", lambda f: f.with_columns(pl.lit(7).alias("preset"))),
    ("two rows claim one place", lambda f: f.with_columns(pl.lit(5).alias(ROW))),
    ("mixes per-frame and pooled", lambda f: pooled(f)),
]


def at(frame: pl.DataFrame, key: str, value: Any) -> pl.Series:
    values = frame[key].to_list()
    values[2] = value
    return pl.Series(key, values, strict=False)


def pooled(frame: pl.DataFrame) -> pl.DataFrame:
    renamed = {name: f"{name}_mean" for name in FEATURES} | {"cq": "crf", "vmaf": "vmaf_score"}
    return frame.rename(renamed).with_columns(pl.lit(3).alias("schema_version"))


@pytest.mark.parametrize(("words", "spoil"), SPOILT, ids=[words for words, _ in SPOILT])
def test_what_can_not_be_trained_on_is_refused_by_part_and_row(
    words: str, spoil: Callable[[pl.DataFrame], pl.DataFrame], dataset: Path
) -> None:
    part = sorted(dataset.rglob("*.parquet"))[-1]
    spoil(pl.read_parquet(part, hive_partitioning=False)).write_parquet(part)
    with pytest.raises(CorpusError) as refused:
        load(dataset)
    assert words in refused.value.message, refused.value.message
    assert str(dataset) in refused.value.message
    if "row 3" in words:
        assert part.relative_to(dataset).as_posix() in refused.value.message


def test_a_part_that_is_no_parquet_and_too_few_rows_are_refused(
    dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match="120 rows, at least 121"):
        load(dataset, min_rows=121)
    part = next(dataset.rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="not a Parquet part"):
        load(dataset)
    (tmp_path / "empty.parquet").mkdir()
    with pytest.raises(CorpusError, match=r"holds no \.parquet file"):
        load(tmp_path / "empty.parquet")


def test_a_dataset_of_another_writer_is_read_in_the_order_of_its_parts(tmp_path: Path) -> None:
    folder = tmp_path / "theirs.parquet"
    folder.mkdir()
    rows = [
        {k: v for k, v in row_of(n).items() if k not in ("note", "nothing")} for n in range(120)
    ]
    for name, some in (("b", rows[60:]), ("a", rows[:60])):
        frame = pl.DataFrame(some, strict=False, infer_schema_length=None)
        frame = frame.with_columns(
            pl.col("src").cast(pl.Categorical), pl.col("vmaf").cast(pl.Float32)
        )
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "_SUCCESS").write_bytes(b"")
    corpus = load(folder)
    assert list(corpus.src) == [row["src"] for row in rows]
    assert corpus.frame_index.tolist() == list(range(120))
    assert corpus.preset[1] is None and corpus.preset[2] == "medium"


def test_pooled_rows_are_read_and_those_without_means_counted(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        row: Row = {"schema_version": 3, "src": f"s{number % 3}", "encoder": "h264_qsv"}
        row |= {"crf": 20 + number, "vmaf_score": 90.0}
        row |= {f"{name}_mean": 0.5 + number for name in FEATURES}
        rows.append(row)
    rows[4]["adm2_mean"] = None
    one = load(write(tmp_path / "p.jsonl", rows), min_rows=1)
    out = tmp_path / "p.parquet"
    write_dataset(out, parts_of(Frame.of_rows(rows)))
    part = out / part_name("h264_qsv", "s1")
    frame = pl.read_parquet(part, hive_partitioning=False)
    frame = frame.with_columns(pl.col("adm2_mean").cast(pl.Float64, strict=False))
    frame.write_parquet(part)
    two = load(out, min_rows=1)
    assert (two.shape, two.dropped_nan_rows, len(two)) == (one.shape, 1, 11)
    assert same(one, two)


def test_a_slice_is_cut_from_and_into_either_shape(lines: Path, dataset: Path) -> None:
    folder = lines.parent
    for source, out in ((lines, "a.jsonl"), (dataset, "b.jsonl"), (dataset, "c2.parquet")):
        count, digest = select(load(source), folder / out, encoders=["libx264"])
        assert count == 60
        assert load(folder / out, min_rows=1).sha256 == digest
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    assert same(load(folder / "a.jsonl", min_rows=1), load(folder / "c2.parquet", min_rows=1))


def test_a_damaged_copy_never_loads_as_the_whole(dataset: Path, tmp_path: Path) -> None:
    digest = load(dataset).sha256
    for part in dataset.rglob("*.parquet"):
        copy = tmp_path / "copy.parquet"
        shutil.copytree(dataset, copy)
        target = copy / part.relative_to(dataset)
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        with contextlib.suppress(CorpusError):
            assert load(copy).sha256 != digest
        shutil.rmtree(copy)
