"""Train the arms of the lift: every fit once, its held-out predictions kept.

Each finished fit's predictions are kept in a work folder under the digest of
everything they depend on, so a killed run goes on where it stopped and two
comparisons that share an arm train it once. LOSO evidence of the same network,
corpus and recipe is not trained again.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from studies.lift.jobs import BY_GROUP, BY_SOURCE, Arm, Held, Job
from vqcast.documents import jsontext
from vqcast.documents.evidence import LosoReport
from vqcast.durable.files import read_regular, sha256_bytes, write_atomic
from vqcast.durable.lock import locked
from vqcast.evidence import folder as evidence
from vqcast.regressor.engine import Columns, Fit, train
from vqcast.regressor.spec import Recipe
from vqcast.watch import Progress

_EVIDENCE_COLUMN = {BY_SOURCE: "vmaf_hold_out_src", BY_GROUP: "vmaf_hold_out_group"}

REAL, PERMUTED, FASTEST, SLOWEST = "real", "permuted", "fastest", "slowest"

_FORMAT = 1
"""Raised when kept predictions of an earlier release must not be used again."""
_PERMUTATION_SEED = 0

Float32 = NDArray[np.float32]
Bar = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """Held-out predictions of one arm: scheme -> variant -> seed -> ``[N]`` float64."""

    by_scheme: dict[str, dict[str, dict[int, NDArray[np.float64]]]]
    reused: list[int]
    """Seeds that came from evidence."""


class Lab:
    """Trains arms, remembers every finished fit in ``work``, takes evidence where it agrees."""

    def __init__(
        self,
        work: Path,
        *,
        evidence_folders: Sequence[Path] = (),
        workers: int | None = None,
        bar: Bar | None = None,
    ) -> None:
        self._work = work
        self._folders = tuple(evidence_folders)
        self._workers = workers
        self._bar = bar
        self.trained = 0
        """Fits trained by this lab, those found finished not counted."""

    def predict(
        self, job: Job, arm: Arm, seeds: Sequence[int], variants: Sequence[str] = (REAL,)
    ) -> Predicted:
        """Held-out predictions of ``arm`` for every seed.

        ``variants`` beyond REAL predict with another ``preset_norm`` than the
        corpus's; training always sees the arm's own columns.
        """
        columns = arm.columns(job)
        known: dict[int, dict[str, NDArray[np.float64]]] = {}
        if tuple(variants) == (REAL,):
            known = {
                seed: found for seed in seeds if (found := self._from_evidence(job, arm, seed))
            }
        codecs = [_variant(columns.codec, job.corpus.encoder, name) for name in variants]
        todo = [seed for seed in seeds if seed not in known]
        fits = self._fits(job, columns, codecs, todo, f"{arm.name}, {job.data.file_rows} rows")
        by_scheme: dict[str, dict[str, dict[int, NDArray[np.float64]]]] = {}
        for scheme, folds in job.schemes.items():
            by_scheme[scheme] = {name: {} for name in variants}
            for seed in seeds:
                for place, name in enumerate(variants):
                    if seed in known:
                        values = known[seed][scheme]
                    else:
                        values = np.full(len(job.target), np.nan)
                        for held in folds:
                            values[held.rows] = fits[seed, held.label][place]
                    by_scheme[scheme][name][seed] = values
        return Predicted(by_scheme, sorted(known))

    def _fits(
        self,
        job: Job,
        columns: Columns,
        codecs: Sequence[Float32],
        seeds: Sequence[int],
        what: str,
    ) -> dict[tuple[int, str], Float32]:
        """Each fit's predictions ``[variants, rows of the fold]``, trained where not kept."""
        folds = job.folds()
        base = _digest(columns.features, columns.codec, columns.vmaf, *codecs)
        done: dict[tuple[int, str], Float32] = {}
        paths: dict[tuple[int, str], Path] = {}
        for seed in seeds:
            for label, held in folds.items():
                trained = ~np.isin(columns.unit, held.units)
                identity = [_FORMAT, base, _digest(trained, held.rows), False]
                identity += [list(dataclasses.astuple(job.recipe)), seed, label]
                name = sha256_bytes(jsontext.dump_line(identity))[:32]
                paths[seed, label] = self._work / f"{name}.f32"
                kept = _kept(paths[seed, label], (len(codecs), int(held.rows.sum())))
                if kept is not None:
                    done[seed, label] = kept
        missing = [
            Fit(seed=seed, held_out=label, held_out_units=folds[label].units)
            for seed, label in paths
            if (seed, label) not in done
        ]
        if not missing:
            return done
        with locked(self._work / "lift", what="measuring the lift into"):
            for fit, values in self._train(columns, codecs, folds, missing, job.recipe, what):
                data = values.tobytes()
                path = paths[fit.seed, fit.held_out or ""]
                write_atomic(path, sha256_bytes(data).encode() + b"\n" + data)
                done[fit.seed, fit.held_out or ""] = values
                self.trained += 1
        return done

    def _train(
        self,
        columns: Columns,
        codecs: Sequence[Float32],
        folds: Mapping[str, Held],
        fits: Sequence[Fit],
        recipe: Recipe,
        what: str,
    ) -> Iterator[tuple[Fit, Float32]]:
        with self._bar(what) if self._bar else nullcontext() as update:
            for fitted in train(
                columns,
                fits,
                recipe,
                workers=self._workers,
                progress=update,
            ):
                rows = folds[fitted.fit.held_out or ""].rows
                features = columns.features[rows]
                values = [fitted.predict(features, codec[rows]) for codec in codecs]
                yield fitted.fit, np.stack(values).astype("<f4")

    def _from_evidence(
        self, job: Job, arm: Arm, seed: int
    ) -> dict[str, NDArray[np.float64]] | None:
        """A seed's predictions from LOSO evidence of the same network, corpus and recipe."""
        if job.teacher != "vmaf" or arm.blind or arm.no_preset:
            return None
        if not job.schemes.keys() <= _EVIDENCE_COLUMN.keys():
            return None
        for found in self._evidence:
            report = found.reports.get(seed)
            if report is None or not _agrees(report, job, arm):
                continue
            data = found.files[evidence.predictions_name(seed)]
            table = pl.read_parquet(io.BytesIO(data))[job.data.rows.tolist()]
            columns = {name: table[_EVIDENCE_COLUMN[name]] for name in job.schemes}
            if all(column.null_count() == 0 for column in columns.values()):
                return {name: column.to_numpy().astype(float) for name, column in columns.items()}
        return None

    @cached_property
    def _evidence(self) -> list[evidence.Evidence]:
        return [evidence.read(folder) for folder in self._folders]


