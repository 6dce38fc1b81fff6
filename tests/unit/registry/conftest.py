"""One promoted registry for all tests of the registry; each breaks a copy of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from registry_kit import House, build_house


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house that no test changes."""
    return build_house(tmp_path_factory.mktemp("house"))


@pytest.fixture
def house(pristine: House, tmp_path: Path) -> House:
    """A copy to break."""
    return pristine.copy(tmp_path)
