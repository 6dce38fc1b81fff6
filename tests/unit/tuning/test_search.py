"""The decisions of a search, on measured curves of clips that its forecaster never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from forecast_kit import Truth, truths

from vqcast.documents.forecast import ForecastTable
from vqcast.errors import InputError
from vqcast.forecast.forecaster import Forecaster, Probe, Spread
from vqcast.forecast.gaussian import Gaussian, Observation, condition, interpolation
from vqcast.forecast.latent import FEATURES, to_latent, to_score
from vqcast.forecast.table import load_table
from vqcast.tuning import search
from vqcast.tuning.grid import grid_of
from vqcast.tuning.search import Goal, Record

CRFS = np.arange(10, 46.5, 0.5)
FEATURES_SEEN = np.full(len(FEATURES), 0.5)


@pytest.fixture
def forecaster() -> Forecaster:
    return Forecaster.generic((10.0, 46.0))


@pytest.fixture(scope="module")
def table() -> ForecastTable:
    """The shipped forecaster; each search leaves its clip's content group out of it."""
    return load_table(None)[0]


def flat(score: np.ndarray) -> Truth:
    """A made-up clip of these scores."""
    count = len(score)
    return Truth("made", "made", "libx264", "veryfast", score, np.full(count, 0.05),
                 np.tile(FEATURES_SEEN, (count, 1)))  # fmt: skip


def searched(
    forecaster: Forecaster, truth: Truth, crfs: np.ndarray, goal: Goal
) -> tuple[int | None, list[int]]:
    """The answer's index and the probed ones, in order."""
    seen = Record()

    def measure(index: int) -> None:
        assert index not in seen.known
        bits, features = float(truth.bits_per_pixel[index]), truth.features[index]
        seen.add(index, Probe(float(crfs[index]), float(truth.score[index]), bits, features))

    _, state = search.search(forecaster, crfs, goal, seen, measure)
    return state.answer, list(seen.known)


def outcomes(
    table: ForecastTable, encoder: str, goal: Goal, narrower: float = 1.0
) -> list[tuple[bool, float, int]]:
    """(met, points above the best answer, probes) of every clip that has an answer.

    ``narrower`` shrinks the calibrated spreads: a forecaster surer than it may be.
    """
    crfs = grid_of(encoder, 15, 42 if encoder == "libx264" else 63).crfs
    found = []
    for truth in truths(encoder, crfs):
        if truth.score[0] < goal.target or truth.score[-1] >= goal.target:
            continue
        held_out = Forecaster.from_table(table, encoder, truth.preset, without={truth.group})
        spreads = tuple(
            Spread(each.levels, narrower * each.widths) for each in held_out.score_spreads
        )
        answer, probed = searched(replace(held_out, score_spreads=spreads), truth, crfs, goal)
        assert answer is not None
        best = int(np.flatnonzero(truth.score >= goal.target)[-1])
        above = float(truth.score[answer] - truth.score[best])
        found.append((bool(truth.score[answer] >= goal.target), above, len(probed)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "target"), [("libx264", 90.0), ("libsvtav1", 93.0)])
def test_answers_on_unseen_clips_reach_the_target_as_often_as_promised(
    table: ForecastTable, encoder: str, target: float
) -> None:
    found = outcomes(table, encoder, Goal(target=target, floor=0.9))
    met, above, probes = (np.array(column) for column in zip(*found, strict=True))
    assert len(found) >= 20
    assert met.mean() >= 0.9
    assert np.median(above) < 0.5
    assert probes.mean() < 2.5  # bisection takes 6


@pytest.mark.slow
def test_an_overconfident_forecaster_breaks_the_promise(table: ForecastTable) -> None:
    """The same clips and the same bar, which a search that does not ask for certainty misses."""
    found = outcomes(table, "libx264", Goal(target=90.0, floor=0.9), narrower=0.02)
    assert np.mean([met for met, _, _ in found]) < 0.9


def test_a_target_out_of_reach_ends_at_the_lowest_crf(forecaster: Forecaster) -> None:
    truth = np.linspace(80, 20, len(CRFS))
    answer, probed = searched(forecaster, flat(truth), CRFS, Goal(95.0, 0.9))
    assert answer is None and 0 in probed


def test_a_target_that_all_reach_ends_at_the_highest_crf(forecaster: Forecaster) -> None:
    truth = np.linspace(99, 97, len(CRFS))
    answer, _ = searched(forecaster, flat(truth), CRFS, Goal(60.0, 0.9))
    assert answer == len(CRFS) - 1


def test_what_was_measured_beats_what_is_forecast(forecaster: Forecaster) -> None:
    forecast = forecaster.forecast([], CRFS)
    state = search.assess(forecast, Goal(90.0, 0.9), {20: 90.0, 24: 89.9})
    assert (state.probability[:21] == 1).all() and (state.probability[24:] == 0).all()
    assert state.answer is not None and 20 <= state.answer < 24


def test_sampling_widens_the_doubt(forecaster: Forecaster) -> None:
    probes = [Probe(28.0, 92.0, 0.05, FEATURES_SEEN)]
    forecast = forecaster.forecast(probes, CRFS)
    at = int(np.flatnonzero(CRFS == 28.0)[0])
    exact, sampled = (forecast.probability(91.0, extra)[at] for extra in (0.0, 1.0))
    assert exact > 0.99 and 0.5 < sampled < 0.95


