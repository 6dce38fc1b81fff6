"""Splines and conditioning, against SciPy and the joint precision matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.optimize import isotonic_regression

from vqcast.forecast.forecaster import falling
from vqcast.forecast.gaussian import Gaussian, Observation, at_position, condition, interpolation

NODES = 7


def wavy(seed: int = 4, channels: int = 2) -> Gaussian:
    generator = np.random.default_rng(seed)
    spread = generator.normal(size=(channels * NODES, channels * NODES))
    return Gaussian(generator.normal(size=channels * NODES), spread @ spread.T, NODES)


def test_the_spline_is_the_natural_one() -> None:
    values = np.random.default_rng(1).normal(size=NODES)
    oracle = CubicSpline(np.linspace(0, 1, NODES), values, bc_type="natural")
    inside = np.linspace(0, 1, 41)
    np.testing.assert_allclose(interpolation(inside, NODES) @ values, oracle(inside), atol=1e-12)


def test_beyond_its_ends_the_spline_is_a_straight_line() -> None:
    values = np.random.default_rng(2).normal(size=NODES)
    oracle = CubicSpline(np.linspace(0, 1, NODES), values, bc_type="natural")
    below, above = interpolation(np.array([-0.2, 1.3]), NODES) @ values
    assert below == pytest.approx(oracle(0.0) - 0.2 * oracle(0.0, 1))
    assert above == pytest.approx(oracle(1.0) + 0.3 * oracle(1.0, 1))


def test_one_position_is_a_row_of_the_matrix() -> None:
    np.testing.assert_array_equal(
        at_position(0.37, NODES), interpolation(np.array([0.37]), NODES)[0]
    )


def test_conditioning_is_that_of_the_joint_precision() -> None:
    prior = wavy()
    seen = Observation(0.4, [0, 1], np.array([1.0, -2.0]), np.array([0.1, 0.3]))
    left = condition(prior, [seen])
    rows = np.zeros((2, 2 * NODES))
    rows[0, :NODES] = rows[1, NODES:] = at_position(0.4, NODES)
    precision = np.linalg.inv(prior.covariance) + rows.T @ np.diag([100.0, 1 / 0.09]) @ rows
    covariance = np.linalg.inv(precision)
    shift = np.linalg.solve(prior.covariance, prior.mean) + rows.T @ (
        np.array([1.0, -2.0]) / np.array([0.01, 0.09])
    )
    np.testing.assert_allclose(left.covariance, covariance, atol=1e-7)
    np.testing.assert_allclose(left.mean, covariance @ shift, atol=1e-6)


def test_the_order_of_probes_changes_nothing() -> None:
    prior = wavy()
    first = Observation(0.2, [0], np.array([0.5]), np.array([0.01]))
    second = Observation(0.8, [0, 1], np.array([-0.5, 1.0]), np.array([0.01, 0.02]))
    once, again = condition(prior, [first, second]), condition(prior, [second, first])
    np.testing.assert_allclose(once.mean, again.mean, atol=1e-8)


def test_falling_is_isotonic_regression() -> None:
    values = np.random.default_rng(3).normal(size=60).cumsum()
    oracle = isotonic_regression(values, increasing=False).x
    np.testing.assert_allclose(falling(values), oracle, atol=1e-12)
