"""Two promotions of the same models on different corpora, fitted once.

``install`` is what a promotion does to the disk once its networks are fitted;
driven with these, a promotion takes some milliseconds.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unittest.mock import patch

from registry_kit import House, build_house, contents, evidence_run, rows, write_corpus

import vqcast
from attacks.disk import Tree
from vqcast.families import Package
from vqcast.registry import law
from vqcast.registry.seal import install
from vqcast.serve.folder import CHECKSUMS_NAME, REGISTRY_NAME, Folder
from vqcast.workflow.steps import promote

FEATURES = [[0.9, 0.7, 0.8, 0.85, 0.9, 3.0]]


class Edition:
    """One promotion as ``install`` gets it, and the folder that it makes."""

    def __init__(self, registry: Path) -> None:
        self.files: Tree = contents(registry)
        rest = dict(self.files)
        models = Folder(registry).registry().models
        for name in (REGISTRY_NAME, CHECKSUMS_NAME, "registry.schema.json"):
            del rest[name]
        self.package = Package(files=rest, rows=models)

    def install(self, registry: Path) -> None:
        """Promote it into ``registry``; the law is asked once of each state."""
        with patch.object(law, "violations", _judged_once):
            install(registry, self.package)


_JUDGED: dict[int, list[str]] = {}
_judge = law.violations


def _judged_once(files: Mapping[str, bytes]) -> list[str]:
    key = hash(tuple(sorted(files.items())))
    if key not in _JUDGED:
        _JUDGED[key] = _judge(files)
    return _JUDGED[key]


@cache
def houses() -> tuple[House, House]:
    """Corpus, run and registry of both editions, in a folder that lives as long as the process."""
    folder = Path(_FOLDERS.name)
    first = build_house(folder / "first")
    path = write_corpus(folder / "second" / "corpus.jsonl", rows(seed=8, frames=11))
    second = House(path, folder / "second" / "run", folder / "second" / "registry")
    assert evidence_run(path, second.run_dir) == "PROMOTE"
    promote(second.run_dir, [second.corpus_path], second.registry)
    return first, second


_FOLDERS = tempfile.TemporaryDirectory(prefix="vqcast-editions-")


@cache
def editions() -> tuple[Edition, Edition]:
    """The old one and the new one."""
    old, new = (Edition(house.registry) for house in houses())
    assert set(old.files) == set(new.files) and old.files != new.files
    return old, new


def old_registry(to: Path) -> Path:
    """A registry at ``to`` that holds the old edition."""
    return Path(shutil.copytree(houses()[0].registry, to))


def which(registry: Path) -> str:
    """``old`` or ``new``, or in words what else stands there."""
    there = contents(registry)
    for name, edition in zip(("old", "new"), editions(), strict=True):
        if there == edition.files:
            return name
    return f"torn: {len(there)} files, {'; '.join(law.verify(registry)[:3])}"


def speaks(registry: Path) -> bool:
    """Whether the registry is sound by its law and gives a score."""
    predictor = vqcast.load(registry=registry)
    score = predictor.predict(FEATURES, encoder="libx264", cq=28)
    return law.verify(registry) == [] and bool(score.mean.all())


def leftovers(registry: Path) -> list[str]:
    """What stands beside a registry that is neither its lock nor its history."""
    history = registry.parent / f".{registry.name}.history"
    known = {registry.name, f".{registry.name}.lock", history.name}
    beside = {path.name for path in registry.parent.iterdir()} - known
    hidden = {path.name for path in history.glob(".*") if not path.name.endswith(".lock")}
    return sorted(beside | hidden)
