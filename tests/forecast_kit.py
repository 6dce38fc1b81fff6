"""A small corpus of real curves: two encoders of the shipped one, one frame in eight."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parents[1] / "data" / "curves" / "per_frame_canonical6.jsonl.gz"
ENCODERS = ("libx264", "libx265")


def small_rows() -> Iterator[dict[str, Any]]:
    """Rows of 22 clips in 20 groups with two encoders at ten qualities."""
    with gzip.open(SHIPPED, "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            if row["encoder"] in ENCODERS and row["frame_index"] % 8 == 0:
                yield row


def write_small_corpus(path: Path) -> Path:
    """The rows as a JSON Lines corpus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in small_rows()))
    return path
