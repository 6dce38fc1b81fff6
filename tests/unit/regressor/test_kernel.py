"""The kernel against PyTorch, step by step, and the accuracy of its functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from learn_columns import made_columns
from reference_loop import reference_loop
from scipy.special import ndtr

from vqcast.regressor import kernel
from vqcast.regressor.job import Columns, Fit
from vqcast.regressor.spec import Recipe
from vqcast.regressor.trainer import Trainer

FOLD = Fit(seed=3, held_out="u1", held_out_units=(1,))


def grid() -> np.ndarray:
    near = np.linspace(-9.5, 9.5, 200_001)
    return np.concatenate([near, [0.0, -0.0, 1e-20, -30.0, 30.0, 1e4, -1e4]]).astype(np.float32)


def activation(x: np.ndarray, pieces: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    values, slopes = x[None, :].copy(), np.empty((1, x.size), np.float32)
    bias = np.zeros(x.size, np.float32)
    gelu_dropout = kernel.gelu_dropout
    gelu_dropout(values, slopes, bias, pieces, np.uint16(100), np.float32(scale))
    return values[0].astype(np.float64), slopes[0].astype(np.float64)


def test_gelu_and_its_slope_are_exact_to_float32() -> None:
    x = grid()
    exact = x.astype(np.float64)
    values, slopes = activation(x, np.full(x.size, 100, np.uint16), 1.0)
    density = np.exp(-0.5 * exact**2) / np.sqrt(2.0 * np.pi)
    assert np.abs(slopes - (ndtr(exact) + exact * density)).max() <= 3e-7
    assert np.abs(values - exact * ndtr(exact)).max() <= 3e-7 * np.abs(exact).max()
    inner = np.abs(exact) < 9.5
    error = np.abs(values - exact * ndtr(exact))[inner]
    assert (error <= 3e-7 * np.maximum(1.0, np.abs(exact[inner]))).all()


def test_dropped_units_are_zero_and_kept_ones_scaled() -> None:
    x = np.linspace(-2.0, 2.0, 64).astype(np.float32)
    pieces = np.full(64, 100, np.uint16)
    whole, slope = activation(x, pieces, 1.0)
    pieces[::3] = 99
    values, slopes = activation(x, pieces, 1.25)
    kept = pieces >= 100
    assert not values[~kept].any()
    assert not slopes[~kept].any()
    assert values[kept] == pytest.approx(1.25 * whole[kept], rel=1e-6)
    assert slopes[kept] == pytest.approx(1.25 * slope[kept], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codecs", "change"),
    [
        (14, {}),
        (0, {}),
        (18, {"depth": 1}),
        (14, {"depth": 3, "hidden": 20, "dropout": 0.25}),
        (3, {"hidden": 7, "batch_size": 50}),
        (14, {"dropout": 0.0, "weight_decay": 0.1}),
        (14, {"batch_size": 1000}),
    ],
    ids=str,
)
def test_losses_and_predictions_are_those_of_a_plain_loop(codecs: int, change: dict) -> None:
    columns = made_columns(403, codecs=codecs)
    recipe = replace(Recipe(epochs=1), **change)
    trainer = Trainer(columns, FOLD, recipe)
    losses = trainer.epoch()
    reference = reference_loop(columns, FOLD, recipe)
    assert losses == pytest.approx(reference.step_losses, rel=2e-5)
    fitted = trainer.fitted([], 0.0)
    got = fitted.predict(columns.features, columns.codec)
    assert got == pytest.approx(reference.predict(columns.features, columns.codec), abs=1e-4)
    assert (got.std() > 0.0) and np.isfinite(got).all()


@pytest.mark.slow
def test_a_partial_last_batch_divides_by_its_own_size(columns: Columns) -> None:
    recipe = Recipe(epochs=1, batch_size=300, dropout=0.0)
    trainer = Trainer(columns, FOLD, recipe)
    rows = len(trainer.rows)
    assert (trainer.steps, rows) == (2, 302)
    losses = trainer.epoch()
    assert trainer.mean_loss(losses) == pytest.approx((300 * losses[0] + 2 * losses[1]) / 302)
    assert losses == pytest.approx(reference_loop(columns, FOLD, recipe).step_losses, rel=2e-5)


@pytest.mark.slow
def test_the_full_recipe_agrees_with_the_plain_loop() -> None:
    columns = made_columns(120)
    recipe = Recipe()
    trainer = Trainer(columns, FOLD, recipe)
    losses = np.concatenate([trainer.epoch() for _ in range(recipe.epochs)])
    reference = reference_loop(columns, FOLD, recipe)
    assert losses == pytest.approx(reference.step_losses, rel=2e-3)
    got = trainer.fitted([], 0.0).predict(columns.features, columns.codec)
    want = reference.predict(columns.features, columns.codec)
    assert got == pytest.approx(want, abs=1e-2)


def test_weights_of_unused_inputs_fade_without_denormals() -> None:
    columns = made_columns(200, codecs=6)
    columns.codec[:] = 0.0
    trainer = Trainer(columns, Fit(0, None), Recipe(lr=0.01, weight_decay=0.01))
    for _ in range(150):
        trainer.epoch()
    unused = trainer.params[6 * 64 : 12 * 64]
    assert np.abs(unused).max() < 1e-6
    tiny = np.finfo(np.float32).tiny
    assert not ((unused != 0.0) & (np.abs(unused) < tiny)).any()
