"""The promoted CRF forecaster of a registry: whole folder, then digest, then table::

table, row = load_table(None)  # the one that travels with vqcast
"""

from __future__ import annotations

from pathlib import Path

from vqcast import documents
from vqcast.documents.forecast import ForecastTable
from vqcast.documents.registry import ForecastRow
from vqcast.errors import ModelRefused, RegistryError
from vqcast.forecast.latent import CHANNELS, TOP
from vqcast.serve.folder import packaged_registry, read_registry
from vqcast.serve.guard import check_digest
from vqcast.serve.signature import opened
from vqcast.serve.trust import Trust

FORECASTER_V1, FORECASTER_V2 = "crf_forecast_v1", "crf_forecast_v2"
FOLDER = "forecast"
_MAKE = f"vqcast pipeline --model {FORECASTER_V2} --help"


def load_table(
    registry: Path | None, model_id: str | None = None, *, trust: Trust | None = None
) -> tuple[ForecastTable, ForecastRow]:
    """The table of a promoted forecaster, by default the newest, and its registry row.

    ``registry`` None is the one that travels with vqcast. Raises RegistryError
    where the folder is not whole or holds no such forecaster, ModelRefused for a
    scaffold or another digest, SignatureRefused where ``trust`` asks for a
    signature that is not there.
    """
    root = packaged_registry(FOLDER) if registry is None else registry
    folder = opened(root, trust)
    rows = {row.id: row for row in read_registry(folder.files).models}
    named = (FORECASTER_V2, FORECASTER_V1) if model_id is None else (model_id,)
    row = next((rows[each] for each in named if each in rows), None)
    if not isinstance(row, ForecastRow):
        which = "CRF forecaster" if model_id is None else f"CRF forecaster {model_id}"
        raise RegistryError(f"holds no {which}", path=root, hint=_MAKE)
    if row.is_smoke:
        raise ModelRefused(f"{row.id}: is a scaffold, nothing may forecast with it", hint=_MAKE)
    if row.table not in folder.files:
        raise RegistryError(
            f"{row.table} is missing", path=root, hint=f"vqcast registry verify {root}"
        )
    return read_table(folder.files[row.table], row), row


def read_table(data: bytes, row: ForecastRow) -> ForecastTable:
    """The row's table from its bytes: the digest first, then the text, then its shape.

    Raises ModelRefused for another digest, another model's table, or one that can't be
    forecast with; DocumentError for what is no table at all.
    """
    check_digest(data, row.sha256, where=row.table)
    table = documents.from_bytes(ForecastTable, data, where=row.table)
    if table.id != row.id:
        raise ModelRefused(f"{row.table}: is the table of {table.id}, not of {row.id}")
    problem = _misfit(table)
    if problem:
        raise ModelRefused(f"{row.table}: {problem}", hint=_MAKE)
    return table


def _misfit(table: ForecastTable) -> str | None:
    """What of a table's shape or scale is not this version's."""
    nodes = table.recipe.nodes
    if table.top != TOP or tuple(table.channels) != CHANNELS:
        return "its scales or channels are of another version"
    if nodes < 3 or not table.curves or not table.calibration:
        return "holds no curves, or no calibration"
    for axis in table.axes.values():
        if len(axis) != 2 or not axis[0] < axis[1]:
            return "an axis is not a lower and an upper quality"
    for curve in table.curves:
        channels = [*curve.score.values(), *curve.side]
        whole = len(curve.side) == len(CHANNELS) - 1 and all(len(c) == nodes for c in channels)
        if not whole or curve.encoder not in table.axes:
            return f"the curve of {curve.src} with {curve.encoder} is not whole"
    for widths in table.calibration.values():
        rising = list(widths.levels) == sorted(widths.levels) and len(widths.levels) > 0
        lists = [*widths.score, *widths.bits]
        if not rising or not lists or any(len(each) != len(widths.levels) for each in lists):
            return "its calibration is not whole"
    return None
