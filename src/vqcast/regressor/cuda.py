"""Training on a GPU: all fits as one stacked network, a step as one CUDA graph.

The recipe and the streams are those of the CPU kernel. Weights, moments and
activations have a leading model axis, and each layer is one batched product.
Launching some forty small operations would cost more than their arithmetic, so
one step is captured once as a CUDA graph and replayed. Row orders and dropout
masks come from the same streams, made on the CPU a few steps ahead.

Fits of unequal length are exact: the rows of a partial last batch share weight
2/n, absent rows weigh 0, and a network without rows left in this epoch is left
as it is.

This is the only module that imports torch, and only when it is used. The same
code runs on torch's CPU device, without the graph, so that tests cover it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import MissingDependency, ToolUnavailable
from vqcast.families import Recipe
from vqcast.regressor import net, streams
from vqcast.regressor.job import Clock, Columns, Fit, Fitted, Progress, scaler, training_rows

if TYPE_CHECKING:
    from torch import Tensor

_MASK_BYTES = 256 << 20
"""Dropout masks on the device at one time, at most."""

_CHUNK_STEPS = 128


def train(
    columns: Columns,
    fits: Sequence[Fit],
    recipe: Recipe,
    *,
    progress: Callable[[Progress], None] | None = None,
    torch_device: str = "cuda",
) -> Iterator[Fitted]:
    """As `vqcast.regressor.engine.train`; all fits end together.

    Raises MissingDependency without torch, ToolUnavailable without a CUDA GPU.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependency(
            "training on a GPU needs PyTorch, which is not installed",
            hint="pip install 'vqcast[train]', or use --device cpu",
        ) from error
    if torch_device == "cuda" and not torch.cuda.is_available():
        raise ToolUnavailable(
            "no CUDA GPU is usable on this machine", hint="use --device cpu, the default"
        )
    return _run(columns, fits, recipe, torch_device, progress)


def _run(
    columns: Columns,
    fits: Sequence[Fit],
    recipe: Recipe,
    torch_device: str,
    progress: Callable[[Progress], None] | None,
) -> Iterator[Fitted]:
    if not fits:
        return
    start = time.perf_counter()
    clock = Clock(len(fits), recipe.epochs)
    stack = Stack(columns, fits, recipe, torch_device)
    losses = []
    for epoch in range(recipe.epochs):
        losses.append(stack.epoch())
        if progress:
            done = len(fits) if epoch == recipe.epochs - 1 else 0
            progress(clock.read(done, (epoch + 1) * len(fits)))
    wall_s = time.perf_counter() - start
    yield from stack.fitted(np.array(losses).T, wall_s)