def test_conditioning_passes_through_what_was_seen(forecaster: Forecaster) -> None:
    probes = [Probe(20.0, 95.0, 0.2, FEATURES_SEEN), Probe(35.0, 70.0, 0.02, FEATURES_SEEN)]
    forecast = forecaster.forecast(probes, CRFS)
    for probe in probes:
        at = int(np.flatnonzero(probe.crf == CRFS)[0])
        assert forecast.score[at] == pytest.approx(probe.score, abs=0.2)
    assert (np.diff(forecast.score) <= 1e-9).all()
    lower, upper = forecast.bounds(0.9)
    assert (lower <= forecast.score).all() and (forecast.score <= upper).all()


def test_conditioning_is_the_textbook_gaussian() -> None:
    """Against brute force: the same posterior from the joint precision matrix."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(8, 8))
    prior = Gaussian(rng.normal(size=8), root @ root.T + np.eye(8), nodes=4)
    seen = Observation(0.3, (0, 1), np.array([0.5, -1.0]), np.array([0.1, 0.2]))
    ours = condition(prior, [seen])
    row = interpolation(np.array([0.3]), 4)[0]
    looking = np.zeros((2, 8))
    looking[0, :4] = row
    looking[1, 4:] = row
    precision = np.linalg.inv(prior.covariance) + looking.T @ np.diag([100.0, 25.0]) @ looking
    covariance = np.linalg.inv(precision)
    mean = covariance @ (
        np.linalg.solve(prior.covariance, prior.mean)
        + looking.T @ np.diag([100.0, 25.0]) @ seen.values
    )
    np.testing.assert_allclose(ours.mean, mean, atol=1e-9)
    np.testing.assert_allclose(ours.covariance, covariance, atol=1e-9)


def test_interpolation_is_a_natural_cubic_spline() -> None:
    from scipy.interpolate import CubicSpline

    values = np.random.default_rng(1).normal(size=10)
    spline = CubicSpline(np.linspace(0, 1, 10), values, bc_type="natural")
    axis = np.linspace(0, 1, 57)
    np.testing.assert_allclose(interpolation(axis, 10) @ values, spline(axis), atol=1e-12)
    beyond = interpolation(np.array([-0.1, 1.2]), 10) @ values
    slopes = spline(np.array([0.0, 1.0]), 1)
    expected = [values[0] - 0.1 * slopes[0], values[-1] + 0.2 * slopes[1]]
    np.testing.assert_allclose(beyond, expected, atol=1e-12)


def test_scores_survive_the_latent_scale() -> None:
    scores = np.linspace(0, 100, 41)
    np.testing.assert_allclose(to_score(to_latent(scores)), scores, atol=1e-9)


@pytest.mark.parametrize("encoder", ["libx264", "libsvtav1", "hevc_amf", "av1_amf", "h264_nvenc"])
def test_every_encoder_has_a_grid_on_its_scale(encoder: str) -> None:
    from vqcast.media.encoders import encoder as adapter

    crfs = grid_of(encoder).crfs
    assert len(crfs) > 20 and (np.diff(crfs) > 0).all()
    for crf in crfs:
        adapter(encoder).check(float(crf), adapter(encoder).default_preset)


def test_x265_answers_in_whole_steps() -> None:
    """Of two half steps the first takes more bytes off: the table of docs/howto/options.md."""
    assert grid_of("libx265").step == 1
    assert grid_of("libx265", step=0.5).step == 0.5, "where it is asked for"


@pytest.mark.parametrize(
    "given", [{"low": 60.0}, {"low": 30.0, "high": 20.0}, {"step": 0.0}, {"step": 0.03}]
)
def test_an_impossible_range_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(InputError):
        grid_of("libx264", **given)


def test_of_crfs_alike_in_size_the_highest_is_the_answer(forecaster: Forecaster) -> None:
    black = np.full(len(CRFS), 97.4)
    plain = forecaster.forecast([], CRFS)
    level = replace(plain, log2_bits=np.full(len(CRFS), plain.log2_bits[0]))
    state = search.assess(level, Goal(90.0, 0.9), {0: float(black[0])})
    assert state.answer == 0 and not search.settled(state, Goal(90.0, 0.9), {0})


@pytest.mark.parametrize(
    ("error", "tolerance", "asked_for"),
    [(0.5, 0.02, 33), (0.5, 0.03, None), (0.0, 0.02, 35), (0.0, 0.075, 35)],
    ids=["looks that save it", "looks that save less", "whole", "whole that saves less"],
)
def test_a_probe_of_looks_must_save_the_tolerance(
    forecaster: Forecaster, error: float, tolerance: float, asked_for: int | None
) -> None:
    """The best of looks would save 2.5 % of the size, of 25 %; the best of the whole 7 of 8.4."""
    seen, goal = Record(error=error), Goal(92.0, 0.9, tolerance)
    for index, score, bits in ((28, 95.0, 0.2), (44, 88.0, 0.05)):
        probe = Probe(float(CRFS[index]), score, bits, FEATURES_SEEN)
        seen.add(index, probe, whole=error == 0.0)
    forecast, spread = forecaster.forecast(seen.probes, CRFS), forecaster.score_spreads[-1]
    state = search.assess(forecast, goal, seen.known, error)
    assert not search.settled(state, goal, seen.probed)
    args = (forecast, goal, seen.known, seen.probed, spread, error)
    assert search.next_probe(*args) == asked_for
