"""The account of a title shot by shot, played on curves that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vqcast.documents.forecast import ForecastTable, LibraryCurve
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.gaussian import interpolation
from vqcast.forecast.latent import to_score
from vqcast.forecast.table import load_table
from vqcast.tuning.shot_surface import ShotSurface
from vqcast.tuning.shots import WINDOW, Controller, Shot, ShotResult

Array = NDArray[np.float64]
KIND = ("libx264", "veryfast")
PIXELS = 640 * 360
CRFS = np.arange(16, 41, 0.5)


@pytest.fixture(scope="module")
def table() -> ForecastTable:
    return load_table(None, trust=None)[0]


@dataclass(frozen=True)
class Played:
    """A shot whose curve is a measured one, at CRFs that are moved a little."""

    curve: LibraryCurve
    frames: int
    moved: float
    pool: str

    def at(self, crf: float, axis: tuple[float, float]) -> tuple[float, float, Array]:
        """Value, bits and features."""
        place = np.array([(crf + self.moved - axis[0]) / (axis[1] - axis[0])])
        weights = interpolation(place, len(self.curve.side[0]))[0]
        side = np.array(self.curve.side) @ weights
        value = float(to_score(np.array(self.curve.score[f"vmaf/{self.pool}"]) @ weights))
        features = np.append(1 - np.exp(-side[1:6]), np.expm1(side[6]))
        return value, self.frames * PIXELS * 2.0 ** float(side[0]), features


def film(table: ForecastTable, pool: str, seed: int) -> tuple[list[Played], Forecaster]:
    """24 shots of six content groups that made no part of the forecaster."""
    rng = np.random.default_rng(seed)
    own = [curve for curve in table.curves if (curve.encoder, curve.preset) == KIND]
    groups = sorted({curve.group for curve in own})
    taken = {str(each) for each in rng.choice(groups, 6, replace=False)}
    pick = [curve for curve in own if curve.group in taken]
    shots = [
        Played(pick[rng.integers(len(pick))], int(rng.integers(25, 240)), rng.normal(0, 1.5), pool)
        for _ in range(24)
    ]
    return shots, Forecaster.from_table(table, *KIND, pool=pool, without=taken)


def opened(
    shots: Sequence[Played], forecaster: Forecaster, objective: Any, target: float, seed: int
) -> Controller:
    """The account before the first encode."""
    rng, axis = np.random.default_rng(seed), forecaster.axis
    source = [np.log2(each.at(22, axis)[1] / each.frames) + rng.normal(0, 0.4) for each in shots]
    motion = [each.curve.side[6][0] / np.log(2) for each in shots]
    surface = ShotSurface(forecaster, np.stack([source, motion], axis=1))
    asked = [Shot(each.frames, PIXELS) for each in shots]
    return Controller(objective, target, asked, surface, CRFS)


def played(
    shots: Sequence[Played], forecaster: Forecaster, objective: Any, target: float, seed: int,
    workers: int = 1,
) -> Controller:  # fmt: skip
    """The account once it is closed; encodes end in any order."""
    rng, axis = np.random.default_rng(seed), forecaster.axis
    account = opened(shots, forecaster, objective, target, seed)
    running: dict[int, float] = {}
    while True:
        while len(running) < workers and (wanted := account.next(running)) is not None:
            assert wanted[0] not in running
            running[wanted[0]] = wanted[1]
        if not running:
            return account
        shot = list(running)[rng.integers(len(running))]
        crf = running.pop(shot)
        value, bits, features = shots[shot].at(crf, axis)
        account.add(ShotResult(shot, crf, value, bits, features))
        assert len(account.results) < 200


def single(shots: Sequence[Played], forecaster: Forecaster, target: float, *, worst: bool) -> float:
    """Bits of the highest single CRF that reaches the target."""
    frames = np.array([each.frames for each in shots])
    for crf in np.arange(41, 15, -0.05):
        made = [each.at(crf, forecaster.axis) for each in shots]
        values = np.array([each[0] for each in made])
        if (values.min() if worst else frames @ values / frames.sum()) >= target:
            return float(sum(each[1] for each in made))
    raise AssertionError("out of reach")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("workers", [1, 4])
def test_the_mean_lands_in_its_window_for_fewer_bits(
    table: ForecastTable, seed: int, workers: int
) -> None:
    shots, forecaster = film(table, "mean", seed)
    account = played(shots, forecaster, "pooled", 92.0, seed, workers)
    assert 92.0 <= account.value <= 92.0 + WINDOW
    frames = sum(each.frames for each in shots)
    assert account.frames_encoded <= 1.45 * frames
    bits = sum(each.bits for each in account.selected.values())
    assert bits < single(shots, forecaster, account.value, worst=False)


@pytest.mark.parametrize("seed", range(3))
def test_every_shot_is_brought_near_one_level(table: ForecastTable, seed: int) -> None:
    shots, forecaster = film(table, "mean", seed)
    account = played(shots, forecaster, "even", 92.0, seed)
    assert 92.0 <= account.value <= 92.0 + WINDOW
    first = {each.shot: each.value for each in reversed(account.results)}
    frames = np.array([each.frames for each in shots])
    before, after = (
        frames @ np.array([abs(value - 92.0) for _, value in sorted(values.items())])
        for values in (first, {shot: each.value for shot, each in account.selected.items()})
    )
    one = np.array([each.at(26, forecaster.axis)[0] for each in shots])
    assert after < 0.8 * before
    assert after < 0.75 * (frames @ abs(one - frames @ one / frames.sum()))


@pytest.mark.parametrize("seed", range(3))
def test_no_shots_worst_second_is_below_and_bits_are_saved(table: ForecastTable, seed: int) -> None:
    shots, forecaster = film(table, "worst-second", seed)
    account = played(shots, forecaster, "worst", 86.0, seed)
    assert min(each.value for each in account.selected.values()) >= 86.0
    assert account.value <= 86.0 + 0.5
    bits = sum(each.bits for each in account.selected.values())
    assert bits < 0.85 * single(shots, forecaster, 86.0, worst=True)


def test_a_second_across_a_cut_has_its_shot_made_better(table: ForecastTable) -> None:
    shots, forecaster = film(table, "worst-second", 0)
    account = played(shots, forecaster, "worst", 86.0, 0)
    counts = np.bincount([each.shot for each in account.results])
    shot = int(np.flatnonzero(counts == 1)[0])
    before = account.selected[shot].value
    assert account.ask_more(shot, 0.4)
    wanted = account.next({})
    assert wanted is not None and wanted[0] == shot
    value, bits, features = shots[shot].at(wanted[1], forecaster.axis)
    account.add(ShotResult(shot, wanted[1], value, bits, features))
    assert account.selected[shot].value > before


def test_what_is_known_from_before_is_not_encoded_again(table: ForecastTable) -> None:
    shots, forecaster = film(table, "mean", 1)
    first = played(shots, forecaster, "pooled", 92.0, 1)
    again = opened(shots, forecaster, "pooled", 92.0, 1)
    for result in first.results:
        again.add(result)
    assert again.next({}) is None
    assert again.value == pytest.approx(first.value)


def test_one_shot_tells_of_the_others_and_most_of_itself(table: ForecastTable) -> None:
    shots, forecaster = film(table, "mean", 2)
    surface = ShotSurface(forecaster, np.zeros((3, 2)))
    before = surface.forecast(1, CRFS)
    value, bits, features = shots[0].at(26, forecaster.axis)
    surface.add(0, Probe(26, value, bits / shots[0].frames / PIXELS, features))
    own, other, at = surface.forecast(0, CRFS), surface.forecast(1, CRFS), 20
    assert own.score[at] == pytest.approx(value, abs=0.2)
    assert own.deviation[at] < other.deviation[at] < before.deviation[at]
    assert abs(other.score[at] - value) < abs(before.score[at] - value)
    assert (np.diff(own.score) <= 0).all() and (np.diff(own.log2_bits) <= 0).all()


def test_a_forecaster_of_two_channels_learns_of_shots_too() -> None:
    surface = ShotSurface(Forecaster.generic((10, 51)), np.zeros((2, 2)))
    before = surface.forecast(0, CRFS)
    surface.add(0, Probe(26, 80.0, 0.04, np.zeros(6)))
    own, at = surface.forecast(0, CRFS), 20
    assert own.score[at] == pytest.approx(80.0, abs=1.0)
    assert own.deviation[at] < before.deviation[at]


def test_shots_that_are_as_good_as_can_be_are_not_made_again(table: ForecastTable) -> None:
    shots, forecaster = film(table, "mean", 0)
    account = opened(shots, forecaster, "pooled", 99.9, 0)
    for shot, each in enumerate(shots):
        _, bits, features = each.at(CRFS[0], forecaster.axis)
        account.add(ShotResult(shot, float(CRFS[0]), 99.0, bits, features))
    assert account.next({}) is None
