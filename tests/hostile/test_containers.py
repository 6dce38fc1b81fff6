"""Films drawn at random, in every container: delivered whole, or refused with ways that work."""

from __future__ import annotations

import random

from attacks.containers import every_container
from attacks.count import SEED


def test_films_are_delivered_whole_or_refused_with_a_way_round() -> None:
    count = every_container(12, random.Random(SEED))
    assert count.wrong == [] and count.attempts == 12
