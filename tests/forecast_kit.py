"""A small corpus of real curves: two encoders of the shipped one, one frame in eight."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.vocab import FEATURES

SHIPPED = Path(__file__).parents[1] / "data" / "curves" / "per_frame_canonical6.jsonl.gz"
ENCODERS = ("libx264", "libx265")


@dataclass(frozen=True)
class ForecastHouse:
    """One corpus, the run on it with its verdict, and the registry it was promoted into."""

    corpus: Path
    run_dir: Path
    registry: Path


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


@dataclass(frozen=True)
class Truth:
    """One real clip with one encoder: what any CRF of a grid would measure."""

    src: str
    group: str
    encoder: str
    preset: str
    score: NDArray[np.float64]
    """VMAF, frames averaged, ``[grid]``: monotone cubic between the measured qualities."""
    bits_per_pixel: NDArray[np.float64]
    features: NDArray[np.float64]
    """``[grid, 6]``"""


def truths(encoder: str, crfs: NDArray[np.float64]) -> list[Truth]:
    """The shipped curves of an encoder, read without vqcast, at CRFs within those measured."""
    cells = (
        pl.read_ndjson(SHIPPED, infer_schema_length=None)
        .filter(pl.col("encoder") == encoder)
        .group_by("src", "group", "preset", "cq")
        .agg(
            pl.col("vmaf").mean(),
            *(pl.col(name).mean() for name in FEATURES),
            bits=8 * pl.col("enc_bytes").first()
            / (pl.col("score_width").first() * pl.col("score_height").first() * pl.len()),
        )
        .sort("src", "cq")
    )  # fmt: skip
    found = []
    for (src, group, preset), part in cells.group_by(
        ["src", "group", "preset"], maintain_order=True
    ):
        cq = part["cq"].to_numpy().astype(np.float64)

        def at(*names: str, cq: Any = cq, part: Any = part) -> NDArray[np.float64]:
            return np.asarray(PchipInterpolator(cq, part.select(names).to_numpy())(crfs))

        score = np.minimum.accumulate(at("vmaf")[:, 0])
        found.append(
            Truth(str(src), str(group or src), encoder, str(preset), score, at("bits")[:, 0],
                  at(*FEATURES))
        )  # fmt: skip
    return found
