"""Every parser understands a mutated document or refuses it in words of ours."""

from __future__ import annotations

import random

import pytest
from attacks.count import SEED
from attacks.parsers import fuzz, targets

ROUNDS = 300


@pytest.mark.parametrize("name", targets())
def test_no_exception_but_a_refusal(name: str) -> None:
    count = fuzz(name, ROUNDS, random.Random(SEED))
    assert count.wrong == [] and count.attempts >= ROUNDS // 8
    assert len(count.outcomes) == 2 or name.startswith("the law"), count.outcomes
