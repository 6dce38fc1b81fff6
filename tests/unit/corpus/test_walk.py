"""How many files one cell of a corpus is measured through: a reader follows it in one sitting."""

from __future__ import annotations

from pathlib import Path

from walk_kit import walk

from vqcast.corpus.copies import Copies
from vqcast.corpus.execute import Task, perform
from vqcast.corpus.pictures import Pictures
from vqcast.measured.cell import Cell
from vqcast.measured.store import FolderStore
from vqcast.media.source import Source
from vqcast.media.tool import Tool


def test_a_cell_enters_thirteen_files_at_most(
    pattern_source: Source, tool: Tool, tmp_path: Path
) -> None:
    """As ADR-0006 counts it: every file but the documents, one of whose functions runs."""
    cell = Cell(pattern_source, "libx264", "medium", 28.0)
    task = Task(cell, cell.file_name(tool.sha256))
    store, copies, pictures = FolderStore(tmp_path / "cells"), Copies(), Pictures()
    entered = walk(lambda: perform(task, tool, store, copies, pictures))
    assert store.names() == {task.name}
    assert "corpus/execute" in entered
    assert len(entered) <= 13, " ".join(sorted(entered))
