"""The command line, called in this process: its exit code and what it says."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from vqcast.cli.main import main


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> str:
        """Its one sentence of refusal; empty where it is not one, or the code is none of ours."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        if self.code not in (1, 2) or self.out or len(lines) != 1 or "Traceback" in self.err:
            return ""
        return lines[0].removeprefix("error: ")


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in ``folder`` for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def vqcast(*words: object) -> Said:
    """Run ``vqcast WORDS``. An exception that leaves it is a traceback, and raised."""
    streams = [
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    ]
    code = 0
    with (
        patch.object(
            sys,
            "argv",
            ["vqcast", *(os.fspath(w) if isinstance(w, Path) else str(w) for w in words)],
        ),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    out, err = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in streams)
    return Said(code, out, err)
