"""Which ffmpeg is found, and what is said where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from vqcast.durable.files import sha256_file
from vqcast.errors import InputError, ToolUnavailable
from vqcast.media import tool as module
from vqcast.media.tool import Tool


@pytest.fixture
def no_imageio(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if imageio-ffmpeg were not installed."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


def _script(folder: Path, text: str) -> Path:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_tool_is_a_real_ffmpeg_with_the_digest_of_its_bytes(tool: Tool) -> None:
    assert tool.path.is_absolute()
    assert tool.version
    assert tool.sha256 == sha256_file(tool.path)
    assert module.find_ffmpeg() is tool, "looked up and digested once"


@pytest.mark.usefixtures("no_imageio")
def test_without_imageio_the_one_on_path_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _script(tmp_path, "echo ffmpeg version 9.8.7-test Copyright")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    found = module.find_ffmpeg()
    assert found == Tool(
        path=path, version="9.8.7-test", sha256=sha256_file(path), why="the first on PATH"
    )  # fmt: skip


@pytest.mark.usefixtures("no_imageio")
def test_without_any_ffmpeg_the_hint_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolUnavailable, match="no ffmpeg") as refused:
        module.ffmpeg_path()
    assert "pip install" in str(refused.value.hint)


@pytest.mark.usefixtures("no_imageio")
def test_a_program_that_only_bears_the_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(tmp_path, "echo hello")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    with pytest.raises(ToolUnavailable, match="does not answer as ffmpeg does"):
        module.find_ffmpeg()


@pytest.mark.parametrize(("library", "old"), [("59. 37.100", True), ("61.  3.100", False)])
def test_an_ffmpeg_that_is_too_old_is_refused_by_its_version(
    library: str, old: bool, tmp_path: Path
) -> None:
    said = f"ffmpeg version 5.1.9 Copyright\nlibavcodec     {library} / {library}"
    path = _script(tmp_path, f"printf '{said}\n'")
    if old:
        with pytest.raises(
            ToolUnavailable, match=r"is ffmpeg 5\.1\.9, and 7\.0 or later is needed"
        ):
            module.find_ffmpeg(path)
    else:
        assert not module.find_ffmpeg(path).loopback


def test_an_ffmpeg_of_ones_own_comes_before_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    named = _script(first, "echo ffmpeg version 1 Copyright")
    variable = _script(second, "echo ffmpeg version 2 Copyright")
    monkeypatch.setenv(module.VARIABLE, str(variable))
    assert module.find_ffmpeg().version == "2"
    assert module.find_ffmpeg(named).version == "1"
    with pytest.raises(InputError, match="no program that can be run"):
        module.find_ffmpeg(tmp_path / "absent")
    variable.chmod(0o600)
    with pytest.raises(InputError, match="b/ffmpeg: is no program"):
        module.find_ffmpeg()
