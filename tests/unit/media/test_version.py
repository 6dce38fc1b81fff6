"""Which version of its library an encoder is, asked of real encodes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vqcast import TuneRequest
from vqcast.forecast import measured_with
from vqcast.media.source import Source
from vqcast.media.tool import VARIABLE, Tool, find_ffmpeg
from vqcast.media.version import encoder_version
from vqcast.tuning.session import Session

ROOT = Path(__file__).parents[3]


def test_the_forecaster_says_what_it_was_measured_with(tool: Tool) -> None:
    for corpus in ("phase_a", "presets", "curves"):
        told = json.loads((ROOT / "data" / corpus / "PROVENANCE.json").read_text())
        assert told["ffmpeg"]["sha256"] == measured_with.FFMPEG
    found = {name: encoder_version(name, tool) for name in measured_with.VERSIONS}
    if tool.sha256 == measured_with.FFMPEG:
        assert found == measured_with.VERSIONS
    assert None not in found.values()
    assert encoder_version("libnothing", tool) is None


def test_another_version_is_told_and_its_answer_measured(
    pattern_source: Source, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = TuneRequest(encoder="libx264", preset="ultrafast", target=80)
    other = replace(tool, sha256="0" * 64)  # as a build of the same encoders has
    assert Session(asked, pattern_source, other, None).ground.off == ("the source has 8 frames",)
    monkeypatch.setitem(measured_with.VERSIONS, "libx264", "core 1")
    told = Session(asked, pattern_source, other, None)
    *_, why = told.ground.off
    assert "core 1" in why and f"{why}: the answer is measured" == told.notes()[-1]
    assert told._must_verify


def test_an_ffmpeg_of_ones_own_is_used(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "my ffmpeg"
    shutil.copy2(tool.path, mine)
    monkeypatch.setenv(VARIABLE, str(mine))
    found = find_ffmpeg()
    assert (found.path, found.sha256, found.why) == (mine, tool.sha256, f"named by {VARIABLE}")
