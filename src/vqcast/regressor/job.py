"""The values of a training job: what goes in, what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcast.errors import FeatureError, InputError
from vqcast.regressor import net
from vqcast.regressor.net import Weights

_STD_FLOOR = 1e-8
"""A feature whose standard deviation is below this counts as constant."""
_PREDICTED_ROWS = 1 << 16
"""Rows predicted at a time, so that hidden layers of a large fold fit in memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The corpus, once, in float32."""

    features: NDArray[np.float32]
    """``[N, 6]``, raw, in the order of `vqcast.vocab.FEATURES`."""
    codec: NDArray[np.float32]
    """Codec block ``[N, C]``; C is 0 for a codec-blind network."""
    vmaf: NDArray[np.float32]
    """Target ``[N]``, VMAF points."""
    unit: NDArray[np.int32]
    """``[N]``, code of the unit, a source, that a fold may hold out."""

    def __post_init__(self) -> None:
        rows = len(self.vmaf)
        kinds = {"features": (2, "float32"), "codec": (2, "float32"), "vmaf": (1, "float32")}
        for name, (dimensions, kind) in {**kinds, "unit": (1, "int32")}.items():
            column = getattr(self, name)
            if column.ndim != dimensions or len(column) != rows:
                raise FeatureError(
                    f"column {name} has shape {column.shape}; {dimensions} dimensions with "
                    f"{rows} rows, as vmaf has, are needed"
                )
            if column.dtype != kind or not column.flags.c_contiguous:
                raise FeatureError(f"column {name} is not a C-contiguous array of {kind}")


@dataclass(frozen=True, slots=True)
class Fit:
    """One network to train: on all rows but those of the held-out units."""

    seed: int
    held_out: str | None
    """Name of what is held out, or None: the production fit on every row."""
    held_out_units: tuple[int, ...] = ()
    """Its codes in ``Columns.unit``: one source, or all sources of a group."""

    def __post_init__(self) -> None:
        if (self.held_out is None) != (not self.held_out_units):
            raise InputError(f"{self}: held_out and held_out_units go together, or neither")
        if self.seed < 0:
            raise InputError(f"{self}: a seed is 0 or more")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network with its scaler."""

    fit: Fit
    weights: Weights
    feature_mean: NDArray[np.float64]
    feature_std: NDArray[np.float64]
    losses: NDArray[np.float64]
    """Mean squared error over the training rows, one per epoch, dropout on."""
    wall_s: float

    def predict(
        self, features: NDArray[np.floating], codec: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Scores ``[N]`` in VMAF points, not clipped.

        ``features`` are raw ``[N, 6]``, ``codec`` is ``[N, C]``.
        """
        known = len(self.feature_mean)
        needed = self.weights.layers[0][0].shape[0] - known
        if features.ndim != 2 or features.shape[1] != known:
            raise FeatureError(f"features have shape {features.shape}; [N, {known}] is needed")
        if codec.shape != (len(features), needed):
            raise FeatureError(
                f"codec block has shape {codec.shape}; ({len(features)}, {needed}) is needed"
            )
        scores = np.empty(len(features))
        for start in range(0, len(features), _PREDICTED_ROWS):
            piece = slice(start, start + _PREDICTED_ROWS)
            scaled = (features[piece].astype(np.float64) - self.feature_mean) / self.feature_std
            inputs = np.hstack([scaled, codec[piece].astype(np.float64)])
            scores[piece] = net.forward(self.weights, inputs)
        return scores


def training_rows(columns: Columns, fit: Fit) -> NDArray[np.int32]:
    """Indices of the rows that ``fit`` trains on, ascending."""
    if not fit.held_out_units:
        return np.arange(len(columns.vmaf), dtype=np.int32)
    held = np.isin(columns.unit, fit.held_out_units)
    return np.flatnonzero(~held).astype(np.int32)


def scaler(
    features: NDArray[np.float32], rows: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population standard deviation ``[6]`` of ``rows``, in float64.

    A standard deviation under 1e-8 becomes 1.
    """
    mean = np.empty(features.shape[1])
    std = np.empty(features.shape[1])
    for column in range(features.shape[1]):  # one at a time: a float64 copy of all would be large
        values = features[rows, column].astype(np.float64)
        mean[column], std[column] = values.mean(), values.std()
    std[std < _STD_FLOOR] = 1.0
    return mean, std
