"""Which version of its library an encoder is: ffmpeg does not list it, a tiny encode tells."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from vqcast.durable.scratch import scratch
from vqcast.media import argv
from vqcast.media.run import run
from vqcast.media.tool import Tool

_DEADLINE_S = 60
_SAID = re.compile(
    r"HEVC encoder version (\S+)|SVT \[version\]:\s*(.+)|libvvenc version: (\S+)|\] v(\d\S*)$",
    re.MULTILINE,
)
_WRITTEN = re.compile(rb"x264 - (core \d+(?: r\d+\S*)?)")
"""x264 is silent, and writes it into the stream."""


@cache
def encoder_version(name: str, tool: Tool) -> str | None:
    """What the library behind an encoder calls itself; None: it doesn't say, or isn't there."""
    with scratch() as folder:
        made = Path(folder) / "made"
        finished = run(
            argv.version(tool.path, name, made), cwd=Path(folder), deadline_s=_DEADLINE_S,
            environment={"SVT_LOG": "3"},
        )  # fmt: skip
        if said := _SAID.search(finished.stderr):
            return next(each for each in said.groups() if each).strip()
        written = _WRITTEN.search(made.read_bytes()) if made.is_file() else None
    return written[1].decode() if written else None
