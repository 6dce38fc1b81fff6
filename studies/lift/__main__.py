"""``python -m studies.lift``: what knowing the codec adds to PLCC, with its interval."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studies.command import command
from studies.lift.judge import LiftReport
from studies.lift.lab import Lab
from studies.lift.page import change, page
from studies.lift.studies import measure
from vqcast import extras
from vqcast.cli import options, render
from vqcast.corpus.table import load
from vqcast.documents import from_bytes, to_bytes, to_dict
from vqcast.durable.files import read_regular, write_atomic
from vqcast.pages.template import num
from vqcast.regressor.spec import Recipe
from vqcast.serve.folder import packaged_registry
from vqcast.watch import Progress


@contextmanager
def _bar(label: str) -> Iterator[Callable[[Progress], None]]:
    with render.watching(label) as watch:
        yield watch.progress


def lift(
    corpus: Annotated[
        Path | None,
        typer.Option(help="The corpus. Without it the page is written again from the report."),
    ] = None,
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
    if corpus is None:
        report = from_bytes(LiftReport, read_regular(out), where=str(out))
        trained = 0
    else:
        report, trained = _measured(
            corpus,
            presets,
            (registry or packaged_registry()) / "evidence",
            seeds=(
                options.integers(seeds, "--seeds"),
                options.integers(side_seeds, "--side-seeds"),
            ),
            recipe=replace(Recipe(), epochs=epochs),
            work=work,
            workers=workers,
        )
        write_atomic(out, to_bytes(report))
    if markdown is not None:
        write_atomic(markdown, page(report, out.name).encode())
    if json:
        render.print_json(to_dict(report))
    else:
        show(report)
    written = [str(path) for path in (corpus and out, markdown) if path is not None]
    render.note(f"wrote {', '.join(written)}; {trained} networks were trained for it")


def _measured(
    corpus: Path,
    presets: Path | None,
    evidence: Path,
    *,
    seeds: Sequence[Sequence[int]],
    recipe: Recipe,
    work: Path,
    workers: int | None,
) -> tuple[LiftReport, int]:
    """The report, and how many networks were trained; ``seeds`` of the answer and of the sides."""
    extras.require("train")
    lab = Lab(
        work,
        evidence_folders=sorted(path for path in evidence.glob("*") if path.is_dir()),
        workers=workers,
        bar=_bar,
    )
    report = measure(
        load(corpus),
        load(presets) if presets else None,
        lab,
        seeds=tuple(dict.fromkeys(seeds[0])),
        side_seeds=tuple(dict.fromkeys(seeds[1])),
        recipe=recipe,
        command=command("studies.lift", sys.argv[1:]),
    )
    return report, lab.trained


def show(report: LiftReport) -> None:
    """The comparisons as a table, and the verdict in words."""
    render.table(
        ("comparison", "held out", "seeds", "first", "second", "lift of PLCC", "of RMSE", ""),
        [
            (
                study.title,
                study.held_out,
                len(study.seeds),
                num(study.first.plcc, 5),
                num(study.second.plcc, 5),
                change(study.lift_plcc, 5),
                change(study.lift_rmse, 3),
                study.verdict,
            )
            for study in report.studies
        ],
    )
    for name, reason in report.left_out.items():
        render.say(f"left out: {name}: {reason}")
    render.say(report.answer)


if __name__ == "__main__":
    typer.run(lift)
