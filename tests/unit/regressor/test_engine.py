"""The engine: same digits whatever runs beside, honest scalers, clean stops."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from learn_columns import made_columns

from vqcast.errors import FeatureError, InputError
from vqcast.regressor import engine, job, net
from vqcast.regressor.engine import Columns, Fit, Fitted, train
from vqcast.regressor.spec import Recipe
from vqcast.watch import Progress

SHORT = Recipe(epochs=3)
FITS = [Fit(seed, f"u{unit}", (unit,)) for seed in (0, 1) for unit in range(4)]
FITS.append(Fit(0, None))


def by_fit(results: list[Fitted]) -> dict[Fit, np.ndarray]:
    return {fitted.fit: net.pack(fitted.weights) for fitted in results}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_fit_among_others_is_the_fit_alone(columns: Columns, workers: int) -> None:
    together = by_fit(list(train(columns, FITS, SHORT, workers=workers)))
    assert list(together) and set(together) == set(FITS)
    for fit in (FITS[0], FITS[5], FITS[-1]):
        alone = by_fit(list(train(columns, [fit], SHORT)))
        assert np.array_equal(alone[fit], together[fit])


def test_the_same_call_gives_the_same_digits(columns: Columns) -> None:
    first, second = (list(train(columns, FITS[:2], SHORT, workers=1)) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert one.fit == two.fit
        assert np.array_equal(net.pack(one.weights), net.pack(two.weights))
        assert np.array_equal(one.losses, two.losses)


def test_every_fit_has_a_result_of_its_own(columns: Columns) -> None:
    weights = [row.tobytes() for row in by_fit(list(train(columns, FITS, SHORT))).values()]
    assert len(set(weights)) == len(FITS)


def test_held_out_rows_change_nothing(columns: Columns) -> None:
    held = columns.unit == 1
    garbage = Columns(*(part.copy() for part in (columns.features, columns.codec, columns.vmaf)),
                      columns.unit)  # fmt: skip
    garbage.features[held] = 1e6
    garbage.codec[held] = np.nan
    garbage.vmaf[held] = -5.0
    (clean,) = train(columns, [FITS[1]], SHORT)
    (other,) = train(garbage, [FITS[1]], SHORT)
    assert np.array_equal(net.pack(clean.weights), net.pack(other.weights))
    assert np.array_equal(clean.feature_mean, other.feature_mean)
    (changed,) = train(garbage, [FITS[0]], SHORT)
    assert changed.feature_mean[0] > 1e5


def test_scaler_is_the_population_one_of_the_training_rows(columns: Columns) -> None:
    (fitted,) = train(columns, [FITS[2]], SHORT)
    kept = columns.features[columns.unit != 2].astype(np.float64)
    assert fitted.feature_mean == pytest.approx(kept.mean(axis=0), rel=1e-12)
    assert fitted.feature_std == pytest.approx(kept.std(axis=0, ddof=0), rel=1e-12)


def test_a_constant_feature_has_a_standard_deviation_of_one(columns: Columns) -> None:
    columns.features[:, 3] = 0.25
    (fitted,) = train(columns, [FITS[0]], SHORT)
    assert fitted.feature_std[3] == 1.0
    assert np.isfinite(fitted.losses).all()


def test_the_production_fit_sees_every_row(columns: Columns) -> None:
    fit = Fit(0, None)
    assert np.array_equal(job.training_rows(columns, fit), np.arange(403))
    assert len(job.training_rows(columns, FITS[0])) == 302


def test_a_group_holds_out_all_its_units(columns: Columns) -> None:
    rows = job.training_rows(columns, Fit(0, "group:a", (0, 2)))
    assert set(columns.unit[rows]) == {1, 3}


def test_losses_fall_and_predictions_learn(columns: Columns) -> None:
    (fitted,) = train(columns, [Fit(0, None)], Recipe(epochs=150))
    assert fitted.losses.shape == (150,)
    assert fitted.losses[-1] < 0.1 * fitted.losses[0]
    scores = fitted.predict(columns.features, columns.codec)
    assert np.corrcoef(scores, columns.vmaf)[0, 1] > 0.95


def test_progress_counts_models_and_epochs(columns: Columns) -> None:
    seen: list[Progress] = []
    recipe = Recipe(epochs=40)
    results = list(train(columns, FITS, recipe, workers=2, progress=seen.append))
    assert len(results) == len(FITS)
    last = seen[-1]
    epochs = 40 * len(FITS)
    assert (last.done, last.total) == (epochs, epochs)
    assert last.now == f"epoch {epochs} of {epochs}, {len(FITS)}/{len(FITS)} networks"
    for earlier, later in pairwise(seen):
        assert earlier.done <= later.done


def training_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("train-")]


def test_leaving_early_stops_the_threads(columns: Columns) -> None:
    fits = [Fit(seed, None) for seed in range(50)]
    results = train(columns, fits, Recipe(epochs=30), workers=2)
    next(results)
    assert training_threads()
    start = time.perf_counter()
    results.close()  # type: ignore[attr-defined]
    assert not training_threads()
    assert time.perf_counter() - start < 5.0


def test_an_interrupt_leaves_no_thread(columns: Columns) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(train(columns, FITS, Recipe(epochs=100_000), workers=2, progress=interrupt))
    assert not training_threads()


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A suite that a shell runs in the background ignores SIGINT unless told otherwise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_stops_a_long_run_at_once(columns: Columns) -> None:
    timer = threading.Timer(0.5, _thread.interrupt_main)
    results = train(columns, FITS, Recipe(epochs=100_000), workers=2)
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert time.perf_counter() - start < 10.0
    assert not training_threads()


def test_an_error_in_a_worker_reaches_the_caller(
    columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(engine, "Trainer", broken)
    with pytest.raises(MemoryError, match="no room"):
        list(train(columns, FITS, SHORT, workers=2))
    assert not training_threads()


def test_no_fits_give_no_results(columns: Columns) -> None:
    assert list(train(columns, [], SHORT)) == []


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"hidden": 0}, {"depth": 0}, {"batch_size": 0}, {"dropout": 1.0}],
    ids=str,
)
def test_impossible_recipes_are_refused_by_field(columns: Columns, change: dict) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        train(columns, FITS, replace(SHORT, **change))


def test_impossible_requests_are_refused(columns: Columns) -> None:
    with pytest.raises(InputError, match="workers"):
        train(columns, FITS, SHORT, workers=0)
    with pytest.raises(InputError, match="no row"):
        train(columns, [Fit(0, "all", (0, 1, 2, 3))], SHORT)
    with pytest.raises(InputError, match="go together"):
        Fit(0, "a")
    with pytest.raises(InputError, match="go together"):
        Fit(0, None, (1,))
    with pytest.raises(InputError, match="seed"):
        Fit(-1, None)


def test_columns_of_unequal_length_are_refused(columns: Columns) -> None:
    with pytest.raises(FeatureError, match="codec"):
        Columns(columns.features, columns.codec[:-1], columns.vmaf, columns.unit)


def test_columns_of_another_type_or_layout_are_refused(columns: Columns) -> None:
    for wrong in (columns.features.astype(np.float64), np.asfortranarray(columns.features)):
        with pytest.raises(FeatureError, match="features"):
            replace(columns, features=wrong)


def test_read_only_columns_train_alike(columns: Columns) -> None:
    (want,) = train(columns, [FITS[0]], SHORT)
    for part in (columns.features, columns.codec, columns.vmaf, columns.unit):
        part.flags.writeable = False
    (got,) = train(columns, [FITS[0]], SHORT)
    assert np.array_equal(net.pack(got.weights), net.pack(want.weights))


def test_predict_refuses_a_wrong_shape(columns: Columns) -> None:
    (fitted,) = train(columns, [FITS[0]], Recipe(epochs=1))
    with pytest.raises(FeatureError, match="codec"):
        fitted.predict(columns.features, columns.codec[:, :-1])
    with pytest.raises(FeatureError, match="features"):
        fitted.predict(columns.features[:, :5], columns.codec)


def test_a_codec_blind_network_trains() -> None:
    (fitted,) = train(made_columns(120, codecs=0), [Fit(0, None)], SHORT)
    assert fitted.weights.layers[0][0].shape == (6, 64)
