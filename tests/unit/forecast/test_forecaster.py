"""Forecasts from real curves: what a probe fixes, what stays monotone, what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from forecast_kit import ForecastHouse

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastRecipe, ForecastTable
from vqcast.errors import InputError
from vqcast.forecast import curves
from vqcast.forecast.fit import empty_table
from vqcast.forecast.forecaster import Forecaster, Probe, Spread

GRID = np.arange(15.0, 43.0)


@cache
def measured(corpus: Path) -> tuple[list[curves.MeasuredCurve], ForecastTable]:
    found, pins = curves.read([load(corpus)])
    return found, empty_table(found, pins, ForecastRecipe())


@pytest.fixture
def real(forecast_pristine: ForecastHouse) -> tuple[list[curves.MeasuredCurve], ForecastTable]:
    return measured(forecast_pristine.corpus)


def probe_of(curve: curves.MeasuredCurve, index: int) -> Probe:
    return Probe(
        float(curve.cq[index]),
        float(curve.score["vmaf/mean"][index]),
        float(curve.bits_per_pixel[index]),
        curve.features[index],
    )


def test_a_probe_is_where_the_forecast_passes(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    curve = found[0]
    model = Forecaster.from_table(table, curve.encoder, curve.preset, without={curve.group})
    forecast = model.forecast([probe_of(curve, 4)], GRID)
    at = int(np.argmin(np.abs(GRID - curve.cq[4])))
    assert forecast.score[at] == pytest.approx(curve.score["vmaf/mean"][4], abs=0.5)
    assert 2.0 ** forecast.log2_bits[at] == pytest.approx(curve.bits_per_pixel[4], rel=0.03)
    assert forecast.deviation[at] < 0.3 * forecast.deviation.max()


def test_curves_fall_and_bounds_hold_them(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    for curve in found[::9]:
        model = Forecaster.from_table(table, curve.encoder, curve.preset, without={curve.group})
        for probes in ([], [probe_of(curve, 5)], [probe_of(curve, 2), probe_of(curve, 7)]):
            forecast = model.forecast(probes, GRID)
            lower, upper = forecast.bounds(0.9)
            for falling in (forecast.score, lower, upper, forecast.log2_bits):
                assert (np.diff(falling) <= 1e-12).all()
            assert (lower <= forecast.score + 1e-9).all()
            assert (forecast.score <= upper + 1e-9).all()
            reached = forecast.probability(90.0)
            assert (np.diff(reached) <= 1e-12).all()
            assert ((reached >= 0) & (reached <= 1)).all()


def test_more_probes_leave_less_doubt(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    curve = found[0]
    model = Forecaster.from_table(table, curve.encoder, curve.preset, without={curve.group})
    doubts = [
        model.forecast([probe_of(curve, index) for index in probed], GRID).deviation.mean()
        for probed in ((), (5,), (2, 7), (1, 4, 8))
    ]
    assert doubts == sorted(doubts, reverse=True)


def test_titles_left_out_change_the_forecast(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    curve = found[0]
    whole = Forecaster.from_table(table, curve.encoder, curve.preset)
    without = Forecaster.from_table(table, curve.encoder, curve.preset, without={curve.group})
    assert not np.array_equal(whole.forecast([], GRID).latent, without.forecast([], GRID).latent)


def test_an_encoder_without_curves_is_refused(real: tuple) -> None:  # type: ignore[type-arg]
    _, table = real
    with pytest.raises(InputError, match="librav1e"):
        Forecaster.from_table(table, "librav1e", None)
    with pytest.raises(InputError, match="vmaf-v1/mean"):
        Forecaster.from_table(table, "libx264", None, metric="vmaf-v1")


def test_the_generic_prior_is_wider_than_a_measured_one(real: tuple) -> None:  # type: ignore[type-arg]
    _, table = real
    generic = Forecaster.generic((15.0, 42.0)).forecast([], GRID)
    known = Forecaster.from_table(table, "libx264", "veryfast").forecast([], GRID)
    assert generic.deviation.mean() > known.deviation.mean()
    assert (np.diff(generic.score) <= 0).all()


def test_a_spread_is_a_distribution() -> None:
    spread = Spread(np.array([0.5, 0.8, 0.9, 0.95]), np.array([0.7, 1.4, 1.9, 2.6]))
    away = np.linspace(-8, 8, 401)
    cumulative = spread.cumulative(away)
    assert (np.diff(cumulative) >= -1e-12).all()
    np.testing.assert_allclose(cumulative + spread.cumulative(-away), 1.0, atol=1e-12)
    for level in (0.5, 0.9, 0.95):
        half = spread.width(level)
        inside = spread.cumulative(np.array([half])) - spread.cumulative(np.array([-half]))
        assert inside[0] == pytest.approx(level, abs=0.01)


def test_what_surprises_is_known_less_well_and_forecast_alike(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    wide = msgspec.structs.replace(table, recipe=ForecastRecipe(freedom=6.0))
    curve = found[0]
    seen = probe_of(curve, 4)
    odd = replace(seen, features=seen.features[::-1].copy())
    wider = []
    for probe in (seen, odd):
        plain, made = (
            Forecaster.from_table(each, curve.encoder, curve.preset, without={curve.group})
            .forecast([probe], curve.cq) for each in (table, wide)
        )  # fmt: skip
        assert np.array_equal(plain.latent, made.latent)
        assert np.allclose(made.deviation / plain.deviation, (made.deviation / plain.deviation)[0])
        wider.append(float((made.deviation / plain.deviation)[0]))
    assert wider[1] > 2 * wider[0]


def test_a_preset_without_curves_has_the_widths_of_such(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    own = table.calibration["vmaf/mean"]
    off = [[2 * width for width in widths] for widths in own.score]
    table = msgspec.structs.replace(
        table, calibration={"vmaf/mean": msgspec.structs.replace(own, score_off=off)}
    )
    known = Forecaster.from_table(table, found[0].encoder, found[0].preset)
    other = Forecaster.from_table(table, "libx264", "slow")
    assert (known.few_curves, other.few_curves) == (False, True)
    for one, two in zip(known.score_spreads, other.score_spreads, strict=True):
        assert np.array_equal(2 * one.widths, two.widths)
