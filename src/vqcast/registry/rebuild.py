"""Train a registry's models again and compare: same bytes here, close elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError, RegistryError
from vqcast.families import FAMILIES, Family, Recipe
from vqcast.registry import law
from vqcast.regressor import graph
from vqcast.regressor.dataset import columns_of, trainable
from vqcast.regressor.engine import Columns, Fit, Fitted, Progress, train
from vqcast.serve.folder import Folder
from vqcast.serve.guard import Session

MAX_ABS_DIFFERENCE = 0.05
"""VMAF points between two rebuilds on different software (CONTRACTS §6)."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How one model compares with its second training."""

    model_id: str
    same_bytes: bool
    worst: float
    """Largest difference in VMAF points over the corpus."""

    @property
    def problem(self) -> str | None:
        """A sentence where the two differ by more than the law allows."""
        if self.worst <= MAX_ABS_DIFFERENCE:
            return None
        return f"{self.model_id}: trained again it differs by {self.worst:.3f} VMAF"


def rebuild(
    root: Path,
    corpus: Corpus,
    *,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Rebuilt]:
    """Train every promoted model of the registry on ``corpus`` again and compare.

    Raises EvidenceError where a model was fitted on another corpus,
    RegistryError where no promoted model is there.
    """
    folder = Folder(root)
    folder.require_whole()
    rows = {row.id: row for row in folder.registry().models if not row.is_smoke}
    results = []
    for model in FAMILIES.values():
        mine = {
            seed: law.read_network_sidecar(rows[model.member_id(seed)], folder.files)
            for seed in model.seeds
            if model.member_id(seed) in rows
        }
        for sidecar in mine.values():
            if law.corpus_sha256(sidecar) != corpus.sha256:
                raise EvidenceError(
                    f"{sidecar.id}: was fitted on another corpus than {corpus.path}"
                )
        if mine:
            results += _rebuild_family(model, mine, folder, corpus, workers, on_progress)
    if not results:
        raise RegistryError(f"{root}: holds no promoted model to rebuild")
    return sorted(results, key=lambda result: result.model_id)


def _rebuild_family(
    model: Family,
    mine: dict[int, law.NetworkSidecar],
    folder: Folder,
    corpus: Corpus,
    workers: int | None,
    on_progress: Callable[[Progress], None] | None,
) -> list[Rebuilt]:
    columns = columns_of(trainable(corpus, model).corpus, model)
    fits = [Fit(seed=seed, held_out=None) for seed in mine]
    recipe = _recipe(next(iter(mine.values())))
    return [
        _compare(fitted, mine[fitted.fit.seed], folder, model, columns)
        for fitted in train(columns, fits, recipe, workers=workers, progress=on_progress)
    ]


def _recipe(sidecar: law.NetworkSidecar) -> Recipe:
    recipe = sidecar.training_recipe
    return Recipe(
        hidden=recipe.hidden,
        depth=recipe.depth,
        dropout=recipe.dropout,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
    )


def _compare(
    fitted: Fitted, sidecar: law.NetworkSidecar, folder: Folder, model: Family, columns: Columns
) -> Rebuilt:
    data = graph.build(fitted.weights.layers, model, sidecar.id)
    session = Session(
        folder.files[sidecar.onnx],
        sha256=sidecar.sha256,
        input_names=sidecar.input_names,
        output_names=sidecar.output_names,
        where=sidecar.onnx,
    )
    scaled = (columns.features - np.asarray(sidecar.feature_mean)) / np.asarray(sidecar.feature_std)
    arrays = [scaled.astype(np.float32)] + ([columns.codec] if model.codec_input else [])
    shipped = np.clip(session.run(*arrays)[0].reshape(-1), 0.0, 100.0)
    again = np.clip(fitted.predict(columns.features, columns.codec), 0.0, 100.0)
    return Rebuilt(
        model_id=sidecar.id,
        same_bytes=sha256_bytes(data) == sidecar.sha256,
        worst=float(np.max(np.abs(shipped - again))),
    )
