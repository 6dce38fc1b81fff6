"""One cell: measured, read back from its file, and turned into corpus rows."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from vqcast.corpus.plan import Cell
from vqcast.documents import jsontext
from vqcast.errors import DocumentError
from vqcast.media import measure
from vqcast.media.tool import Tool

_MICRO = 6
_CELL_NUMBERS: dict[str, tuple[type, ...]] = {
    "enc_bytes": (int,),
    "enc_time_ms": (int, float),
    "score_width": (int,),
    "score_height": (int,),
}


def measure_cell(cell: Cell, tool: Tool, cancel: threading.Event | None = None) -> dict[str, Any]:
    """Encode and score one cell in a private folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        encoded = measure.encode(
            cell.source,
            cell.encoder,
            cell.preset,
            cell.cq,
            tool,
            Path(folder) / "encoded.mp4",
            cancel=cancel,
        )
        scores = measure.score(
            cell.source, encoded.path, tool, depth=cell.depth, v1=cell.v1, cancel=cancel
        )
    return {
        "enc_bytes": encoded.video_bytes,
        "enc_time_ms": round(encoded.wall_ms, 1),
        "score_width": scores.width,
        "score_height": scores.height,
        "columns": {
            name: [round(float(value), _MICRO) for value in values]
            for name, values in scores.columns.items()
        },
    }


def finished(data: bytes | None, cell: Cell, *, where: str) -> dict[str, Any] | None:
    """A finished cell's numbers, or None where its file is absent or not whole."""
    if data is None:
        return None
    try:
        measured = jsontext.parse(data, where=where)
    except DocumentError:
        return None
    return measured if _whole(measured, cell) else None


def _whole(measured: Any, cell: Cell) -> bool:
    if not isinstance(measured, dict) or not _CELL_NUMBERS.keys() <= measured.keys():
        return False
    columns = measured.get("columns")
    metrics = measure.V06_METRICS | (measure.V1_METRICS if cell.v1 else {})
    return (
        all(type(measured[name]) in types for name, types in _CELL_NUMBERS.items())
        and isinstance(columns, dict)
        and columns.keys() == metrics.keys()
        and all(
            isinstance(values, list)
            and len(values) == cell.source.frames
            and all(type(value) in (int, float) for value in values)
            for values in columns.values()
        )
    )


def rows_of(cell: Cell, measured: dict[str, Any]) -> list[dict[str, Any]]:
    """The corpus rows of one measured cell, frame by frame."""
    cq = int(cell.cq) if float(cell.cq).is_integer() else cell.cq
    constant = {"src": cell.source.name, "encoder": cell.encoder, "cq": cq}
    trailer = {
        "enc_bytes": measured["enc_bytes"],
        "enc_time_ms": measured["enc_time_ms"],
        **({} if cell.preset is None else {"preset": cell.preset}),
        "score_width": measured["score_width"],
        "score_height": measured["score_height"],
    }
    if cell.source.group is not None:
        trailer["group"] = cell.source.group
    columns = measured["columns"]
    return [
        constant
        | {"frame_index": index}
        | {name: values[index] for name, values in columns.items()}
        | trailer
        for index in range(cell.source.frames)
    ]
