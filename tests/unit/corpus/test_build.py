"""Building a corpus: a real grid, built, reused, interrupted, damaged and failed.

Two builds of one plan are the same bytes but for ``enc_time_ms``.
"""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from vqcast.corpus.build import build, cells_folder
from vqcast.corpus.execute import LocalPool, Task
from vqcast.corpus.pictures import Pictures
from vqcast.corpus.plan import plan
from vqcast.corpus.table import load
from vqcast.corpus.writing import convert
from vqcast.durable.lock import locked
from vqcast.errors import Busy
from vqcast.measured.cell import Cell
from vqcast.measured.store import FolderStore
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool
from vqcast.metric import VMAF_V1
from vqcast.vocab import FEATURES

QUALITIES = {"libx264": [20, 40], "libsvtav1": [25, 55]}
PRESETS = {"libx264": "ultrafast", "libsvtav1": "13"}

CHILD = """
import sys, time
from pathlib import Path
from vqcast.corpus.build import build
from vqcast.corpus.execute import LocalPool
from vqcast.corpus.plan import plan
from vqcast.media.source import probe
from vqcast.metric import VMAF_V1
from vqcast.media.tool import find_ffmpeg

out, qualities, presets, *paths = sys.argv[1:]
tool = find_ffmpeg()
cells = plan(
    [probe(Path(path), tool, group="drawn") for path in paths],
    eval(qualities), eval(presets),
)
say = lambda cell, reused: print(cell, flush=True)
build(cells, Path(out), tool, executor=LocalPool(1), on_cell=say)
"""


@pytest.fixture(scope="module")
def grid(pattern_source: Source, fractal_source: Source) -> list[Cell]:
    """2 sources x 2 encoders x 2 qualities."""
    sources = [replace(s, group="drawn") for s in (pattern_source, fractal_source)]
    return plan(sources, QUALITIES, PRESETS)


