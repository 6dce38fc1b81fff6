"""Measured corpora as curves: a cell's frames pooled, a source's cells on the quality axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.corpus.table import Corpus
from vqcast.documents.forecast import CorpusPin, LibraryCurve
from vqcast.errors import CorpusError
from vqcast.forecast.latent import METRICS, POOLS, pool, side_channels, to_latent
from vqcast.vocab import FEATURES

Array = NDArray[np.float64]

MIN_QUALITIES = 4
"""A curve of fewer measured qualities is left out."""
DENSE_QUALITIES = 6
"""Fewer don't tell a curve's shape: it is then taken from a dense curve of the same source."""
SECOND = 30
"""Frames that ``worst-second`` takes for a second: a corpus records no frame rate."""
_CELL = ["src", "encoder", "preset", "cq", "options"]
_MICRO = 5


@dataclass(frozen=True, slots=True)
class MeasuredCurve:
    """One source with one encoder and preset at its measured qualities, rising."""

    src: str
    group: str
    encoder: str
    preset: str | None
    cq: Array
    score: dict[str, Array]
    """``metric/pool`` -> points ``[qualities]``."""
    bits_per_pixel: Array
    features: Array
    """Means of canonical-6, ``[qualities, 6]``."""
    options: str | None = None
    """What was added to the encoder's words; None: nothing."""


def read(corpora: Sequence[Corpus]) -> tuple[list[MeasuredCurve], list[CorpusPin]]:
    """Every curve of the corpora, each cell once, and what was read.

    Raises CorpusError for a corpus without sizes, or where no curve is left.
    """
    found: dict[str, tuple[CorpusPin, pl.DataFrame]] = {}
    for corpus in corpora:
        if corpus.synthetic:
            raise CorpusError("is synthetic, no forecaster is made from it", path=corpus.path)
        pin = CorpusPin(path=corpus.path.name, sha256=corpus.sha256, n_rows=len(corpus))
        found[corpus.sha256] = (pin, _cells(corpus))
    # By digest, so that the order in which corpora are named changes nothing.
    pins, frames = zip(*(found[digest] for digest in sorted(found)), strict=True)
    cells = pl.concat(frames, how="diagonal").unique(_CELL, keep="first", maintain_order=True)
    curves = []
    for _, part in cells.sort(["encoder", "preset", "options", "src", "cq"]).group_by(
        ["encoder", "preset", "options", "src"], maintain_order=True
    ):
        if len(part) >= MIN_QUALITIES:
            curves.append(_curve(part))
    if not curves:
        named = ", ".join(str(each.path) for each in corpora)
        raise CorpusError(
            f"{named}: no source has {MIN_QUALITIES} qualities of one encoder",
            hint="measure more qualities: vqcast corpus build --help",
        )
    return curves, list(pins)


def _cells(corpus: Corpus) -> pl.DataFrame:
    """One row a cell, its frames in lists."""
    frame = corpus.frame
    needed = ["enc_bytes", "score_width", "score_height"]
    absent = [name for name in needed if name not in frame.kinds]
    if absent:
        raise CorpusError(
            f"has no {', '.join(absent)}, which a forecast of sizes needs",
            path=corpus.path,
            hint="build the corpus with vqcast corpus build",
        )
    if "source_width" in frame.kinds and frame.number("source_width").drop_nulls().len():
        raise CorpusError(
            "holds cells that were scored at another size than their source's",
            path=corpus.path,
            hint="a forecaster is made from those at its own: corpus build without --score-size",
        )
    scores = [column for column in METRICS.values() if column in frame.kinds]
    names = [
        frame.text(name).cast(pl.Utf8).alias(name)
        for name in ("src", "encoder", "preset", "options")
    ]
    groups = frame.text("group").cast(pl.Utf8).fill_null(names[0]).alias("group")
    numbers = [
        frame.number(name).alias(name)
        for name in ("cq", "frame_index", *needed, *scores, *FEATURES)
    ]
    return (
        pl.DataFrame([*names, groups, *numbers])
        .sort([*_CELL, "frame_index"])
        .group_by(_CELL, maintain_order=True)
        .agg(
            pl.col("group").first(),
            *(pl.col(name).first() for name in needed),
            *(pl.col(name) for name in scores),
            *(pl.col(name).mean() for name in FEATURES),
        )
    )


