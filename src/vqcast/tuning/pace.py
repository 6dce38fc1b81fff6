"""How long an encode of a whole title takes on this machine, as timed probes tell it.

    pace(probes, crf=30.0, frames=90_000).within(0.95)  # most likely, lowest, highest seconds

An encode at a higher CRF takes less time, along a straight line of the logarithm; two CRFs measure
that line, one takes the usual slope. What is left is how unsteady a machine is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vqcast.documents.tune import TuneProbe
from vqcast.interval import gaussian_z

_SLOPE, _SLOPE_DEVIATION = -0.015, 0.01
"""Of ln(seconds) a step of CRF, of one probe alone, a figure set by hand."""
_UNSTEADY = 0.12
"""Standard deviation of ln(seconds): the same encode again, and looks beside the whole."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of an encode, log-normal."""

    seconds: float
    deviation: float
    """Of their natural logarithm, at the next time that it is encoded."""

    def within(self, level: float) -> tuple[float, float, float]:
        """Most likely, lower and upper seconds."""
        half = gaussian_z(level) * self.deviation
        return self.seconds, self.seconds * math.exp(-half), self.seconds * math.exp(half)


def energy(probes: Sequence[TuneProbe], seconds: float) -> float | None:
    """Joules of an encode of so many seconds, at the power of the probes; None: not known."""
    known = [(each.energy_j, each.encode_s) for each in probes if each.energy_j and each.encode_s]
    if not known:
        return None
    return seconds * sum(joules for joules, _ in known) / sum(took for _, took in known)


def pace(probes: Sequence[TuneProbe], crf: float, frames: int) -> Pace | None:
    """Of ``frames`` frames at ``crf``; None where no probe was timed."""
    timed = {
        each.crf: (math.log(each.encode_s / each.frames), each.frames == frames)
        for each in probes
        if each.encode_s
    }
    if not timed:
        return None
    nearest = sorted(timed, key=lambda each: abs(each - crf))[:2]
    (log_s, whole), away = timed[nearest[0]], crf - nearest[0]
    if whole and away == 0:
        return Pace(math.exp(log_s) * frames, _UNSTEADY)
    slope, doubt = _SLOPE, _SLOPE_DEVIATION
    if len(nearest) == 2:
        apart = nearest[1] - nearest[0]
        own, noise = (timed[nearest[1]][0] - log_s) / apart, math.sqrt(2) * _UNSTEADY / abs(apart)
        share = doubt**2 / (doubt**2 + noise**2)
        slope, doubt = slope + share * (own - slope), doubt * math.sqrt(1 - share)
    deviation = math.hypot(_UNSTEADY, doubt * away)
    return Pace(math.exp(log_s + slope * away) * frames, deviation)
