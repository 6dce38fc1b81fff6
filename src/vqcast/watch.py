"""What a long step tells while it works, and the figures that it ends with, as plain values."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is."""

    done: float
    total: float
    now: str
    """What is in work, in a few words."""


@dataclass(frozen=True, slots=True)
class Watch:
    """On how many threads a long step works, and who hears of it. By default one a core, nobody."""

    note: Callable[[str], None] = lambda text: None
    progress: Callable[[Progress], None] = lambda progress: None
    workers: int | None = None


NOBODY = Watch()


@dataclass(frozen=True, slots=True)
class Table:
    """Figures for a person: a terminal or a page lays them out."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    title: str = ""


class Alike:
    """How far a work is whose parts each pass through the same places, so that time goes alike.

    The first part that ends tells how time goes with its frames; how far it is isn't known before::

        alike = Alike(255, tell)  # frames of a part
        alike.begin(4)
        with alike.part() as at:  # in any thread
            at(120)  # this part has encoded 120 frames

    ``tell`` is told how much of the time is over, in frames, and all of them; 0: not known yet.
    """

    def __init__(self, frames: int, tell: Callable[[int, int], None]) -> None:
        self._frames, self._tell, self._lock = frames, tell, threading.Lock()
        self._planned, self._shares, self._told = 0, list[float](), 0
        self._clock: tuple[list[int], list[float]] | None = None
        """Frames of an ended part, and the seconds it took to them."""

    def begin(self, parts: int) -> None:
        """A new work, of so many parts that are like those before; 0: nobody knows yet."""
        self._planned, self._shares, self._told = parts, [], 0

    def plan(self, parts: int) -> None:
        """There will be so many in all."""
        self._planned = parts

    @contextmanager
    def part(self) -> Iterator[Callable[[int], None]]:
        """A part; its time begins with the first call."""
        frames, passed, began = list[int](), list[float](), 0.0
        with self._lock:
            index = len(self._shares)
            self._shares.append(0.0)

        def at(done: int) -> None:
            nonlocal began
            with self._lock:
                began = began or time.monotonic()
                frames.append(done)
                passed.append(time.monotonic() - began)
                self._shares[index] = self._share(done)
                self._say()

        yield at
        with self._lock:
            if self._clock is None and passed and (took := time.monotonic() - began) > 0:
                self._clock = [*frames, self._frames], [each / took for each in [*passed, took]]
            self._shares[index] = 1.0
            self._say()

    def _share(self, done: int) -> float:
        if self._clock is None:
            return done / self._frames
        frames, shares = self._clock
        return shares[min(bisect_left(frames, done), len(shares) - 1)]

    def _say(self) -> None:
        known = self._clock is not None and self._planned
        total = max(self._planned, len(self._shares)) * self._frames if known else 0
        self._told = max(self._told, round(sum(self._shares) * self._frames))
        self._tell(self._told, total)


class Ahead:
    """How far a work is in the time that it takes, where each frame goes through several steps.

    What a step costs is learnt while it works, on one stream or several; until then it is
    ``costs``, of any unit, beside what the first costs::

        ahead = Ahead(5000, (1.0, 0.3), tell)  # frames, of an encode and of its score
        at = ahead.stream()
        at(0, 120)  # this stream has encoded 120 frames

    ``tell`` is told as many of the frames as the share of the time that is over; never less.
    """

    _SURE = 0.1
    """Share of the frames after which a measured cost counts as much as the expected one."""

    def __init__(
        self,
        frames: int,
        costs: Sequence[float],
        tell: Callable[[int], None],
        whole_s: float | None = None,
    ) -> None:
        self._frames, self._costs, self._tell = frames, costs, tell
        self._whole_s = whole_s
        """Of a frame in both of two steps, where an earlier work tells."""
        self._done, self._spent = [0] * len(costs), [0.0] * len(costs)
        self._told, self._skipped, self._lock = 0, 0, threading.Lock()

    def skip(self, frames: int) -> None:
        """So many were done before."""
        self._skipped += frames

    def stream(self) -> Callable[[int, int], None]:
        """A stream that begins now: call with the step, and how many frames it has done of it."""
        last, before = time.monotonic(), [0] * len(self._costs)

        def at(step: int, frames: int) -> None:
            nonlocal last
            with self._lock:
                now = time.monotonic()
                self._spent[step] += now - last
                self._done[step] += frames - before[step]
                last, before[step] = now, frames
                self._told = max(self._told, self._over())
                self._tell(self._told)

        return at

    def _over(self) -> int:
        new = self._frames - self._skipped
        first = self._spent[0] / self._done[0] if self._done[0] and self._spent[0] else 1.0
        sure = max(self._SURE * new, 1.0)
        expected = [first * cost / self._costs[0] for cost in self._costs]
        if self._whole_s is not None and self._done[0]:
            expected[1] = max(self._whole_s - first, 0.1 * first)
        costs = [first] + [
            (spent + sure * cost) / (done + sure)
            for cost, spent, done in zip(expected[1:], self._spent[1:], self._done[1:], strict=True)
        ]
        over = sum(cost * done for cost, done in zip(costs, self._done, strict=True))
        return self._skipped + round(new * min(over / (sum(costs) * max(new, 1)), 1.0))
