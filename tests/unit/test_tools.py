"""The tools beside the package: what they write of what they read."""

from __future__ import annotations

from tools import coverage_page, house_lines


def test_coverage_is_told_by_room() -> None:
    counts = {"num_statements": 8, "covered_lines": 6, "num_branches": 4, "covered_branches": 1}
    files = {name: {"summary": counts} for name in ("src/vqcast/media/run.py", "src/vqcast/a.py")}
    report = {"files": files, "meta": {"version": "7", "timestamp": "2026-11-29T00:00:00"}}
    lines = coverage_page.table(coverage_page.evidence(report)).splitlines()
    assert "| media | 8 | 75.0 % | 25.0 % |" in lines
    assert "| **all** | 16 | 75.0 % | 25.0 % |" in lines


def test_lines_are_told_by_room_and_work() -> None:
    counts = dict.fromkeys(house_lines.COLUMNS, 2) | {"before": 5}
    found = {"commit": "abc", "rooms": {"media": counts, "cli": counts}, "kinds": {"blank": 3}}
    lines = house_lines.table(found).splitlines()
    assert "| media | 5 | 2 | 2 | 2 | 2 | 2 | 15 |" in lines
    assert "| **all** | 10 | 4 | 4 | 4 | 4 | 4 | 30 |" in lines


def test_lines_are_of_one_kind_each() -> None:
    text = 'import os\n\n\ndef f(\n    a: int,\n) -> int:\n    """It."""\n    return a\n'
    kinds = {"imports": 1, "blank": 2, "signatures": 3, "docstrings": 1, "statements": 1}
    assert house_lines._kinds(text) == kinds
