"""A small corpus that passes the gate, its evidence, and registries to break on purpose.

The rows are smooth enough to be learnt in 150 epochs: five seeds on three
sources take half a second. They carry no synthetic mark, so that a PROMOTE
can be had; nothing here is real video.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vqcast.corpus.table import Corpus, load
from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.regressor.crossvalidate import Run, crossvalidate
from vqcast.regressor.dataset import trainable
from vqcast.regressor.spec import ENSEMBLE, Recipe
from vqcast.serve.folder import CHECKSUMS_NAME
from vqcast.vocab import FEATURES
from vqcast.workflow import steps

EPOCHS = 150
RECIPE = replace(Recipe(), epochs=EPOCHS)
PRESETS = {"libx264": "medium", "libx265": "fast", "libsvtav1": "8", "libaom-av1": "6"}
PREFIX = f"evidence/{ENSEMBLE.id}/"
VERDICT = f"{ENSEMBLE.id}_seed_flip_PROMOTE.json"
MANIFEST = f"{ENSEMBLE.id}.json"
MEMBER = f"{ENSEMBLE.id}_seed0"


def rows(
    *,
    sources: int = 3,
    encoders: tuple[str, ...] = ("libx264", "libx265", "libsvtav1"),
    qualities: tuple[int, ...] = (20, 28, 36, 44),
    frames: int = 10,
    seed: int = 3,
    groups: tuple[str | None, ...] = (),
) -> list[dict[str, Any]]:
    """Per-frame rows whose score is a smooth function of the features."""
    generator = np.random.default_rng(seed)
    made = []
    for source in range(sources):
        for encoder in encoders:
            for cq in qualities:
                for frame in range(frames):
                    loss = (cq - 18) / 26 + generator.normal(0, 0.02) + 0.05 * source
                    clean = 1.0 - np.array([0.3, 0.7, 0.5, 0.4, 0.3, 0.0]) * loss
                    clean[5] = 3.0 + 0.2 * source
                    features = (clean + generator.normal(0, 0.003, 6)).tolist()
                    row: dict[str, Any] = {
                        "src": f"clip_{source}",
                        "encoder": encoder,
                        "cq": cq,
                        "frame_index": frame,
                        "vmaf": float(np.clip(98 - 60 * loss, 0, 100)),
                        **dict(zip(FEATURES, features, strict=True)),
                    }
                    if encoder in PRESETS:
                        row["preset"] = PRESETS[encoder]
                    if groups:
                        row["group"] = groups[source]
                    made.append(row)
    return made


def write_corpus(path: Path, made: list[dict[str, Any]] | None = None) -> Path:
    """The rows as a JSON Lines corpus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row) + "\n" for row in (rows() if made is None else made))
    path.write_text("".join(lines))
    return path


@dataclass(frozen=True)
class House:
    """One corpus, the run on it with its verdict, and the registry it was promoted into."""

    corpus_path: Path
    run_dir: Path
    registry: Path

    @property
    def corpus(self) -> Corpus:
        return load(self.corpus_path)

    def copy(self, to: Path) -> House:
        """Run folder and registry again, to be changed freely."""
        shutil.copytree(self.run_dir, to / "run")
        shutil.copytree(self.registry, to / "registry")
        return House(self.corpus_path, to / "run", to / "registry")


def evidence_run(corpus_path: Path, run_dir: Path, recipe: Recipe = RECIPE) -> str:
    """Train every seed, apply the gate, write its verdict and return it."""
    corpus = load(corpus_path)
    crossvalidate(Run(trainable(corpus, ENSEMBLE), ENSEMBLE, recipe), run_dir, seeds=ENSEMBLE.seeds)
    return steps.gate(run_dir).verdict.verdict


def build_house(folder: Path) -> House:
    """Corpus, evidence, PROMOTE and a registry under ``folder``."""
    house = House(write_corpus(folder / "corpus.jsonl"), folder / "run", folder / "registry")
    verdict = evidence_run(house.corpus_path, house.run_dir)
    assert verdict == "PROMOTE"
    steps.promote(house.run_dir, [house.corpus_path], house.registry)
    return house


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def reseal(registry: Path) -> None:
    """Make ``checksums.json`` agree with what is there, as a careful forger would."""
    files = contents(registry)
    files.pop(CHECKSUMS_NAME, None)
    digests = {name: sha256_bytes(data) for name, data in files.items()}
    digests = dict(sorted(digests.items()))
    (registry / CHECKSUMS_NAME).write_bytes(jsontext.dump(digests))


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON document in place; ``change`` mutates it or returns another."""
    value = json.loads(path.read_bytes())
    changed = change(value)
    path.write_bytes(jsontext.dump(value if changed is None else changed))
