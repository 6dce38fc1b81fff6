"""The searches that `vqcast tune` is held against, written from their descriptions.

Each takes ``score(crf)`` and asks it as seldom as its rule allows; whoever calls counts.
``ab_av1`` follows the published description of ab-av1's search (0.11), with the grid's step in
place of its own, so that every search answers from the same grid.
"""

from __future__ import annotations

from collections.abc import Callable

Score = Callable[[float], float]


def ab_av1(score: Score, target: float, low: float, high: float, step: float) -> float | None:
    """Midpoint, 60 % of the way to the bound that matters, then straight lines between brackets.

    Stops on a score above the target by at most max(0.1, 0.1 min(step, 1) 2^(run - 1)), where
    neighbours of the grid bracket the target, or at a bound. None: the lowest CRF misses it.
    """
    first, last = round(low / step), round(high / step)
    at, run, seen = (first + last) // 2, 0, {}
    good: int | None = None
    bad: int | None = None
    while True:
        run += 1
        seen[at] = score(at * step)
        if seen[at] > target:
            if seen[at] < target + max(0.1, 0.1 * min(step, 1.0) * 2 ** (run - 1)) or at == last:
                return at * step
            good = at if good is None else max(good, at)
        else:
            if at == first:
                return None
            bad = at if bad is None else min(bad, at)
        if good is not None and bad is not None:
            if bad - good <= 1:
                return good * step
            above, below = seen[good] - target, target - seen[bad]
            share = above / (above + below) if above + below > 0 else 0.5
            at = min(max(round(good + (bad - good) * share), good + 1), bad - 1)
        elif good is not None:
            at = last if run > 1 else round(at + 0.6 * (last - at))
        else:
            at = first if run > 1 else round(at - 0.6 * (at - first))


def bisection(score: Score, target: float, low: float, high: float, step: float) -> float | None:
    """Halve the grid until one CRF is left. None: the lowest misses the target."""
    first, last = round(low / step), round(high / step)
    best = None
    while first <= last:
        middle = (first + last) // 2
        if score(middle * step) >= target:
            best, first = middle, middle + 1
        else:
            last = middle - 1
    return None if best is None else best * step


def oracle(
    score: Score, target: float, low: float, high: float, step: float, beyond: int = 2
) -> float | None:
    """The highest CRF of the grid that reaches the target.

    By bisection, then ``beyond`` steps further, since a measured curve is not quite monotone;
    a lone CRF that reaches the target still further up is not looked for.
    """
    best = bisection(score, target, low, high, step)
    if best is None:
        return None
    found = best
    for count in range(1, beyond + 1):
        crf = best + count * step
        if crf <= high + 1e-9 and score(crf) >= target:
            found = crf
    return found
