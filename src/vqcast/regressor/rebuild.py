"""Train promoted networks again and compare: same bytes here, close elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.documents.registry import Row
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError
from vqcast.families import Rebuilt
from vqcast.interval import VMAF_MAX, VMAF_MIN
from vqcast.regressor import graph
from vqcast.regressor.dataset import columns_of, trainable
from vqcast.regressor.engine import Columns, Fit, Fitted, train
from vqcast.regressor.package import recipe_of
from vqcast.regressor.spec import Spec
from vqcast.regressor.standing import NetworkSidecar, corpus_sha256, read_network_sidecar
from vqcast.serve.guard import CheckedGraph
from vqcast.watch import Watch


def rebuild(
    spec: Spec,
    rows: Mapping[str, Row],
    files: Mapping[str, bytes],
    corpus: Corpus,
    *,
    watch: Watch,
) -> list[Rebuilt]:
    """Train every promoted network of a family on ``corpus`` again and compare.

    Raises EvidenceError where one was fitted on another corpus.
    """
    mine = {
        seed: read_network_sidecar(rows[spec.member_id(seed)], spec, files)
        for seed in spec.seeds
        if spec.member_id(seed) in rows
    }
    for sidecar in mine.values():
        if corpus_sha256(sidecar) != corpus.sha256:
            raise EvidenceError(f"{sidecar.id}: was fitted on another corpus than {corpus.path}")
    if not mine:
        return []
    first = next(iter(mine.values()))
    kept = trainable(corpus, spec).corpus
    # Earlier releases, which record no presets, took the ordinal for every encoder.
    every = frozenset(kept.counts("encoder")) if first.presets is None else None
    columns = columns_of(kept, spec, varied=every)
    fits = [Fit(seed=seed, held_out=None) for seed in mine]
    recipe = recipe_of(first.training_recipe)
    again = train(columns, fits, recipe, workers=watch.workers, progress=watch.progress)
    return [_compare(fitted, mine[fitted.fit.seed], files, spec, columns) for fitted in again]


def _compare(
    fitted: Fitted,
    sidecar: NetworkSidecar,
    files: Mapping[str, bytes],
    spec: Spec,
    columns: Columns,
) -> Rebuilt:
    data = graph.build(fitted.weights.layers, spec, sidecar.id)
    session = CheckedGraph(
        files[sidecar.onnx],
        sha256=sidecar.sha256,
        input_names=sidecar.input_names,
        output_names=sidecar.output_names,
        where=sidecar.onnx,
    )
    scaled = (columns.features - np.asarray(sidecar.feature_mean)) / np.asarray(sidecar.feature_std)
    arrays = [scaled.astype(np.float32)] + ([columns.codec] if spec.codec_input else [])
    shipped = np.clip(session.run(*arrays)[0].reshape(-1), VMAF_MIN, VMAF_MAX)
    predicted = fitted.predict(columns.features, columns.codec)
    again = np.clip(predicted, VMAF_MIN, VMAF_MAX)
    return Rebuilt(
        model_id=sidecar.id,
        same_bytes=sha256_bytes(data) == sidecar.sha256,
        worst=float(np.max(np.abs(shipped - again))),
    )
