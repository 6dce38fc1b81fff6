"""The arithmetic of training on a CPU: many minibatch steps of one network.

Everything a step needs (inputs, activations, weights, Adam's moments) is about
100 KB and stays in a core's own cache. The compiled loop does a whole step
without leaving it: gather, forward, hand-written backward, Adam. The matrix
products are BLAS calls through ``np.dot``; all else is loops that LLVM turns
into vector code. The code releases the GIL.

Results are the same digits every time on one machine: the order of every sum
is fixed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vqcast.learn.jit import compiled
from vqcast.learn.streams import fill_words

_F = np.float32
_ZERO, _ONE = _F(0.0), _F(1.0)

# exp(-x*x/2) = 2**(whole + rest): `whole` by adding 1.5 * 2**23, which leaves the
# rounded integer in the low bits; 2**rest on [-1/2, 1/2] by the minimax polynomial
# of degree 5 with constant 1, relative error CERR.
_LOWEST = _F(-60.0)
_HALF_LOG2E = _F(-0.5 / math.log(2.0))
_ROUND = _F(12582912.0)
_EXPONENT = np.int32(23)
CCOEF

# Upper tail of the normal distribution from exp(-x*x/2): Abramowitz and Stegun
# 7.1.26, |error| <= 7.5e-8 once halved; the constant of x is divided by sqrt(2).
_P = _F(0.3275911 / math.sqrt(2.0))
_T1, _T2, _T3 = _F(0.254829592 / 2), _F(-0.284496736 / 2), _F(1.421413741 / 2)
_T4, _T5 = _F(-1.453152027 / 2), _F(1.061405429 / 2)
_INV_SQRT_2PI = _F(1.0 / math.sqrt(2.0 * math.pi))

_TINY = _F(1e-30)
"""Moments and weights below this become 0: smaller ones would turn denormal,
which is slow, and can't move a weight by a float32 digit."""


@compiled(inline=True)
def normal(x: Any) -> Any:
    """``Phi(x)`` and ``exp(-x*x/2)`` in float32, each within 2e-7; no calls."""
    power = max(_HALF_LOG2E * x * x, _LOWEST)
    shifted = np.float32(power + _ROUND)
    rest = power - (shifted - _ROUND)
    series = np.float32(_ONE + rest * (_E1 + rest * (_E2 + rest * (_E3 + rest * (_E4 + rest * _E5)))))
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
def adam(
    params: Any, gradient: Any, first: Any, second: Any, step: Any, lr: Any, decay: Any,
    beta1: Any, beta2: Any, eps: Any,
) -> None:  # fmt: skip
    """One Adam step as ``torch.optim.Adam`` does it, L2 in the gradient.

    Kingma and Ba, arXiv:1412.6980, algorithm 1. ``step`` counts from 1.
    """
    size = _F(lr / (1.0 - beta1**step))
    shrink = _F(1.0 / math.sqrt(1.0 - beta2**step))
    keep1, new1 = _F(beta1), _F(1.0 - beta1)
    keep2, new2 = _F(beta2), _F(1.0 - beta2)
    decay32, eps32 = _F(decay), _F(eps)
    for i in range(params.size):
        p = params[i]
        g = gradient[i] + decay32 * p
        m = keep1 * first[i] + new1 * g
        v = keep2 * second[i] + new2 * g * g
        m = m if abs(m) > _TINY else _ZERO
        v = v if v > _TINY else _ZERO
        p -= size * (m / (math.sqrt(v) * shrink + eps32))
        first[i], second[i] = m, v
        params[i] = p if abs(p) > _TINY else _ZERO


@compiled()
def train_steps(
    order: Any, begin: Any, end: Any, features: Any, codec: Any, target: Any, mean: Any, std: Any,
    params: Any, gradient: Any, first: Any, second: Any, x: Any, values: Any, slopes: Any,
    back: Any, ahead: Any, turned: Any, error: Any, lanes: Any, words: Any, pieces: Any, limit: Any, scale: Any,
    taken: Any, lr: Any, decay: Any, beta1: Any, beta2: Any, eps: Any, losses: Any,
) -> None:  # fmt: skip
    """Steps ``begin`` to ``end`` of an epoch over the rows ``order``, in place.

    ``x`` ``[batch, in]``, ``values`` and ``slopes`` ``[depth, batch, hidden]``,
    ``back`` and ``ahead`` ``[batch, hidden]``, ``turned`` ``[hidden, hidden]`` and
    ``error`` ``[batch]`` are scratch. ``taken`` is the number of optimiser steps before this call.
    ``losses[s]`` receives the mean squared error of step ``s``.
    """
    depth, batch, hidden = values.shape
    known = features.shape[1]
    inputs = x.shape[1]
    top = params.size - hidden - 1  # where the output layer's weights begin
    for step in range(begin, end):
        start = step * batch
        n = min(batch, order.size - start)
        for i in range(n):
            row = order[start + i]
            for j in range(known):
                x[i, j] = (features[row, j] - mean[j]) / std[j]
            for j in range(inputs - known):
                x[i, known + j] = codec[row, j]
        fill_words(lanes, words)

        offset = 0
        for layer in range(depth):
            fan_in = inputs if layer == 0 else hidden
            bias = offset + fan_in * hidden
            matrix = params[offset:bias].reshape(fan_in, hidden)
            if layer == 0:
                np.dot(x[:n], matrix, values[0, :n])
            else:
                np.dot(values[layer - 1, :n], matrix, values[layer, :n])
            gelu_dropout(
                values[layer, :n], slopes[layer, :n], params[bias : bias + hidden],
                pieces[layer * batch * hidden :], limit, scale,
            )  # fmt: skip
            offset = bias + hidden

        out = params[top : top + hidden]
        np.dot(values[depth - 1, :n], out, error[:n])
        total = 0.0
        share = _F(2.0 / n)
        bias_gradient = _ZERO
        for i in range(n):
            miss = error[i] + params[top + hidden] - target[order[start + i]]
            total += miss * miss
            error[i] = share * miss
            bias_gradient += error[i]
        losses[step] = total / n

        np.dot(error[:n], values[depth - 1, :n], gradient[top : top + hidden])
        gradient[top + hidden] = bias_gradient
        for i in range(n):
            for j in range(hidden):
                ahead[i, j] = error[i] * out[j]

        for reverse in range(depth):
            layer = depth - 1 - reverse
            fan_in = inputs if layer == 0 else hidden
            bias = offset - hidden
            offset = bias - fan_in * hidden
            sums = gradient[bias : bias + hidden]
            sums[:] = _ZERO
            for i in range(n):
                for j in range(hidden):
                    g = ahead[i, j] * slopes[layer, i, j]
                    back[i, j] = g
                    sums[j] += g
            matrix_gradient = gradient[offset:bias].reshape(fan_in, hidden)
            if layer == 0:
                np.dot(x[:n].T, back[:n], matrix_gradient)
            else:
                np.dot(values[layer - 1, :n].T, back[:n], matrix_gradient)
                # BLAS is slower on a transposed operand of this size than on a copy.
                matrix = params[offset:bias].reshape(fan_in, hidden)
                for j in range(hidden):
                    for k in range(hidden):
                        turned[k, j] = matrix[j, k]
                np.dot(back[:n], turned, ahead[:n])

        adam(
            params, gradient, first, second, taken + step - begin + 1, lr, decay, beta1, beta2, eps
        )  # fmt: skip
