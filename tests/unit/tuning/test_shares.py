"""Which probability an answer must have for the share of titles that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studies import decisions
from vqcast.documents import codec
from vqcast.forecast.table import load_table
from vqcast.tuning import shares

EVIDENCE = json.loads(Path("docs/evidence/decisions.json").read_text())


def test_the_table_is_that_of_the_evidence_and_of_the_forecaster_that_ships() -> None:
    made = decisions.table(EVIDENCE)
    assert shares.TABLE.read_bytes() == codec.to_bytes(made)
    assert made.forecaster == load_table(None)[1].sha256


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.95, 0.98])
def test_a_share_is_delivered_by_answers_that_need_not_be_that_sure(share: float) -> None:
    floor = shares.least_probability(share, load_table(None)[1].sha256)
    assert 0.0 < floor < share
    above = [each for each in decisions.rows(EVIDENCE["decisions"]) if each["floor"] >= floor]
    assert min(
        sum(e["met"] for e in above if e["floor"] == at) / sum(e["floor"] == at for e in above)
        for at in {each["floor"] for each in above}
    ) >= share - 0.005  # fmt: skip


def test_shares_fall_with_their_floors() -> None:
    known = load_table(None)[1].sha256
    floors = [shares.least_probability(each / 100, known) for each in range(50, 99)]
    assert floors == sorted(floors)


@pytest.mark.parametrize("forecaster", [None, "0" * 64])
def test_what_was_not_measured_is_as_sure_as_its_share(forecaster: str | None) -> None:
    assert shares.least_probability(0.9, forecaster) == 0.9


def test_more_than_was_measured_is_as_sure_as_its_share() -> None:
    assert shares.least_probability(0.9999, load_table(None)[1].sha256) == 0.9999


@pytest.mark.parametrize("share", decisions.SHOWN)
def test_on_titles_that_made_no_part_of_it_a_share_is_within_two_points(share: float) -> None:
    made = [e["met"] for e in decisions.rows(EVIDENCE["asked"]) if e["share"] == share]
    assert len(made) >= 300
    assert sum(made) / len(made) == pytest.approx(share, abs=0.02)