@pytest.fixture(scope="module")
def clean(grid: list[Cell], tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid, built in one go. Tests read it and never change it."""
    out = tmp_path_factory.mktemp("clean") / "deep" / "c.jsonl"
    built = build(grid, out, tool, executor=LocalPool(2))
    assert (built.measured, built.reused, built.failures, built.rows) == (8, 0, [], 64)
    return out


def _timeless(data: bytes) -> bytes:
    return re.sub(rb'"enc_time_ms":[0-9.]+,', b"", data)


def _cell_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cells_folder(out).iterdir()}


def _rebuild(grid: list[Cell], out: Path, tool: Tool) -> list[tuple[str, bool]]:
    """Build again; the cells in order, and whether each was found finished, and whole."""
    told: dict[str, bool] = {}
    built = build(grid, out, tool, on_cell=lambda cell, reused: told.update({str(cell): reused}))
    assert built.failures == []
    assert built.reused == sum(told.values())
    assert built.measured == len(told) - built.reused
    return list(told.items())


@pytest.mark.usefixtures("private_tmp")
def test_a_grid_builds_in_plan_order_and_loads(grid: list[Cell], clean: Path, tool: Tool) -> None:
    rows = [json.loads(line) for line in clean.read_text().splitlines()]
    cells = [(row["src"], row["encoder"], row["preset"], row["cq"]) for row in rows]
    planned = [(c.source.name, c.encoder, c.preset, c.cq) for c in grid]
    assert cells == [cell for cell in planned for _ in range(8)]
    assert [row["frame_index"] for row in rows] == [*range(8)] * 8
    assert list(rows[0]) == [
        *("src", "encoder", "cq", "frame_index", "vmaf", *FEATURES),
        *("enc_bytes", "enc_time_ms", "preset", "score_width", "score_height", "group"),
    ]
    corpus = load(clean, min_rows=64)
    assert corpus.sources == ["fractal", "pattern"]
    assert set(corpus.group) == {"drawn"}
    for row in rows:
        assert (row["score_width"], row["score_height"]) == (128, 96)
        assert type(row["enc_bytes"]) is int
        assert row["enc_bytes"] > 100
        assert row["enc_time_ms"] > 0
    by_cell = {cell: corpus.vmaf[8 * n : 8 * n + 8].mean() for n, cell in enumerate(planned)}
    for (src, encoder, preset, cq), vmaf in by_cell.items():
        if cq == max(QUALITIES[encoder]):
            assert vmaf < by_cell[(src, encoder, preset, min(QUALITIES[encoder]))]


def test_each_cell_is_a_file_named_by_its_key(grid: list[Cell], clean: Path, tool: Tool) -> None:
    assert set(_cell_files(clean)) == {cell.file_name(tool.sha256) for cell in grid}


@pytest.mark.usefixtures("private_tmp")
def test_building_again_reuses_every_cell_and_gives_the_same_bytes(
    grid: list[Cell], clean: Path, tool: Tool
) -> None:
    before, cells = clean.read_bytes(), _cell_files(clean)
    seen = _rebuild(grid, clean, tool)
    assert seen == [(str(cell), True) for cell in grid]
    assert clean.read_bytes() == before
    assert _cell_files(clean) == cells


def test_a_finished_cell_is_read_once(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    read: list[str] = []

    class Counted(FolderStore):
        def read(self, names: Sequence[str]) -> Iterator[bytes | None]:
            read.extend(names)
            return super().read(names)

    store = Counted(cells_folder(_copy_of(clean, tmp_path)))
    for out in (tmp_path / "d.jsonl", tmp_path / "d.parquet"):
        read.clear()
        assert build(grid, out, tool, store=store).reused == 8
        assert sorted(read) == sorted(cell.file_name(tool.sha256) for cell in grid)


@pytest.mark.usefixtures("private_tmp")
@pytest.mark.parametrize("jobs", [1, 3])
def test_any_number_of_jobs_gives_the_same_bytes(
    jobs: int, grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    assert build(grid, out, tool, executor=LocalPool(jobs)).measured == 8
    assert _timeless(out.read_bytes()) == _timeless(clean.read_bytes())


def _copy_of(clean: Path, folder: Path, name: str = "c.jsonl") -> Path:
    """Another build's folder of cells, with no corpus assembled yet."""
    out = folder / name
    cells_folder(out).mkdir(parents=True)
    for file, data in _cell_files(clean).items():
        (cells_folder(out) / file).write_bytes(data)
    return out


def test_gz_holds_the_same_rows_and_is_canonical(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path, "c.jsonl.gz")
    built = build(grid, out, tool)
    assert gzip.decompress(out.read_bytes()) == clean.read_bytes()
    assert load(out, min_rows=1).sha256 == built.sha256
    packed = out.read_bytes()
    out.unlink()
    build(grid, out, tool)
    assert out.read_bytes() == packed


def test_a_larger_grid_measures_only_what_is_new(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path)
    larger = [*grid, replace(grid[0], cq=grid[0].cq + 1)]
    seen = _rebuild(larger, out, tool)
    assert [cell for cell, reused in seen if not reused] == [str(larger[-1])]
    assert out.read_bytes().startswith(clean.read_bytes())


def test_a_renamed_source_in_another_group_costs_no_encode(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path)
    renamed = [
        replace(cell, source=replace(cell.source, name=cell.source.name + "2", group=None))
        for cell in grid
    ]
    assert all(reused for _, reused in _rebuild(renamed, out, tool))
    corpus = load(out, min_rows=1)
    assert corpus.sources == ["fractal2", "pattern2"]
    assert set(corpus.group) == {None}


def _without(name: str) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        document = json.loads(data)
        del document[name]
        return json.dumps(document).encode()

    return spoil


def _with_columns(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        document = json.loads(data)
        change(document["columns"])
        return json.dumps(document).encode()

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-2],
        lambda data: b"[]",
        lambda data: b"null",
        lambda data: b"{}",
        lambda data: b'{"columns": {}}',
        lambda data: b'{"columns": []}',
        lambda data: data.replace(b"vmaf", b"\xff", 1),
        _without("enc_bytes"),
        _without("columns"),
        _with_columns(lambda columns: columns["vmaf"].pop()),
        _with_columns(lambda columns: columns["vmaf"].append(1.0)),
        _with_columns(lambda columns: columns["vmaf"].__setitem__(0, None)),
        _with_columns(lambda columns: columns.update(vmaf=3)),
        _with_columns(lambda columns: columns.update(vmaf="12345678")),
        _with_columns(lambda columns: columns.pop("adm2")),
        _with_columns(lambda columns: columns.clear()),
    ],
)
def test_a_damaged_cell_file_is_measured_again(
    spoil: Callable[[bytes], bytes], grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path)
    path = cells_folder(out) / grid[1].file_name(tool.sha256)
    path.write_bytes(spoil(path.read_bytes()))
    seen = _rebuild(grid, out, tool)
    assert [cell for cell, reused in seen if not reused] == [str(grid[1])]
    assert _timeless(out.read_bytes()) == _timeless(clean.read_bytes())


