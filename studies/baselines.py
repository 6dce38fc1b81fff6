"""What a network has to beat: libvmaf's own arithmetic, one feature, and a cubic.

Per-frame VMAF v0.6.1 is a support vector machine of exactly the six features that the networks
read. Its model travels inside libvmaf; read from there, it gives every score of the corpus. A
single feature passes the gate, and a polynomial comes closer than the published recipe's
networks. The page says so where the networks are described. From the repository::

    python -m studies.baselines --registry model/tiny --corpus CORPUS
"""

from __future__ import annotations

import json
import re
import sys
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from studies.command import command
from vqcast import documents
from vqcast.corpus.table import Corpus, load
from vqcast.documents import Document
from vqcast.durable.files import read_regular, write_atomic
from vqcast.errors import ToolUnavailable
from vqcast.evidence.conformal import Array, CentreCorrection, Codes
from vqcast.evidence.folder import in_registry
from vqcast.evidence.metrics import plcc
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.regressor.dataset import out_of_fold
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder
from vqcast.vocab import FEATURES

_MARK = b'"VMAF_integer_feature_adm2_score"'
_MAX_MODEL_BYTES = 1 << 20
_MAX_FFMPEG_BYTES = 1 << 30
_RIDGE = 1e-9


class Baselines(Document, frozen=True, kw_only=True):
    """``docs/evidence/baselines.json``; RMSE in VMAF points, PLCC the mean over sources."""

    command: str
    corpus_sha256: str
    n_rows: int
    svr_largest_error: float
    """Of libvmaf's own support vector machine, on every row."""
    adm2_plcc: float
    """Of the feature itself, nothing fitted."""
    cubic_rmse: float
    """Every product of up to three features, least squares, one group left out at a time."""
    cubic_plcc: float
    ensemble_rmse: float
    """The ensemble's plain mean on groups left out."""
    corrected_rmse: float
    ensemble_plcc: float


def teacher(data: bytes) -> dict[str, Any]:
    """libvmaf's built-in model of the six integer features, from the bytes that hold it.

    Raises ToolUnavailable where there is none.
    """
    at = data.find(_MARK)
    while at >= 0:
        start = data.rfind(b"\0", max(0, at - _MAX_MODEL_BYTES), at) + 1
        text = data[start : data.find(b"\0", at, at + _MAX_MODEL_BYTES)]
        try:
            found = json.loads(text)["model_dict"]
        except (ValueError, KeyError):
            found = {}
        names = [_short(name) for name in found.get("feature_names", [])]
        if found.get("model_type") == "LIBSVMNUSVR" and sorted(names) == sorted(FEATURES):
            return dict(found)
        at = data.find(_MARK, at + 1)
    raise ToolUnavailable("this ffmpeg's libvmaf holds no model of the six features")


def _short(name: str) -> str:
    return re.sub(r"^VMAF_integer_feature_|_score$", "", name)


