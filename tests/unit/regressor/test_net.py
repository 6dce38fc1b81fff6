"""The network: weights that start right, a forward pass checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vqcast.regressor import net


def by_hand(x: float) -> float:
    return x * 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def test_forward_against_a_network_computed_by_hand() -> None:
    hidden = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
    out = np.array([[3.0], [-2.0]], np.float32)
    weights = net.Weights(
        ((hidden, np.array([0.125, -0.5], np.float32)), (out, np.array([7.0], np.float32)))
    )
    got = net.forward(weights, np.array([[1.0, -0.5], [0.0, 0.0]]))
    first = 7.0 + 3.0 * by_hand(0.5 - 1.0 + 0.125) - 2.0 * by_hand(-1.0 - 0.125 - 0.5)
    second = 7.0 + 3.0 * by_hand(0.125) - 2.0 * by_hand(-0.5)
    assert got == pytest.approx([first, second], abs=1e-12)


def test_forward_does_not_clip() -> None:
    weights = net.Weights(((np.array([[50.0]], np.float32), np.array([0.0], np.float32)),))
    assert net.forward(weights, np.array([[3.0], [-3.0]])).tolist() == [150.0, -150.0]


def test_initial_weights_are_a_function_of_seed_and_shape() -> None:
    shape = net.widths(20, 64, 2)
    first, again, other = (net.pack(net.initial(seed, shape)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.isin(first, other).any()
    assert len(first) == net.count(shape) == 20 * 64 + 64 + 64 * 64 + 64 + 64 + 1


def test_initial_weights_lie_within_one_over_root_fan_in() -> None:
    for matrix, bias in net.initial(4, net.widths(20, 64, 3)).layers:
        bound = matrix.shape[0] ** -0.5
        for part in (matrix, bias):
            assert np.abs(part).max() <= bound
        assert matrix.std() == pytest.approx(bound / math.sqrt(3.0), rel=0.2)


def test_unpack_is_the_inverse_of_pack_and_copies() -> None:
    shape = net.widths(6, 5, 3)
    row = np.arange(net.count(shape), dtype=np.float32)
    weights = net.unpack(row, shape)
    assert [matrix.shape for matrix, _ in weights.layers] == [(6, 5), (5, 5), (5, 5), (5, 1)]
    assert np.array_equal(net.pack(weights), row)
    weights.layers[0][0][0, 0] = -1.0
    assert row[0] == 0.0
