"""``python -m studies.lift``: what knowing the codec adds to PLCC, with its interval."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studies.lift.judge import LIFT, NO_LIFT, Interval, LiftReport, LiftStudy
from vqcast import extras
from vqcast.cli import options, render
from vqcast.corpus.table import load
from vqcast.families import Recipe

_REASON = (
    "per-frame VMAF v0.6.1 is a deterministic function, a support-vector regression, of exactly "
    "the six features that every network reads. Given the features, the encoder, the preset and "
    "the quality setting hold nothing more about that score."
)


_PER_ENCODER = (
    "codec_by_group",
    "v3_against_v2",
    "encoders_held_out",
    "teacher_vmaf_v1",
    "presets_mixed",
)
"""Comparisons whose encoders are listed on the page; the report holds all."""


def lift(
    corpus: options.CorpusFile,
    presets: Annotated[
        Path | None,
        typer.Option("--presets", help="A second corpus: several presets an encoder."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The report to write.")] = Path(
        "data/phase_a/lift.json"
    ),
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write it as a page, for docs/lift.md.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the answer.")] = "0,1,2,3,4",
    side_seeds: Annotated[str, typer.Option(help="Seeds of the side studies.")] = "0,1",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each fit.")] = Recipe().epochs,
    work: Annotated[
        Path, typer.Option("--work", help="Where finished fits are kept, to go on from.")
    ] = Path("runs/lift"),
    registry: options.RegistryFolder = None,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Compare codec-aware and codec-blind networks on the same folds and seeds.

    Evidence in the registry of the same corpus and recipe is not trained
    again. A killed run goes on where it stopped when the same command is run
    again. The exit code is 0 whatever the answer is.
    """
    extras.require("train")
    from studies.lift.lab import Lab
    from studies.lift.studies import measure
    from vqcast.documents import encode, to_dict
    from vqcast.durable.files import write_atomic
    from vqcast.serve.folder import packaged_registry

    evidence = (registry or packaged_registry()) / "evidence"
    lab = Lab(
        work,
        evidence_folders=sorted(path for path in evidence.glob("*") if path.is_dir()),
        workers=workers,
        bar=render.training_bar,
    )
    report = measure(
        load(corpus),
        load(presets) if presets else None,
        lab,
        seeds=tuple(dict.fromkeys(options.integers(seeds, "--seeds"))),
        side_seeds=tuple(dict.fromkeys(options.integers(side_seeds, "--side-seeds"))),
        recipe=replace(Recipe(), epochs=epochs),
        command=_command(sys.argv[1:]),
    )
    write_atomic(out, encode(report))
    if markdown is not None:
        write_atomic(markdown, page(report).encode())
    if json:
        render.print_json(to_dict(report))
    else:
        show(report)
    written = [str(path) for path in (out, markdown) if path is not None]
    render.note(f"wrote {', '.join(written)}; {lab.trained} networks were trained for it")


def show(report: LiftReport) -> None:
    """The comparisons as a table, and the verdict in words."""
    render.table(
        ("comparison", "held out", "seeds", "first", "second", "PLCC +", "interval", "RMSE +", ""),
        [
            (
                study.title,
                study.held_out,
                len(study.seeds),
                _plcc(study.first.plcc),
                _plcc(study.second.plcc),
                _signed(study.lift_plcc.mean, 5),
                _ends(study.lift_plcc, 5),
                _signed(study.lift_rmse.mean, 3),
                study.verdict,
            )
            for study in report.studies
        ],
    )
    for name, reason in report.left_out.items():
        render.say(f"left out: {name}: {reason}")
    render.say(report.answer)


