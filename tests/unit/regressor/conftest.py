"""Lets the tests of training import their helpers, and makes their corpus."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vqcast.regressor.job import Columns

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def columns() -> Columns:
    """403 rows of 4 units: 302 or 303 rows a fold, so the last batch is partial."""
    from learn_columns import made_columns

    return made_columns(403)