class Stack:
    """All fits of a job on one torch device. M networks, B rows, H units."""

    def __init__(
        self, columns: Columns, fits: Sequence[Fit], recipe: Recipe, torch_device: str
    ) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(torch_device)
        self.fits = fits
        self.recipe = recipe
        self.rows = [training_rows(columns, fit) for fit in fits]
        self.scalers = [scaler(columns.features, rows) for rows in self.rows]
        self._shuffle = [streams.shuffle_stream(fit.seed, fit.held_out) for fit in fits]
        self._dropout = [streams.dropout_stream(fit.seed, fit.held_out) for fit in fits]
        self._steps = [-(-len(rows) // recipe.batch_size) for rows in self.rows]
        inputs = columns.features.shape[1] + columns.codec.shape[1]
        self.shape = net.widths(inputs, recipe.hidden, recipe.depth)
        per_step = len(fits) * recipe.depth * recipe.batch_size * recipe.hidden
        self._chunk = max(1, min(_CHUNK_STEPS, max(self._steps), _MASK_BYTES // per_step))

        self._features = self._put(columns.features)
        self._codec = self._put(columns.codec)
        self._target = self._put(columns.vmaf)
        mean, std = (np.array(part)[:, None, :] for part in zip(*self.scalers, strict=True))
        self._mean, self._std = self._put(mean), self._put(std)
        packed = [net.pack(net.initial(fit.seed, self.shape)) for fit in fits]
        self._params = self._put(np.array(packed))
        self._first = torch.zeros_like(self._params)
        self._second = torch.zeros_like(self._params)
        self._taken = torch.zeros((len(fits), 1), dtype=torch.float64, device=self._device)
        # What a step reads besides: written between replays, at fixed addresses.
        batch, units = recipe.batch_size, (recipe.depth, recipe.batch_size, recipe.hidden)
        self._order = self._put(np.zeros((self._chunk, len(fits), batch), np.int64))
        self._sizes = self._put(np.zeros((self._chunk, len(fits)), np.float32))
        self._keep = self._put(np.zeros((self._chunk, len(fits), *units), np.bool_))
        self._losses = self._put(np.zeros((self._chunk, len(fits))))
        self._now = self._put(np.zeros(1, np.int64))
        self._replay: Callable[[], None] | None = None

    def _put(self, array: NDArray[Any]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def epoch(self) -> NDArray[np.float64]:
        """One pass of every network over its rows; mean loss of each ``[M]``."""
        batch, most = self.recipe.batch_size, max(self._steps)
        order = np.zeros((len(self.fits), most * batch), np.int32)
        for model, rows in enumerate(self.rows):
            order[model, : len(rows)] = streams.shuffled(self._shuffle[model], rows)
        counts = np.array([len(rows) for rows in self.rows])
        total = np.zeros(len(self.fits))
        for begin in range(0, most, self._chunk):
            end = min(begin + self._chunk, most)
            sizes = np.clip(counts - batch * np.arange(begin, end)[:, None], 0, batch)
            picked = order[:, begin * batch : end * batch].reshape(len(self.fits), -1, batch)
            self._load(picked.swapaxes(0, 1), sizes, self._masks(begin, end))
            for _ in range(begin, end):
                self._replay_step()
            total += self._losses[: end - begin].sum(0).cpu().numpy()
        mean: NDArray[np.float64] = total / counts
        return mean

    def _masks(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Keep masks of these steps; a network takes no more than its own steps' worth."""
        recipe = self.recipe
        masks = np.zeros((end - begin, *self._keep.shape[1:]), np.bool_)
        for model, (stream, steps) in enumerate(zip(self._dropout, self._steps, strict=True)):
            own = min(end, steps) - begin
            if own > 0:
                masks[:own, model] = streams.keep_masks(
                    stream, own, recipe.batch_size, recipe.hidden, recipe.depth, recipe.dropout
                )
        return masks

    def _load(
        self, order: NDArray[np.int32], sizes: NDArray[np.int64], keep: NDArray[np.bool_]
    ) -> None:
        steps = len(order)
        self._order[:steps] = self._put(order)
        self._sizes[:steps] = self._put(sizes.astype(np.float32))
        self._keep[:steps] = self._put(keep)
        self._now.zero_()

    def _replay_step(self) -> None:
        if self._replay is None:
            self._replay = self._capture() if self._device.type == "cuda" else self._step
        self._replay()

    def _capture(self) -> Callable[[], None]:
        """Record one step as a CUDA graph, leaving all state as it was."""
        torch = self._torch
        state = (self._params, self._first, self._second, self._taken, self._now, self._losses)
        before = [tensor.clone() for tensor in state]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries must set themselves up before the capture
            for _ in range(2):
                self._now.zero_()
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        for tensor, old in zip(state, before, strict=True):
            tensor.copy_(old)
        return graph.replay  # type: ignore[no-any-return]

    def _layers(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views ``(W [M, in, out], b [M, 1, out])`` of packed ``rows`` ``[M, P]``."""
        layers = []
        start = 0
        for fan_in, fan_out in zip(self.shape[:-1], self.shape[1:], strict=True):
            middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
            matrix = rows[:, start:middle].view(-1, fan_in, fan_out)
            layers.append((matrix, rows[:, middle:end].unsqueeze(1)))
            start = end
        return layers

    def _step(self) -> None:
        """One minibatch step of every network that has rows left."""
        torch, recipe = self._torch, self.recipe
        order = self._order.index_select(0, self._now)[0]
        size = self._sizes.index_select(0, self._now)[0].unsqueeze(1)
        keep = self._keep.index_select(0, self._now)[0] * (1.0 / (1.0 - recipe.dropout))
        scaled = ((self._features[order] - self._mean) / self._std).float()
        value = torch.cat([scaled, self._codec[order]], dim=2)
        layers = self._layers(self._params)

        values, slopes = [value], []
        for index, (matrix, bias) in enumerate(layers[:-1]):
            x = torch.baddbmm(bias, value, matrix)
            cumulative = 0.5 * (1.0 + torch.erf(x * math.sqrt(0.5)))
            density = torch.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
            value = x * cumulative * keep[:, index]
            values.append(value)
            slopes.append((cumulative + x * density) * keep[:, index])
        score = torch.baddbmm(layers[-1][1], value, layers[-1][0]).squeeze(2)

        place = torch.arange(recipe.batch_size, device=self._device)
        miss = torch.where(place < size, score - self._target[order], 0.0)
        self._losses.index_copy_(0, self._now, (miss.double() ** 2).sum(1).unsqueeze(0))
        back = (miss * (2.0 / size.clamp(min=1.0))).unsqueeze(2)
        gradients: list[Tensor] = []
        for index in range(len(layers) - 1, -1, -1):
            matrix_gradient = torch.bmm(values[index].transpose(1, 2), back)
            gradients[:0] = [matrix_gradient.flatten(1), back.sum(1)]
            if index:
                back = torch.bmm(back, layers[index][0].transpose(1, 2)) * slopes[index - 1]
        self._adam(torch.cat(gradients, dim=1), size > 0)
        self._now += 1

    def _adam(self, gradient: Tensor, active: Tensor) -> None:
        """Adam as ``torch.optim.Adam``, L2 in the gradient, where ``active`` ``[M, 1]``."""
        torch, recipe = self._torch, self.recipe
        self._taken += active
        lr = (recipe.lr / (1.0 - recipe.beta1**self._taken)).float()
        shrink = (1.0 - recipe.beta2**self._taken).sqrt().float()
        gradient = gradient + recipe.weight_decay * self._params
        first = recipe.beta1 * self._first + (1.0 - recipe.beta1) * gradient
        second = recipe.beta2 * self._second + (1.0 - recipe.beta2) * gradient * gradient
        params = self._params - lr * (first / (second.sqrt() / shrink + recipe.eps))
        for kept, new in (
            (self._params, params), (self._first, first), (self._second, second)
        ):  # fmt: skip
            kept.copy_(torch.where(active, new, kept))

    def fitted(self, losses: NDArray[np.float64], wall_s: float) -> Iterator[Fitted]:
        """The networks as they are now; ``losses`` is ``[M, epochs]``."""
        packed = self._params.cpu().numpy()
        for model, fit in enumerate(self.fits):
            weights = net.unpack(packed[model], self.shape)
            mean, std = self.scalers[model]
            yield Fitted(fit, weights, mean, std, losses[model], wall_s)
