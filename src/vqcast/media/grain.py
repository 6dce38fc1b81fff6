"""Film grain that a decoder draws: the encoder left its recipe in the stream.

A made encode is decoded and scored without it, since drawn grain differs from the source's by
design, and every pixel of it would count as damage.
"""

from __future__ import annotations

from pathlib import Path

from vqcast.media import argv, inputs
from vqcast.media.run import run
from vqcast.media.tool import Tool

NOTE = (
    "carries film grain that the decoder draws (grain synthesis): the pictures were scored without "
    "it, since it differs from the source's by design"
)
"""Of a file, after its name."""
ASKED = "the decoder draws the film grain that you ask for: encodes are scored without it"
_CODECS = ("av1", "h264", "hevc", "vvc")
_FRAMES = 24
_DEADLINE_S = 120.0


def has_grain(path: Path, codec: str, tool: Tool) -> bool:
    """Whether the first frames of a file's video come with film grain parameters."""
    if codec not in _CODECS:
        return False
    words = argv.side_data(tool.path, inputs.read(path, grain=False), _FRAMES)
    finished = run(words, deadline_s=_DEADLINE_S)
    return "film grain" in finished.stderr.lower()
