"""A source decoded once for all its cells, where it is small enough to lie on disk.

Decoding the source for every encode and again for every score is a good part of
a cell's cost. The pictures are kept as raw video, and are used only
where ffmpeg says of them, frame by frame, what it says of the source: time, size,
format, colours, side data and checksum. Anything else is read as before, so no
number depends on this but ``enc_time_ms``, which then is the encoder's alone.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from vqcast.corpus.lent import Lent
from vqcast.durable.files import remove
from vqcast.durable.scratch import scratch
from vqcast.errors import VqcastError
from vqcast.media import inputs
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.tool import Tool

MAX_BYTES = 1 << 30
"""Raw bytes of a source, above which it is decoded anew each time."""
_FREE_TIMES = 4
"""Free space asked for, in sizes of what is written."""
_CONTAINERS = (".mkv", ".webm")
_KEPT = 1
_DEADLINE_S = 600.0
_HOW_CODED = re.compile(r" iskey:\d type:\S")
_TOLD = re.compile(r"^\[Parsed_showinfo[^\]]*\] \[info\] (.+)$", re.MULTILINE)
_COMMENT = re.compile(r" *side data - H.26\[45\] User Data Unregistered|User Data=")
"""An encoder's signature inside the source, which no encode takes over."""


class Pictures:
    """Decoded sources, shared by the threads of a process; gone with `close`."""

    def __init__(self) -> None:
        self._lent = Lent[Path | None](lambda path: remove(path) if path else None, _KEPT)
        self._folder = scratch()
        self._names = count()

    def close(self) -> None:
        """Remove everything."""
        self._folder.cleanup()

    @contextmanager
    def use(
        self, source: Source, tool: Tool, cancel: threading.Event | None = None
    ) -> Iterator[Path]:
        """The source's pictures, decoded; or its own path, where they can't be had."""
        key = (source.identity, source.frames)
        with self._lent.use(key, lambda: self._decode(source, tool, cancel)) as path:
            yield path or source.path

    def _decode(self, source: Source, tool: Tool, cancel: threading.Event | None) -> Path | None:
        size = 3 * source.width * source.height * source.frames  # 4:4:4 at most
        folder = Path(self._folder.name)
        # Matroska's raw video has 8 bits, and its clock of 1 ms is that of few other containers.
        if source.depth > 8 or source.path.suffix not in _CONTAINERS:
            return None
        if source.video.chain and not source.whole:  # its first frames may need more of the file's
            return None
        if size > MAX_BYTES or size * _FREE_TIMES > shutil.disk_usage(folder).free:
            return None
        path = folder / str(next(self._names))
        limit = [] if source.whole else ["-frames:v", str(source.frames)]
        write = ["-c:v", "rawvideo", "-f", "matroska", f"file:{path}"]
        try:
            of_source = _told(tool, folder, source.path, [*limit, *write], cancel)
            of_pictures = _told(tool, folder, path, ["-f", "null", "-"], cancel)
        except VqcastError:
            return None  # what is wrong with the source is told by the encode
        frames = sum(line.startswith("n:") for line in of_pictures)
        # Told to stop, ffmpeg's filter has at times seen a frame more.
        same = of_source[: len(of_pictures)] == of_pictures
        return path if same and frames == source.frames else None


def _told(
    tool: Tool, cwd: Path, path: Path, output: list[str], cancel: threading.Event | None
) -> list[str]:
    """What ffmpeg says of every frame it decodes; nothing where it fails or complains."""
    command = [str(tool.path), "-hide_banner", "-nostdin", "-nostats", "-y"]
    command += ["-loglevel", "level+info", *inputs.read(path)]
    command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-vf", "showinfo", *output]
    finished = run(command, cwd=cwd, deadline_s=_DEADLINE_S, cancel=cancel)
    if finished.returncode or re.search(r"\[(error|fatal|panic)\]", finished.stderr):
        return []
    lines = _TOLD.findall(finished.stderr)
    return [_HOW_CODED.sub("", line) for line in lines if not _COMMENT.match(line)]
