"""The tools beside the package: what they write of what they read."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np

from tools import coverage_page, cut_scenes, house_lines
from vqcast.media.source import probe
from vqcast.media.tool import Tool


def test_coverage_is_told_by_room() -> None:
    counts = {"num_statements": 8, "covered_lines": 6, "num_branches": 4, "covered_branches": 1}
    files = {name: {"summary": counts} for name in ("src/vqcast/media/run.py", "src/vqcast/a.py")}
    report = {"files": files, "meta": {"version": "7", "timestamp": "2026-11-29T00:00:00"}}
    lines = coverage_page.table(coverage_page.evidence(report)).splitlines()
    assert "| media | 8 | 75.0 % | 25.0 % |" in lines
    assert "| **all** | 16 | 75.0 % | 25.0 % |" in lines


def test_lines_are_told_by_room_and_work() -> None:
    counts = dict.fromkeys(house_lines.COLUMNS, 2) | {"before": 5, "code": 4}
    found = {"commit": "abc", "rooms": {"media": counts, "cli": counts}, "kinds": {"blank": 3}}
    lines = house_lines.table(found).splitlines()
    works = len(house_lines.COLUMNS) - 1
    assert f"| media | 5 {'| 2 ' * works}| {5 + 2 * works} | 4 |" in lines
    assert f"| **all** | 10 {'| 4 ' * works}| {10 + 4 * works} | 8 |" in lines


def test_lines_are_of_one_kind_each() -> None:
    text = 'import os\n\n\ndef f(\n    a: int,\n) -> int:\n    """It."""\n    # b\n    return a\n'
    kinds = {
        "comments": 1,
        "imports": 1,
        "blank": 2,
        "signatures": 3,
        "docstrings": 1,
        "statements": 1,
    }
    assert house_lines._kinds(text) == kinds


def test_scenes_are_cut_without_loss(tmp_path: Path, tool: Tool) -> None:
    """48 frames from the named second, of 8 and of 10 bits, and a manifest for a corpus."""
    titles = tmp_path / "titles"
    titles.mkdir()
    lines = ["file\tgroup\tkind\torigin\tlicence\tlicence_evidence"]
    for name, pix_fmt in (("soft.mkv", "yuv420p"), ("deep.mkv", "yuv420p10le")):
        subprocess.run(
            [tool.path, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4",
             "-pix_fmt", pix_fmt, "-c:v", "ffv1", titles / name],
            check=True,
        )  # fmt: skip
        lines.append(f"{name}\tdrawn\ttest picture\there\tCC0-1.0\tdrawn here")
    (titles / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    scenes, out = tmp_path / "scenes.tsv", tmp_path / "clips"
    scenes.write_text("file\tclip\tstart_s\nsoft.mkv\ta\t1.0\ndeep.mkv\tb\t2.0\n")
    module = [sys.executable, "-m", "tools.cut_scenes", titles, "--scenes", scenes, "--out", out]
    subprocess.run(module, check=True)
    for name, cut, first in (("soft.mkv", "a.mkv", 25), ("deep.mkv", "b.mkv", 50)):
        whole, part = (probe(path, tool).index for path in (titles / name, out / cut))
        assert whole is not None and part is not None
        assert whole.digests is not None and part.digests is not None
        assert np.array_equal(part.digests, whole.digests[first : first + cut_scenes.FRAMES])
    with (out / "MANIFEST.tsv").open(newline="") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    assert [row["origin"] for row in rows] == ["here [ss=1.0]", "here [ss=2.0]"]