def predict(model: dict[str, Any], features: Array) -> Array:
    """VMAF of ``[N, 6]`` features as libvmaf computes it: nu-SVR with a radial kernel."""
    names = [_short(name) for name in model["feature_names"]]
    slopes, offsets = np.array(model["slopes"]), np.array(model["intercepts"])
    header, _, vectors = model["model"].partition("SV\n")
    facts = dict(line.split(" ", 1) for line in header.strip().splitlines())
    lines = [line.split() for line in vectors.strip().splitlines()]
    weights, support = np.array([float(line[0]) for line in lines]), np.zeros((len(lines), 6))
    for row, line in enumerate(lines):  # libsvm leaves zeros out
        for place, value in (pair.split(":") for pair in line[1:]):
            support[row, int(place) - 1] = float(value)
    x = features[:, [FEATURES.index(name) for name in names]] * slopes[1:] + offsets[1:]
    scores = np.concatenate([
        np.exp(-float(facts["gamma"]) * ((part[:, None] - support) ** 2).sum(axis=2)) @ weights
        for part in np.array_split(x, max(1, len(x) // 4096))
    ])  # fmt: skip
    low, high = model["score_clip"]
    score: Array = np.clip((scores - float(facts["rho"]) - offsets[0]) / slopes[0], low, high)
    return score


def cubic(features: Array) -> Array:
    """Every product of up to three standardised features, ``[N, 84]``."""
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    powers = [
        np.prod(z[:, list(which)], axis=1)
        for degree in (1, 2, 3)
        for which in combinations_with_replacement(range(z.shape[1]), degree)
    ]
    return np.column_stack([np.ones(len(z)), *powers])


def _left_out(terms: Array, corpus: Corpus, group: Codes) -> Array:
    predicted = np.empty(len(corpus))
    for k in np.unique(group):
        rest = group != k
        normal = terms[rest].T @ terms[rest]
        normal += _RIDGE * np.trace(normal) / len(normal) * np.eye(len(normal))
        weights = np.linalg.solve(normal, terms[rest].T @ corpus.vmaf[rest])
        predicted[~rest] = terms[~rest] @ weights
    return np.clip(predicted, 0.0, 100.0)


def _mean_plcc(predicted: Array, corpus: Corpus) -> float:
    sources = np.array(corpus.src)
    values = [
        plcc(predicted[sources == name], corpus.vmaf[sources == name]) or 0.0
        for name in corpus.sources
    ]
    return float(np.mean(values))


def _rmse(predicted: Array, truth: Array) -> float:
    return float(np.sqrt(np.mean(np.square(predicted - truth))))


def page(made: Baselines) -> str:
    """The block of the evaluation's page."""
    return "\n".join([
        "## What a network has to beat",
        "",
        f"On {made.n_rows:,} frames: libvmaf's own support vector machine gives every score of the "
        f"corpus from the same six features to {made.svr_largest_error:.4f} points. One feature "
        f"alone, adm2, has a mean PLCC of {made.adm2_plcc:.3f} and so passes the 0.95 gate. A "
        f"cubic of the six features has an RMSE of {made.cubic_rmse:.2f} points on groups left "
        f"out; the five networks' mean has {made.ensemble_rmse:.2f}, corrected "
        f"{made.corrected_rmse:.2f}.",
        "",
        f"Written by `{made.command}` from docs/evidence/baselines.json; not edited by hand.",
    ])  # fmt: skip


def main(
    registry: Annotated[Path, typer.Option("--registry", help="The registry folder.")],
    corpus: Annotated[Path, typer.Option("--corpus", help="The corpus it was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="The report to write.")] = Path(
        "docs/evidence/baselines.json"
    ),
    markdown: Annotated[
        Path, typer.Option("--markdown", help="The page whose block is written.")
    ] = Path("docs/evaluation.md"),
) -> None:
    """Measure what a network has to beat, and write the evaluation's block."""
    table = load(corpus)
    oof = out_of_fold(in_registry(Folder(registry).files, ENSEMBLE.id), table, ENSEMBLE)
    model = teacher(read_regular(find_ffmpeg().path, max_bytes=_MAX_FFMPEG_BYTES))
    polynomial = _left_out(cubic(table.features), table, oof.group)
    made = Baselines(
        command=command("studies.baselines", sys.argv[1:]),
        corpus_sha256=table.sha256,
        n_rows=len(table),
        svr_largest_error=float(np.abs(predict(model, table.features) - table.vmaf).max()),
        adm2_plcc=_mean_plcc(table.features[:, FEATURES.index("adm2")], table),
        cubic_rmse=_rmse(polynomial, table.vmaf),
        cubic_plcc=_mean_plcc(polynomial, table),
        ensemble_rmse=_rmse(oof.mean, table.vmaf),
        corrected_rmse=_rmse(CentreCorrection(oof).centres(range(oof.n_groups)), table.vmaf),
        ensemble_plcc=_mean_plcc(oof.mean, table),
    )
    write_atomic(out, documents.to_bytes(made))
    blocks.write(markdown, "baselines", page(made))


if __name__ == "__main__":
    typer.run(main)
