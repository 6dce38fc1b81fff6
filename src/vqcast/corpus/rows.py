"""A measured cell as corpus rows."""

from __future__ import annotations

from typing import Any

from vqcast.measured.cell import Cell
from vqcast.measured.measurement import Measurement


def rows_of(cell: Cell, measured: Measurement) -> list[dict[str, Any]]:
    """The cell's rows, frame by frame."""
    cq = int(cell.cq) if float(cell.cq).is_integer() else cell.cq
    leading = {"src": cell.source.name, "encoder": cell.encoder, "cq": cq}
    trailing = {
        "enc_bytes": measured.enc_bytes,
        "enc_time_ms": measured.enc_time_ms,
        **({} if cell.preset is None else {"preset": cell.preset}),
        "score_width": measured.score_width,
        "score_height": measured.score_height,
        **({} if cell.source.group is None else {"group": cell.source.group}),
    }
    return [
        leading
        | {"frame_index": index}
        | {name: values[index] for name, values in measured.columns.items()}
        | trailing
        for index in range(measured.frames)
    ]
