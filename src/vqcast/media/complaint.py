"""What ffmpeg says on its error log: which of it is no complaint, and what the cause of others is.

A source is judged by what decodes, and what was made here by all that was said of it: a line that
is not among the harmless ones is a complaint.
"""

from __future__ import annotations

import os
import re
import signal

HARMLESS: tuple[tuple[str, str], ...] = (
    (
        r"Referenced QT chapter track not found",
        "the header names chapters whose titles' track is not there: no picture is in it",
    ),
    (
        r"Missing key frame while searching for timestamp",
        "an edit starts between key frames: decoding starts at the one before, as it must",
    ),
    (r"Last message repeated \d+ times", "of a line that is judged itself"),
)
"""A pattern of a line -> why it says nothing of any picture."""

_HARMLESS = re.compile("|".join(pattern for pattern, _ in HARMLESS))
_PREFIX = re.compile(r"^(\[[^]]* @ 0x[0-9a-f]+\] *)+")
_FOLLOWS = re.compile(
    r"Error while opening encoder - maybe|Could not open encoder before EOF"
    r"|Error sending frames to consumers|Task finished with error|Terminating thread with"
    r"|Nothing was written into output|Error opening (in|out)put files?\b"
    r"|Error initializing filters|Error : |Conversion failed!"
)
"""How ffmpeg's own parts tell each other of a failure; none of it says what failed."""
_MOST = 2


def complaints(said: str) -> str:
    """What is left of an error log without its harmless lines; empty: nothing was wrong."""
    lines = [line.rstrip() for line in said.splitlines()]
    return "\n".join(line for line in lines if line and not _HARMLESS.search(line))


def told(said: str) -> list[str]:
    """Each thing said once, in order, without ffmpeg's part that said it; causes, if there are."""
    found = dict.fromkeys(_PREFIX.sub("", line.strip()) for line in said.splitlines())
    found.pop("", None)
    return [line for line in found if not _FOLLOWS.match(line)] or list(found)


def cause(said: str) -> str:
    """The first two causes, on one line."""
    return " / ".join(told(said)[:_MOST]) or "it said nothing"


def ending(returncode: int) -> str:
    """How a process ended, in words; ffmpeg's own statuses above 128 are the system's errors."""
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    error = 256 - returncode
    known = returncode > 128 and os.strerror(error) != f"Unknown error {error}"
    return f"ended with status {returncode}{f' ({os.strerror(error)})' if known else ''}"
