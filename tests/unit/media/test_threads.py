"""Thread plans: the machine is full, and no kind of thread outnumbers its cores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.media.threads import Threads, plan, usable_cores


@pytest.mark.parametrize(
    ("cores", "streams", "expected"),
    [
        (1, 1, Threads(1, 1, 1, 1)),
        (1, 4, Threads(1, 1, 1, 1)),
        (2, 1, Threads(1, 2, 2, 2)),
        (2, 4, Threads(2, 1, 1, 1)),
        (16, 1, Threads(1, 16, 16, 4)),
        (16, 4, Threads(4, 4, 4, 4)),
        (64, 1, Threads(1, 16, 64, 4)),
        (64, 4, Threads(4, 16, 16, 4)),
        (64, 16, Threads(16, 4, 4, 4)),
        (2, 3, Threads(1, 2, 2, 2)),  # not two, and then one alone
        (6, 8, Threads(2, 3, 3, 3)),
    ],
)
def test_plans_of_usual_machines(cores: int, streams: int, expected: Threads) -> None:
    assert plan(cores, streams) == expected


@given(cores=st.integers(1, 256), streams=st.integers(1, 64))
def test_no_kind_of_thread_outnumbers_the_cores_and_none_is_missing(
    cores: int, streams: int
) -> None:
    threads = plan(cores, streams)
    for each in (threads.encoder, threads.score, threads.decoder):
        assert each >= 1
        assert threads.at_once * each <= cores
    assert threads.at_once <= streams


@given(cores=st.integers(1, 64), streams=st.integers(1, 64))
def test_the_machine_is_full_while_streams_wait(cores: int, streams: int) -> None:
    threads = plan(cores, streams)
    idle = cores - threads.at_once * threads.score
    assert idle < threads.at_once  # not one thread more for each stream
    last = streams % threads.at_once  # streams of the last round, where it is not full
    assert last == 0 or streams > threads.at_once


def test_this_machine_has_cores() -> None:
    assert usable_cores() >= 1
