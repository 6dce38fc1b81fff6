"""What a failing ffmpeg is quoted with: the cause, of real failures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vqcast.media.complaint import cause, ending, told
from vqcast.media.tool import Tool

DRAWN = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.2")
FAILURES: dict[str, tuple[tuple[str, ...], str]] = {
    "too fast for SVT-AV1": (
        ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=1000:d=0.1", "-c:v", "libsvtav1", "OUT.mp4"),
        "maximum allowed frame rate is 240 fps",
    ),
    "no such preset": ((*DRAWN, "-c:v", "libx264", "-preset", "no", "OUT.mp4"), "preset 'no'"),
    "a value out of range": (
        (*DRAWN, "-c:v", "libaom-av1", "-cpu-used", "99", "OUT.mp4"),
        "'cpu-used' out of range",
    ),
    "no driver": ((*DRAWN, "-c:v", "h264_nvenc", "OUT.mp4"), "Cannot load libcuda"),
    "no file": (("-i", "absent.mkv", "OUT.mp4"), "No such file or directory"),
    "no video": (("-i", "text.mkv", "OUT.mp4"), "EBML header parsing failed"),
    "no space": (
        (*DRAWN, "-c:v", "libx264", "-f", "mp4", "/dev/full"),
        "No space left on device",
    ),
    "a filter's option": ((*DRAWN, "-vf", "scale=no=1", "OUT.mp4"), "Error applying option 'no'"),
    "no such model": (
        (*DRAWN, *DRAWN, "-lavfi", "libvmaf=model=version=no", "-f", "null", "-"),
        "could not load libvmaf model with version: no",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), FAILURES.values(), ids=FAILURES)
def test_the_cause_is_found_in_what_a_real_ffmpeg_says(
    arguments: tuple[str, ...], expected: str, tool: Tool, tmp_path: Path
) -> None:
    if expected.startswith("Cannot load") and Path("/dev/nvidia0").exists():
        pytest.skip("this machine has the driver")
    (tmp_path / "text.mkv").write_text("no video at all\n" * 400)
    command = [str(tool.path), "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *arguments]
    finished = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"SVT_LOG": "1"}, capture_output=True, text=True
    )
    assert finished.returncode != 0
    said = cause(finished.stderr)
    assert expected in said
    assert "\n" not in said and "0x" not in said.replace("(0x", "")
    assert ending(finished.returncode).startswith("ended with status")


def test_the_same_words_are_said_once_and_consequences_only_where_alone() -> None:
    said = "[h264 @ 0x55e7] a b\n[h264 @ 0x66f8] a b\n[vf#0:0 @ 0x1] Task finished with error: x\n"
    assert told(said) == ["a b"]
    assert cause(said + "c\nd\n") == "a b / c"
    assert cause("Conversion failed!\n") == "Conversion failed!"
    assert cause(" \n") == "it said nothing"


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "ended with status 0"),
        (1, "ended with status 1"),
        (228, "ended with status 228 (No space left on device)"),
        (-11, "was ended by SIGSEGV"),
    ],
)
def test_how_it_ended_is_said_in_the_system_s_words(returncode: int, words: str) -> None:
    assert ending(returncode) == words
