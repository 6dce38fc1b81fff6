"""How a study's page names the command that made it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def command(module: str, words: Sequence[str]) -> str:
    """The command line as typed, the folders of this machine left out."""
    shown = [Path(word).name if word.startswith("/") else word for word in words]
    return " ".join([f"python -m {module}", *map(shlex.quote, shown)])
