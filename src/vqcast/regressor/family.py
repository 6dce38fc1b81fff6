"""The network families behind the protocol of `vqcast.families`: one class, four values of it.

Training needs numba, SciPy and Polars, judging and verifying do not: what trains is imported
where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqcast.documents.evidence import LosoReport, Verdict
from vqcast.documents.registry import AnyRow, Row
from vqcast.durable.files import write_atomic
from vqcast.errors import EvidenceError, GateHeld, InputError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import (
    HOLD,
    NOMINAL_COVERAGES,
    PER_SEED_PLCC_MIN,
    PROMOTE,
    judge,
    lowest_seed,
    verdict_problems,
)
from vqcast.evidence.loso import DRY_RUN_NOTE, SMOKE_NOTE
from vqcast.families import Corpora, Judged, Package, Rebuilt, Trained, Training
from vqcast.regressor import spec as specs
from vqcast.regressor import standing
from vqcast.regressor.card import facts
from vqcast.regressor.spec import Recipe, Spec
from vqcast.watch import Table, Watch

if TYPE_CHECKING:
    from vqcast.corpus.table import Corpus
    from vqcast.regressor.dataset import Trainable


@dataclass(frozen=True, slots=True)
class NetworkFamily:
    """One family of networks: several seeds that are judged together, or one."""

    spec: Spec
    evidence_names: tuple[str, ...] = ("loso_seed*.json",)
    card: str = "network"

    @property
    def id(self) -> str:
        """The family's id."""
        return self.spec.id

    @property
    def row_ids(self) -> tuple[str, ...]:
        """Every registry row that may be its own."""
        return self.spec.row_ids

    @property
    def verdict_name(self) -> str:
        """The verdict's file in a registry."""
        return self.spec.verdict_name

    @property
    def options(self) -> frozenset[str]:
        """All that can be asked of a training."""
        common = {"seeds", "epochs", "hold_out", "dry_run", "scaffold"}
        return frozenset(common | ({"unseen"} if self.spec.is_ensemble else set()))

    @property
    def exported_by_training(self) -> bool:
        """A family that is one network ships its files with its evidence (CONTRACTS §6)."""
        return not self.spec.is_ensemble

    def train(self, corpora: Corpora, run_dir: Path, asked: Training, *, watch: Watch) -> Trained:
        """Every fold of every seed, one ``loso_seed{N}.json`` each, and the intervals' worth."""
        from vqcast.regressor import crossvalidate
        from vqcast.regressor.dataset import trainable

        seeds = self._seeds(asked.seeds)
        corpus = corpora.one(self.id)
        data = trainable(corpus, self.spec)
        self._say_slots(data, watch)
        note = SMOKE_NOTE if corpus.synthetic else None
        recipe = Recipe() if asked.epochs is None else replace(Recipe(), epochs=asked.epochs)
        reports = crossvalidate.crossvalidate(
            crossvalidate.Run(
                data,
                self.spec,
                replace(recipe, epochs=1) if asked.dry_run else recipe,
                asked.hold_out or "src",
                DRY_RUN_NOTE if asked.dry_run else note,
            ),
            run_dir,
            seeds=seeds,
            watch=watch,
            on_seed=lambda report: _write_log(run_dir, report),
        )
        if self.spec.is_ensemble and not asked.dry_run and not corpus.synthetic:
            if asked.unseen:
                self._refit_unseen(data, run_dir, recipe, watch)
            self._measure_intervals(corpus, run_dir, watch)
        return Trained(self.id, list(reports.values()), (_reports_table(reports),))

    def _seeds(self, asked: Sequence[int] | None) -> tuple[int, ...]:
        if asked is None:
            return self.spec.seeds
        foreign = [seed for seed in asked if seed not in self.spec.seeds]
        if foreign or not asked:
            raise InputError(
                f"{self.id} has no seed {', '.join(map(str, foreign)) or 'given'}",
                hint=f"its seeds: {', '.join(map(str, self.spec.seeds))}",
            )
        return tuple(asked)

    def _say_slots(self, data: Trainable, watch: Watch) -> None:
        """Name the encoders that are left out, and those that share the slot ``unknown``."""
        from vqcast.regressor.dataset import slot_rows_of

        for encoder, rows in data.excluded.items():
            watch.note(f"left out: {rows} rows of {encoder}, which has no slot in {self.id}")
        for encoder, rows in slot_rows_of(data.corpus, self.spec).unknown_encoders.items():
            watch.note(f"{rows} rows of {encoder}, which has no slot of its own, train `unknown`")

    def _measure_intervals(self, corpus: Corpus, run_dir: Path, watch: Watch) -> None:
        """Calibrate and measure coverage, once every seed's evidence is there."""
        from vqcast.regressor import intervals

        if not all((run_dir / evidence.loso_name(seed)).exists() for seed in self.spec.seeds):
            return
        made = intervals.write(run_dir, corpus, self.spec).intervals
        if made is None:
            watch.note("intervals: too few content groups to claim a coverage; spread only")
            return
        groups = made.calibration.n_groups
        if made.nominal_coverage < NOMINAL_COVERAGES[0]:
            watch.note(
                f"intervals: {groups} content groups can't show {NOMINAL_COVERAGES[0]:.0%} with "
                f"one left out; the interval ships at {made.nominal_coverage:.0%}"
            )
        if not made.calibration.factors_measured:
            watch.note(
                "intervals: what widens them for an unseen preset or encoder is assumed; "
                "--unseen measures it"
            )

    def _refit_unseen(self, data: Trainable, run_dir: Path, recipe: Recipe, watch: Watch) -> None:
        """Networks without each preset and each encoder, unless they are there already."""
        from vqcast.regressor import unseen

        found = evidence.read(run_dir).unseen
        if found is not None and found.corpus_sha256 == data.corpus.sha256:
            return
        unseen.write(run_dir, data, self.spec, recipe, watch=watch)

    def judge(self, run_dir: Path, *, generated_at_utc: str) -> Judged:
        """The two-part gate, and the claim of coverage where there is one."""
        found = evidence.read(run_dir)
        verdict = judge(
            found.reports,
            found.digests,
            self.spec,
            generated_at_utc=generated_at_utc,
            intervals=found.intervals,
        )
        return Judged(verdict, verdict.recommendation, _verdict_tables(verdict))

    def fit(self, run_dir: Path, corpora: Corpora, *, scaffold: bool, watch: Watch) -> Package:
        """One network a seed on every row, as ONNX, once the verdict is seen to stand."""
        from vqcast.regressor import intervals, production

        found = evidence.read(run_dir)
        verdict, verdict_bytes = evidence.read_verdict(Verdict, run_dir)
        corpus = corpora.one(self.id)
        _require_verdict(run_dir, verdict, HOLD if scaffold else PROMOTE)
        if corpus.synthetic and not scaffold:
            raise EvidenceError("is synthetic, and nothing of it is promoted", path=corpus.path)
        problems = verdict_problems(
            verdict, found.reports, found.digests, self.spec, corpus.sha256,
            intervals=found.intervals,
        )  # fmt: skip
        if problems:
            raise EvidenceError(
                f"the verdict does not stand: {'; '.join(problems)}",
                path=run_dir,
                hint=f"vqcast gate {run_dir}, with the corpus that the evidence was made on",
            )
        intervals.require_same(found, corpus, self.spec)
        made = production.fit(
            self.spec, corpus, verdict, found,
            smoke=scaffold, watch=watch,
        )  # fmt: skip
        if scaffold:
            return made
        prefix = evidence.prefix(self.id)
        grounds = {prefix + name: data for name, data in found.files.items()}
        return replace(made, grounds=grounds | {self.verdict_name: verdict_bytes})

    def problems(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> list[str]:
        """Why its rows or its manifest may not stand."""
        return standing.problems(self.spec, rows, files)

    def card_facts(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> dict[str, Any]:
        """Results, sidecar and recipe."""
        mine = {name: row for name, row in rows.items() if isinstance(row, Row)}
        return facts(self.spec, mine, files)

    def rebuild(
        self,
        rows: Mapping[str, AnyRow],
        files: Mapping[str, bytes],
        corpora: Corpora,
        *,
        watch: Watch,
    ) -> list[Rebuilt]:
        """Every promoted network trained again."""
        from vqcast.regressor.rebuild import rebuild

        networks = {name: row for name, row in rows.items() if isinstance(row, Row)}
        return rebuild(
            self.spec, networks, files, corpora.one(self.id),
            watch=watch,
        )  # fmt: skip


def _require_verdict(run_dir: Path, verdict: Verdict, wanted: str) -> None:
    if verdict.verdict == wanted:
        return
    if wanted == PROMOTE:
        raise GateHeld(
            f"the verdict is {verdict.verdict}: {verdict.recommendation}",
            path=run_dir,
            hint="--scaffold installs it as smoke rows, which nothing may score with",
        )
    raise EvidenceError(
        f"the verdict is {verdict.verdict}, no scaffold is needed",
        path=run_dir,
        hint="promote it without --scaffold",
    )


def _write_log(run_dir: Path, report: LosoReport) -> None:
    """One seed's folds as lines a person reads."""
    lines = [f"{report.model} seed {report.seed} on {report.corpus} ({report.corpus_sha256})"]
    lines += [
        f"{fold.held_out}: n {fold.n_val}, PLCC {_figure(fold.plcc)}, "
        f"SROCC {_figure(fold.srocc)}, RMSE {_figure(fold.rmse)}"
        for fold in report.folds
    ]
    lines.append(f"mean PLCC {_figure(report.mean_plcc)}, {report.wall_time_s:.1f} s")
    write_atomic(run_dir / f"train_seed{report.seed}.log", ("\n".join(lines) + "\n").encode())


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _reports_table(reports: Mapping[int, LosoReport]) -> Table:
    return Table(
        ("seed", "folds", "mean PLCC", "min PLCC", "mean SROCC", "mean RMSE", "by group: PLCC"),
        [
            (
                report.seed,
                report.n_folds,
                report.mean_plcc,
                report.min_plcc,
                report.mean_srocc,
                report.mean_rmse,
                report.groups.mean_plcc if report.groups else None,
            )
            for report in reports.values()
        ],
    )


def _verdict_tables(verdict: Verdict) -> tuple[Table, ...]:
    """The gate's parts against their thresholds."""
    report, claim = verdict.gate, verdict.intervals
    spread = None if report.plcc_spread is None else f"{report.plcc_spread:.6f}"
    rows = [
        ("mean PLCC over seeds", report.mean_plcc, f">= {report.mean_plcc_threshold}",
         _word(report.mean_plcc_pass)),
        ("spread over seeds", spread, f"<= {report.plcc_spread_max}",
         _word(report.plcc_spread_pass)),
        ("lowest seed", lowest_seed(report), f">= {PER_SEED_PLCC_MIN}",
         _word(report.per_seed_pass)),
    ]  # fmt: skip
    tables = [Table(("part", "measured", "threshold", ""), rows)]
    if claim is not None:
        what = f"{claim.nominal_coverage:.0%} intervals, groups held out"
        bound = f">= {claim.coverage_min:.2f}"
        tables.append(
            Table(
                (what, "covered", "threshold", ""),
                [
                    (target, covered, bound, _word(covered >= claim.coverage_min))
                    for target, covered in claim.coverage.items()
                ],
            )
        )
    return tuple(tables)


def _word(passed: bool) -> str:
    return "pass" if passed else "FAIL"


ENSEMBLE, V1, V2, V3 = (
    NetworkFamily(each) for each in (specs.ENSEMBLE, specs.V1, specs.V2, specs.V3)
)
