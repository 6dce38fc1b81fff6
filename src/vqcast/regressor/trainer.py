"""One network in training: its row orders, its scratch memory, its steps."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from vqcast.regressor import kernel, net, streams
from vqcast.regressor.job import Columns, Fit, Fitted, scaler, training_rows
from vqcast.regressor.spec import Recipe

_CHUNK_STEPS = 512
"""Steps between two looks at the stop flag: about 10 ms."""


class Stopped(Exception):
    """The caller no longer wants the fit."""


class Trainer:
    """One network in training, with all the memory that its steps need."""

    def __init__(self, columns: Columns, fit: Fit, recipe: Recipe) -> None:
        self.fit = fit
        self.recipe = recipe
        self.rows = training_rows(columns, fit)
        self.mean, self.std = scaler(columns.features, self.rows)
        self._rows_per_slot = np.array(
            [
                columns.codec[self.rows, slot].sum(dtype=np.float64)
                for slot in range(columns.codec.shape[1] - 2)
            ]
        )
        self.steps = -(-len(self.rows) // recipe.batch_size)  # per epoch
        self.taken = 0
        batch, hidden, depth = recipe.batch_size, recipe.hidden, recipe.depth
        inputs = columns.features.shape[1] + columns.codec.shape[1]
        self.shape = net.widths(inputs, hidden, depth)
        self.params = net.pack(net.initial(fit.seed, self.shape))
        self._shuffle = streams.shuffle_stream(fit.seed, fit.held_out)
        dropout = streams.dropout_stream(fit.seed, fit.held_out)
        words = np.empty(streams.words_per_step(batch, hidden, depth), np.uint64)

        def zeros(*shape: int) -> NDArray[np.float32]:
            return np.zeros(shape, np.float32)

        size = self.params.size
        self._data = kernel.Data(columns.features, columns.codec, columns.vmaf, self.mean, self.std)
        self._state = kernel.Learned(self.params, zeros(size), zeros(size), zeros(size))
        self._scratch = kernel.Scratch(
            x=zeros(batch, inputs),
            values=zeros(depth, batch, hidden),
            slopes=zeros(depth, batch, hidden),
            back=zeros(batch, hidden),
            ahead=zeros(batch, hidden),
            error=zeros(batch),
        )
        self._drop = kernel.Drop(
            lanes=dropout.state,
            words=words,
            pieces=words.view(np.uint16),
            limit=np.uint16(streams.drop_threshold(recipe.dropout)),
            scale=np.float32(1.0 / (1.0 - recipe.dropout)),
        )
        self._rule = kernel.Rule(
            recipe.lr, recipe.weight_decay, recipe.beta1, recipe.beta2, recipe.eps
        )

    def epoch(self, stop: threading.Event | None = None) -> NDArray[np.float64]:
        """One pass over the rows in a fresh order; each step's mean squared error."""
        order = streams.shuffled(self._shuffle, self.rows)
        losses = np.empty(self.steps)
        for begin in range(0, self.steps, _CHUNK_STEPS):
            if stop is not None and stop.is_set():
                raise Stopped
            end = min(begin + _CHUNK_STEPS, self.steps)
            kernel.train_steps(
                order, begin, end, self._data, self._state, self._scratch, self._drop,
                self._rule, self.taken, losses,
            )  # fmt: skip
            self.taken += end - begin
        return losses

    def mean_loss(self, losses: NDArray[np.float64]) -> float:
        """An epoch's loss over its rows, from each step's: the last batch may be short."""
        batch, rows = self.recipe.batch_size, len(self.rows)
        sizes = np.full(self.steps, batch)
        sizes[-1] = rows - batch * (self.steps - 1)
        return float(losses @ sizes / rows)

    def fitted(self, losses: list[float], wall_s: float) -> Fitted:
        """The network as it is now."""
        weights = net.unpack(self.params, self.shape)
        if self.recipe.share_untrained and len(self._rows_per_slot):
            weights = net.with_shared_slots(weights, self._rows_per_slot)
        return Fitted(self.fit, weights, self.mean, self.std, np.array(losses), wall_s)
