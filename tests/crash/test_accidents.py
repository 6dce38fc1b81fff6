"""A quick share of every counted accident; ``make crash`` runs them in full."""

from __future__ import annotations

import pytest
from attacks.count import Attack
from attacks.table import ATTACKS, CRASH


@pytest.mark.parametrize(
    "attack", [each for each in ATTACKS if each.suite == CRASH], ids=lambda attack: attack.name
)
def test_nothing_is_torn_or_lost(attack: Attack) -> None:
    count = attack.quickly()
    assert count.wrong == [] and count.attempts >= attack.quick
