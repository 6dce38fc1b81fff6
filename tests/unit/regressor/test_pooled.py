"""The corpus contract's second shape, pooled rows, trains a model too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vqcast.corpus.checking import SHAPE_POOLED
from vqcast.corpus.table import load
from vqcast.documents import jsontext
from vqcast.regressor.crossvalidate import Run, crossvalidate
from vqcast.regressor.dataset import trainable
from vqcast.regressor.spec import V3, Recipe
from vqcast.vocab import FEATURES

ENCODERS = ("libx264", "libsvtav1", "libvpx-vp9")


def pooled_corpus(path: Path) -> Path:
    generator = np.random.default_rng(7)
    lines = []
    for source in range(4):
        for encoder in ENCODERS:
            for crf in range(16, 56, 2):
                loss = (crf - 16) / 40 + 0.02 * source
                means = {f"{name}_mean": 0.95 - 0.4 * loss for name in FEATURES}
                row = {
                    "schema_version": 3,
                    "src": f"clip{source}",
                    "encoder": encoder,
                    "preset": None,
                    "crf": crf,
                    "vmaf_score": round(96.0 - 60.0 * loss + generator.normal(0, 0.2), 4),
                    **means,
                    **{f"{name}_std": 0.01 for name in FEATURES},
                }
                lines.append(jsontext.dump_line(row))
    path.write_bytes(b"".join(lines))
    return path


def test_pooled_rows_train_v3_and_foreign_encoders_are_counted(tmp_path: Path) -> None:
    corpus = load(pooled_corpus(tmp_path / "pooled.jsonl"))
    assert corpus.shape == SHAPE_POOLED
    data = trainable(corpus, V3)
    assert data.excluded == {"libvpx-vp9": 80}
    reports = crossvalidate(
        Run(data, V3, replace(Recipe(), epochs=150)), tmp_path / "run", seeds=V3.seeds
    )
    (report,) = reports.values()
    assert report.rows_excluded == {"libvpx-vp9": 80}
    assert sum(fold.n_val for fold in report.folds) == 160
    assert report.mean_plcc is not None
    assert report.mean_plcc > 0.95
