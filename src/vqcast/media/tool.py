"""Which ffmpeg is used: its path, version and digest.

The one that was named, the one that VQCAST_FFMPEG names, the binary that imageio-ffmpeg ships,
which brings every software encoder and libvmaf with its models, or the one on PATH: the first of
these that there is.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vqcast.durable.files import sha256_file
from vqcast.errors import InputError, ToolUnavailable
from vqcast.extras import install
from vqcast.media.run import run

VARIABLE = "VQCAST_FFMPEG"
"""The environment's variable that names an ffmpeg."""
_HINT = f"{install('media')} brings one with every encoder and libvmaf"

_OLDEST, _OLDEST_NAME = (61, 3), "7.0"
"""libavcodec of the first ffmpeg that was seen to work; 5.1 does not."""
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
    why: str = ""
    """Why it is this one."""
    hwaccel: str = ""
    """What it is asked to decode by: auto or a method of its own; empty: software."""
    cuda: bool = False
    """Whether it scores by libvmaf_cuda; ``sha256`` then tells its numbers apart."""


def ffmpeg_path(named: Path | None = None) -> tuple[Path, str]:
    """Where ffmpeg is, and why it is that one.

    Raises InputError for a named one that is not there, ToolUnavailable where there is none.
    """
    why, wanted = "named", named
    if wanted is None and (text := os.environ.get(VARIABLE)):
        why, wanted = f"named by {VARIABLE}", Path(text)
    if wanted is not None:
        found = shutil.which(wanted.expanduser())
        if found is None:
            raise InputError("is no program that can be run", path=wanted, hint="name an ffmpeg")
        return Path(found).resolve(), why
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve(), "the one of imageio-ffmpeg"
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise ToolUnavailable("there is no ffmpeg on this machine", hint=_HINT)
    return Path(found).resolve(), "the first on PATH"


def find_ffmpeg(named: Path | None = None) -> Tool:
    """The ffmpeg that is used, looked up and digested once. Raises as `ffmpeg_path` does."""
    return _tool(*ffmpeg_path(named))


@cache
def _tool(path: Path, why: str) -> Tool:
    finished = run([str(path), "-hide_banner", "-version"], deadline_s=30)
    match = re.match(r"ffmpeg version (\S+)", finished.stdout)
    if match is None:
        raise ToolUnavailable("does not answer as ffmpeg does", path=path, hint=_HINT)
    said = re.search(r"^libavcodec +(\d+)\. *(\d+)", finished.stdout, re.MULTILINE)
    library = (int(said[1]), int(said[2])) if said else None
    if library is not None and library < _OLDEST:
        raise ToolUnavailable(
            f"is ffmpeg {match[1]}, and {_OLDEST_NAME} or later is needed", path=path, hint=_HINT
        )
    loopback = library is not None and library >= _LOOPBACK
    return Tool(path, match[1], sha256_file(path), loopback, why)
