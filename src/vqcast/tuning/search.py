"""Which quality to probe next, and when to stop: pure decisions on a forecast.

The answer is the highest CRF whose probability of reaching the target is the floor or more.
What it wastes is the share of its size that the best CRF of the grid is expected to save, which is
known only to someone who has tried them all. While no CRF is sure enough, the one that reaches
the target as likely as not is probed; then the one that is expected to leave the least waste (one
step of lookahead). The search stops once the waste is within the tolerance.

seen = Record()
forecast, state = search(forecaster, crfs, goal, seen, lambda at: seen.add(at, measured(crfs[at])))
state.answer
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcast.forecast.forecaster import Forecast, Forecaster, Probe, Spread
from vqcast.tuning.request import TOLERANCE_PERCENT

Array = NDArray[np.float64]

MOST_PROBES = 8
UNANSWERED = 0.5
"""Waste that having no answer counts as."""
_OUTCOMES = ((-1.8, 0.08), (-0.8, 0.24), (0.0, 0.36), (0.8, 0.24), (1.8, 0.08))
"""A normal outcome as five points: deviations and weights."""
_EVEN = 0.5
_PLAUSIBLE = 0.02
_MOST_CANDIDATES = 24
_LEAST_SAVING = 0.005
"""Share of the size that a step of CRF counts as saving at least: of two that are alike in size,
black pictures' say, the higher one is asked for."""
_LEAST_GAIN = 0.002
"""Waste that a probe of the whole title must be expected to save.

One of looks must save the tolerance: what is in doubt there is mostly where was looked, which
another CRF does not tell.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked of the title."""

    target: float
    floor: float
    """Least probability that an answer reaches it, 0..1."""
    tolerance: float = TOLERANCE_PERCENT / 100
    """Waste, a share of the size, that is not worth another probe."""


@dataclass(frozen=True, slots=True)
class State:
    """The decision as it stands."""

    probability: Array
    """P(target reached) at each CRF of the grid, ``[grid]``."""
    answer: int | None
    """Index of the highest CRF that is probable enough to reach it; None: no CRF does."""
    waste: float
    """Expected share of the size that the best CRF of the grid would save."""


@dataclass(slots=True)
class Record:
    """What probes of the title saw so far; whoever measures adds to it."""

    probes: list[Probe] = field(default_factory=list)
    """What its forecast is conditioned on."""
    known: dict[int, float] = field(default_factory=dict)
    """Scores of the whole title, by index in the grid."""
    probed: set[int] = field(default_factory=set)
    """Indexes that need no other probe, those of ``known`` among them."""
    count: int = 0
    """Of all probes that were made."""
    error: float = 0.0
    """Standard deviation of sampling, points."""

    def add(self, index: int, probe: Probe, *, whole: bool = True, alike: bool = True) -> None:
        """A probe, of the whole title or of looks; ``alike``: as those before it were."""
        if alike:
            self.probes.append(probe)
        if whole:
            self.known[index] = probe.score
        self.probed.add(index)
        self.count += 1


def search(
    forecaster: Forecaster, crfs: Array, goal: Goal, seen: Record, measure: Callable[[int], object]
) -> tuple[Forecast, State]:
    """Probe until no other probe is worth it: the last forecast, and the decision on it.

    ``crfs`` is the rising grid. ``measure`` probes the title at an index of it, and adds to
    ``seen`` what it saw.
    """
    while True:
        forecast = forecaster.forecast(seen.probes, crfs)
        state = assess(forecast, goal, seen.known, seen.error)
        if seen.count >= MOST_PROBES or settled(state, goal, seen.probed):
            return forecast, state
        spreads = forecaster.score_spreads
        spread = spreads[min(len(seen.probes) + 1, len(spreads) - 1)]
        index = next_probe(forecast, goal, seen.known, seen.probed, spread, seen.error)
        if index is None:
            return forecast, state
        measure(index)


def assess(forecast: Forecast, goal: Goal, known: Mapping[int, float], extra: float = 0.0) -> State:
    """The decision, given the forecast and the titles' exact scores at indexes ``known``.

    ``extra`` is the standard deviation of sampling. A curve falls: a CRF below one
    that reaches the target does so too, one above a failing one fails.
    """
    probability = forecast.probability(goal.target, extra)
    reached = [index for index, score in known.items() if score >= goal.target]
    failed = [index for index, score in known.items() if score < goal.target]
    top = max(reached, default=-1)
    bottom = min((index for index in failed if index > top), default=len(probability))
    probability = probability.copy()
    probability[: top + 1] = 1.0
    probability[bottom:] = 0.0
    for index in failed:
        probability[index] = 0.0
    fit = np.flatnonzero(probability >= goal.floor)
    if not len(fit):
        return State(probability, None, UNANSWERED)
    answer = int(fit[-1])
    savings = np.maximum(-np.log(2.0) * np.diff(forecast.log2_bits), _LEAST_SAVING)
    waste = float(probability[answer + 1 :] @ savings[answer:])
    return State(probability, answer, waste)


def settled(state: State, goal: Goal, probed: Collection[int]) -> bool:
    """Whether another probe is not worth it."""
    if state.answer is None:
        return 0 in probed
    return state.waste <= goal.tolerance


def next_probe(
    forecast: Forecast,
    goal: Goal,
    known: Mapping[int, float],
    probed: Collection[int],
    spread: Spread,
    extra: float = 0.0,
) -> int | None:
    """Index of the CRF whose probe is expected to leave the least waste; None: none would help.

    ``probed`` are the indexes that need no other probe, ``known`` those of them that were probed
    on the whole title. ``spread`` is the calibration that holds once there is one probe more.
    """
    state = assess(forecast, goal, known, extra)
    if state.answer is None:
        even = int(np.argmin(np.abs(state.probability - _EVEN)))
        if even not in probed:
            return even
    open_ = [
        index
        for index in range(len(forecast.crfs))
        if index not in probed and _PLAUSIBLE <= state.probability[index] <= 1 - _PLAUSIBLE
    ]
    if not open_:
        open_ = _neighbours(state, forecast, probed)
    if not open_:
        return None
    picks = np.unique(np.linspace(0, len(open_) - 1, _MOST_CANDIDATES).round().astype(int))
    least, best = min(
        (_waste_after(forecast, goal, known, open_[pick], spread, extra), open_[pick])
        for pick in picks
    )
    gain = goal.tolerance if extra else _LEAST_GAIN
    worth_it = state.answer is None or least < state.waste - gain
    return best if worth_it else None


def _neighbours(state: State, forecast: Forecast, probed: Collection[int]) -> list[int]:
    """Where nothing is in doubt and still no answer stands: the ends, or the answer itself."""
    wanted = [0] if state.answer is None else [state.answer, state.answer + 1]
    return [index for index in wanted if index < len(forecast.crfs) and index not in probed]


def _waste_after(
    forecast: Forecast,
    goal: Goal,
    known: Mapping[int, float],
    index: int,
    spread: Spread,
    extra: float,
) -> float:
    """Expected waste once ``crfs[index]`` has been probed."""
    mean, deviation = forecast.latent[index], forecast.deviation[index]
    total = 0.0
    for away, weight in _OUTCOMES:
        latent = float(mean + away * deviation)
        after = forecast.after(index, latent, spread)
        met = latent >= forecast.latent_of(goal.target)
        seen = dict(known) | ({index: goal.target if met else -1.0} if extra == 0.0 else {})
        total += weight * assess(after, goal, seen, extra).waste
    return total
