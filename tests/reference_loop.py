"""Training as a textbook writes it in PyTorch: the reference for the engine.

One network, ``nn.Linear``, ``nn.GELU``, ``torch.optim.Adam``, autograd. Only the
randomness is given from outside: initial weights, row orders, dropout masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from learn_columns import keep_masks
from torch import nn

from vqcast.regressor import net, streams
from vqcast.regressor.job import Columns, Fit
from vqcast.regressor.spec import Recipe


@dataclass
class Reference:
    """What the loop leaves: each step's loss, and the trained network."""

    step_losses: np.ndarray
    layers: list[nn.Linear]
    mean: np.ndarray
    std: np.ndarray

    def predict(self, features: np.ndarray, codec: np.ndarray) -> np.ndarray:
        """Scores ``[N]``, dropout off."""
        scaled = ((features.astype(np.float64) - self.mean) / self.std).astype(np.float32)
        with torch.no_grad():
            value = torch.from_numpy(np.hstack([scaled, codec]))
            for layer in self.layers[:-1]:
                value = nn.functional.gelu(layer(value))
            return self.layers[-1](value).squeeze(1).numpy()


def linear_layers(seed: int, shape: tuple[int, ...]) -> list[nn.Linear]:
    """The network's layers with the engine's initial weights."""
    layers = []
    for matrix, bias in net.initial(seed, shape).layers:
        layer = nn.Linear(*matrix.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(matrix.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        layers.append(layer)
    return layers


def reference_loop(columns: Columns, fit: Fit, recipe: Recipe) -> Reference:
    """Train one network, one minibatch after the other."""
    rows = np.array([i for i, unit in enumerate(columns.unit) if unit not in fit.held_out_units])
    features = columns.features[rows].astype(np.float64)
    mean, std = features.mean(axis=0), features.std(axis=0)
    std[std < 1e-8] = 1.0
    scaled = ((features - mean) / std).astype(np.float32)
    inputs = torch.from_numpy(np.hstack([scaled, columns.codec[rows]]))
    target = torch.from_numpy(columns.vmaf[rows])

    layers = linear_layers(fit.seed, (inputs.shape[1], *(recipe.hidden,) * recipe.depth, 1))
    gelu, mse = nn.GELU(), nn.MSELoss()
    optimiser = torch.optim.Adam(
        [parameter for layer in layers for parameter in layer.parameters()],
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )
    shuffle = streams.shuffle_stream(fit.seed, fit.held_out)
    dropout = streams.dropout_stream(fit.seed, fit.held_out)
    losses = []
    for _ in range(recipe.epochs):
        order = streams.shuffled(shuffle, np.arange(len(rows), dtype=np.int32))
        for start in range(0, len(rows), recipe.batch_size):
            batch = torch.from_numpy(order[start : start + recipe.batch_size])
            keep = keep_masks(
                dropout, 1, recipe.batch_size, recipe.hidden, recipe.depth, recipe.dropout
            )
            masks = torch.from_numpy(keep[0, :, : len(batch)]) / (1.0 - recipe.dropout)
            value = inputs[batch]
            for layer, mask in zip(layers[:-1], masks, strict=True):
                value = gelu(layer(value)) * mask
            loss = mse(layers[-1](value).squeeze(1), target[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return Reference(np.array(losses), layers, mean, std)
