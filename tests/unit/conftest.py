"""A promoted ensemble and a promoted forecaster, for the tests of several rooms."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from forecast_kit import ForecastHouse, write_small_corpus
from registry_kit import House, build_house

from vqcast.workflow import steps


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A run and its registry that no test changes."""
    return build_house(tmp_path_factory.mktemp("house"))


@pytest.fixture
def house(pristine: House, tmp_path: Path) -> House:
    """A copy to break."""
    return pristine.copy(tmp_path)


@pytest.fixture(scope="session")
def forecast_pristine(tmp_path_factory: pytest.TempPathFactory) -> ForecastHouse:
    """A house that no test changes."""
    root = tmp_path_factory.mktemp("forecast")
    house = ForecastHouse(
        write_small_corpus(root / "corpus.jsonl"), root / "run", root / "registry"
    )
    steps.train("crf_forecast_v1", [house.corpus], house.run_dir)
    judged = steps.gate(house.run_dir)
    assert judged.promotes, judged.recommendation
    steps.promote(house.run_dir, [house.corpus], house.registry)
    return house


@pytest.fixture
def forecast_house(forecast_pristine: ForecastHouse, tmp_path: Path) -> ForecastHouse:
    """A copy to break."""
    shutil.copytree(forecast_pristine.run_dir, tmp_path / "run")
    shutil.copytree(forecast_pristine.registry, tmp_path / "registry")
    return ForecastHouse(forecast_pristine.corpus, tmp_path / "run", tmp_path / "registry")
