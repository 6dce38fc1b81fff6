"""What a corpus holds, and what is odd about it though it loads.

``load`` refuses what can't be trained on; ``describe`` counts the rest, and
``oddities`` names what a careful reader would ask about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from vqcast.corpus.table import SHAPE_FRAME, Corpus
from vqcast.vocab import FEATURES, PRESETS


def describe(corpus: Corpus) -> dict[str, Any]:
    """Counts and ranges of the corpus, ready for JSON."""
    cq_of: dict[str, set[float]] = defaultdict(set)
    preset_of: dict[str, set[str]] = defaultdict(set)
    for encoder, preset, cq in zip(corpus.encoder, corpus.preset, corpus.cq, strict=True):
        cq_of[encoder].add(float(cq))
        preset_of[encoder].add(preset or "none")
    rows_of_encoder, rows_of_src = Counter(corpus.encoder), Counter(corpus.src)
    groups = corpus.group_of()
    return {
        "path": corpus.path.name,
        "sha256": corpus.sha256,
        "shape": corpus.shape,
        "n_rows": len(corpus),
        "n_cells": len(_cells(corpus)),
        "n_sources": len(rows_of_src),
        "n_groups": len(set(groups.values())),
        "dropped_nan_rows": corpus.dropped_nan_rows,
        "synthetic": corpus.synthetic,
        "cq_min": corpus.cq_min,
        "cq_max": corpus.cq_max,
        "vmaf": {
            "min": float(corpus.vmaf.min()),
            "mean": float(corpus.vmaf.mean()),
            "max": float(corpus.vmaf.max()),
        },
        "features": {
            name: {"min": float(column.min()), "max": float(column.max())}
            for name, column in zip(FEATURES, corpus.features.T, strict=True)
        },
        "encoders": {
            name: {
                "rows": rows_of_encoder[name],
                "cq": sorted(cq_of[name]),
                "presets": sorted(preset_of[name]),
            }
            for name in sorted(rows_of_encoder)
        },
        "sources": {
            name: {"rows": rows_of_src[name], "group": groups[name]} for name in corpus.sources
        },
        "extra_columns": list(corpus.extra_columns),
    }


def _cells(corpus: Corpus) -> dict[tuple[str, str, str | None, float], list[int]]:
    cells: dict[tuple[str, str, str | None, float], list[int]] = defaultdict(list)
    keys = zip(corpus.src, corpus.encoder, corpus.preset, corpus.cq, strict=True)
    for row, (src, encoder, preset, cq) in enumerate(keys):
        cells[(src, encoder, preset, float(cq))].append(row)
    return cells


def oddities(corpus: Corpus) -> list[str]:
    """One sentence for each thing that loads but is likely a mistake."""
    found = []
    cells = _cells(corpus)
    lengths: dict[str, set[int]] = defaultdict(set)
    for (src, encoder, preset, cq), rows in cells.items():
        cell = f"{src} {encoder} {preset or 'no preset'} {cq:g}"
        indices = corpus.frame_index[rows]
        if corpus.shape == SHAPE_FRAME and not np.array_equal(
            np.sort(indices), np.arange(len(rows))
        ):
            found.append(f"{cell}: frame numbers are not 0..{len(rows) - 1}, each once")
        lengths[src].add(len(rows))
    if corpus.shape == SHAPE_FRAME:
        found += [
            f"{src}: cells of different lengths: {', '.join(map(str, sorted(counts)))} frames"
            for src, counts in sorted(lengths.items())
            if len(counts) > 1
        ]
    full = Counter(cell[1:] for cell in cells)
    for src in corpus.sources:
        absent = [cell for cell in full if (src, *cell) not in cells]
        if absent:
            found.append(f"{src}: lacks {len(absent)} of the grid's {len(full)} cells")
    found += _odd_values(corpus)
    return found


def _odd_values(corpus: Corpus) -> list[str]:
    found = []
    for encoder, preset in sorted(
        {(e, p) for e, p in zip(corpus.encoder, corpus.preset, strict=True) if p}
    ):
        if encoder in PRESETS and preset not in PRESETS[encoder]:
            found.append(f"{encoder}: preset {preset!r} is not in its frozen list")
    for name, column in zip(FEATURES, corpus.features.T, strict=True):
        if float(column.std()) == 0.0:
            found.append(f"{name} is {column[0]:g} in every row")
    if len(corpus.sources) < 2:
        found.append("one source: nothing can be held out")
    several: dict[str, set[str | None]] = defaultdict(set)
    for src, group in zip(corpus.src, corpus.group, strict=True):
        several[src].add(group)
    found += [
        f"{src}: belongs to {len(groups)} groups"
        for src, groups in several.items()
        if len(groups) > 1
    ]
    if corpus.dropped_nan_rows:
        found.append(f"{corpus.dropped_nan_rows} pooled rows dropped: a feature mean is NaN")
    return found
