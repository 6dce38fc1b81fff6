"""Train many fits of one corpus: every fold of every seed, or production fits.

The corpus exists once, as float32 columns; a fit is a seed and the unit that it
holds out. Each fit has its own row order, dropout stream and scaler, all
functions of the fit alone: what is trained beside it, and by how many workers,
changes no digit. Nothing here touches files; the caller saves what it gets::

    for fitted in train(columns, fits, Recipe()):
        scores = fitted.predict(features, codec)

Workers are threads, and a task is one whole fit: the kernel releases the GIL
and a network's state fits in one core's cache, so fits side by side keep every
core busy without any talk between them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vqcast.errors import InputError
from vqcast.media.threads import usable_cores
from vqcast.regressor.job import Columns, Fit, Fitted
from vqcast.regressor.spec import Recipe
from vqcast.regressor.trainer import Stopped, Trainer
from vqcast.watch import Progress

__all__ = ["Columns", "Fit", "Fitted", "train"]

_REPORT_S = 0.2
"""Seconds between two calls of ``progress``."""


def train(
    columns: Columns,
    fits: Sequence[Fit],
    recipe: Recipe,
    *,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Fitted]:
    """Train ``fits`` and yield each as it is done, roughly in their order.

    Fits start in the order given, so that a caller who lists them by seed can
    save a seed as soon as its last fit arrives. ``workers`` is the number of
    threads, by default one per usable core. ``progress`` is told the epochs of all
    fits in the caller's thread, about five times a second. Leaving the iterator early, or
    Ctrl-C, stops the threads within a fraction of a second.

    Raises InputError for an impossible recipe or fit.
    """
    check_recipe(recipe)
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; at least 1 is needed")
    units = set(np.unique(columns.unit).tolist())
    for fit in fits:
        if units and units <= set(fit.held_out_units):
            raise InputError(f"holding out {fit.held_out!r} leaves no row to train on")
    if not len(columns.vmaf):
        raise InputError("no row to train on")
    pool = _Pool(columns, fits, recipe, min(workers or usable_cores(), max(len(fits), 1)))
    return pool.run(progress)


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError where a field of ``recipe`` can't be trained with."""
    for name in ("hidden", "depth", "epochs", "batch_size"):
        if getattr(recipe, name) < 1:
            raise InputError(f"recipe: {name} is {getattr(recipe, name)}; at least 1 is needed")
    if not 0.0 <= recipe.dropout <= 0.99:
        raise InputError(f"recipe: dropout is {recipe.dropout}; 0 to 0.99 is possible")


class _Pool:
    """Threads that take fits from a queue, in order, until it is empty."""

    def __init__(self, columns: Columns, fits: Sequence[Fit], recipe: Recipe, workers: int) -> None:
        self._columns = columns
        self._recipe = recipe
        self._fits = len(fits)
        self._todo: queue.SimpleQueue[Fit] = queue.SimpleQueue()
        for fit in fits:
            self._todo.put(fit)
        self._done: queue.SimpleQueue[Fitted | Exception] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._epochs = [0] * workers  # one cell a worker, so that no lock is needed
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f"train-{index}", daemon=True)
            for index in range(workers)
        ]

    def run(self, progress: Callable[[Progress], None] | None) -> Iterator[Fitted]:
        """Yield fits as they are done; stop the threads however this ends."""
        done = 0
        reported = 0.0
        try:
            for thread in self._threads:
                thread.start()
            while done < self._fits:
                try:
                    result = self._done.get(timeout=_REPORT_S)
                except queue.Empty:
                    result = None
                if isinstance(result, Exception):
                    raise result
                done += result is not None
                now = time.perf_counter()
                if progress and (now - reported >= _REPORT_S or done == self._fits):
                    progress(self._state(done))
                    reported = now
                if result is not None:
                    yield result
        finally:
            self._stop.set()
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()

    def _state(self, done: int) -> Progress:
        epoch, epochs = sum(self._epochs), self._fits * self._recipe.epochs
        now = f"epoch {epoch} of {epochs}, {done}/{self._fits} networks"
        return Progress(epoch, epochs, now)

    def _work(self, worker: int) -> None:
        try:
            while not self._stop.is_set():
                self._done.put(self._fit(self._todo.get_nowait(), worker))
        except (queue.Empty, Stopped):
            return
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits for the fits
            self._done.put(error)

    def _fit(self, fit: Fit, worker: int) -> Fitted:
        start = time.perf_counter()
        trainer = Trainer(self._columns, fit, self._recipe)
        losses = []
        for _ in range(self._recipe.epochs):
            losses.append(trainer.mean_loss(trainer.epoch(self._stop)))
            self._epochs[worker] += 1
        return trainer.fitted(losses, time.perf_counter() - start)
