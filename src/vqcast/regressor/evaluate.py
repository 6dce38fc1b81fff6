"""Judge a registry's intervals: its evidence and its corpus in, figures out.

Nothing is trained: the out-of-fold predictions of every seed travel with the
registry, and their digests are checked before they are read.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.corpus.table import Corpus
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence.conformal import LEVELS, Array, Codes, OutOfFold, calibrate
from vqcast.evidence.evaluation import MAX_SPLITS, Evaluation, evaluate
from vqcast.evidence.gate import check_evidence
from vqcast.families import Family, family
from vqcast.interval import Calibration
from vqcast.regressor.dataset import trainable
from vqcast.serve.folder import Folder
from vqcast.serve.load import from_folder
from vqcast.serve.signature import opened
from vqcast.serve.trust import Trust

HELD_OUT_COLUMN = "vmaf_hold_out_group"


@dataclass(frozen=True, slots=True)
class Shipped:
    """The installed networks on the rows they were fitted on: does the correction fit them too?"""

    n_rows: int
    rmse_mean: float
    """Of the plain mean, VMAF points."""
    rmse_centre: float
    """Of the mean corrected by what the out-of-fold predictions taught."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A registry's calibration and everything measured about it."""

    model_id: str
    corpus_sha256: str
    calibration: Calibration
    evaluation: Evaluation
    shipped: Shipped


def codes_of(names: Sequence[object]) -> Codes:
    """Codes 0..n-1 of the names, sorted by name, ``[rows]``."""
    order = {name: code for code, name in enumerate(sorted(set(names), key=str))}
    return np.fromiter((order[name] for name in names), dtype=np.int64, count=len(names))


def out_of_fold(found: evidence.Evidence, corpus: Corpus, model: Family) -> OutOfFold:
    """Every seed's out-of-group predictions beside the corpus's rows that it was trained on.

    Raises EvidenceError where a seed or its predictions are absent, or are of
    another corpus.
    """
    check_evidence(found.reports, model)
    data = trainable(corpus, model)
    members = []
    for seed in model.seeds:
        report = found.reports[seed]
        if report.corpus_sha256 != corpus.sha256:
            raise EvidenceError(
                f"{evidence.loso_name(seed)}: is of another corpus than {corpus.path}"
            )
        if report.predictions is None:
            raise EvidenceError(
                f"{evidence.loso_name(seed)}: keeps no out-of-fold predictions",
                hint="train that seed again",
            )
        column = _column(found.files[evidence.predictions_name(seed)], seed, data.file_rows)
        members.append(column[data.rows])
    corpus = data.corpus
    group_of = corpus.group_of()
    cells = list(zip(corpus.src, corpus.encoder, corpus.preset, corpus.cq.tolist(), strict=True))
    return OutOfFold(
        members=np.stack(members),
        vmaf=corpus.vmaf,
        features=corpus.features,
        group=codes_of([group_of[src] for src in corpus.src]),
        cell=codes_of(cells),
    )


def _column(data: bytes, seed: int, rows: int) -> Array:
    import polars as pl

    name = evidence.predictions_name(seed)
    try:
        column = pl.read_parquet(io.BytesIO(data))[HELD_OUT_COLUMN].to_numpy()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EvidenceError(f"{name}: can't be read: {error}") from error
    if len(column) != rows:
        raise EvidenceError(f"{name}: {len(column)} predictions for {rows} rows")
    return column.astype(np.float64)


def calibration_of(found: evidence.Evidence, corpus: Corpus, model: Family) -> Calibration:
    """The calibration that a family's evidence supports, with the digests it stands on."""
    return calibrate(out_of_fold(found, corpus, model), evidence=digests_of(found))


def digests_of(found: evidence.Evidence) -> dict[str, str]:
    """sha256 of every piece of evidence, predictions included."""
    return {name: sha256_bytes(data) for name, data in sorted(found.files.items())}


def registry_evidence(root: Path, model: Family, trust: Trust | None = None) -> evidence.Evidence:
    """A family's evidence in the registry ``root``, checksums, signature and digests checked."""
    folder = opened(root, trust)
    prefix = evidence.prefix(model.id)
    files = {
        name.removeprefix(prefix): data
        for name, data in folder.files.items()
        if name.startswith(prefix)
    }
    return evidence.parse(files, where=f"{root}/{prefix.rstrip('/')}")


def registry_oof(
    root: Path, corpus: Corpus, model: Family, trust: Trust | None = None
) -> OutOfFold:
    """A family's out-of-fold predictions in the registry ``root``."""
    return out_of_fold(registry_evidence(root, model, trust), corpus, model)


def evaluate_registry(
    root: Path,
    corpus: Corpus,
    model_id: str,
    *,
    levels: Sequence[float] = LEVELS,
    split_limit: int = MAX_SPLITS,
    trust: Trust | None = None,
) -> Judged:
    """Everything measured about ``model_id`` in the registry ``root``.

    Raises EvidenceError where its evidence is absent, of another corpus, or of
    fewer than three groups, SignatureRefused where it is not signed as ``trust`` asks.
    """
    model = family(model_id)
    found = registry_evidence(root, model, trust)
    oof = out_of_fold(found, corpus, model)
    calibration = calibrate(oof, evidence=digests_of(found))
    kept = trainable(corpus, model).corpus
    return Judged(
        model_id=model.id,
        corpus_sha256=corpus.sha256,
        calibration=calibration,
        evaluation=evaluate(
            oof,
            {"source": kept.src, "encoder": kept.encoder},
            levels=levels,
            split_limit=split_limit,
        ),
        shipped=shipped(opened(root, trust), kept, model, calibration),
    )


def shipped(folder: Folder, corpus: Corpus, model: Family, calibration: Calibration) -> Shipped:
    """Score the corpus with the installed networks, with and without the correction."""
    members = np.stack([_predict(folder, model.member_id(seed), corpus) for seed in model.seeds])
    mean = members.mean(axis=0)
    return Shipped(
        n_rows=len(corpus),
        rmse_mean=_rmse(mean, corpus.vmaf),
        rmse_centre=_rmse(calibration.centre(mean), corpus.vmaf),
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


def _rmse(predicted: Array, measured: Array) -> float:
    return float(np.sqrt(np.mean(np.square(predicted - measured))))
