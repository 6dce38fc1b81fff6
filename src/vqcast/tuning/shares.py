"""How probable an answer must be, so that of many titles the share asked for meets its target.

    least_probability(0.95, forecaster_sha256)  # 0.75: most answers are surer than the least sure

An answer is the highest CRF that is probable enough, and as CRFs have steps and probing goes on
while size could be saved, most answers are surer than they must be. The threshold is picked by what
it delivers on titles that were held out, as risk control does (Angelopoulos et al., "Learn then
Test", 2021). Numbers are those of ``shares.json``, which ``studies.decisions`` writes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from vqcast.documents import codec
from vqcast.documents.shares import ShareTable

TABLE = Path(__file__).with_name("shares.json")


def least_probability(share: float, forecaster: str | None) -> float:
    """What an answer must have, 0..1, with the forecaster whose sha256 is given.

    The share itself where it was not measured: then each answer is that sure.
    """
    table = _table()
    if table.forecaster != forecaster or share > max(table.met):
        return share
    return floor_of(share, table.floors, table.met)


def floor_of(share: float, floors: list[float], met: list[float]) -> float:
    """The floor that delivers ``share``, between those measured."""
    return float(np.interp(share, np.maximum.accumulate(met), floors))


@cache
def _table() -> ShareTable:
    return codec.from_bytes(ShareTable, TABLE.read_bytes(), where=str(TABLE))
