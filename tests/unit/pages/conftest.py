"""What the report's tests share: the shipped registry, its corpus, and a run folder of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vqcast.corpus.table import Corpus, load
from vqcast.pages import ink
from vqcast.pages.heldout import HeldOutFigures, held_out
from vqcast.pages.subject import read_registry
from vqcast.regressor.spec import ENSEMBLE

ROOT = Path(__file__).parents[3]
REGISTRY = ROOT / "model" / "tiny"
CORPUS = ROOT / "data" / "networks" / "per_frame_canonical6.jsonl.gz"


@pytest.fixture(scope="session")
def registry() -> Path:
    """The shipped registry."""
    return REGISTRY


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The corpus that the shipped models stand on."""
    return load(CORPUS)


@pytest.fixture(scope="session")
def joined(registry: Path, corpus: Corpus) -> HeldOutFigures:
    """The shipped ensemble's predictions beside the corpus."""
    found = held_out(read_registry(registry)[0], corpus)
    assert found is not None
    return found


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The shipped ensemble's evidence as the run folder that it came from, to change freely."""
    folder = tmp_path / "run"
    shutil.copytree(REGISTRY / "evidence" / ENSEMBLE.id, folder)
    shutil.copy(REGISTRY / f"{ENSEMBLE.id}_seed_flip_PROMOTE.json", folder / "PROMOTE.json")
    return folder


@pytest.fixture
def tune_lines() -> Path:
    """What a tuning prints with ``--json``, followed by the line of its encode."""
    return Path(__file__).parent / "tune_sample.jsonl"


@pytest.fixture
def styled() -> Iterator[None]:
    """matplotlib's settings, as a page's charts have them."""
    with ink.style():
        yield
