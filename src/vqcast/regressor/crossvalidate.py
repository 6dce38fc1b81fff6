"""Leave one source out, for every seed: train the folds, keep the evidence.

Each finished fold is kept under ``.folds/`` in the run folder until its seed's
report is written, so a killed run goes on with the next fold and ends with the
same evidence. Where the corpus says which sources share content, the folds
that hold out whole groups are trained too, and both figures are reported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vqcast import documents
from vqcast.corpus.table import Corpus
from vqcast.documents import jsontext
from vqcast.documents.evidence import FoldReport, LosoReport, Predictions
from vqcast.durable.files import read_regular, remove, remove_if_empty, sha256_bytes, write_atomic
from vqcast.durable.lock import locked
from vqcast.errors import CorpusError, EvidenceError, InputError
from vqcast.evidence import folder as evidence
from vqcast.evidence import loso
from vqcast.regressor.dataset import (
    HELD_OUT_COLUMN,
    Trainable,
    columns_of,
    multi_source_groups,
    to_parquet,
)
from vqcast.regressor.engine import Columns, Fit, Fitted, train
from vqcast.regressor.spec import Recipe, Spec
from vqcast.watch import NOBODY, Watch

FOLDS_FOLDER = ".folds"
_GROUP_LABEL = "group:"
HOLD_OUT = ("src", "group")


@dataclass(frozen=True, slots=True)
class Fold:
    """What is held out together: one source, or all sources of a group."""

    name: str
    sources: tuple[str, ...]
    is_group: bool

    @property
    def label(self) -> str:
        """A name that no source's fold shares with a group's."""
        return f"{_GROUP_LABEL}{self.name}" if self.is_group else self.name


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that a seed's evidence is a function of, but for the seed."""

    data: Trainable
    spec: Spec
    recipe: Recipe
    hold_out: str = "src"
    note: str | None = None

    @property
    def corpus(self) -> Corpus:
        """The rows that are trained on and held out."""
        return self.data.corpus

    def folds(self) -> list[Fold]:
        """One fold a source in sorted order, then one a group of several sources."""
        groups = multi_source_groups(self.corpus)
        reserved = [name for name in self.corpus.sources if name.startswith(_GROUP_LABEL)]
        if reserved:
            raise CorpusError(
                f"a source can't be named {reserved[0]!r}: {_GROUP_LABEL!r} marks a group's fold",
                path=self.corpus.path,
                hint="rename that source",
            )
        singles = [Fold(name, (name,), False) for name in self.corpus.sources]
        return singles + [Fold(name, tuple(members), True) for name, members in groups.items()]


def crossvalidate(
    run: Run,
    out_dir: Path,
    *,
    seeds: Sequence[int],
    watch: Watch = NOBODY,
    on_seed: Callable[[LosoReport], None] | None = None,
) -> dict[int, LosoReport]:
    """Write each seed's evidence to ``out_dir`` and return the reports.

    Seeds whose evidence is there already, of the same corpus and recipe, are
    not trained again. Raises EvidenceError where ``out_dir`` holds evidence of
    another run, InputError for fewer than two sources.
    """
    if run.hold_out not in HOLD_OUT:
        raise InputError(f"can't hold out by {run.hold_out!r}", hint="choose src or group")
    if len(run.corpus.sources) < 2:
        raise InputError("one source, nothing can be held out", path=run.corpus.path)
    seeds = tuple(dict.fromkeys(seeds))
    done: dict[int, LosoReport] = {}

    def keep(reports: Iterable[LosoReport]) -> None:
        for report in reports:
            done[report.seed] = report
            if on_seed:
                on_seed(report)

    with locked(out_dir / "run", what="training into"):
        keep(_finished_seeds(run, out_dir, seeds))
        todo = [seed for seed in seeds if seed not in done]
        if todo:
            columns = columns_of(run.corpus, run.spec)
            pending = _Pending(run, out_dir, columns, todo)
            keep(pending.complete_seeds())
            fits = pending.fits
            for fitted in train(
                columns, fits, run.recipe, workers=watch.workers, progress=watch.progress
            ):
                pending.add(fitted)
                keep(pending.complete_seeds())
    return {seed: done[seed] for seed in seeds}


def _finished_seeds(run: Run, out_dir: Path, seeds: Sequence[int]) -> list[LosoReport]:
    """Reports already in ``out_dir``; a dry run or a smoke run never counts as one."""
    finished = []
    for seed in seeds:
        path = out_dir / evidence.loso_name(seed)
        if not path.exists():
            continue
        report = documents.from_bytes(LosoReport, read_regular(path), where=str(path))
        if report.note is not None:
            continue
        theirs = (report.corpus_sha256, report.model, report.hold_out, *_recipe_of(report))
        ours = (run.corpus.sha256, run.spec.id, run.hold_out, *_recipe_of(run.recipe))
        if (report.seed, *theirs) != (seed, *ours):
            raise EvidenceError(
                "is evidence of another run (seed, corpus, model, hold-out or recipe)",
                path=path,
                hint="choose another --out-dir, or remove that folder's loso_seed*.json",
            )
        if run.note is None and _has_predictions(out_dir, report):
            finished.append(report)
    return finished


def _has_predictions(out_dir: Path, report: LosoReport) -> bool:
    """Whether the predictions that a report vouches for are there; if not, it is made again."""
    path = out_dir / evidence.predictions_name(report.seed)
    return (
        report.predictions is not None
        and path.is_file()
        and sha256_bytes(read_regular(path)) == report.predictions.sha256
    )


def _recipe_of(source: LosoReport | Recipe) -> tuple[int, int, float, float]:
    return source.epochs, source.batch_size, source.lr, source.weight_decay


