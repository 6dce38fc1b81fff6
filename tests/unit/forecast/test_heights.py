"""Steps to lower heights: places between shares, the own height, and what a probe tells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from msgspec.structs import replace

from vqcast.forecast import heights
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.heights import Heights, weights_of
from vqcast.forecast.table import load_table

TABLE = heights.load()
TOPS = dict(zip(TABLE.shares, np.mean([each.ceilings for each in TABLE.titles], 0), strict=True))
CRFS = np.arange(18.0, 64.0)
FEATURES = np.array([0.95, 0.6, 0.85, 0.9, 0.93, 4.0])


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster.from_table(load_table(None)[0], TABLE.encoder, TABLE.preset)


def test_a_share_lies_between_those_that_were_measured() -> None:
    assert weights_of([2 / 3, 1 / 2, 1 / 3], 1.0).tolist() == [0, 0, 0]
    assert weights_of([2 / 3, 1 / 2, 1 / 3], 1 / 2).tolist() == [0, 1, 0]
    between = weights_of([2 / 3, 1 / 2, 1 / 3], 0.4)
    assert between[0] == 0 and between[1:].sum() == pytest.approx(1) and (between >= 0).all()
    below = weights_of([2 / 3, 1 / 2, 1 / 3], 1 / 4)
    assert below[2] > 1 and below.sum() == pytest.approx(1)


def test_at_its_own_height_a_title_has_the_forecasters_curve(forecaster: Forecaster) -> None:
    probe = Probe(35.0, 92.0, 0.1, FEATURES)
    mine = Heights.of(forecaster, TABLE, TOPS, [(1.0, probe)]).forecast(1.0, CRFS)
    theirs = forecaster.forecast([probe], CRFS)
    assert np.allclose(mine.score, theirs.score) and np.allclose(mine.log2_bits, theirs.log2_bits)
    (lower, upper), (low, high) = mine.bounds(0.9), theirs.bounds(0.9)
    assert (lower <= low).all() and (upper >= high).all()  # as wide as ladders need
    narrow = replace(TABLE, widened=[[1.0, 1.0]] * 2)
    mine = Heights.of(forecaster, narrow, TOPS, [(1.0, probe)]).forecast(1.0, CRFS)
    assert np.allclose(mine.bounds(0.9), theirs.bounds(0.9))


def test_lower_heights_score_less_and_take_fewer_bits(forecaster: Forecaster) -> None:
    probe = Probe(35.0, 92.0, 0.1, FEATURES)
    curves = Heights.of(forecaster, TABLE, TOPS, [(1.0, probe)])
    made = [curves.forecast(share, np.array([28.0, 38.0])) for share in (1.0, *TABLE.shares)]
    for taller, lower in itertools.pairwise(made):
        assert (lower.score < taller.score).all() and (lower.log2_bits < taller.log2_bits).all()


def test_a_probe_at_one_height_narrows_that_height_and_moves_the_next(
    forecaster: Forecaster,
) -> None:
    seen = [(1.0, Probe(35.0, 92.0, 0.1, FEATURES))]
    before = Heights.of(forecaster, TABLE, TOPS, seen)
    expected = before.forecast(0.5, np.array([38.0]))
    probe = Probe(38.0, float(expected.score[0]) - 6.0, float(2.0 ** expected.log2_bits[0]),
                  FEATURES)  # fmt: skip
    after = Heights.of(forecaster, TABLE, TOPS, [*seen, (0.5, probe)])
    own = after.forecast(0.5, np.array([38.0]))
    assert own.score[0] == pytest.approx(probe.score, abs=0.5)
    assert own.deviation[0] < 0.4 * expected.deviation[0]
    third = 1 / 3 if 1 / 3 in TABLE.shares else TABLE.shares[-1]
    moved = (
        after.forecast(third, np.array([38.0])).score
        - before.forecast(third, np.array([38.0])).score
    )
    assert moved[0] < -1.0


def test_what_was_measured_with_another_encoder_is_wider(forecaster: Forecaster) -> None:
    seen = [(1.0, Probe(35.0, 92.0, 0.1, FEATURES))]
    alike = Heights.of(forecaster, TABLE, TOPS, seen).forecast(0.5, CRFS)
    other = Heights.of(forecaster, TABLE, TOPS, seen, alike=False).forecast(0.5, CRFS)
    assert (other.deviation > alike.deviation).all()
