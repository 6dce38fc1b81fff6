"""Measure every cell of a plan, several at a time, and write the corpus.

Each finished cell is a file of its own under ``OUT.cells/``, or wherever it is
asked for, named by its content address, so an interrupted build goes on where
it stopped and a larger grid measures only what is new. The corpus is assembled
from them in plan order at the end, in one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vqcast.corpus.cell import finished, rows_of
from vqcast.corpus.execute import Executor, LocalPool, Task
from vqcast.corpus.parquet import Part
from vqcast.corpus.plan import Cell, key
from vqcast.corpus.store import FolderStore, Store
from vqcast.corpus.writing import write_corpus
from vqcast.durable.lock import locked
from vqcast.errors import InputError
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: cells measured now, found finished, failed (with the reason)."""

    measured: int
    reused: int
    failures: list[tuple[Cell, str]]
    rows: int
    sha256: str | None


def cells_folder(out: Path) -> Path:
    """Where the finished cells of a build to ``out`` are kept, unless elsewhere is asked for."""
    return out.with_name(out.name + ".cells")


def build(
    cells: Sequence[Cell],
    out: Path,
    tool: Tool,
    *,
    executor: Executor | None = None,
    store: Store | None = None,
    origins: Mapping[str, str] | None = None,
    on_cell: Callable[[Cell, bool], None] | None = None,
    on_failure: Callable[[Cell, str], None] | None = None,
) -> Built:
    """Measure what is not yet measured and write ``out`` (.jsonl, .jsonl.gz or .parquet).

    ``executor`` is who measures, by default one thread a core; ``store`` keeps the
    finished cells; ``origins`` gives the URLs of sources, by name, that are not local.
    ``on_cell(cell, reused)`` and ``on_failure(cell, reason)`` are called from
    this thread. A failed cell is left out of the corpus and named in the
    result; a later build tries it again. Ctrl-C kills the encodes that run here
    and keeps every finished cell.
    """
    store = store or FolderStore(cells_folder(out))
    origins = origins or {}
    failures: list[tuple[Cell, str]] = []
    with locked(out, what="building"):
        names = [f"{key(cell, tool.sha256)}.json" for cell in cells]
        missing: dict[str, list[Cell]] = {}
        for cell, name, measured in _measured(cells, names, store):
            if measured is None:
                missing.setdefault(name, []).append(cell)
            elif on_cell:
                on_cell(cell, True)
        readers = Counter(same[0].source.sha256 for same in missing.values())
        tasks = [
            Task(
                same[0],
                name,
                origins.get(same[0].source.name),
                shared=readers[same[0].source.sha256] > 1,
            )
            for name, same in missing.items()
        ]
        with closing((executor or LocalPool()).run(tasks, tool, store)) as ended:
            for task, reason in ended:
                for cell in missing[task.name]:
                    if reason is None and on_cell:
                        on_cell(cell, False)
                    if reason is not None:
                        failures.append((cell, reason))
                        if on_failure:
                            on_failure(cell, reason)
        rows, digest = write_corpus(out, _parts(cells, names, store))
    n_missing = sum(map(len, missing.values()))
    return Built(
        measured=n_missing - len(failures),
        reused=len(cells) - n_missing,
        failures=failures,
        rows=rows,
        sha256=digest,
    )


def _measured(
    cells: Sequence[Cell], names: Sequence[str], store: Store
) -> Iterator[tuple[Cell, str, dict[str, Any] | None]]:
    """Each cell in order with its numbers, or None where there are none."""
    for cell, name, data in zip(cells, names, store.read(names), strict=True):
        yield cell, name, finished(data, cell, where=name)


def _parts(cells: Sequence[Cell], names: Sequence[str], store: Store) -> list[Part]:
    """The finished cells by encoder and source; their numbers are read when they are written."""
    members: dict[tuple[str, str], list[int]] = {}
    first_row, rows = [], 0
    for index, (cell, _, measured) in enumerate(_measured(cells, names, store)):
        first_row.append(rows)
        if measured is not None:
            members.setdefault((cell.encoder, cell.source.name), []).append(index)
            rows += cell.source.frames

    def part(indices: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        ours = [cells[index] for index in indices], [names[index] for index in indices]
        for index, (cell, name, measured) in zip(indices, _measured(*ours, store), strict=True):
            if measured is None:
                raise InputError(f"{cell}: {name} is gone from {store.where}", hint="build again")
            yield from enumerate(rows_of(cell, measured), start=first_row[index])

    return [
        Part(encoder, src, partial(part, indices)) for (encoder, src), indices in members.items()
    ]
