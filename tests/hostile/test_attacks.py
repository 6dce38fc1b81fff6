"""A quick share of every counted attack; ``make hostile`` runs them in full."""

from __future__ import annotations

import pytest
from attacks.count import Attack
from attacks.graphs import HOSTILE as GRAPHS
from attacks.table import ATTACKS, HOSTILE
from attacks.videos import cases


@pytest.mark.parametrize(
    "attack", [each for each in ATTACKS if each.suite == HOSTILE], ids=lambda attack: attack.name
)
def test_nothing_that_was_tampered_with_is_used(attack: Attack) -> None:
    count = attack.quickly()
    assert count.wrong == [] and count.attempts >= min(attack.quick, len(GRAPHS))


def test_there_are_as_many_as_the_full_suites_promise() -> None:
    full = {each.name: each.full for each in ATTACKS}
    assert len(GRAPHS) >= 40 and len(cases()) >= 60
    assert full["flipped bit in a registry's file"] >= 10_000
    assert sum(each.full for each in ATTACKS if "error or kill" in each.name) >= 5_000
