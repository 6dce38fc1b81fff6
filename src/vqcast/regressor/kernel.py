"""The arithmetic of training on a CPU: many minibatch steps of one network.

Everything a step needs (inputs, activations, weights, Adam's moments) is about
150 KB and stays in a core's own cache. The compiled loop does a whole step
without leaving it: gather, forward, hand-written backward, Adam. The matrix
products are BLAS calls through ``np.dot``; all else is loops that LLVM turns
into vector code. The code releases the GIL.

Results are the same digits every time on one machine: the order of every sum
is fixed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqcast.regressor.streams import compiled, fill_words

_F = np.float32
_ZERO, _ONE = _F(0.0), _F(1.0)

# exp(-x*x/2) = 2**(whole + rest): `whole` by adding 1.5 * 2**23, which leaves the
# rounded integer in the low bits; 2**rest on [-1/2, 1/2] by the minimax polynomial
# of degree 5 with constant 1, relative error 1.1e-7.
_LOWEST = _F(-60.0)
_HALF_LOG2E = _F(-0.5 / math.log(2.0))
_ROUND = _F(12582912.0)
_EXPONENT = np.int32(23)
_E1, _E2, _E3 = _F(0.6931469775951052), _F(0.24022242077112502), _F(0.055507337445220246)
_E4, _E5 = _F(0.009671513181934956), _F(0.0013264728746573274)

# Upper tail of the normal distribution from exp(-x*x/2): Abramowitz and Stegun
# 7.1.26, |error| <= 7.5e-8 once halved; the constant of x is divided by sqrt(2).
_P = _F(0.3275911 / math.sqrt(2.0))
_T1, _T2, _T3 = _F(0.254829592 / 2), _F(-0.284496736 / 2), _F(1.421413741 / 2)
_T4, _T5 = _F(-1.453152027 / 2), _F(1.061405429 / 2)
_INV_SQRT_2PI = _F(1.0 / math.sqrt(2.0 * math.pi))

_TINY = _F(1e-30)
"""Moments and weights below this become 0: smaller ones would turn denormal,
which is slow, and can't move a weight by a float32 digit."""


class Data(NamedTuple):
    """What one fit reads: the corpus's columns and its own scaler."""

    features: NDArray[np.float32]
    codec: NDArray[np.float32]
    target: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


class Learned(NamedTuple):
    """What one fit learns, each ``[P]``: weights, their gradient, Adam's moments."""

    params: NDArray[np.float32]
    gradient: NDArray[np.float32]
    first: NDArray[np.float32]
    second: NDArray[np.float32]


class Scratch(NamedTuple):
    """Memory of one step: B rows, H units, D hidden layers."""

    x: NDArray[np.float32]
    """``[B, in]``"""
    values: NDArray[np.float32]
    """Activations ``[D, B, H]``."""
    slopes: NDArray[np.float32]
    """Of activations over sums ``[D, B, H]``."""
    back: NDArray[np.float32]
    """Loss over sums ``[B, H]``."""
    ahead: NDArray[np.float32]
    """Loss over activations ``[B, H]``."""
    error: NDArray[np.float32]
    """``[B]``"""


class Drop(NamedTuple):
    """The dropout stream, the words of one step, and the same as 16-bit pieces."""

    lanes: NDArray[np.uint64]
    words: NDArray[np.uint64]
    pieces: NDArray[np.uint16]
    limit: np.uint16
    scale: np.float32


class Rule(NamedTuple):
    """Adam's constants."""

    lr: float
    decay: float
    beta1: float
    beta2: float
    eps: float


@compiled(inline=True)
def normal(x: Any) -> Any:
    """``Phi(x)`` and ``exp(-x*x/2)`` in float32, each within 2e-7; no calls."""
    power = max(_HALF_LOG2E * x * x, _LOWEST)
    shifted = np.float32(power + _ROUND)
    rest = power - (shifted - _ROUND)
    series = _E2 + rest * (_E3 + rest * (_E4 + rest * _E5))
    series = np.float32(_ONE + rest * (_E1 + rest * series))
    bits = np.int32(series.view(np.int32) + np.int32(shifted.view(np.int32) << _EXPONENT))
    density = bits.view(np.float32)
    t = _ONE / (_ONE + _P * abs(x))
    tail = density * t * (_T1 + t * (_T2 + t * (_T3 + t * (_T4 + t * _T5))))
    return tail if x < _ZERO else _ONE - tail, density


@compiled(inline=True)
def gelu_dropout(values: Any, slopes: Any, bias: Any, pieces: Any, limit: Any, scale: Any) -> None:
    """Bias, exact GELU and dropout in place, and the slope of the whole.

    ``values`` ``[n, hidden]`` holds products on entry and activations on exit;
    ``slopes`` receives d(activation) / d(sum). A unit whose 16-bit piece is
    below ``limit`` is dropped, the others are scaled by ``scale``.
    """
    hidden = bias.size
    for row in range(values.shape[0]):
        value, slope = values[row], slopes[row]
        piece = pieces[row * hidden : (row + 1) * hidden]
        for j in range(hidden):
            x = value[j] + bias[j]
            cumulative, density = normal(x)
            keep = scale if piece[j] >= limit else _ZERO
            value[j] = x * cumulative * keep
            slope[j] = (cumulative + x * density * _INV_SQRT_2PI) * keep


