"""Scales and pools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import InputError
from vqcast.forecast.latent import POOLS, pool, side_channels, to_latent, to_score

SCORES = st.floats(0.0, 100.0)


@given(SCORES)
def test_a_score_survives_its_scale(score: float) -> None:
    assert float(to_score(to_latent(score))) == pytest.approx(score, abs=1e-9)


def test_scores_stay_within_their_range() -> None:
    assert to_score(np.array([-1.0, 50.0])).tolist() == [0.0, 100.0]


@given(st.lists(SCORES, min_size=1, max_size=120))
def test_every_pool_lies_between_the_worst_and_the_best_frame(scores: list[float]) -> None:
    frames = np.array(scores)
    for how in POOLS:
        assert frames.min() - 1e-6 <= pool(frames, how, 30.0) <= frames.max() + 1e-6


def test_the_worst_second_is_the_lowest_mean_of_a_run() -> None:
    frames = np.array([90.0] * 50 + [50.0] * 10 + [90.0] * 50)
    assert pool(frames, "worst-second", 10.0) == pytest.approx(50.0)
    assert pool(frames, "worst-second", 20.0) == pytest.approx(70.0)


def test_the_harmonic_mean_is_libvmafs() -> None:
    assert pool(np.array([0.0, 100.0]), "harmonic", 25.0) == pytest.approx(2 / (1 + 1 / 101) - 1)


def test_an_unknown_pool_is_refused() -> None:
    with pytest.raises(InputError, match="median"):
        pool(np.ones(3), "median", 25.0)


def test_perfect_features_and_no_bits_stay_finite() -> None:
    assert np.isfinite(side_channels(0.0, np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]))).all()
