"""The qualities that a search may answer with: a range and a step for each encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import InputError
from vqcast.media.encoders import encoder
from vqcast.media.options import PLAIN, EncoderOptions


@dataclass(frozen=True, slots=True)
class CrfGrid:
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
    name: str,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    options: EncoderOptions = PLAIN,
) -> CrfGrid:
    """An encoder's grid, parts of it given. Raises InputError for one off its scale."""
    entry = encoder(name, options)
    usual = entry.search_range
    chosen = CrfGrid(
        usual[0] if low is None else low,
        usual[1] if high is None else high,
        usual[2] if step is None else step,
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
