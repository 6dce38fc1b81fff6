"""Small clips, drawn by the real ffmpeg once a process."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from vqcast.media.tool import Tool, find_ffmpeg

_FOLDER = tempfile.TemporaryDirectory(prefix="vqcast-clips-")
FFV1 = ("-c:v", "ffv1", "-pix_fmt", "yuv420p")


@cache
def tool() -> Tool:
    """The ffmpeg that vqcast itself uses."""
    return find_ffmpeg()


def ffmpeg(*words: object, output: Path) -> Path:
    """Run it plainly, without vqcast."""
    command = [str(tool().path), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]
    command += [*map(str, words), "-fflags", "+bitexact", f"file:{output.absolute()}"]
    subprocess.run(command, check=True, timeout=120, env=os.environ | {"SVT_LOG": "1"})
    return output


@cache
def drawn_clip(graph: str, frames: int, name: str, options: tuple[str, ...] = FFV1) -> Path:
    """``frames`` frames of a lavfi graph, in a folder that lives as long as the process."""
    given = ("-f", "lavfi", "-i", graph, "-frames:v", frames, *options)
    return ffmpeg(*given, output=Path(_FOLDER.name) / name)
