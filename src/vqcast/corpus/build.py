"""Measure every cell of a plan, several at a time, and write the corpus.

Each finished cell is a file of its own under ``OUT.cells/``, named by its
content address, so an interrupted build goes on where it stopped and a larger
grid measures only what is new. The corpus is assembled from them in plan
order at the end, in one step.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqcast.corpus.plan import Cell, key
from vqcast.durable import jsontext
from vqcast.durable.files import gzip_canonical, read_regular, write_atomic
from vqcast.durable.lock import locked
from vqcast.errors import DocumentError, InputError, VqcastError
from vqcast.media import measure
from vqcast.media.run import Cancelled
from vqcast.media.tool import Tool

_MICRO = 6
_CELL_NUMBERS: dict[str, tuple[type, ...]] = {
    "enc_bytes": (int,),
    "enc_time_ms": (int, float),
    "score_width": (int,),
    "score_height": (int,),
}


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: cells measured now, found finished, failed (with the reason)."""

    measured: int
    reused: int
    failures: list[tuple[Cell, str]]
    rows: int
    sha256: str | None


def measure_cell(cell: Cell, tool: Tool, cancel: threading.Event | None = None) -> dict[str, Any]:
    """Encode and score one cell in a private folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        encoded = measure.encode(
            cell.source,
            cell.encoder,
            cell.preset,
            cell.cq,
            tool,
            Path(folder) / "encoded.mp4",
            cancel=cancel,
        )
        scores = measure.score(
            cell.source, encoded.path, tool, depth=cell.depth, v1=cell.v1, cancel=cancel
        )
    return {
        "enc_bytes": encoded.video_bytes,
        "enc_time_ms": round(encoded.wall_ms, 1),
        "score_width": scores.width,
        "score_height": scores.height,
        "columns": {
            name: [round(float(value), _MICRO) for value in values]
            for name, values in scores.columns.items()
        },
    }


def rows_of(cell: Cell, measured: dict[str, Any]) -> list[dict[str, Any]]:
    """The corpus rows of one measured cell, frame by frame."""
    cq = int(cell.cq) if float(cell.cq).is_integer() else cell.cq
    constant = {"src": cell.source.name, "encoder": cell.encoder, "cq": cq}
    trailer = {
        "enc_bytes": measured["enc_bytes"],
        "enc_time_ms": measured["enc_time_ms"],
        **({} if cell.preset is None else {"preset": cell.preset}),
        "score_width": measured["score_width"],
        "score_height": measured["score_height"],
    }
    if cell.source.group is not None:
        trailer["group"] = cell.source.group
    columns = measured["columns"]
    return [
        constant
        | {"frame_index": index}
        | {name: values[index] for name, values in columns.items()}
        | trailer
        for index in range(cell.source.frames)
    ]


def cells_folder(out: Path) -> Path:
    """Where the finished cells of a build to ``out`` are kept."""
    return out.with_name(out.name + ".cells")


def _finished(path: Path, cell: Cell) -> dict[str, Any] | None:
    """A finished cell's numbers, or None where it is absent or not whole."""
    if not path.is_file():
        return None
    try:
        measured = jsontext.parse(read_regular(path), where=str(path))
    except (DocumentError, InputError):
        return None
    return measured if _whole(measured, cell) else None


def _whole(measured: Any, cell: Cell) -> bool:
    if not isinstance(measured, dict) or not _CELL_NUMBERS.keys() <= measured.keys():
        return False
    columns = measured.get("columns")
    metrics = measure.V06_METRICS | (measure.V1_METRICS if cell.v1 else {})
    return (
        all(type(measured[name]) in types for name, types in _CELL_NUMBERS.items())
        and isinstance(columns, dict)
        and columns.keys() == metrics.keys()
        and all(
            isinstance(values, list)
            and len(values) == cell.source.frames
            and all(type(value) in (int, float) for value in values)
            for values in columns.values()
        )
    )


def build(
    cells: Sequence[Cell],
    out: Path,
    tool: Tool,
    *,
    jobs: int | None = None,
    on_cell: Callable[[Cell, bool], None] | None = None,
    on_failure: Callable[[Cell, str], None] | None = None,
) -> Built:
    """Measure what is not yet measured and write ``out`` (.jsonl or .jsonl.gz).

    ``on_cell(cell, reused)`` and ``on_failure(cell, reason)`` are called from
    this thread. A failed cell is left out of the corpus and named in the
    result; a later build tries it again. Ctrl-C kills the running encodes and
    keeps every finished cell.
    """
    folder = cells_folder(out)
    with locked(out, what="building"):
        paths = {cell: folder / f"{key(cell, tool.sha256)}.json" for cell in cells}
        missing = []
        for cell in cells:
            if _finished(paths[cell], cell) is None:
                missing.append(cell)
            elif on_cell:
                on_cell(cell, True)
        failures = _measure_all(
            missing, paths, tool, jobs or os.cpu_count() or 1, on_cell, on_failure
        )
        rows, digest = _assemble(cells, paths, out)
    return Built(
        measured=len(missing) - len(failures),
        reused=len(cells) - len(missing),
        failures=failures,
        rows=rows,
        sha256=digest,
    )


def _measure_all(
    missing: Sequence[Cell],
    paths: dict[Cell, Path],
    tool: Tool,
    jobs: int,
    on_cell: Callable[[Cell, bool], None] | None,
    on_failure: Callable[[Cell, str], None] | None,
) -> list[tuple[Cell, str]]:
    cancel = threading.Event()
    failures: list[tuple[Cell, str]] = []

    def work(cell: Cell) -> None:
        if cancel.is_set():
            raise Cancelled
        write_atomic(paths[cell], jsontext.dump_line(measure_cell(cell, tool, cancel)))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        pending: dict[Future[None], Cell] = {}
        try:
            for cell in missing:
                pending[pool.submit(work, cell)] = cell
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    cell = pending.pop(future)
                    error = future.exception()
                    if error is None:
                        if on_cell:
                            on_cell(cell, False)
                    elif isinstance(error, VqcastError):
                        failures.append((cell, error.message))
                        if on_failure:
                            on_failure(cell, error.message)
                    else:
                        raise error
        except BaseException:
            cancel.set()
            for future in pending:
                future.cancel()
            raise
    return failures


def _assemble(cells: Sequence[Cell], paths: dict[Cell, Path], out: Path) -> tuple[int, str | None]:
    lines: list[bytes] = []
    for cell in cells:
        measured = _finished(paths[cell], cell)
        if measured is not None:
            lines += [jsontext.dump_line(row) for row in rows_of(cell, measured)]
    if not lines:
        return 0, None
    data = b"".join(lines)
    return len(lines), write_atomic(out, gzip_canonical(data) if out.suffix == ".gz" else data)
