"""What a corpus holds, and each oddity found by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vqcast.corpus.check import describe, oddities
from vqcast.corpus.table import Corpus, load
from vqcast.durable.files import sha256_file
from vqcast.vocab import FEATURES

Row = dict[str, Any]


def _grid(frames: int = 3) -> list[Row]:
    """Two sources x two encoders x two qualities, with nothing odd about it."""
    rows = []
    for src in ("a", "b"):
        for encoder, preset in (("libx264", "medium"), ("libsvtav1", "8")):
            for cq in (20, 40):
                for index in range(frames):
                    row = {"src": src, "encoder": encoder, "cq": cq, "frame_index": index}
                    row |= {"vmaf": 99.0 - cq - index, "preset": preset, "group": "g"}
                    row |= {name: 0.1 * n + index + cq for n, name in enumerate(FEATURES)}
                    rows.append(row)
    return rows


Loaded = Callable[[list[Row]], Corpus]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """``loaded(rows)``: the rows written and loaded."""

    def make(rows: list[Row]) -> Corpus:
        path = tmp_path / "c.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return load(path, min_rows=1)

    return make


def test_describe_counts_and_ranges(loaded: Loaded) -> None:
    corpus = loaded(_grid())
    found = describe(corpus)
    json.dumps(found, allow_nan=False)
    assert found["path"] == "c.jsonl"
    assert found["sha256"] == sha256_file(corpus.path)
    assert found["shape"] == "per_frame"
    counts = {name: found[name] for name in ("n_rows", "n_cells", "n_sources", "n_groups")}
    assert counts == {"n_rows": 24, "n_cells": 8, "n_sources": 2, "n_groups": 1}
    assert (found["cq_min"], found["cq_max"]) == (20, 40)
    assert found["vmaf"] == {"min": 57.0, "mean": 68.0, "max": 79.0}
    assert found["features"]["adm2"] == {"min": 20.0, "max": 42.0}
    assert found["encoders"] == {
        "libsvtav1": {"rows": 12, "cq": [20, 40], "presets": ["8"]},
        "libx264": {"rows": 12, "cq": [20, 40], "presets": ["medium"]},
    }
    assert found["sources"] == {
        "a": {"rows": 12, "group": "g"},
        "b": {"rows": 12, "group": "g"},
    }
    assert found["extra_columns"] == ["group", "preset"]
    assert (found["dropped_nan_rows"], found["synthetic"]) == (0, False)


def test_presets_stand_fastest_first_and_what_no_list_has_comes_last(loaded: Loaded) -> None:
    rows = _grid()
    given = ("8", "12", "turbo", "4", "10", None)
    for index, row in enumerate(rows):
        row["preset"] = given[index % len(given)] if row["encoder"] == "libsvtav1" else "slow"
    found = describe(loaded(rows))["encoders"]
    assert found["libsvtav1"]["presets"] == ["12", "10", "8", "4", "none", "turbo"]
    assert found["libx264"]["presets"] == ["slow"]


def test_a_corpus_without_presets_or_groups_is_described(loaded: Loaded) -> None:
    rows = _grid()
    for row in rows:
        del row["preset"], row["group"]
    found = describe(loaded(rows))
    assert found["encoders"]["libx264"]["presets"] == ["none"]
    assert found["n_groups"] == 2


def test_a_whole_grid_has_no_oddities(loaded: Loaded) -> None:
    assert oddities(loaded(_grid())) == []


def _double_a_frame(rows: list[Row]) -> None:
    rows[1]["frame_index"] = 0


def _drop_a_frame(rows: list[Row]) -> None:
    del rows[2]


def _start_at_one(rows: list[Row]) -> None:
    for row in rows[:3]:
        row["frame_index"] += 1


def _drop_a_cell(rows: list[Row]) -> None:
    del rows[:3]


def _unknown_preset(rows: list[Row]) -> None:
    for row in rows:
        if row["encoder"] == "libx264":
            row["preset"] = "p4"


def _constant_feature(rows: list[Row]) -> None:
    for row in rows:
        row["vif_scale2"] = 0.25


def _one_source(rows: list[Row]) -> None:
    del rows[12:]


def _two_groups(rows: list[Row]) -> None:
    rows[0]["group"] = "other"


def _repeated_cell(rows: list[Row]) -> None:
    rows += [dict(row) for row in rows[:3]]


@pytest.mark.parametrize(
    ("spoil", "sentences"),
    [
        (_double_a_frame, ["a libx264 medium 20: frame numbers are not 0..2, each once"]),
        (_drop_a_frame, ["a: cells of different lengths: 2, 3 frames"]),
        (_start_at_one, ["a libx264 medium 20: frame numbers are not 0..2, each once"]),
        (_drop_a_cell, ["a: lacks 1 of the grid's 4 cells"]),
        (_unknown_preset, ["libx264: preset 'p4' is not in its frozen list"]),
        (_constant_feature, ["vif_scale2 is 0.25 in every row"]),
        (_one_source, ["one source: nothing can be held out"]),
        (_two_groups, ["a: belongs to 2 groups"]),
        (
            _repeated_cell,
            [
                "a libx264 medium 20: frame numbers are not 0..5, each once",
                "a: cells of different lengths: 3, 6 frames",
            ],
        ),
    ],
)
def test_each_oddity_is_found_and_nothing_else(
    spoil: Callable[[list[Row]], None], sentences: list[str], loaded: Loaded
) -> None:
    rows = _grid()
    spoil(rows)
    assert oddities(loaded(rows)) == sentences


def test_dropped_pooled_rows_are_said_aloud_and_frames_are_not_asked_of_pooled_rows(
    loaded: Loaded,
) -> None:
    rows = []
    for number in range(4):
        row: Row = {"schema_version": 3, "src": f"s{number % 2}", "encoder": "h264_qsv"}
        row |= {"preset": "fast", "crf": 20 + number // 2, "vmaf_score": 80.0}
        row |= {f"{name}_mean": 0.5 + number + n for n, name in enumerate(FEATURES)}
        rows.append(row)
    assert oddities(loaded(rows)) == []
    rows.append(rows[0] | {"crf": 30, "adm2_mean": None})
    assert oddities(loaded(rows)) == ["1 pooled rows dropped: a mean or the score is not finite"]
