"""Fixtures of the whole suite: the real ffmpeg and small videos that it draws itself.

No test reads a file from outside the repository: every clip is made by lavfi,
losslessly and deterministically, once a session.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import vqcast
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool, find_ffmpeg

# One run is like the next, and a busy machine is no failure.
settings.register_profile(
    "vqcast",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("vqcast")

TESTS = Path(__file__).parent
FOLDERS = ("unit", "property", "integration", "crash", "hostile", "golden", "docs", "typing")
SLOW_FIXTURES = {"forecast_pristine", "joined"}
"""They take seconds to make."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and those whose fixtures run ffmpeg or take long."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in FOLDERS:
            item.add_marker(folder)
        if folder == "docs":  # one build of the site for all of them
            item.add_marker(pytest.mark.xdist_group("docs"))
        fixtures = set(getattr(item, "fixturenames", ()))
        if {"tool", "ffmpeg"} & fixtures:
            item.add_marker("ffmpeg")
        if SLOW_FIXTURES & fixtures:
            item.add_marker("slow")


FRAMES = 8
FFV1 = ("-c:v", "ffv1")


@pytest.fixture(scope="session")
def tool() -> Tool:
    """The ffmpeg that vqcast itself uses."""
    return find_ffmpeg()


@pytest.fixture(scope="session")
def ffmpeg(tool: Tool) -> Callable[..., Path]:
    """``ffmpeg(*arguments, output)``: run it plainly, without vqcast, and give the output."""

    def run(*arguments: object) -> Path:
        command = [str(tool.path), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]
        output = Path(str(arguments[-1])).absolute()
        words = [str(argument) for argument in arguments[:-1]]
        subprocess.run(
            [*command, *words, "-fflags", "+bitexact", f"file:{output}"], check=True, timeout=120
        )
        return output

    return run


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session's videos. Tests read them and never change them."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def pattern(ffmpeg: Callable[..., Path], clips: Path) -> Path:
    """128x96, 8 bit, 8 frames of ffmpeg's moving test pattern, lossless."""
    graph = "testsrc2=s=128x96:r=25"
    return ffmpeg(
        *("-f", "lavfi", "-i", graph, "-frames:v", FRAMES, "-pix_fmt", "yuv420p", *FFV1),
        clips / "pattern.mkv",
    )


@pytest.fixture(scope="session")
def fractal(ffmpeg: Callable[..., Path], clips: Path) -> Path:
    """128x96, 8 bit, 8 frames of a Mandelbrot zoom, lossless."""
    graph = "mandelbrot=s=128x96:r=25:start_scale=0.4:end_scale=0.2:end_pts=40"
    return ffmpeg(
        *("-f", "lavfi", "-i", graph, "-frames:v", FRAMES, "-pix_fmt", "yuv420p", *FFV1),
        clips / "fractal.mkv",
    )


@pytest.fixture(scope="session")
def pattern10(ffmpeg: Callable[..., Path], clips: Path) -> Path:
    """The test pattern in 10 bit."""
    graph = "testsrc2=s=128x96:r=25,format=yuv420p10le"
    return ffmpeg(
        *("-f", "lavfi", "-i", graph, "-frames:v", FRAMES, *FFV1), clips / "pattern10.mkv"
    )


@pytest.fixture(scope="session")
def blurred(ffmpeg: Callable[..., Path], clips: Path, pattern: Path) -> Path:
    """``pattern`` after a box blur, lossless: what is distorted here is known exactly."""
    return ffmpeg("-i", pattern, "-vf", "boxblur=2:1", *FFV1, clips / "blurred.mkv")


@pytest.fixture(scope="session")
def pattern_source(pattern: Path, tool: Tool) -> Source:
    """``pattern``, probed."""
    return probe(pattern, tool)


@pytest.fixture(scope="session")
def fractal_source(fractal: Path, tool: Tool) -> Source:
    """``fractal``, probed."""
    return probe(fractal, tool)


@pytest.fixture
def private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder for this test alone, which must be empty at its end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="session")
def python_environment() -> dict[str, str]:
    """The environment in which a Python child imports the vqcast under test."""
    return os.environ | {"PYTHONPATH": str(Path(vqcast.__file__).parent.parent)}


def _running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture(scope="session")
def ends() -> Callable[[int], bool]:
    """``ends(pid)``: whether that process is gone, or a zombie, within ten seconds."""

    def wait(pid: int) -> bool:
        until = time.monotonic() + 10
        while _running(pid):
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    return wait


@pytest.fixture(scope="session")
def children() -> Callable[[int], list[int]]:
    """``children(pid)``: the processes whose parent is ``pid``."""

    def find(parent: int) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
        return found

    return find
