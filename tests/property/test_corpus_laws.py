"""What is written as corpus rows is loaded as it was; any other bytes are a CorpusError."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcast.corpus.check import describe, oddities
from vqcast.corpus.table import Corpus, load
from vqcast.corpus.writing import convert
from vqcast.documents import jsontext
from vqcast.errors import CorpusError
from vqcast.vocab import FEATURES

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
FINITE = st.floats(-1e12, 1e12)
ROWS = st.fixed_dictionaries(
    {
        "src": NAMES,
        "encoder": NAMES,
        "cq": FINITE | st.integers(-(10**6), 10**6),
        "frame_index": st.integers(0, 2**53 - 1),
        "vmaf": st.floats(0, 100) | st.integers(0, 100),
        **{name: FINITE for name in FEATURES},
    },
    optional={
        "preset": NAMES | st.none(),
        "group": NAMES | st.none(),
        "note": st.none() | st.lists(st.integers() | NAMES, max_size=2),
    },
)


def _load(data: bytes) -> Corpus:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.jsonl"
        path.write_bytes(data)
        return load(path, min_rows=1)


@pytest.mark.slow
@given(st.lists(ROWS, min_size=1, max_size=8), st.booleans())
def test_written_rows_are_loaded_as_they_were(rows: list[dict[str, Any]], packed: bool) -> None:
    data = b"".join(jsontext.dump_line(row) for row in rows)
    corpus = _load(gzip.compress(data) if packed else data)
    assert corpus.src == [row["src"] for row in rows]
    assert corpus.encoder == [row["encoder"] for row in rows]
    assert corpus.preset == [row.get("preset") for row in rows]
    assert corpus.group == [row.get("group") for row in rows]
    assert corpus.cq.tolist() == [row["cq"] for row in rows]
    assert corpus.frame_index.tolist() == [row["frame_index"] for row in rows]
    assert corpus.vmaf.tolist() == [row["vmaf"] for row in rows]
    assert corpus.features.tolist() == [[row[name] for name in FEATURES] for row in rows]
    jsontext.dump(describe(corpus))
    assert all(isinstance(sentence, str) for sentence in oddities(corpus))


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(ROWS, min_size=1, max_size=8))
def test_any_corpus_goes_to_parquet_and_back(rows: list[dict[str, Any]]) -> None:
    data = b"".join(jsontext.dump_line(row) for row in rows)
    with tempfile.TemporaryDirectory() as name:
        there, back = Path(name) / "c.parquet", Path(name) / "back.jsonl"
        (Path(name) / "c.jsonl").write_bytes(data)
        assert convert(Path(name) / "c.jsonl", there)[0] == len(rows)
        corpus = load(there, min_rows=1)
        convert(there, back)
        assert [json.loads(line) for line in back.read_bytes().splitlines()] == rows
        one = load(Path(name) / "c.jsonl", min_rows=1)
    for field in ("src", "encoder", "preset", "group"):
        assert getattr(corpus, field) == getattr(one, field)
    for field in ("cq", "frame_index", "vmaf", "features"):
        assert np.array_equal(getattr(corpus, field), getattr(one, field))


def _loads_or_is_refused(data: bytes) -> None:
    try:
        _load(data)
    except CorpusError as error:
        assert "c.jsonl" in error.message  # noqa: PT017 - it may also load


@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(data: bytes) -> None:
    _loads_or_is_refused(data)
    _loads_or_is_refused(b"\x1f\x8b\x08\x00" + data)


@given(st.lists(ROWS, min_size=1, max_size=3), st.data())
def test_a_changed_byte_loads_or_is_refused(rows: list[dict[str, Any]], data: Any) -> None:
    document = bytearray(b"".join(jsontext.dump_line(row) for row in rows))
    document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    _loads_or_is_refused(bytes(document))


@given(st.lists(ROWS, min_size=1, max_size=3), st.data())
def test_a_changed_value_loads_or_is_refused(rows: list[dict[str, Any]], data: Any) -> None:
    row = data.draw(st.sampled_from(rows))
    name = data.draw(st.sampled_from([*row, "schema_version", "synthetic"]))
    row[name] = data.draw(
        st.none()
        | st.booleans()
        | st.integers(-(10**400), 10**400)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.just("x")
        | st.just([])
    )
    _loads_or_is_refused(b"".join(jsontext.dump_line(row) for row in rows))