@compiled(inline=True)
def adam(state: Any, rule: Any, step: Any) -> None:
    """One Adam step as ``torch.optim.Adam`` does it, L2 in the gradient.

    Kingma and Ba, arXiv:1412.6980, algorithm 1. ``step`` counts from 1.
    """
    params, gradient, first, second = state.params, state.gradient, state.first, state.second
    size = _F(rule.lr / (1.0 - rule.beta1**step))
    shrink = _F(1.0 / math.sqrt(1.0 - rule.beta2**step))
    keep1, new1 = _F(rule.beta1), _F(1.0 - rule.beta1)
    keep2, new2 = _F(rule.beta2), _F(1.0 - rule.beta2)
    decay, eps = _F(rule.decay), _F(rule.eps)
    for i in range(params.size):
        p = params[i]
        g = gradient[i] + decay * p
        m = keep1 * first[i] + new1 * g
        v = keep2 * second[i] + new2 * g * g
        m = m if abs(m) > _TINY else _ZERO
        v = v if v > _TINY else _ZERO
        p -= size * (m / (math.sqrt(v) * shrink + eps))
        first[i], second[i] = m, v
        params[i] = p if abs(p) > _TINY else _ZERO


@compiled(inline=True)
def gather(data: Any, rows: Any, x: Any) -> None:
    """Standardised features and the codec block of ``rows``, side by side in ``x``."""
    known = data.features.shape[1]
    for i in range(rows.size):
        row = rows[i]
        for j in range(known):
            x[i, j] = (data.features[row, j] - data.mean[j]) / data.std[j]
        for j in range(data.codec.shape[1]):
            x[i, known + j] = data.codec[row, j]


@compiled(inline=True)
def back_through(ahead: Any, slopes: Any, back: Any, bias_gradient: Any) -> None:
    """``back = ahead * slopes``, and its sums over the rows."""
    bias_gradient[:] = _ZERO
    for i in range(ahead.shape[0]):
        for j in range(ahead.shape[1]):
            g = ahead[i, j] * slopes[i, j]
            back[i, j] = g
            bias_gradient[j] += g


@compiled(inline=True)
def forward(params: Any, n: Any, scratch: Any, drop: Any) -> None:
    """Activations and slopes of every hidden layer for the first ``n`` rows of ``scratch.x``."""
    depth, batch, hidden = scratch.values.shape
    fan_in, offset = scratch.x.shape[1], 0
    for layer in range(depth):
        bias = offset + fan_in * hidden
        matrix = params[offset:bias].reshape(fan_in, hidden)
        values = scratch.values[layer, :n]
        if layer == 0:
            np.dot(scratch.x[:n], matrix, values)
        else:
            np.dot(scratch.values[layer - 1, :n], matrix, values)
        gelu_dropout(
            values, scratch.slopes[layer, :n], params[bias : bias + hidden],
            drop.pieces[layer * batch * hidden :], drop.limit, drop.scale,
        )  # fmt: skip
        fan_in, offset = hidden, bias + hidden


@compiled(inline=True)
def output(state: Any, target: Any, rows: Any, scratch: Any) -> Any:
    """Mean squared error of ``rows``; its gradient over the output layer and what feeds it."""
    params, gradient, error, n = state.params, state.gradient, scratch.error, rows.size
    depth, _, hidden = scratch.values.shape
    top = params.size - hidden - 1  # where the output layer's weights begin
    out = params[top : top + hidden]
    np.dot(scratch.values[depth - 1, :n], out, error[:n])
    total = 0.0
    share = _F(2.0 / n)  # a short last batch divides by its own size
    bias_gradient = _ZERO
    for i in range(n):
        miss = error[i] + params[top + hidden] - target[rows[i]]
        total += miss * miss
        error[i] = share * miss
        bias_gradient += error[i]
    np.dot(error[:n], scratch.values[depth - 1, :n], gradient[top : top + hidden])
    gradient[top + hidden] = bias_gradient
    for i in range(n):
        for j in range(hidden):
            scratch.ahead[i, j] = error[i] * out[j]
    return total / n


@compiled(inline=True)
def backward(state: Any, n: Any, scratch: Any) -> None:
    """The gradient of every hidden layer, from ``scratch.ahead`` of the first ``n`` rows."""
    params, gradient = state.params, state.gradient
    depth, _, hidden = scratch.values.shape
    offset = params.size - hidden - 1
    ahead, back = scratch.ahead[:n], scratch.back[:n]
    for reverse in range(depth):
        layer = depth - 1 - reverse
        fan_in = scratch.x.shape[1] if layer == 0 else hidden
        bias = offset - hidden
        offset = bias - fan_in * hidden
        back_through(ahead, scratch.slopes[layer, :n], back, gradient[bias : bias + hidden])
        matrix_gradient = gradient[offset:bias].reshape(fan_in, hidden)
        if layer == 0:
            np.dot(scratch.x[:n].T, back, matrix_gradient)
        else:
            np.dot(scratch.values[layer - 1, :n].T, back, matrix_gradient)
            np.dot(back, params[offset:bias].reshape(fan_in, hidden).T, ahead)


@compiled()
def train_steps(
    order: Any, begin: Any, end: Any, data: Any, state: Any, scratch: Any, drop: Any, rule: Any,
    taken: Any, losses: Any,
) -> None:  # fmt: skip
    """Steps ``begin`` to ``end`` of an epoch over the rows ``order``, in place.

    ``taken`` is the number of optimiser steps before this call. ``losses[s]``
    receives the mean squared error of step ``s``.
    """
    batch = scratch.values.shape[1]
    for step in range(begin, end):
        rows = order[step * batch : (step + 1) * batch]
        gather(data, rows, scratch.x)
        fill_words(drop.lanes, drop.words)
        forward(state.params, rows.size, scratch, drop)
        losses[step] = output(state, data.target, rows, scratch)
        backward(state, rows.size, scratch)
        adam(state, rule, taken + step - begin + 1)