def _curve(part: pl.DataFrame) -> MeasuredCurve:
    score: dict[str, Array] = {}
    for metric, column in METRICS.items():
        if column not in part.columns or part[column].null_count():
            continue
        cells = [np.array(values) for values in part[column]]
        if any(not len(values) or not np.isfinite(values).all() for values in cells):
            continue
        for how in POOLS:
            score[f"{metric}/{how}"] = np.array([pool(values, how, SECOND) for values in cells])
    frames = np.array([len(values) for values in part["vmaf"]])
    pixels = frames * part["score_width"].to_numpy() * part["score_height"].to_numpy()
    first = part.row(0, named=True)
    return MeasuredCurve(
        src=first["src"],
        group=first["group"],
        encoder=first["encoder"],
        preset=first["preset"],
        options=first["options"],
        cq=part["cq"].to_numpy(),
        score=score,
        bits_per_pixel=8 * part["enc_bytes"].to_numpy() / pixels,
        features=part.select(FEATURES).to_numpy(),
    )


def options_of(curves: Sequence[MeasuredCurve]) -> dict[str, str]:
    """Encoder -> what was added to its words, of those that something was added to.

    Raises CorpusError for an encoder with several options, whose curves are not of one kind.
    """
    found: dict[str, set[str | None]] = {}
    for curve in curves:
        found.setdefault(curve.encoder, set()).add(curve.options)
    for encoder, several in found.items():
        if len(several) > 1:
            told = ", ".join(sorted(each or "none" for each in several))
            raise CorpusError(
                f"{encoder} comes with several options ({told}), and a forecaster is for one",
                hint="build a corpus for each",
            )
    return {encoder: each for encoder, (each,) in sorted(found.items()) if each is not None}


def axes_of(curves: Sequence[MeasuredCurve]) -> dict[str, tuple[float, float]]:
    """The range of qualities that all of an encoder's curves span."""
    axes: dict[str, tuple[float, float]] = {}
    for curve in curves:
        low, high = axes.get(curve.encoder, (-np.inf, np.inf))
        axes[curve.encoder] = (max(low, float(curve.cq[0])), min(high, float(curve.cq[-1])))
    return axes


def curves_on_nodes(
    curves: Sequence[MeasuredCurve], axes: Mapping[str, tuple[float, float]], nodes: int
) -> list[LibraryCurve]:
    """Measured curves on the nodes of their encoders' axes, by monotone cubics on latent scales.

    Between few qualities a curve's own interpolation would be off by more than presets differ.
    Such a curve is the same source's dense one with that encoder, plus the difference between the
    two where both were measured: differences bend far less.
    """
    dense: dict[tuple[str, str], MeasuredCurve] = {}
    for curve in sorted(curves, key=lambda each: len(each.cq)):
        if len(curve.cq) >= DENSE_QUALITIES:
            dense[curve.src, curve.encoder] = curve
    return [
        _library_curve(
            curve,
            np.linspace(*axes[curve.encoder], nodes),
            None if len(curve.cq) >= DENSE_QUALITIES else dense.get((curve.src, curve.encoder)),
        )
        for curve in curves
    ]


def _library_curve(curve: MeasuredCurve, at: Array, base: MeasuredCurve | None) -> LibraryCurve:
    def resampled(values: Array, of_base: Array | None) -> list[float]:
        if base is None or of_base is None:
            there = PchipInterpolator(curve.cq, values)(at)
        else:
            shape = PchipInterpolator(base.cq, of_base)
            there = shape(at) + PchipInterpolator(curve.cq, values - shape(curve.cq))(at)
        return [round(float(each), _MICRO) for each in there]

    base_side = None if base is None else _side(base)
    return LibraryCurve(
        src=curve.src,
        group=curve.group,
        encoder=curve.encoder,
        preset=curve.preset,
        score={
            name: resampled(
                to_latent(values),
                to_latent(base.score[name]) if base is not None and name in base.score else None,
            )
            for name, values in curve.score.items()
        },
        side=[
            resampled(channel, None if base_side is None else base_side[index])
            for index, channel in enumerate(_side(curve))
        ],
    )


def _side(curve: MeasuredCurve) -> Array:
    """The channels beside the score, ``[7, qualities]``."""
    cells = zip(curve.bits_per_pixel, curve.features, strict=True)
    return np.array([side_channels(float(bits), features) for bits, features in cells]).T
