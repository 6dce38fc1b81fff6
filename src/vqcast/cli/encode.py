"""``vqcast encode``: tune, encode with the answer, measure the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import vqcast
from vqcast import extras
from vqcast.cli import options, render, tune
from vqcast.cli.groups import grouped
from vqcast.documents import to_dict
from vqcast.documents.tune import EncodeResult, TuneResult
from vqcast.serve.trust import Trust
from vqcast.tuning.request import TuneRequest


@grouped
def encode(
    input: tune.Input,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write: .mkv, .mp4, .webm or .mov.")
    ],
    asked: TuneRequest,
    stores: options.Stores,
    trust: Trust,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT if it exists.")
    ] = False,
    json: tune.Lines = False,
) -> None:
    """Find the CRF that reaches the target, encode with it, and measure what came out.

    Audio, subtitles, chapters and timestamps are copied. Exit codes: 0 the
    encode was measured and reaches the target; 3 it does not (best effort); 4
    the size cap was hit; 1 a tool failed; 2 bad input.
    """
    extras.require("encode")
    found: list[TuneResult] = []
    with render.spinner("reading the video") as update:
        tell = tune.teller(update, json=json)

        def on_event(event: Any) -> None:
            tell(event)
            if isinstance(event, TuneResult):
                found.append(event)
                if not json:
                    tune.show(event, curve=False)

        made = vqcast.encode(
            input, output, asked, overwrite=overwrite, registry=stores.registry, trust=trust,
            cache=stores.cache, keep=not stores.no_cache, on_event=on_event,
            on_progress=render.remaining("encoding", update),
        )  # fmt: skip
    if json:
        render.print_json_line(to_dict(made))
    else:
        _show(made, found[0].metric)
    status = tune.EXIT_STATUS[found[0].status]
    status = status or (0 if made.met else tune.EXIT_STATUS["best_effort"])
    if status:
        raise typer.Exit(status)


def _show(made: EncodeResult, metric: str) -> None:
    word = "reaches" if made.met else "misses"
    render.say(
        f"{made.output}: {metric} {made.score:.2f} measured, {word} {made.target:g}; "
        f"{tune.size_text(made.bytes)}, {made.size_percent:.1f} % of the source"
    )
