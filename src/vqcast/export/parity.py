"""The exported graph computes what the trained network computes, or nothing ships."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import ParityError
from vqcast.serve.guard import Session

MAX_ABS_DIFFERENCE = 1e-4
"""VMAF points (CONTRACTS §6 asks this of a promotion)."""


def check(
    session: Session,
    inputs: list[NDArray[np.float32]],
    expected: NDArray[np.float64],
    *,
    where: str,
) -> float:
    """Largest difference in VMAF points between graph and network over ``[N]`` rows.

    Raises ParityError above ``MAX_ABS_DIFFERENCE``.
    """
    actual = session.run(*inputs)[0].astype(np.float64).reshape(-1)
    worst = float(np.max(np.abs(actual - expected)))
    if not worst <= MAX_ABS_DIFFERENCE:
        raise ParityError(
            f"{where}: the exported graph differs from the trained network by {worst:.2e} VMAF, "
            f"more than {MAX_ABS_DIFFERENCE:.0e}"
        )
    return worst
