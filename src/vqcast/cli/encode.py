"""``vqcast encode``: tune, encode with the answer, measure the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcast import extras
from vqcast.cli import options, render, shots, tune
from vqcast.cli.groups import grouped
from vqcast.documents import to_dict
from vqcast.documents.batch import BatchResult, FilmResult
from vqcast.documents.tune import (
    Measure,
    TuneProbed,
    TuneResult,
    TuneStart,
)
from vqcast.errors import InputError, LargerThanSource
from vqcast.media.streams import StreamChoice
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning.films import Film, Names, films
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import PerShot, TuneRequest

if TYPE_CHECKING:
    from vqcast.tuning.batch import Asked


Inputs = Annotated[
    list[Path],
    typer.Argument(help="The video; or several, or folders of them.", metavar="INPUT"),
]


@grouped
def encode(
    inputs: Inputs,
    asked: TuneRequest,
    names: Names,
    streams: StreamChoice,
    reading: options.Reading,
    stores: options.Stores,
    machine: Machine,
    trust: Trust,
    shot_by_shot: PerShot,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to write: .mkv, .mp4, .webm or .mov."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT if it exists.")
    ] = False,
    allow_larger: Annotated[
        bool, typer.Option("--allow-larger", help="Write video larger than the source's.")
    ] = False,
    measure: Annotated[
        Measure | None,
        typer.Option(help="Score every frame of OUTPUT, or a sample of them. Default: by length."),
    ] = None,
    parts: Annotated[
        bool,
        typer.Option(
            "--parts/--no-parts",
            help="Encode a long video in parts on all cores, and go on from those that an ended "
            "run has finished; or in one.",
        ),
    ] = True,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler: one film a task.")
    ] = None,
    json: tune.Lines = False,
) -> None:
    """Find the CRF that reaches the target, encode with it, and measure what came out.

    Audio, subtitles, chapters, covers and timestamps are copied, and what the
    container can't hold is named. Several inputs are encoded in turn: finished
    outputs are skipped, a failure stops no other. Exit codes: 0 the encode was
    measured and reaches the target; 3 it does not (best effort); 4 the size cap
    was hit, or the video would be larger than the source's and was not written;
    1 a tool failed, or a film of several; 2 bad input.
    """
    extras.require("encode")
    from vqcast.tuning.batch import Asked

    given = Asked(
        asked, names, streams, reading.intake(), machine, overwrite=overwrite,
        allow_larger=allow_larger, registry=stores.registry, trust=trust, cache=stores.cache,
        keep=not stores.no_cache, measure=measure, parts=parts,
        per_shot=shot_by_shot.wanted,
    )  # fmt: skip
    if len(inputs) > 1 or inputs[0].is_dir() or names.replace or scheduler is not None:
        _several(inputs, output, given, scheduler, json=json)
    else:
        one = _one if given.per_shot is None else shots.encode
        one(inputs[0], output, given, json=json)


def _one(input: Path, output: Path | None, given: Asked, *, json: bool) -> None:
    """One film, told step by step."""
    from vqcast.tuning.batch import encode_one, plan

    if output is None:
        ((_, output),) = plan([Film(input)], given)
    found: list[TuneResult] = []
    told: list[str] = []
    with render.spinner("reading the video") as update:
        tell = tune.teller(update, json=json)

        def on_event(event: Any) -> None:
            tell(event)
            if isinstance(event, TuneStart):
                told.extend(event.notes)
            if isinstance(event, TuneResult):
                found.append(event)
                if not json:
                    tune.show(event, curve=False)

        try:
            made = encode_one(
                input, output, given, on_event=on_event,
                on_progress=render.remaining("encoding", update),
            )  # fmt: skip
        except LargerThanSource as error:
            if json:
                render.print_json_line(to_dict(tune.not_written(output, error)))
            raise
    if json:
        render.print_json_line(to_dict(made))
    else:
        tune.show_encoded(made, told)
    status = tune.EXIT_STATUS[found[0].status]
    status = status or (0 if made.met else tune.EXIT_STATUS["best_effort"])
    if status:
        raise typer.Exit(status)


def _several(
    inputs: list[Path], output: Path | None, given: Asked, scheduler: str | None, *, json: bool
) -> None:
    """Several films: a line each as it ends, and a table."""
    from vqcast.tuning.batch import exit_status, run

    if output is not None:
        raise InputError("-o names one file", hint="use --out-dir and --name for several")
    shown = METRICS[given.request.metric].shown
    with render.spinner("reading the films") as update:

        def on_event(film: Film, event: Any) -> None:
            if isinstance(event, TuneProbed):
                score = shown(event.probe.score)
                update(f"{film.path.name}: CRF {event.probe.crf:g} gives {score}")

        def on_film(result: FilmResult) -> None:
            if json:
                render.print_json_line(to_dict(result))
            else:
                _tell(result)

        results, total = run(
            films(inputs), given, scheduler=scheduler, on_event=on_event, on_film=on_film
        )
    if json:
        render.print_json_line(to_dict(total))
    else:
        _table(results, total, shown)
    if status := exit_status(results):
        raise typer.Exit(status)


def _tell(result: FilmResult) -> None:
    for words in result.notes:
        render.note(f"note: {Path(result.source).name}: {words}")
    if result.indicative:
        render.note(f"note: {Path(result.source).name}: its score is {tune.INDICATIVE}")
    if result.reason:
        render.note(f"{result.status}: {result.source}: {result.reason}")
    if result.hint:
        render.note(f"next: {result.hint}")


def _table(results: list[FilmResult], total: BatchResult, shown: Callable[[float], str]) -> None:
    def size(value: int | None) -> str | None:
        return None if value is None else tune.size_text(value)

    render.table(
        ("film", "", "CRF", "score", "source", "output", "%"),
        [
            (
                Path(each.source).name, each.status,
                None if each.crf is None else f"{each.crf:g}",
                None if each.score is None else shown(each.score),
                size(each.source_bytes), size(each.bytes),
                f"{100 * each.bytes / each.source_bytes:.1f}"
                if each.bytes and each.source_bytes else None,
            )
            for each in results
        ],
    )  # fmt: skip
    counts = ", ".join(f"{count} {status}" for status, count in total.counts.items())
    render.say(f"{total.films} films: {counts}; {total.wall_s:.0f} s")