class _Pending:
    """The folds of the seeds in work: what is trained, what is still to do."""

    def __init__(self, run: Run, out_dir: Path, columns: Columns, seeds: Sequence[int]) -> None:
        self._run = run
        self._out_dir = out_dir
        self._columns = columns
        self._folds = {fold.label: fold for fold in run.folds()}
        self._codes = {name: code for code, name in enumerate(run.corpus.sources)}
        self._seconds: dict[int, float] = dict.fromkeys(seeds, 0.0)
        self._predictions: dict[int, dict[str, NDArray[np.float32]]] = {seed: {} for seed in seeds}
        self.fits: list[Fit] = []
        for seed in seeds:
            for label, fold in self._folds.items():
                kept = self._kept(seed, label)
                if kept is None:
                    units = tuple(self._codes[name] for name in fold.sources)
                    self.fits.append(Fit(seed=seed, held_out=label, held_out_units=units))
                else:
                    self._predictions[seed][label] = kept

    def _rows(self, fold: Fold) -> NDArray[np.bool_]:
        codes = [self._codes[name] for name in fold.sources]
        return np.isin(self._columns.unit, codes)

    def _checkpoint(self, seed: int, label: str) -> Path:
        run = self._run
        identity = [run.corpus.sha256, run.spec.id, dataclasses.astuple(run.recipe), seed, label]
        name = sha256_bytes(jsontext.dump_line(identity))[:32]
        return self._out_dir / FOLDS_FOLDER / f"seed{seed}-{name}.f32"

    def _kept(self, seed: int, label: str) -> NDArray[np.float32] | None:
        """A fold's predictions from an earlier, killed run: digest, then float32 values."""
        path = self._checkpoint(seed, label)
        if not path.is_file():
            return None
        digest, _, values = read_regular(path).partition(b"\n")
        expected = 4 * int(self._rows(self._folds[label]).sum())
        if digest.decode(errors="replace") != sha256_bytes(values) or len(values) != expected:
            return None
        return np.frombuffer(values, dtype="<f4").astype(np.float32)

    def add(self, fitted: Fitted) -> None:
        """Predict the fitted fold's held-out rows and keep them on disk."""
        label = fitted.fit.held_out
        assert label is not None
        rows = self._rows(self._folds[label])
        predicted = fitted.predict(self._columns.features[rows], self._columns.codec[rows])
        values = predicted.astype("<f4")
        data = values.tobytes()
        path = self._checkpoint(fitted.fit.seed, label)
        write_atomic(path, sha256_bytes(data).encode() + b"\n" + data)
        self._predictions[fitted.fit.seed][label] = values
        self._seconds[fitted.fit.seed] += fitted.wall_s

    def complete_seeds(self) -> list[LosoReport]:
        """Write the evidence of each seed whose last fold has arrived."""
        reports = []
        for seed in list(self._predictions):
            if len(self._predictions[seed]) == len(self._folds):
                reports.append(self._write(seed, self._predictions.pop(seed)))
        return reports

    def _write(self, seed: int, predictions: dict[str, NDArray[np.float32]]) -> LosoReport:
        run = self._run
        by_source = np.full(len(run.corpus), np.nan, dtype=np.float32)
        by_group = by_source.copy()
        single_reports: dict[str, FoldReport] = {}
        group_reports: list[FoldReport] = []
        for label, fold in self._folds.items():
            rows = self._rows(fold)
            predicted = predictions[label]
            figures = loso.fold_report(
                fold.name,
                int((~rows).sum()),
                predicted.astype(np.float64),
                run.corpus.vmaf[rows],
            )
            if fold.is_group:
                by_group[rows] = predicted
                group_reports.append(figures)
            else:
                by_source[rows] = predicted
                single_reports[fold.name] = figures
        alone = [
            msgspec.structs.replace(single_reports[fold.sources[0]], held_out=group)
            for group, fold in _groups_of_one(run.corpus, self._folds).items()
        ]
        has_groups = any(group is not None for group in run.corpus.group)
        groups = sorted(alone + group_reports, key=lambda report: report.held_out)
        main = groups if run.hold_out == "group" else list(single_reports.values())
        judged = np.where(np.isnan(by_group), by_source, by_group)
        table = to_parquet(run.data, {"vmaf_hold_out_src": by_source, HELD_OUT_COLUMN: judged})
        report = loso.loso_report(
            model=run.spec,
            recipe=run.recipe,
            seed=seed,
            corpus=run.corpus.path.name,
            corpus_sha256=run.corpus.sha256,
            folds=main,
            wall_time_s=round(self._seconds[seed], 3),
            hold_out=run.hold_out,
            encoders=loso.slice_reports(
                run.corpus.encoder,
                (judged if run.hold_out == "group" else by_source).astype(np.float64),
                run.corpus.vmaf,
            ),
            groups=loso.group_report(groups) if has_groups else None,
            predictions=Predictions(
                path=evidence.predictions_name(seed),
                sha256=sha256_bytes(table),
                n_rows=run.data.file_rows,
            ),
            rows_excluded=run.data.excluded,
            note=run.note,
        )
        evidence.write_report(self._out_dir, report, table)
        for label in self._folds:
            remove(self._checkpoint(seed, label))
        remove_if_empty(self._out_dir / FOLDS_FOLDER)
        return report


def _groups_of_one(corpus: Corpus, folds: dict[str, Fold]) -> dict[str, Fold]:
    """Groups with a single source, whose fold is that source's own."""
    several = {fold.name for fold in folds.values() if fold.is_group}
    return {group: folds[src] for src, group in corpus.group_of().items() if group not in several}
