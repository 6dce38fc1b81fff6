"""Which segments stand for a title, and how wrong their mean is said to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vqcast.forecast.latent import pool
from vqcast.tuning import sampling


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_segments_lie_apart_within_the_title(count: int) -> None:
    first = sampling.starts(frames=2000, length=48, count=count)
    assert len(first) == count
    assert all(b - a >= 48 for a, b in itertools.pairwise(first))
    assert first[0] >= 0 and first[-1] + 48 <= 2000


def test_the_stated_error_is_that_of_real_samples() -> None:
    """On titles of independent segments, the stated deviation covers as a deviation should."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        whole = rng.normal(90, 3, 40)
        means = rng.choice(whole, 10, replace=False)
        error = sampling.error(list(means), frames=40 * 48, length=48)
        inside.append(abs(means.mean() - whole.mean()) <= 1.645 * error)
    assert 0.84 <= np.mean(inside) <= 0.96


def test_more_segments_are_taken_until_the_error_fits() -> None:
    calm, restless = [90.0 + 0.1 * n for n in range(8)], [60.0 + 5 * n for n in range(8)]
    frames = 48 * 400
    assert sampling.enough(calm, frames, 48, deviation=0.3) == 8
    more = sampling.enough(restless, frames, 48, deviation=1.5)
    assert 8 < more < 400
    assert sampling.enough(restless, frames, 48, deviation=0.05) == 0  # the whole title


def test_poolings_are_what_they_are_called() -> None:
    frames = np.concatenate([np.full(90, 95.0), np.full(10, 50.0)])
    assert pool(frames, "mean", 25) == pytest.approx(90.5)
    assert pool(frames, "harmonic", 25) == pytest.approx(1 / np.mean(1 / (frames + 1)) - 1)
    assert pool(frames, "p1", 25) == pytest.approx(50.0)
    assert pool(frames, "worst-second", 10) == pytest.approx(50.0)
    assert pool(frames, "worst-second", 20) == pytest.approx(72.5)
    assert pool(frames, "worst-second", 1000) == pytest.approx(90.5)
