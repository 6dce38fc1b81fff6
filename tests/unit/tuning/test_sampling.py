"""Where a title is looked at, and how wrong the looks' mean is said to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.forecast.latent import pool
from vqcast.tuning import sampling
from vqcast.tuning.sampling import LENGTH, LOOKS


def _first(frames: int, parts: int) -> list[int]:
    return [start for part in range(parts) for start in sampling.starts(frames, part)]


@given(frames=st.integers(3000, 1_000_000), parts=st.integers(1, 40))
def test_looks_lie_apart_within_the_title_and_evenly(frames: int, parts: int) -> None:
    parts = min(parts, sampling.most_parts(frames))
    first = sorted(_first(frames, parts))
    assert first[0] >= 0 and first[-1] + LENGTH <= frames
    gaps = np.diff(first)
    assert gaps.min() >= LENGTH
    if parts in (1, 2, 4, 8):
        assert gaps.max() - gaps.min() <= 1


@given(frames=st.integers(3000, 100_000), part=st.integers(0, 40))
def test_every_part_is_spread_over_the_title(frames: int, part: int) -> None:
    first = sampling.starts(frames, part)
    share = (frames - LENGTH) / LOOKS
    assert list(first) == sorted(first)
    for index, start in enumerate(first):
        assert index * share - 1 <= start <= (index + 1) * share


def _scenes(rng: np.random.Generator, frames: int, shortest: int, longest: int) -> np.ndarray:  # type: ignore[type-arg]
    found: list[np.ndarray] = []  # type: ignore[type-arg]
    while sum(map(len, found)) < frames:
        length = int(rng.integers(shortest, longest))
        found.append(np.full(length, rng.normal(92, 3)) + rng.normal(0, 0.5, length))
    return np.concatenate(found)[:frames]


@pytest.mark.parametrize(("shortest", "longest"), [(24, 144), (400, 700)])
@pytest.mark.parametrize("parts", [4, 16])
@pytest.mark.slow
def test_the_stated_deviation_is_that_of_real_looks(
    shortest: int, longest: int, parts: int
) -> None:
    """Of short scenes it covers as a deviation should, of long ones more; the weights add up."""
    rng = np.random.default_rng(0)
    inside, errors = [], []
    for _ in range(300):
        title = _scenes(rng, 40_000, shortest, longest)
        first = _first(len(title), parts)
        values = np.array([title[start : start + LENGTH].mean() for start in first])
        found = sampling.estimate(first, values, len(title))
        errors.append(found.mean - title.mean())
        inside.append(abs(errors[-1]) <= 1.645 * found.deviation)
    assert np.mean(inside) >= 0.86
    assert np.mean(inside) <= 0.96 or longest > 144 or parts > 4
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))


def test_a_look_stands_for_the_frames_around_it() -> None:
    found = sampling.estimate([0, 80, 83], np.array([10.0, 20.0, 20.0]), 100)
    place = np.array([0, 80, 83]) + LENGTH / 2
    edge = (place[0] + place[1]) / 2
    assert found.mean == pytest.approx((10 * edge + 20 * (100 - edge)) / 100)
    assert sampling.estimate([5], np.array([7.0]), 100).deviation == np.inf


def test_a_title_that_is_looked_at_whole_has_no_error_left() -> None:
    frames = 10 * LENGTH
    first = list(range(0, frames, LENGTH))
    values = np.random.default_rng(1).normal(90, 3, 10)
    found = sampling.estimate(first, values, frames)
    assert found.deviation == 0 and found.mean == pytest.approx(values.mean())


def test_more_parts_are_taken_as_the_square_of_the_error() -> None:
    assert sampling.more_parts(4, 0.6, 0.3) == 16
    assert sampling.more_parts(4, 0.3001, 0.3) == 5
    assert sampling.allowed(0.95) < sampling.allowed(0.9)


def test_a_short_title_is_no_title_to_look_at() -> None:
    least = next(frames for frames in itertools.count(100) if not sampling.is_short(frames))
    assert sampling.most_parts(least) >= sampling.FIRST_PARTS
    assert 1500 < least < 3000


def test_the_scored_frames_of_a_joined_stream_go_to_their_looks() -> None:
    looks, every = 6, sampling.EVERY
    per_frame = np.repeat(np.arange(looks, dtype=float), LENGTH)
    means = sampling.means_of(per_frame[::every], looks)
    assert means.tolist() == list(range(looks))
    inside = np.tile(np.arange(LENGTH, dtype=float), looks)[::every]
    # Frames of every place in a look are scored over a few looks.
    assert sampling.means_of(inside, looks).mean() == pytest.approx((LENGTH - 1) / 2, abs=0.5)
    assert set(inside.tolist()) >= set(range(LENGTH)) - {0.5}


def test_poolings_are_what_they_are_called() -> None:
    frames = np.concatenate([np.full(90, 95.0), np.full(10, 50.0)])
    assert pool(frames, "mean", 25) == pytest.approx(90.5)
    assert pool(frames, "harmonic", 25) == pytest.approx(1 / np.mean(1 / (frames + 1)) - 1)
    assert pool(frames, "p1", 25) == pytest.approx(50.0)
    assert pool(frames, "worst-second", 10) == pytest.approx(50.0)
    assert pool(frames, "worst-second", 20) == pytest.approx(72.5)
    assert pool(frames, "worst-second", 1000) == pytest.approx(90.5)


def test_frames_of_a_finished_title_are_scored_a_prime_apart() -> None:
    assert [sampling.prime(most) for most in (2, 3, 4, 9, 12, 30)] == [1, 3, 3, 7, 11, 29]
    assert sampling.spacing(5_000) == 11 and sampling.spacing(90_000) == 43


def test_the_stated_half_width_holds_the_mean_of_all() -> None:
    """Nineteen times in twenty or more, of titles whose scenes differ."""
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(300):
        title = _scenes(rng, 20_000, 24, 400)
        every = sampling.spacing(len(title))
        seen = title[::every]
        away = abs(seen.mean() - title.mean())
        inside.append(away <= sampling.half_width(seen, every))
    assert np.mean(inside) >= 0.93
    assert sampling.half_width(title, 1) == 0


def test_looks_tell_how_many_frames_are_to_be_scored() -> None:
    """So that a finished title need not be scored twice: the spacing planned is close enough."""
    rng = np.random.default_rng(2)
    kinds = np.tile([3.0, -2.0, 0.0, -2.0, 1.0, -2.0, 0.0, -2.0], 2_500)
    for spread in (0.2, 2.0, 4.0):
        title = _scenes(rng, 20_000, 24, 400) + spread / 2 * kinds
        starts = [first for part in range(4) for first in sampling.starts(len(title), part)]
        joined = np.concatenate([title[first : first + sampling.LENGTH] for first in starts])
        every = sampling.spacing(len(title), sampling.scatter(joined[:: sampling.EVERY]))
        assert every in (5, 7, 11)
        assert every == 5 or sampling.half_width(title[::every], every) <= sampling.HALF_WIDTH
    assert sampling.scatter(np.zeros(3)) == 0.0


def test_more_frames_are_scored_where_too_few_were() -> None:
    assert sampling.closer(43, 0.4) == 7 and sampling.closer(11, 2.0) == 1


def test_an_interval_is_as_wide_as_was_measured_where_it_was() -> None:
    values = np.random.default_rng(3).normal(90, 3, 2_000)
    factor = sampling.design_factor("libsvtav1", plain=True)
    assert 0.5 < factor < 1
    assert sampling.design_factor("libsvtav1", plain=False) == 1
    assert sampling.design_factor("libvvenc", plain=True) == 1
    ratio = {n: sampling.half_width(values, n, factor) / sampling.half_width(values, n)
             for n in (3, 5, 11)}  # fmt: skip
    assert ratio == {3: 1.0, 5: pytest.approx(factor), 11: pytest.approx(factor)}
    assert sampling.spacing(10_000, 3.0, factor) > sampling.spacing(10_000, 3.0)
