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
from vqcast.documents.tune import EncodeResult, NotWritten, TuneResult
from vqcast.errors import LargerThanSource
from vqcast.media import grain
from vqcast.media.streams import StreamChoice
from vqcast.serve.trust import Trust
from vqcast.tuning.request import TuneRequest


@grouped
def encode(
    input: tune.Input,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write: .mkv, .mp4, .webm or .mov.")
    ],
    asked: TuneRequest,
    streams: StreamChoice,
    reading: options.Reading,
    stores: options.Stores,
    trust: Trust,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT if it exists.")
    ] = False,
    allow_larger: Annotated[
        bool, typer.Option("--allow-larger", help="Write video of more bytes than the source's.")
    ] = False,
    json: tune.Lines = False,
) -> None:
    """Find the CRF that reaches the target, encode with it, and measure what came out.

    Audio, subtitles, chapters, covers and timestamps are copied, and what the
    container can't hold is named. Exit codes: 0 the encode was measured and
    reaches the target; 3 it does not (best effort); 4 the size cap was hit, or
    the video would be larger than the source's and was not written; 1 a tool
    failed; 2 bad input.
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

        try:
            made = vqcast.encode(
                input, output, asked, overwrite=overwrite, registry=stores.registry, trust=trust,
                cache=stores.cache, keep=not stores.no_cache, on_event=on_event,
                on_progress=render.remaining("encoding", update), intake=reading.intake(),
                streams=streams, allow_larger=allow_larger,
            )  # fmt: skip
        except LargerThanSource as error:
            if json:
                render.print_json_line(to_dict(_not_written(output, error)))
            raise
    if json:
        render.print_json_line(to_dict(made))
    else:
        _show(made, found[0].metric)
    status = tune.EXIT_STATUS[found[0].status]
    status = status or (0 if made.met else tune.EXIT_STATUS["best_effort"])
    if status:
        raise typer.Exit(status)


def _not_written(output: Path, error: LargerThanSource) -> NotWritten:
    return NotWritten(
        output=str(output), crf=error.crf, video_bytes=error.made,
        source_video_bytes=error.source, reason=error.message,
    )  # fmt: skip


def _show(made: EncodeResult, metric: str) -> None:
    for words in made.notes:
        if grain.NOTE in words:
            render.note(f"note: {words}")
    word = "reaches" if made.met else "misses"
    render.say(
        f"{made.output}: {metric} {made.score:.2f} measured, {word} {made.target:g}; "
        f"{tune.size_text(made.bytes)}, {made.size_percent:.1f} % of the source"
    )
