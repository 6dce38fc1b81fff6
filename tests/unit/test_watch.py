"""How far a work says it is, against the time that it takes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vqcast import watch
from vqcast.watch import Ahead


@dataclass
class Clock:
    """A clock that is put forward by hand."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.mark.parametrize("scoring", [0.05, 0.3, 0.4])
@pytest.mark.parametrize("parts", [6, 40])
def test_parts_are_as_far_as_their_time_is(clock: Clock, scoring: float, parts: int) -> None:
    """Each part is encoded, then scored, at a cost that is not the expected one."""
    frames, told = 100, [0]
    ahead = Ahead(parts * frames, (1.0, 0.2), told.append)
    whole = parts * frames * (1 + scoring)
    for _ in range(parts):
        at = ahead.stream()
        for step, cost in enumerate((1.0, scoring)):
            for done in range(10, frames + 1, 10):
                clock.now += 10 * cost
                at(step, done)
                share = clock.now / whole
                if share >= 0.1:
                    assert told[-1] / (parts * frames) == pytest.approx(share, rel=0.2)
    assert told == sorted(told) and told[-1] == parts * frames


@pytest.mark.parametrize("scoring", [0.2, 1.0, 2.5])
def test_steps_of_a_whole_title_go_by_what_its_probe_took(clock: Clock, scoring: float) -> None:
    told: list[int] = []
    at = Ahead(1000, (1.0, 9.9), told.append, whole_s=1 + scoring).stream()
    for step, cost in enumerate((1.0, scoring)):
        for done in range(10, 1001, 10):
            clock.now += 10 * cost
            at(step, done)
            assert told[-1] == pytest.approx(1000 * clock.now / (1000 * (1 + scoring)), abs=2)


def test_parts_that_are_alike_go_by_the_clock_of_the_first(clock: Clock) -> None:
    """Frames take longer and longer, the last are scored for a while, and parts become more."""
    told: list[tuple[int, int]] = []
    alike = watch.Alike(100, lambda done, total: told.append((done, total)))

    def run(parts: int, began: float, whole: float) -> None:
        for _ in range(parts):
            with alike.part() as at:
                for done in range(0, 101, 10):
                    clock.now += done / 10
                    at(done)
                    if told[-1][1]:
                        share = (clock.now - began) / whole
                        assert told[-1][0] == pytest.approx(told[-1][1] * share, abs=12)
                clock.now += 45

    alike.begin(0)
    run(1, 0.0, 0.0)
    assert not any(total for _, total in told[:-1])
    alike.plan(4)
    run(3, 0.0, 400.0)
    assert told[-1] == (400, 400)
    alike.begin(2)
    run(2, 400.0, 200.0)
    assert told[-1] == (200, 200)


def test_what_was_done_before_is_no_time(clock: Clock) -> None:
    told: list[int] = []
    ahead = Ahead(1000, (1.0,), told.append)
    ahead.skip(600)
    at = ahead.stream()
    at(0, 0)
    assert told == [600]
    clock.now = 5.0
    at(0, 100)
    assert told[-1] == 700