def _agrees(report: LosoReport, job: Job, arm: Arm) -> bool:
    """Whether evidence is of exactly the fits that ``job`` asks of ``arm``."""
    recipe = dataclasses.replace(
        Recipe(),
        epochs=report.epochs,
        batch_size=report.batch_size,
        lr=report.lr,
        weight_decay=report.weight_decay,
    )
    return (
        report.corpus_sha256 == job.corpus.sha256
        and report.num_codecs == arm.family.num_codecs
        and report.encoder_vocab_version == arm.family.vocabulary_version
        and recipe == job.recipe
        and report.rows_excluded == job.data.excluded
        and report.note is None
        and report.predictions is not None
        and report.predictions.n_rows == job.data.file_rows
    )


def _variant(codec: Float32, encoders: Sequence[str], name: str) -> Float32:
    """The codec block with another ``preset_norm``: of the encoder's other rows, 0 or 1."""
    changed = codec.copy()
    if name == PERMUTED:
        generator = np.random.Generator(np.random.PCG64(_PERMUTATION_SEED))
        names = np.array(encoders)
        for encoder in sorted(set(encoders)):
            rows = np.flatnonzero(names == encoder)
            changed[rows, -2] = codec[generator.permutation(rows), -2]
    elif name != REAL:
        changed[:, -2] = {FASTEST: 0.0, SLOWEST: 1.0}[name]
    return changed


def _digest(*arrays: NDArray[np.generic]) -> str:
    parts = [
        [str(array.dtype), list(array.shape), sha256_bytes(array.tobytes())] for array in arrays
    ]
    return sha256_bytes(jsontext.dump_line(parts))


def _kept(path: Path, shape: tuple[int, int]) -> Float32 | None:
    """A fit's predictions from an earlier run, or None where they are absent or not whole."""
    if not path.is_file():
        return None
    digest, _, values = read_regular(path).partition(b"\n")
    if digest.decode(errors="replace") != sha256_bytes(values) or len(values) != 4 * prod(shape):
        return None
    return np.frombuffer(values, dtype="<f4").reshape(shape)
