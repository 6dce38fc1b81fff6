"""Cards, datasheets and the README's verdicts are what the commands of ``make figures`` write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vqcast.cli.corpus import datasheet
from vqcast.cli.registry import cards

ROOT = Path(__file__).parents[2]
DROPS = ("phase_a", "presets", "curves", "scenes", "networks")
ORIGINS = {drop: ROOT / "data" / drop / "PROVENANCE.json" for drop in DROPS}
FORECAST = [ORIGINS[drop] for drop in ("phase_a", "presets", "curves", "scenes")]


@pytest.mark.parametrize("drop", DROPS)
def test_a_datasheet_is_what_the_command_writes(drop: str, tmp_path: Path) -> None:
    folder = ROOT / "data" / drop
    datasheet(folder / "per_frame_canonical6.jsonl.gz", tmp_path / "page.md", ORIGINS[drop])
    assert (tmp_path / "page.md").read_text() == (folder / "DATASHEET.md").read_text()


def test_cards_and_readme_are_what_the_commands_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    out, readme = Path("docs/models"), Path("README.md")
    cards(ROOT / "model" / "tiny", out, [ORIGINS["networks"]], None, readme)
    cards(ROOT / "model" / "forecast", out, FORECAST, None, readme)
    assert readme.read_text() == (ROOT / readme).read_text()
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert written == {path.name: path.read_text() for path in (ROOT / out).iterdir()}
    assert len(written) == 6
