"""``vqcast train``: leave-one-source-out evidence, one file a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import forecast, options, render
from vqcast.corpus.table import Corpus, load
from vqcast.documents.evidence import LosoReport
from vqcast.errors import InputError
from vqcast.evidence.loso import DRY_RUN_NOTE, SMOKE_NOTE
from vqcast.families import FORECASTER, Family, Recipe, family


def train(
    corpus: options.CorpusFiles,
    out_dir: options.OutDir,
    model: options.ModelId = options.DEFAULT_MODEL,
    seeds: Annotated[str, typer.Option(help="Seeds to train. Default: all of the family.")] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each fit.")] = Recipe().epochs,
    hold_out: Annotated[
        str,
        typer.Option(help="What a fold holds out: src, or group for sources that share content."),
    ] = "src",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One epoch, marked so that no gate accepts it.")
    ] = False,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Train every fold of every seed and write one loso_seed{N}.json each.

    A model that is one network is also judged, fitted on the whole corpus and
    exported into the run folder; below the gate the exit code is 1. A killed
    run goes on where it stopped when the same command is run again. The CRF
    forecaster reads several corpora, and writes its table and evidence.
    """
    extras.require("train")
    if model == FORECASTER:
        forecast.refuse_given(
            {
                "--seeds": bool(seeds),
                "--epochs": epochs != Recipe().epochs,
                "--hold-out": hold_out != "src",
                "--dry-run": dry_run,
            }
        )
        forecast.train(corpus, out_dir, json=json)
        return
    chosen = family(model)
    loaded = load(options.one(corpus, model))
    reports = run(
        loaded,
        chosen,
        out_dir,
        seeds=options.integers(seeds, "--seeds") if seeds else chosen.seeds,
        recipe=replace(Recipe(), epochs=1 if dry_run else epochs),
        hold_out=hold_out,
        dry_run=dry_run,
        workers=workers,
    )
    if json:
        from vqcast.documents import to_dict

        render.print_json([to_dict(report) for report in reports.values()])
    else:
        show(reports)
    if chosen.is_ensemble or dry_run:
        render.note(f"evidence in {out_dir}; next: vqcast gate {out_dir}")
        return
    _judge_and_export(loaded, chosen, out_dir, workers=workers)


def _judge_and_export(
    corpus: Corpus, chosen: Family, out_dir: Path, *, workers: int | None
) -> None:
    """A single model's verdict and files, at training time."""
    from vqcast.cli import gate
    from vqcast.evidence.gate import PROMOTE
    from vqcast.registry.promote import EXPORT_FOLDER, export

    verdict = gate.run(out_dir, write=True)
    with render.training_bar(f"fitting {chosen.id} on every row") as update:
        export(out_dir, corpus, workers=workers, on_progress=update)
    render.note(
        f"{verdict.verdict}: {chosen.id} exported into {out_dir / EXPORT_FOLDER}; "
        "vqcast promote installs it"
    )
    if verdict.verdict != PROMOTE:
        raise typer.Exit(1)


def run(
    corpus: Corpus,
    chosen: Family,
    out_dir: Path,
    *,
    seeds: tuple[int, ...],
    recipe: Recipe,
    hold_out: str = "src",
    dry_run: bool = False,
    workers: int | None = None,
) -> dict[int, LosoReport]:
    """Cross-validate with a progress bar and a log file a seed."""
    from vqcast.durable.files import write_atomic
    from vqcast.regressor.crossvalidate import Run, crossvalidate
    from vqcast.regressor.dataset import trainable

    foreign = [seed for seed in seeds if seed not in chosen.seeds]
    if foreign or not seeds:
        raise InputError(
            f"{chosen.id} has no seed {', '.join(map(str, foreign)) or 'given'}",
            hint=f"its seeds: {', '.join(map(str, chosen.seeds))}",
        )
    data = trainable(corpus, chosen)
    for encoder, rows in data.excluded.items():
        render.note(f"left out: {rows} rows of {encoder}, which has no slot in {chosen.id}")
    smoke_note = SMOKE_NOTE if corpus.synthetic else None

    def log(report: LosoReport) -> None:
        write_atomic(out_dir / f"train_seed{report.seed}.log", log_text(report).encode())

    with render.training_bar(f"training {chosen.id}") as update:
        reports = crossvalidate(
            Run(data, chosen, recipe, hold_out, DRY_RUN_NOTE if dry_run else smoke_note),
            out_dir,
            seeds=seeds,
            workers=workers,
            on_progress=update,
            on_seed=log,
        )
    if chosen.is_ensemble and not dry_run and not corpus.synthetic:
        _measure_intervals(corpus, chosen, out_dir)
    return reports


def _measure_intervals(corpus: Corpus, chosen: Family, out_dir: Path) -> None:
    """Calibrate and measure coverage, once every seed's evidence is there."""
    from vqcast.evidence import folder as evidence
    from vqcast.regressor import intervals

    if not all((out_dir / evidence.loso_name(seed)).exists() for seed in chosen.seeds):
        return
    if intervals.write(out_dir, corpus, chosen) is None:
        render.note("intervals: too few content groups to claim a coverage; spread only")


def log_text(report: LosoReport) -> str:
    """One seed's folds as lines a person reads."""
    lines = [f"{report.model} seed {report.seed} on {report.corpus} ({report.corpus_sha256})"]
    lines += [
        f"{fold.held_out}: n {fold.n_val}, PLCC {render.figure(fold.plcc)}, "
        f"SROCC {render.figure(fold.srocc)}, RMSE {render.figure(fold.rmse)}"
        for fold in report.folds
    ]
    lines.append(f"mean PLCC {render.figure(report.mean_plcc)}, {report.wall_time_s:.1f} s")
    return "\n".join(lines) + "\n"


def show(reports: dict[int, LosoReport]) -> None:
    """The seeds' means as a table."""
    render.table(
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
