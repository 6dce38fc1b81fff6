"""A build where a corpus stands already: other cells are kept, or the build is refused first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vqcast import documents
from vqcast.corpus.earlier import provenance_path
from vqcast.corpus.table import load
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.workflow import corpus as workflow
from vqcast.workflow.corpus import CorpusMade, Grid, build

Row = dict[str, Any]
PRESETS = {"libx264": ("ultrafast",)}


def made(out: Path, *sources: Path, cqs: tuple[float, ...] = (30,), **given: Any) -> CorpusMade:
    grid = Grid([str(path) for path in sources], {"libx264": cqs}, PRESETS, v1=False)
    return build(grid, out, jobs=2, **given)


def rows(out: Path) -> list[Row]:
    return [row | {"enc_time_ms": 0} for row in load(out, min_rows=1).frame.rows()]


def origin(out: Path) -> CorpusProvenance:
    data = provenance_path(out).read_bytes()
    return documents.from_bytes(CorpusProvenance, data, where=str(out))


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.parquet"])
def test_other_cells_are_kept_and_the_same_ones_reused(
    name: str, pattern: Path, fractal: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / name, tmp_path / f"whole-{name}"
    made(out, fractal, cqs=(20, 30), command="first")
    first = rows(out)
    added = made(out, pattern, fractal, cqs=(30, 40), command="second")
    built = added.corpus
    assert (built.measured, built.reused, built.rows) == (3, 1, 5 * 8)
    assert built.earlier is not None and built.earlier.cells == 1
    assert built.sha256 == load(out, min_rows=1).sha256
    kept = [row for row in first if row["cq"] == 20]
    assert rows(out)[:8] == kept
    made(whole, pattern, fractal, cqs=(20, 30, 40), cells=str(tmp_path / f"{name}.cells"))
    expected = [row for row in rows(whole) if (row["src"], row["cq"]) != ("pattern", 20)]
    assert sorted(map(str, rows(out))) == sorted(map(str, expected))
    said = origin(out)
    assert said.command == "first\nsecond"
    assert [clip.src for clip in said.sources] == ["fractal", "pattern"]
    assert said.grid["libx264"].cq == [20, 30, 40]
    assert (said.corpus.sha256, said.corpus.n_rows) == (built.sha256, 40)
    again = made(out, pattern, fractal, cqs=(30, 40), command="second")
    assert (again.corpus.measured, again.corpus.rows) == (0, 40)
    assert origin(out).command == "first\nsecond"


def test_a_larger_grid_is_as_if_built_at_once(fractal: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    made(out, fractal)
    larger = made(out, fractal, cqs=(20, 30))
    assert larger.corpus.earlier is None
    assert [row["cq"] for row in rows(out)] == [20] * 8 + [30] * 8


def test_kept_rows_take_the_group_that_their_source_has_now(
    pattern: Path, fractal: Path, tmp_path: Path
) -> None:
    out, manifest = tmp_path / "c.jsonl", tmp_path / "m.tsv"
    made(out, pattern, fractal, cqs=(20,))
    manifest.write_text(f"file\tgroup\n{fractal.name}\tdrawn\n")
    grid = Grid([str(fractal)], {"libx264": (30,)}, PRESETS, v1=False, manifest=manifest)
    build(grid, out)
    assert load(out, min_rows=1).group_of() == {"fractal": "drawn", "pattern": "pattern"}


@pytest.fixture
def never_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal comes before any encode."""

    def measure(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("vqcast.corpus.execute.measure", measure)


def _refused(out: Path, source: Path, words: str) -> None:
    before = out.read_bytes() if out.is_file() else None
    with pytest.raises(InputError, match=words) as refused:
        made(out, source)
    assert refused.value.path == out and "--out" in str(refused.value.hint)
    assert before is None or out.read_bytes() == before


def _spoil(out: Path, change: Callable[[Row], object]) -> None:
    document = json.loads(provenance_path(out).read_bytes())
    change(document)
    provenance_path(out).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said["ffmpeg"].update(sha256="0" * 64), "another build"),
        (lambda said: said["sources"].pop(), "does not know"),
    ],
)
def test_cells_that_can_not_stand_beside_the_others_are_refused(
    change: Callable[[Row], object], words: str, pattern: Path, fractal: Path, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    out = tmp_path / "c.jsonl"
    made(out, fractal, cqs=(20,))
    _spoil(out, change)
    request.getfixturevalue("never_measured")
    _refused(out, pattern, words)


def test_another_video_of_the_same_name_is_refused(
    pattern: Path, fractal: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    out, other = tmp_path / "c.jsonl", tmp_path / fractal.name
    made(out, fractal, cqs=(20,))
    other.write_bytes(pattern.read_bytes())
    request.getfixturevalue("never_measured")
    _refused(out, other, "holds cells of another fractal: 8 frames of a file with sha256")


def test_without_its_provenance_a_corpus_is_not_added_to(
    pattern: Path, fractal: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    out = tmp_path / "c.jsonl"
    made(out, fractal)
    provenance_path(out).unlink()
    request.getfixturevalue("never_measured")
    _refused(out, pattern, r"already holds other cells, and c\.provenance\.json")


@pytest.mark.usefixtures("never_measured")
def test_what_is_no_corpus_is_not_replaced(fractal: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    out.write_text("notes of years\n")
    _refused(out, fractal, "already exists, and is no corpus to add to: row 1: not JSON")


def test_a_build_killed_before_its_provenance_goes_on(
    pattern: Path, fractal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "c.jsonl"
    made(out, fractal, cqs=(20,))
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "_write_provenance", lambda *_: None)
        made(out, pattern)
    built = made(out, pattern).corpus
    assert (built.measured, built.reused, built.rows) == (0, 1, 16)
    assert origin(out).corpus.sha256 == built.sha256


def test_python_builds_and_is_told_of_each_cell(fractal: Path, tmp_path: Path) -> None:
    told: list[str] = []

    class Told(workflow.Watcher):
        def source(self, name: str) -> None:
            told.append(name)

        def planned(self, cells: Any) -> None:
            told.append(f"{len(cells)} planned")

        def cell(self, cell: Cell, reused: bool) -> None:
            told.append(f"{cell} {reused}")

    out = tmp_path / "c.jsonl"
    done = made(out, fractal, watcher=Told())
    assert told == ["fractal.mkv", "1 planned", "fractal libx264 ultrafast 30 False"]
    assert (done.cells, done.provenance) == (1, provenance_path(out))
    assert replace(done.corpus, sha256=None).failures == []
