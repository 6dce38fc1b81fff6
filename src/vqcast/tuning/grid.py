"""The qualities that a search may answer with: a range and a step for each encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import InputError
from vqcast.media.encoders import encoder

_RANGES: dict[str, tuple[float, float, float]] = {
    "libx264": (10, 46, 0.5),
    "libx265": (10, 46, 0.5),
    "libsvtav1": (5, 63, 1),
    "libaom-av1": (5, 63, 1),
    "libvpx-vp9": (5, 63, 1),
    "libvvenc": (12, 52, 1),
}
"""Encoder -> lowest, highest and step: beyond them no one ships video."""
_OTHERS = (10.0, 51.0, 1.0)
_WIDE = 100.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Qualities from best to worst, ``low + n * step`` up to ``high``."""

    low: float
    high: float
    step: float

    @property
    def crfs(self) -> NDArray[np.float64]:
        """All of them, rising."""
        count = int((self.high - self.low) / self.step + 1e-6) + 1
        return np.round(self.low + self.step * np.arange(count), 6)


def grid_of(
    name: str, low: float | None = None, high: float | None = None, step: float | None = None
) -> Grid:
    """An encoder's grid, parts of it given. Raises InputError for one off its scale."""
    entry = encoder(name)
    usual = _RANGES.get(name, _OTHERS)
    if name not in _RANGES and entry.cq_max > _WIDE:
        usual = (round(entry.cq_max * 0.1), round(entry.cq_max * 0.8), entry.cq_step)
    chosen = Grid(
        max(usual[0], entry.cq_min) if low is None else low,
        min(usual[1], entry.cq_max) if high is None else high,
        max(usual[2], entry.cq_step) if step is None else step,
    )
    if chosen.step <= 0 or chosen.low >= chosen.high:
        raise InputError(
            f"{name}: qualities from {chosen.low:g} to {chosen.high:g} by {chosen.step:g} "
            "are no range",
            hint="check --min-crf, --max-crf and --crf-step",
        )
    for value in (chosen.low, chosen.high, chosen.low + chosen.step):
        entry.check(value, entry.default_preset)
    return chosen
