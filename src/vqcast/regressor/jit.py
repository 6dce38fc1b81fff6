"""How this package compiles its loops: one set of options, with types kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(*, inline: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: compile with numba on first call, GIL released.

    Of the fast-math flags only ``contract`` (fused multiply-add) is on, so sums
    keep their order and the same machine gives the same digits. Machine code
    is kept on disk; where no folder can be written it is compiled each time.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options: dict[str, Any] = {
            "nogil": True,
            "error_model": "numpy",
            "fastmath": {"contract"},
            "forceinline": inline,
        }
        try:
            built: Callable[..., Any] = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder for its cache
            built = numba.njit(**options)(function)
        return built

    return decorate
