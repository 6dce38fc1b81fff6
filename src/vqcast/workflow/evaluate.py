"""Judge a registry's intervals: its evidence and its corpus in, figures out.

Nothing is trained: the out-of-fold predictions of every seed travel with the
registry, and their digests are checked before they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.documents.evidence import UnseenReport
from vqcast.errors import InputError
from vqcast.evidence.conformal import Array, calibrate
from vqcast.evidence.evaluation import Evaluation, evaluate
from vqcast.evidence.folder import Evidence, in_registry
from vqcast.evidence.metrics import rmse
from vqcast.interval import Calibration
from vqcast.regressor.dataset import codes_of, out_of_fold, trainable
from vqcast.regressor.spec import Spec, spec_of
from vqcast.serve.folder import Folder
from vqcast.serve.load import from_folder
from vqcast.serve.signature import opened
from vqcast.serve.trust import Trust


@dataclass(frozen=True, slots=True)
class Shipped:
    """The installed networks on the rows they were fitted on: does the correction fit them too?"""

    n_rows: int
    rmse_mean: float
    """Of the plain mean, VMAF points."""
    rmse_centre: float
    """Of the mean corrected by what the out-of-fold predictions taught."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A registry's calibration and everything measured about it."""

    model_id: str
    corpus_sha256: str
    calibration: Calibration
    evaluation: Evaluation
    shipped: Shipped
    unseen: UnseenReport | None = None
    """Refits without each preset and each encoder, where the evidence holds them."""


def registry_evidence(folder: Folder, spec: Spec) -> Evidence:
    """A family's evidence in a registry, its digests checked."""
    return in_registry(folder.files, spec.id, where=f"{folder.root}/")


def evaluate_registry(
    root: Path,
    corpus: Corpus,
    model_id: str,
    *,
    trust: Trust | None = None,
) -> Evaluated:
    """Everything measured about ``model_id`` in the registry ``root``.

    Raises EvidenceError where its evidence is absent, of another corpus, or of
    fewer than three groups, SignatureRefused where it is not signed as ``trust`` asks.
    """
    spec = spec_of(model_id)
    if not spec.is_ensemble:
        raise InputError(
            f"{model_id} is one network and ships no interval", hint="evaluate an ensemble"
        )
    folder = opened(root, trust)
    found = registry_evidence(folder, spec)
    oof = out_of_fold(found, corpus, spec)
    calibration = (
        calibrate(oof, evidence=found.all_digests)
        if found.intervals is None
        else found.intervals.calibration
    )
    kept = trainable(corpus, spec).corpus
    return Evaluated(
        model_id=spec.id,
        corpus_sha256=corpus.sha256,
        calibration=calibration,
        evaluation=evaluate(oof, {"source": kept.src, "encoder": kept.encoder}),
        shipped=shipped(folder, kept, spec, calibration),
        unseen=found.unseen,
    )


def shipped(folder: Folder, corpus: Corpus, spec: Spec, calibration: Calibration) -> Shipped:
    """Score the corpus with the installed networks, with and without the correction."""
    members = np.stack([_predict(folder, spec.member_id(seed), corpus) for seed in spec.seeds])
    mean = members.mean(axis=0)
    return Shipped(
        n_rows=len(corpus),
        rmse_mean=rmse(mean, corpus.vmaf) or 0.0,
        rmse_centre=rmse(calibration.centre(mean), corpus.vmaf) or 0.0,
    )


def _predict(folder: Folder, member_id: str, corpus: Corpus) -> Array:
    predictor = from_folder(folder, member_id)
    settings = list(zip(corpus.encoder, corpus.preset, corpus.cq.tolist(), strict=True))
    codes = codes_of(settings)
    predicted = np.zeros(len(corpus))
    for code in range(int(codes.max()) + 1):
        rows = np.flatnonzero(codes == code)
        encoder, preset, cq = settings[rows[0]]
        predicted[rows] = predictor.predict(
            corpus.features[rows], encoder=encoder, preset=preset, cq=cq
        ).mean
    return predicted
