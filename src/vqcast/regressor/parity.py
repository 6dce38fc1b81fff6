"""The exported graph computes what the trained network computes, or nothing ships."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import ParityError
from vqcast.serve.guard import Session

MAX_ABS_DIFFERENCE = 1e-4
"""VMAF points (CONTRACTS §6 asks this of a promotion)."""

MAX_ABS_ARITHMETIC = 1e-3
"""VMAF points between the ensemble's one graph and its members plus arithmetic."""


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


def check_all(
    session: Session,
    inputs: list[NDArray[np.float32]],
    expected: list[NDArray[np.float64]],
    *,
    where: str,
) -> float:
    """Largest difference in VMAF points over all outputs of a graph that does arithmetic.

    Raises ParityError above ``MAX_ABS_ARITHMETIC``.
    """
    actual = session.run(*inputs)
    worst = max(
        float(np.max(np.abs(given.astype(np.float64) - wanted)))
        for given, wanted in zip(actual, expected, strict=True)
    )
    if not worst <= MAX_ABS_ARITHMETIC:
        raise ParityError(
            f"{where}: the graph differs from its members and arithmetic by {worst:.2e} VMAF, "
            f"more than {MAX_ABS_ARITHMETIC:.0e}"
        )
    return worst
