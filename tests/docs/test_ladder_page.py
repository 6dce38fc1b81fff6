"""The page of ladders holds what its evidence holds, and the evidence what the page promises."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from vqcast.forecast import heights

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``bench/ladder.py``."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import ladder

    yield ladder
    for name in ("ladder", "heights"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads((ROOT / "docs/evidence/ladder.json").read_text(encoding="utf-8"))


def test_the_page_is_what_the_command_writes(bench: ModuleType, document: dict[str, Any]) -> None:
    page = (ROOT / "docs/ladder.md").read_text(encoding="utf-8")
    assert bench.report(document).strip() in page


def test_the_goal_is_met_on_titles_held_out(document: dict[str, Any]) -> None:
    rows = [row for row in document["ladders"] if row["asked"] == 8]
    assert len({row["group"] for row in rows}) == len(rows) >= 20
    assert np.mean([row["bd_rate"] for row in rows]) <= 1.0
    made = np.mean([row["probes"] for row in rows])
    assert 1 - made / document["cells"] >= 0.9


def test_the_table_that_travels_is_of_the_evidence(document: dict[str, Any]) -> None:
    evidence = json.loads((ROOT / "docs/evidence/heights.json").read_text(encoding="utf-8"))
    table = heights.load()
    groups = {row["group"] for row in evidence["curves"]}
    assert {each.group for each in table.titles} == groups
    assert table.widened == document["widened"]