def page(report: LiftReport) -> str:
    """The report as Markdown: the answer first, then every comparison."""
    studies = {study.id: study for study in report.studies}
    main = studies["codec_by_group"]
    lines = [
        "# Does knowing the codec help?",
        "",
        f"{_plain_answer(main)} {report.answer}",
        "",
        "Written by the command below; not edited by hand. The figures are in `lift.json`.",
        "",
        "```",
        report.command,
        "```",
        "",
        "## Every comparison",
        "",
        "PLCC and RMSE are computed on each held-out fold and averaged over folds and seeds. A "
        "lift is the first network's figure minus the second's on the same folds and seeds; below "
        "0 in RMSE, the first errs less. The interval is a paired bootstrap over content groups "
        f"({report.confidence:.0%}, {report.resamples:,} resamples, seed {report.bootstrap_seed}). "
        "The codec-blind network has the same shape and starts from the same weights, with zeros "
        f"in place of the codec block. The floor is {report.floor:+.3f} PLCC, also for version 3 "
        "ever replacing version 2.",
        "",
        "| comparison | held out | seeds x epochs | PLCC | lift of PLCC | RMSE | lift of RMSE | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(study) for study in report.studies]
    lines += ["", *_notes(report), *_per_encoder(report)]
    if "encoders_held_out" in studies:
        lines += _unseen_part(studies["encoders_held_out"])
    if "preset_norm" in studies:
        lines += _preset_part(report, studies["preset_norm"], studies["preset_norm_permuted"])
    lines += [
        "## What it can't say",
        "",
        "- The intervals cover which contents were drawn. Training varies too: the seeds are "
        "averaged, not resampled.",
        "- Software encoders and short clips only; nothing was tried on hardware encoders, whose "
        "slots have no rows.",
        "- The teacher is VMAF. A lift against viewers' scores was not measured.",
        "",
    ]
    return "\n".join(lines)


def _plain_answer(main: LiftStudy) -> str:
    """Yes or no, and why it could hardly be otherwise."""
    if main.verdict == NO_LIFT:
        return f"No, and for VMAF v0.6.1 it can't: {_REASON}"
    if main.verdict == LIFT:
        return f"Yes on this corpus, but only in imitating the teacher: {_REASON}"
    return f"This corpus can't say. What is known without it: {_REASON}"


def _row(study: LiftStudy) -> str:
    first, second = study.first, study.second
    return (
        f"| {study.title} | {study.held_out} | {len(study.seeds)} x {study.epochs} "
        f"| {_plcc(first.plcc)} and {_plcc(second.plcc)} "
        f"| {_signed(study.lift_plcc.mean, 5)} ({_ends(study.lift_plcc, 5)}) "
        f"| {_points(first.rmse)} and {_points(second.rmse)} "
        f"| {_signed(study.lift_rmse.mean, 3)} ({_ends(study.lift_rmse, 3)}) | {study.verdict} |"
    )


def _notes(report: LiftReport) -> list[str]:
    """Which rows, evidence and seeds each comparison stands on."""
    lines = [
        "| comparison | first | second | teacher | rows | folds, groups | lift of PLCC by seed "
        "| lift of RMSE by seed | offsets |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for study in report.studies:
        arms = [
            arm.name + (f" (seeds {_list(arm.reused_seeds)} on file)" if arm.reused_seeds else "")
            for arm in (study.first, study.second)
        ]
        lines.append(
            f"| {study.title} | {arms[0]} | {arms[1]} | {study.teacher} | {study.n_rows:,} of "
            f"{report.corpora[study.corpus_sha256]} | {study.n_folds}, {study.n_groups} "
            f"| {_range(study.lift_plcc_by_seed, 5)} | {_range(study.lift_rmse_by_seed, 3)} "
            f"| {study.first.offset:+.2f} and {study.second.offset:+.2f} |"
        )
    lines += [
        "",
        "An offset is the mean of prediction minus teacher, in points. Every training run ends "
        "with one of its own, which RMSE holds and PLCC does not see; the ranges by seed show what "
        "training alone moves.",
        "",
    ]
    excluded = {name: n for study in report.studies for name, n in study.rows_excluded.items()}
    for name, count in excluded.items():
        lines.append(f"- {name} has no slot among the 16: its {count:,} rows are left out there.")
    for study in report.studies:
        if study.undefined:
            lines.append(f"- {study.title}: PLCC is undefined on {', '.join(study.undefined)}.")
    lines += [f"- Not measured: {name}: {why}." for name, why in report.left_out.items()]
    return [*lines, ""] if lines[-1] else lines


def _per_encoder(report: LiftReport) -> list[str]:
    lines = [
        "## Per encoder",
        "",
        "The same differences on one encoder's held-out rows alone; the other comparisons are in "
        "`lift.json`.",
        "",
        "| comparison | encoder | rows | lift of PLCC | lift of RMSE |",
        "|---|---|---|---|---|",
    ]
    for study in report.studies:
        for each in study.encoders if study.id in _PER_ENCODER else ():
            lines.append(
                f"| {study.title} | {each.name} | {each.n:,} "
                f"| {_signed(each.lift_plcc.mean, 5)} ({_ends(each.lift_plcc, 5)}) "
                f"| {_signed(each.lift_rmse.mean, 3)} ({_ends(each.lift_rmse, 3)}) |"
            )
    return [*lines, ""]


def _unseen_part(study: LiftStudy) -> list[str]:
    aware, blind, errs = study.first, study.second, study.lift_rmse
    lines = [
        "## An encoder that training never saw",
        "",
        f"Held out together with its contents, an encoder is predicted with RMSE "
        f"{_points(aware.rmse)} by the codec-aware network and {_points(blind.rmse)} by the "
        f"codec-blind one ({_signed(errs.mean, 3)}, {_ends(errs, 3)}); PLCC is {_plcc(aware.plcc)} "
        f"and {_plcc(blind.plcc)}.",
    ]
    if errs.low is not None and errs.low > 0:
        lines[-1] += (
            " So the codec block does harm there. An untrained slot is not the same as none: "
            "weight decay takes its weights to zero, while the slot of every trained encoder "
            "carries a part of the intercept, and the quality and preset settings of the new one "
            "may lie where no training row did. For an encoder without training rows, use the "
            "codec-blind `fr_regressor_v1`."
        )
    return [*lines, ""]


def _preset_part(report: LiftReport, trained: LiftStudy, shuffled: LiftStudy) -> list[str]:
    use = report.preset_use
    assert use is not None
    wrong = shuffled.lift_rmse
    none = wrong.low is not None and wrong.high is not None and wrong.low <= 0 <= wrong.high
    return [
        "## Does the network use the preset?",
        "",
        ("Not to any effect." if none else "Yes.")
        + f" On the corpus with several presets an encoder ({use.rows:,} held-out rows), giving "
        f"the trained networks another preset of the same encoder moves a prediction by "
        f"{use.permuted_mean_abs:.3f} VMAF points on average, and the whole way from the fastest "
        f"to the slowest preset by {use.slowest_minus_fastest_mean_abs:.3f} (signed mean "
        f"{use.slowest_minus_fastest_mean:+.3f}). The true preset rather than a wrong one changes "
        f"RMSE by {_signed(shuffled.lift_rmse.mean, 4)} ({_ends(shuffled.lift_rmse, 4)}). Training "
        "with the preset rather than a constant 0.5 changes PLCC by "
        f"{_signed(trained.lift_plcc.mean, 5)} ({_ends(trained.lift_plcc, 5)}) and RMSE by "
        f"{_signed(trained.lift_rmse.mean, 4)} ({_ends(trained.lift_rmse, 4)}; by seed "
        f"{_range(trained.lift_rmse_by_seed, 3)}, the offsets of training runs among it).",
        "",
    ]


def _plcc(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"


def _ends(interval: Interval, digits: int) -> str:
    if interval.low is None or interval.high is None:
        return "no interval"
    return f"{interval.low:+.{digits}f} to {interval.high:+.{digits}f}"


def _range(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    ends = dict.fromkeys(_signed(end, digits) for end in (min(known), max(known)))
    return " to ".join(ends)


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _command(words: list[str]) -> str:
    """The command line as typed, folders of this machine left out."""
    shown = [Path(word).name if word.startswith("/") else word for word in words]
    return " ".join(["python -m studies.lift", *map(shlex.quote, shown)])


if __name__ == "__main__":
    typer.run(lift)
