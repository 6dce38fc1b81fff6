"""Scales of metrics that are not points: there and back, averaged as ffmpeg averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import InputError
from vqcast.forecast import scale
from vqcast.forecast.latent import pool
from vqcast.metric import CAP_DB, METRICS

XPSNR, PSNR, SSIM = METRICS["xpsnr"], METRICS["psnr"], METRICS["ssim"]
RANGES = {"points": (1.0, 99.0), "dB": (15.0, 90.0), "ratio": (0.3, 0.9999)}


@pytest.mark.parametrize("name", METRICS)
@given(share=st.floats(0, 1))
def test_a_score_comes_back_from_its_latent_scale(name: str, share: float) -> None:
    metric = METRICS[name]
    low, high = RANGES[metric.scale]
    score = low + share * (high - low)
    z = scale.to_latent(metric, score)
    assert float(scale.to_score(metric, z)) == pytest.approx(score, abs=1e-6)
    step = 1e-6
    rise = float(scale.to_score(metric, z + step) - scale.to_score(metric, z - step)) / (2 * step)
    assert float(scale.slope(metric, z)) == pytest.approx(rise, rel=1e-3)


@pytest.mark.parametrize("name", METRICS)
def test_a_better_score_is_higher_and_the_best_is_finite(name: str) -> None:
    metric = METRICS[name]
    low, _ = RANGES[metric.scale]
    z = scale.to_latent(metric, np.linspace(low, metric.most, 40))
    assert np.all(np.diff(z) > 0) or (name == "ssim" and np.all(np.diff(z) >= 0))
    assert np.isfinite(z).all()


def test_psnr_is_averaged_by_its_errors() -> None:
    errors = np.array([4.0, 1.0, 25.0])
    frames = 10 * np.log10(255**2 / errors)
    found = scale.pooled(PSNR, {"psnr": frames}, "mean", 25)
    assert found == pytest.approx(10 * math.log10(255**2 / 10))


def test_xpsnr_is_averaged_plane_by_plane_by_the_roots_of_its_errors() -> None:
    roots = np.array([[2.0, 4.0], [1.0, 3.0], [5.0, 5.0]])
    columns = dict(zip(XPSNR.columns, 20 * np.log10(255 / roots), strict=True))
    planes = [20 * math.log10(255 / mean) for mean in (3.0, 2.0, 5.0)]
    expected = (4 * planes[0] + planes[1] + planes[2]) / 6
    assert scale.pooled(XPSNR, columns, "mean", 25) == pytest.approx(expected)
    worst = (4 * columns["xpsnr_y"] + columns["xpsnr_u"] + columns["xpsnr_v"]) / 6
    assert scale.pooled(XPSNR, columns, "worst-second", 1) == pytest.approx(worst.min())
    assert scale.pooled(XPSNR, columns, "worst-second", 25) == pytest.approx(expected)
    low = np.percentile(worst, 1)
    assert scale.pooled(XPSNR, columns, "p1", 25) == pytest.approx(low)


def test_a_frame_at_the_cap_has_no_error_and_nothing_is_above_it() -> None:
    half = np.array([CAP_DB, 30.0])
    assert scale.pooled(PSNR, {"psnr": half}, "mean", 25) == pytest.approx(30 + 10 * math.log10(2))
    same = dict.fromkeys(XPSNR.columns, np.full(3, CAP_DB))
    assert scale.pooled(XPSNR, same, "mean", 25) == pytest.approx(CAP_DB)
    assert np.isfinite(scale.linear(XPSNR, same, "mean")).all()


@pytest.mark.parametrize("how", ["mean", "harmonic", "p1", "worst-second"])
def test_points_are_pooled_as_ever(how: str) -> None:
    frames = np.random.default_rng(3).uniform(60, 99, 80)
    found = scale.pooled(METRICS["vmaf-neg"], {"vmaf_neg": frames}, how, 25)
    assert found == pool(frames, how, 25)
    assert scale.pooled(SSIM, {"ssim": frames / 100}, "mean", 25) == (frames / 100).mean()


@pytest.mark.parametrize(
    ("name", "how"), [("vmaf", "mean"), ("vmaf", "harmonic"), ("xpsnr", "mean"), ("ssim", "mean")]
)
def test_what_a_frame_adds_is_the_score_s_change(name: str, how: str) -> None:
    metric, random = METRICS[name], np.random.default_rng(5)
    low, high = RANGES[metric.scale]
    columns = {each: random.uniform(low, high, 50) for each in metric.columns}
    adds, step = scale.linear(metric, columns, how), 1e-6
    moved = {each: values.copy() for each, values in columns.items()}
    for values in moved.values():
        values[7] += step
    change = scale.pooled(metric, moved, how, 25) - scale.pooled(metric, columns, how, 25)
    added = scale.linear(metric, moved, how, means_of(metric.columns, columns, name, how))
    assert (added - adds).mean() == pytest.approx(change, rel=1e-2)


def means_of(
    names: tuple[str, ...], columns: dict[str, np.ndarray], name: str, how: str
) -> list[float]:
    averaged = scale.averaging(METRICS[name], how)
    return [float(averaged.of(columns[each]).mean()) for each in names]


def test_a_pooling_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError):
        scale.pooled(SSIM, {"ssim": np.ones(3)}, "median", 25.0)
