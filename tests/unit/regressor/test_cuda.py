"""The GPU path, on torch's CPU device and on a GPU where there is one: the kernel's numbers."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from learn_columns import made_columns

from vqcast.errors import MissingDependency, ToolUnavailable
from vqcast.families import Recipe
from vqcast.regressor import cuda, engine
from vqcast.regressor.job import Columns, Fit

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

# Units of unequal size, so that the stacked fits differ in their number of steps.
UNEQUAL = (0, 0, 0, 0, 0, 0, 1, 1, 1, 2)
FITS = [Fit(0, "u0", (0,)), Fit(0, "u1", (1,)), Fit(1, "u2", (2,)), Fit(2, None)]


def unequal_columns(rows: int) -> Columns:
    columns = made_columns(rows)
    unit = np.array(UNEQUAL, np.int32)[np.arange(rows) % len(UNEQUAL)]
    return replace(columns, unit=unit)


@pytest.mark.parametrize("change", [{}, {"depth": 3, "hidden": 12}, {"dropout": 0.0}], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_an_epoch_of_the_stack_is_the_kernels(change: dict, device: str) -> None:
    columns = unequal_columns(403)
    recipe = replace(Recipe(epochs=1), **change)
    want = {fitted.fit: fitted for fitted in engine.train(columns, FITS, recipe)}
    got = list(cuda.train(columns, FITS, recipe, torch_device=device))
    assert [fitted.fit for fitted in got] == FITS
    for fitted in got:
        other = want[fitted.fit]
        assert fitted.losses == pytest.approx(other.losses, rel=1e-5)
        scores = fitted.predict(columns.features, columns.codec)
        assert scores == pytest.approx(other.predict(columns.features, columns.codec), abs=1e-4)


def test_the_full_recipe_agrees_within_a_hundredth_of_a_point() -> None:
    columns = unequal_columns(120)
    recipe = Recipe()
    want = {fitted.fit: fitted for fitted in engine.train(columns, FITS, recipe)}
    for fitted in cuda.train(columns, FITS, recipe, torch_device="cpu"):
        other = want[fitted.fit]
        scores = fitted.predict(columns.features, columns.codec)
        assert scores == pytest.approx(other.predict(columns.features, columns.codec), abs=1e-2)
        assert fitted.losses == pytest.approx(other.losses, rel=1e-3)


def test_chunks_of_masks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = unequal_columns(403)
    (whole,) = cuda.train(columns, FITS[:1], Recipe(epochs=2), torch_device="cpu")
    monkeypatch.setattr(cuda, "_CHUNK_STEPS", 2)
    (parts,) = cuda.train(columns, FITS[:1], Recipe(epochs=2), torch_device="cpu")
    assert np.array_equal(whole.weights.layers[0][0], parts.weights.layers[0][0])


def test_progress_counts_all_models() -> None:
    seen = []
    list(
        cuda.train(
            made_columns(64), FITS[3:], Recipe(epochs=3), progress=seen.append, torch_device="cpu"
        )
    )
    assert [(step.models_done, step.epochs_done) for step in seen] == [(0, 1), (0, 2), (1, 3)]


def test_no_fits_give_no_results() -> None:
    assert list(cuda.train(made_columns(64), [], Recipe(), torch_device="cpu")) == []


def test_cuda_without_a_gpu_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ToolUnavailable, match="no CUDA GPU") as caught:
        engine.train(made_columns(64), FITS[3:], Recipe(), device="cuda")
    assert caught.value.hint


def test_without_torch_the_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependency, match="PyTorch") as caught:
        engine.train(made_columns(64), FITS[3:], Recipe(), device="cuda")
    assert caught.value.hint
