"""The corpus of the tests of training."""

from __future__ import annotations

import pytest
from learn_columns import made_columns

from vqcast.regressor.job import Columns


@pytest.fixture
def columns() -> Columns:
    """403 rows of 4 units: 302 or 303 rows a fold, so the last batch is partial."""
    return made_columns(403)
