"""Measure every cell of a plan, several at a time, and write the corpus.

Each finished cell is a file of its own under ``OUT.cells/``, or wherever it is
asked for, named by its content address, so an interrupted build goes on where
it stopped and a larger grid measures only what is new. The corpus is assembled
from them in plan order at the end, in one step, each file read once; what ``OUT``
held beside them is kept, before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from vqcast.corpus.earlier import Earlier, earlier_rows, provenance_path
from vqcast.corpus.execute import Executor, LocalPool, Task
from vqcast.corpus.frame import Frame
from vqcast.corpus.parquet import Part
from vqcast.corpus.writing import joined, parts_of, write_corpus
from vqcast.durable.lock import locked
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement, read
from vqcast.measured.store import FolderStore, Store
from vqcast.media.tool import Tool


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: cells measured now, found finished, failed (with the reason)."""

    measured: int
    reused: int
    failures: list[tuple[Cell, str]]
    rows: int
    sha256: str | None
    """None: nothing was written."""
    earlier: Earlier | None = None
    """What the corpus holds beside the plan's cells, since it held it before."""


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
    provenance: Path | None = None,
    on_cell: Callable[[Cell, bool], None] | None = None,
    on_failure: Callable[[Cell, str], None] | None = None,
) -> Built:
    """Measure what is not yet measured and write ``out`` (.jsonl, .jsonl.gz or .parquet).

    Cells that ``out`` holds already beside those of the plan are kept; ``provenance``, by default
    beside ``out``, says whether they may be (`vqcast.corpus.earlier`).

    ``executor`` is who measures, by default one thread a core; ``store`` keeps the
    finished cells; ``origins`` gives the URLs of sources, by name, that are not local.
    ``on_cell(cell, reused)`` and ``on_failure(cell, reason)`` are called from
    this thread. A failed cell is left out of the corpus and named in the
    result; a later build tries it again. A file that turns out to be damaged is
    measured again. Ctrl-C kills the encodes that run here and keeps every finished cell.
    """
    building = _Building(
        cells, tool, executor or LocalPool(), store or FolderStore(cells_folder(out)),
        origins or {}, on_cell or _nothing, on_failure or _nothing,
    )  # fmt: skip
    with locked(out, what="building"):
        earlier = earlier_rows(out, provenance or provenance_path(out), cells, tool)
        kept = earlier.frame if earlier else None
        building.measure(building.missing())
        try:
            rows, digest = write_corpus(out, building.parts(kept))
        except _NotWhole:
            building.measure(building.damaged())
            rows, digest = write_corpus(out, building.parts(kept))
    failures = [(cells[index], reason) for index, reason in building.failed.items()]
    return Built(
        measured=len(building.made),
        reused=len(cells) - len(building.made) - len(failures),
        failures=failures,
        rows=rows,
        sha256=digest,
        earlier=earlier,
    )


def _nothing(cell: Cell, said: object) -> None:
    """Tell nobody."""


class _NotWhole(InputError):
    """A finished cell's file is gone or damaged."""


@dataclass
class _Building:
    """The cells of a build by their index in the plan: what was made, what failed."""

    cells: Sequence[Cell]
    tool: Tool
    executor: Executor
    store: Store
    origins: Mapping[str, str]
    on_cell: Callable[[Cell, bool], None]
    on_failure: Callable[[Cell, str], None]
    made: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = [cell.file_name(self.tool.sha256) for cell in self.cells]

    def missing(self) -> Iterator[int]:
        """The cells that have no file; those that have one are told as reused."""
        there = self.store.names()
        for index, name in enumerate(self.names):
            if name not in there:
                yield index
            else:
                self.on_cell(self.cells[index], True)

    def damaged(self) -> Iterator[int]:
        """The cells whose file is not whole."""
        left = [index for index in range(len(self.cells)) if index not in self.failed]
        for index, data in zip(left, self._files(left), strict=True):
            if read(data, self.cells[index], where=self.names[index]) is None:
                yield index

    def measure(self, indices: Iterable[int]) -> None:
        """Measure these cells; two of one identity, from twin files, once."""
        alike: dict[str, list[int]] = {}
        for index in indices:
            alike.setdefault(self.names[index], []).append(index)
        firsts = {name: self.cells[same[0]] for name, same in alike.items()}
        readers = Counter(cell.source.identity for cell in firsts.values())
        tasks = [
            Task(
                cell,
                name,
                self.origins.get(cell.source.name),
                shared=readers[cell.source.identity] > 1,
            )
            for name, cell in firsts.items()
        ]
        with closing(self.executor.run(tasks, self.tool, self.store)) as ended:
            for task, reason in ended:
                for index in alike[task.name]:
                    if reason is None:
                        self.made.add(index)
                        self.on_cell(self.cells[index], False)
                    else:
                        self.failed[index] = reason
                        self.on_failure(self.cells[index], reason)

    def parts(self, kept: Frame | None) -> list[Part]:
        """The kept rows and the finished cells by encoder and source.

        The cells' files are read when they are written.
        """
        members: dict[tuple[str, str], list[int]] = {}
        places: dict[int, int] = {}
        rows = len(kept) if kept else 0
        for index, cell in enumerate(self.cells):
            if index not in self.failed:
                members.setdefault((cell.encoder, cell.source.name), []).append(index)
                places[index] = rows
                rows += cell.frames

        def part(indices: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
            for index, data in zip(indices, self._files(indices), strict=True):
                cell, name = self.cells[index], self.names[index]
                measured = read(data, cell, where=name)
                if measured is None:
                    raise _NotWhole(
                        f"{cell}: {name} is gone from {self.store.where}, or damaged there",
                        hint="build again",
                    )
                yield from enumerate(rows_of(cell, measured), start=places[index])

        made = [Part(encoder, src, partial(part, own)) for (encoder, src), own in members.items()]
        return joined([*self._kept(kept), *made]) if kept else made

    def _kept(self, kept: Frame) -> Iterator[Part]:
        """The kept rows, under the groups that the plan knows their sources by."""
        groups = {cell.source.name: cell.source.group for cell in self.cells}

        def regrouped(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
            for place, row in part.rows():
                if part.src in groups:
                    row.pop("group", None)
                    if (group := groups[part.src]) is not None:
                        row["group"] = group
                yield place, row

        for part in parts_of(kept):
            yield replace(part, rows=partial(regrouped, part))

    def _files(self, indices: Sequence[int]) -> Iterator[bytes | None]:
        return self.store.read([self.names[index] for index in indices])


def _own_size(cell: Cell) -> dict[str, int]:
    """The source's size, where it was scored at another."""
    source = cell.source
    if cell.scaled_to is None:
        return {}
    return {"source_width": source.width, "source_height": source.height}


def rows_of(cell: Cell, measured: Measurement) -> list[dict[str, Any]]:
    """The cell's rows, frame by frame."""
    cq = int(cell.cq) if float(cell.cq).is_integer() else cell.cq
    leading = {"src": cell.source.name, "encoder": cell.encoder, "cq": cq}
    trailing = {
        "enc_bytes": measured.enc_bytes,
        "enc_time_ms": measured.enc_time_ms,
        **({} if cell.preset is None else {"preset": cell.preset}),
        **({"options": cell.added} if cell.added else {}),
        "score_width": measured.score_width,
        "score_height": measured.score_height,
        **_own_size(cell),
        **({} if cell.source.group is None else {"group": cell.source.group}),
    }
    return [
        leading
        | {"frame_index": index}
        | {name: values[index] for name, values in measured.columns.items()}
        | trailing
        for index in range(measured.frames)
    ]
