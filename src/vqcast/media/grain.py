"""Film grain that a decoder draws: the encoder took it out of the pictures and left its recipe."""

from __future__ import annotations

from pathlib import Path

from vqcast.media import argv
from vqcast.media.run import run
from vqcast.media.tool import Tool

WITHOUT = ("-export_side_data", "film_grain")
"""Input options by which the recipe is handed on, and no grain is drawn."""
NOTE = (
    "carries film grain that the decoder draws (grain synthesis): it differs from the source's by "
    "design, and its score counts that as damage"
)
_CODECS = ("av1", "h264", "hevc", "vvc")
_FRAMES = 4
_DEADLINE_S = 120.0


def has_grain(path: Path, codec: str, tool: Tool) -> bool:
    """Whether the first frames of a file's video come with film grain parameters."""
    if codec not in _CODECS:
        return False
    words = argv.side_data(tool.path, [*WITHOUT, *argv.read(path)], _FRAMES)
    finished = run(words, deadline_s=_DEADLINE_S)
    return "film grain" in finished.stderr.lower()
