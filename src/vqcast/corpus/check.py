"""What a corpus holds, and what is odd about it though it loads.

``load`` refuses what can't be trained on; ``describe`` counts the rest, and
``oddities`` names what a careful reader would ask about.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np

from vqcast.corpus.checking import SHAPE_FRAME
from vqcast.corpus.table import Corpus
from vqcast.vocab import FEATURES, PRESETS


def describe(corpus: Corpus) -> dict[str, Any]:
    """Counts and ranges of the corpus, ready for JSON."""
    cq_of: dict[str, set[float]] = defaultdict(set)
    preset_of: dict[str, set[str]] = defaultdict(set)
    for encoder, preset, cq in corpus.settings()[0]:
        cq_of[encoder].add(cq)
        preset_of[encoder].add(preset or "none")
    rows_of_encoder, rows_of_src = corpus.counts("encoder"), corpus.counts("src")
    groups = corpus.group_of()
    return {
        "path": corpus.path.name,
        "sha256": corpus.sha256,
        "shape": corpus.shape,
        "n_rows": len(corpus),
        "n_cells": len(corpus.cells()[0]),
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
            for name in FEATURES
            for column in (corpus.number(name),)
        },
        "encoders": {
            name: {
                "rows": rows_of_encoder[name],
                "cq": sorted(cq_of[name]),
                "presets": sorted(preset_of[name], key=partial(_speed, name)),
            }
            for name in sorted(rows_of_encoder)
        },
        "sources": {
            name: {"rows": rows_of_src[name], "group": groups[name]} for name in corpus.sources
        },
        "extra_columns": list(corpus.extra_columns),
    }


def _speed(encoder: str, preset: str) -> tuple[int, str]:
    """The encoder's own order, fastest first; what is not in its list comes last, by name."""
    known = PRESETS.get(encoder, ())
    return known.index(preset) if preset in known else len(known), preset


def oddities(corpus: Corpus) -> list[str]:
    """One sentence for each thing that loads but is likely a mistake."""
    found = []
    cells, cell_of_row = corpus.cells()
    counts = np.bincount(cell_of_row, minlength=len(cells))
    by_cell = np.split(np.argsort(cell_of_row, kind="stable"), np.cumsum(counts)[:-1])
    lengths: dict[str, set[int]] = defaultdict(set)
    for (src, encoder, preset, cq, options), rows in zip(cells, by_cell, strict=True):
        cell = f"{src} {encoder} {preset or 'no preset'} {cq:g}{f' {options}' if options else ''}"
        indices = corpus.frame_index[rows]
        if corpus.shape == SHAPE_FRAME and not np.array_equal(
            np.sort(indices), np.arange(len(rows))
        ):
            found.append(f"{cell}: frame numbers are not 0..{len(rows) - 1}, each once")
        lengths[src].add(len(rows))
    if corpus.shape == SHAPE_FRAME:
        found += [
            f"{src}: cells of different lengths: {', '.join(map(str, sorted(sizes)))} frames"
            for src, sizes in sorted(lengths.items())
            if len(sizes) > 1
        ]
    there, full = set(cells), dict.fromkeys(cell[1:] for cell in cells)
    for src in corpus.sources:
        absent = sum((src, *cell) not in there for cell in full)
        if absent:
            found.append(f"{src}: lacks {absent} of the grid's {len(full)} cells")
    found += _odd_values(corpus)
    return found


def _odd_values(corpus: Corpus) -> list[str]:
    found = []
    pairs = {(encoder, preset) for encoder, preset, _ in corpus.settings()[0] if preset}
    for encoder, preset in sorted(pairs):
        if encoder in PRESETS and preset not in PRESETS[encoder]:
            found.append(f"{encoder}: preset {preset!r} is not in its frozen list")
    for name in FEATURES:
        column = corpus.number(name)
        if float(column.std()) == 0.0:
            found.append(f"{name} is {column[0]:g} in every row")
    if len(corpus.sources) < 2:
        found.append("one source: nothing can be held out")
    found += [
        f"{src}: belongs to {groups} groups"
        for src, groups in corpus.groups_of_each().items()
        if groups > 1
    ]
    if corpus.dropped_nan_rows:
        found.append(
            f"{corpus.dropped_nan_rows} pooled rows dropped: a mean or the score is not finite"
        )
    return found
