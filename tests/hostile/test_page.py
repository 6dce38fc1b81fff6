"""``docs/reliability.md`` says what its evidence says, and the evidence what was promised."""

from __future__ import annotations

import json

import pytest
from attacks.__main__ import EVIDENCE, PAGE
from attacks.page import page
from attacks.table import ATTACKS, CRASH, HOSTILE

DOCUMENT = json.loads(EVIDENCE.read_bytes())


def total(suite: str, *words: str) -> int:
    rows = DOCUMENT["suites"][suite]["attacks"]
    return sum(row["attempts"] for row in rows if any(word in row["attack"] for word in words))


def test_the_page_is_the_evidence_s() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(DOCUMENT)


@pytest.mark.parametrize("suite", sorted({attack.suite for attack in ATTACKS}))
def test_every_attack_was_carried_out_and_nothing_went_wrong(suite: str) -> None:
    rows = DOCUMENT["suites"][suite]["attacks"]
    assert [row["attack"] for row in rows] == [a.name for a in ATTACKS if a.suite == suite]
    assert all(row["wrong"] == 0 and row["held"] == row["attempts"] > 0 for row in rows)


def test_there_were_enough() -> None:
    assert total(CRASH, "error or kill", "power cut", "full disk", "SIGKILL") >= 10_000
    assert total(HOSTILE, "flipped bit") >= 10_000
    assert total(HOSTILE, "hostile ONNX") >= 40
    assert total(HOSTILE, "damaged video") >= 60
