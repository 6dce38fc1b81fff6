"""Which files of vqcast a call enters, in its own thread: ADR-0006 counts them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import vqcast

HOUSE = Path(vqcast.__file__).parent


def walk(call: Callable[[], object]) -> set[str]:
    """Every file but the documents' of which a function runs during ``call``."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(HOUSE):
            entered.add(path.relative_to(HOUSE).with_suffix("").as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return {each for each in entered if not each.startswith("documents/")}