def test_a_cell_file_of_other_metrics_is_measured_again(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path)
    path = cells_folder(out) / grid[1].file_name(tool.sha256)
    path.write_bytes(
        _with_columns(lambda columns: columns.update(more=columns["vmaf"]))(path.read_bytes())
    )
    assert sum(not reused for _, reused in _rebuild(grid, out, tool)) == 1


def test_a_dataset_is_built_of_the_same_rows(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path, "c.parquet")
    built = build(grid, out, tool)
    assert (built.reused, built.rows) == (8, 64)
    assert built.sha256 == load(out, min_rows=1).sha256
    convert(out, tmp_path / "back.jsonl")
    assert (tmp_path / "back.jsonl").read_bytes() == clean.read_bytes()
    assert len(list(out.rglob("*.parquet"))) == 4, "one part an encoder and source"


# --- decoded once -----------------------------------------------------------


@pytest.mark.usefixtures("private_tmp")
def test_decoding_a_source_once_changes_no_number(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    with closing(Pictures()) as decoded, decoded.use(grid[0].source, tool) as pictures:
        assert pictures != grid[0].source.path, "the pictures were decoded"
    store = FolderStore(tmp_path)
    names = [f"{number}.json" for number in range(8)]
    alone = [Task(cell, name) for cell, name in zip(grid, names, strict=True)]
    assert [reason for _, reason in LocalPool(2).run(alone, tool, store)] == [None] * 8
    for cell, data in zip(grid, store.read(names), strict=True):
        shared = json.loads(_cell_files(clean)[cell.file_name(tool.sha256)])
        assert data is not None
        timeless = {"enc_time_ms": 0, "wall_s": 0}
        assert json.loads(data) | timeless == shared | timeless


@pytest.mark.usefixtures("private_tmp")
@pytest.mark.parametrize("what", ["another clock", "10 bit", "too large", "damaged"])
def test_a_source_whose_pictures_can_not_be_kept_is_read_as_it_is(
    what: str,
    pattern: Path,
    pattern10: Path,
    ffmpeg: Callable[..., Path],
    tool: Tool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = pattern10 if what == "10 bit" else pattern
    if what == "another clock":
        path = ffmpeg("-i", pattern, "-c:v", "libx264", "-f", "mp4", tmp_path / "named_so.mkv")
    source = probe(path, tool)
    if what == "too large":
        monkeypatch.setattr("vqcast.corpus.pictures.MAX_BYTES", 1000)
    if what == "damaged":
        cut = tmp_path / "cut.mkv"
        cut.write_bytes(path.read_bytes()[:-3000])
        source = replace(source, path=cut)
    with closing(Pictures()) as decoded, decoded.use(source, tool) as pictures:
        assert pictures == source.path


# --- interrupted ------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_killed_goes_on_where_it_stopped(
    how: signal.Signals,
    grid: list[Cell],
    clean: Path,
    tool: Tool,
    tmp_path: Path,
    python_environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> None:
    out, temporary = tmp_path / "c.jsonl", tmp_path / "tmp"
    temporary.mkdir()
    paths = sorted({str(cell.source.path) for cell in grid})
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, out, repr(QUALITIES), repr(PRESETS), *paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=python_environment | {"TMPDIR": str(temporary)},
    )
    assert child.stdout is not None
    done = [child.stdout.readline().decode().strip() for _ in range(2)]
    until = time.monotonic() + 10
    while not (running := children(child.pid)) and time.monotonic() < until:
        time.sleep(0.005)
    child.send_signal(how)
    rest, words = child.communicate(timeout=30)
    done += rest.decode().split("\n")[:-1]
    assert child.returncode != 0
    assert all(ends(pid) for pid in running)
    assert not out.exists()
    if how is signal.SIGINT:
        assert b"KeyboardInterrupt" in words
        assert list(temporary.glob("vqcast-*")) == [], "Ctrl-C leaves nothing behind"
    kept = {name: data for name, data in _cell_files(out).items() if name.endswith(".json")}
    assert 2 <= len(kept) < 8
    seen = _rebuild(grid, out, tool)
    reused = [cell for cell, found in seen if found]
    assert len(reused) == len(kept)
    assert set(done) <= set(reused), "what was reported finished is not done again"
    assert kept.items() <= _cell_files(out).items()
    assert _timeless(out.read_bytes()) == _timeless(clean.read_bytes())


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_keyboard_interrupt_stops_at_once_and_keeps_every_finished_cell(
    jobs: int, grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path, private_tmp: Path
) -> None:
    out = tmp_path / "out" / "c.jsonl"

    def interrupt(cell: Cell, reused: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(grid, out, tool, executor=LocalPool(jobs), on_cell=interrupt)
    assert list(private_tmp.iterdir()) == []
    assert not out.exists()
    kept = _cell_files(out)
    assert 1 <= len(kept) <= 1 + 2 * jobs
    seen = _rebuild(grid, out, tool)
    assert sum(reused for _, reused in seen) == len(kept)
    assert kept.items() <= _cell_files(out).items()
    assert _timeless(out.read_bytes()) == _timeless(clean.read_bytes())


def test_a_keyboard_interrupt_kills_the_encodes_that_run(
    grid: list[Cell], tool: Tool, tmp_path: Path, private_tmp: Path
) -> None:
    script = tmp_path / "slow-ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *libsvtav1*) exec sleep 60;; esac\nexec {tool.path} "$@"\n'
    )
    script.chmod(0o755)
    cells = [next(c for c in grid if c.encoder == name) for name in ("libsvtav1", "libx264")]

    def interrupt(cell: Cell, reused: bool) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(
            cells,
            tmp_path / "c.jsonl",
            replace(tool, path=script),
            executor=LocalPool(2),
            on_cell=interrupt,
        )
    assert time.monotonic() - start < 30
    assert list(private_tmp.iterdir()) == []


def test_an_interrupted_build_leaves_the_corpus_of_the_last_one(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path
) -> None:
    out = _copy_of(clean, tmp_path)
    build(grid[:1], out, tool)
    last = out.read_bytes()

    def interrupt(cell: Cell, reused: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(grid[:2], out, tool, executor=LocalPool(1), on_cell=interrupt)
    assert out.read_bytes() == last


# --- failures ---------------------------------------------------------------


@pytest.fixture
def half_broken(
    fractal_source: Source, pattern: Path, tool: Tool, tmp_path: Path
) -> tuple[list[Cell], Path]:
    """A grid one of whose sources was cut after it was probed."""
    path = tmp_path / "cut.mkv"
    path.write_bytes(pattern.read_bytes())
    cut = probe(path, tool)
    path.write_bytes(pattern.read_bytes()[: path.stat().st_size // 2])
    return plan([cut, fractal_source], {"libx264": [20, 40]}, PRESETS), path


def test_a_cell_that_fails_is_told_in_ffmpeg_s_words_and_the_rest_is_written(
    half_broken: tuple[list[Cell], Path],
    pattern: Path,
    tool: Tool,
    tmp_path: Path,
    private_tmp: Path,
) -> None:
    cells, path = half_broken
    out = tmp_path / "c.jsonl"
    told: list[tuple[Cell, str]] = []
    finished: list[Cell] = []
    built = build(
        cells,
        out,
        tool,
        executor=LocalPool(2),
        on_cell=lambda cell, reused: finished.append(cell),
        on_failure=lambda cell, reason: told.append((cell, reason)),
    )
    assert (built.measured, built.reused, len(built.failures), built.rows) == (2, 0, 2, 16)
    assert built.failures == told
    assert {cell.source.name for cell, _ in told} == {"cut"}
    for cell, reason in told:
        assert str(cell) in reason
        assert re.search(r"premature|Invalid data|EOF|error", reason, re.IGNORECASE)
        assert "\n" not in reason
    assert {cell.source.name for cell in finished} == {"fractal"}
    assert load(out, min_rows=16).sources == ["fractal"]
    assert list(private_tmp.iterdir()) == []

    path.write_bytes(pattern.read_bytes())
    seen = _rebuild(cells, out, tool)
    assert sum(reused for _, reused in seen) == 2, "a failed cell is tried again, no other"
    assert load(out, min_rows=32).sources == ["cut", "fractal"]


def test_where_every_cell_fails_no_corpus_is_written(
    half_broken: tuple[list[Cell], Path], tool: Tool, tmp_path: Path
) -> None:
    cells = [cell for cell in half_broken[0] if cell.source.name == "cut"]
    out = tmp_path / "c.jsonl"
    built = build(cells, out, tool)
    assert (built.measured, len(built.failures), built.rows, built.sha256) == (0, 2, 0, None)
    assert not out.exists()


def test_two_sources_of_the_same_bytes_are_both_in_the_corpus(
    fractal_source: Source, tool: Tool, tmp_path: Path
) -> None:
    sources = [fractal_source, replace(fractal_source, name="twin")]
    cells = plan(sources, {"libx264": [30]}, PRESETS)
    out = tmp_path / "c.jsonl"
    build(cells, out, tool, executor=LocalPool(2))
    assert load(out, min_rows=16).sources == ["fractal", "twin"]


def test_v1_columns_are_recorded_where_asked_for(
    tmp_path: Path, ffmpeg: Callable[..., Path], tool: Tool
) -> None:
    path = ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "3", "-pix_fmt", "yuv420p"),
        *("-c:v", "ffv1", tmp_path / "wide.mkv"),
    )
    cells = plan([probe(path, tool)], {"libx264": [23.5]}, PRESETS, also=("vmaf-v1",))
    out = tmp_path / "c.jsonl"
    assert build(cells, out, tool).failures == []
    row = json.loads(out.read_text().splitlines()[0])
    assert row.keys() >= VMAF_V1.logged.keys()
    assert row["cq"] == 23.5
    assert "group" not in row


def test_a_second_builder_of_one_corpus_is_refused(
    grid: list[Cell], tool: Tool, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    with locked(out, what="building"), pytest.raises(Busy, match="another process is building"):
        build(grid, out, tool)
    assert not cells_folder(out).exists()


def test_a_temporary_folder_that_can_not_be_had_ends_the_build_and_keeps_what_is_there(
    grid: list[Cell], clean: Path, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = _copy_of(clean, tmp_path)
    kept = _cell_files(out)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(OSError, match="absent"):
        build([*grid, replace(grid[0], cq=21)], out, tool)
    assert _cell_files(out) == kept
