"""What ffmpeg said when it failed: the cause, which stands above the lines that follow from it."""

from __future__ import annotations

import os
import re
import signal

_PREFIX = re.compile(r"^(\[[^]]* @ 0x[0-9a-f]+\] *)+")
_FOLLOWS = re.compile(
    r"Error while opening encoder - maybe|Could not open encoder before EOF"
    r"|Error sending frames to consumers|Task finished with error|Terminating thread with"
    r"|Nothing was written into output|Error opening (in|out)put files?\b"
    r"|Error initializing filters|Error : |Conversion failed!"
)
"""How ffmpeg's own parts tell each other of a failure; none of it says what failed."""
_MOST = 2


def told(said: str) -> list[str]:
    """Each thing said once, in order, without the part of ffmpeg that said it; causes alone
    where there are any."""
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
