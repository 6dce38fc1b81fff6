"""Which ffmpeg is used: its path, version and digest.

The binary that imageio-ffmpeg ships is the default, since it brings every
software encoder and libvmaf with its models; without it, the one on PATH.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vqcast.durable.files import sha256_file
from vqcast.errors import ToolUnavailable
from vqcast.extras import install
from vqcast.media.run import run

_HINT = f"{install('media')} brings one with every encoder and libvmaf"

_LOOPBACK = (61, 19)
"""libavcodec of ffmpeg 7.1, the first with loopback decoders."""


@dataclass(frozen=True, slots=True)
class Tool:
    """An ffmpeg binary, identified by the digest of its bytes."""

    path: Path
    version: str
    sha256: str
    loopback: bool = False
    """Whether it can decode what it encodes in the same process."""


def ffmpeg_path() -> Path:
    """Where ffmpeg is. Raises ToolUnavailable with how to get it."""
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise ToolUnavailable("there is no ffmpeg on this machine", hint=_HINT)
    return Path(found).resolve()


@cache
def find_ffmpeg() -> Tool:
    """The ffmpeg that every command uses, looked up and digested once."""
    path = ffmpeg_path()
    finished = run([str(path), "-hide_banner", "-version"], deadline_s=30)
    match = re.match(r"ffmpeg version (\S+)", finished.stdout)
    if match is None:
        raise ToolUnavailable("does not answer as ffmpeg does", path=path, hint=_HINT)
    library = re.search(r"^libavcodec +(\d+)\. *(\d+)", finished.stdout, re.MULTILINE)
    loopback = library is not None and (int(library[1]), int(library[2])) >= _LOOPBACK
    return Tool(path=path, version=match[1], sha256=sha256_file(path), loopback=loopback)
