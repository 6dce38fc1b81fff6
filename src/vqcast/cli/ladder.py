"""``vqcast ladder``: the rungs of a bitrate ladder over resolutions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.cli.tune import Input
from vqcast.documents import to_dict
from vqcast.documents.ladder import LadderResult
from vqcast.durable.files import write_atomic
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning import ladder as climbing
from vqcast.tuning import stream
from vqcast.tuning.ladder import LadderRequest
from vqcast.tuning.machine import Machine
from vqcast.tuning.surface import SurfaceProbe


@grouped
def ladder(
    input: Input,
    asked: LadderRequest,
    reading: options.Reading,
    stores: options.Stores,
    machine: Machine,
    trust: Trust,
    heights: Annotated[
        str, typer.Option(help="Heights of the encodes, in lines: a,b.")
    ] = "1080,720,540,360",
    encode: Annotated[
        Path | None,
        typer.Option(
            help="Encode the rungs into this folder, with an HLS and a DASH playlist.",
            show_default=False,
        ),
    ] = None,
    segment: Annotated[float, typer.Option(help="Seconds of a segment.", min=0.1)] = 4.0,
    script: Annotated[
        Path | None,
        typer.Option(help="Write the encodes as a shell script.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the hull and its rungs: .png or .svg.", show_default=False),
    ] = None,
    json: options.Json = False,
) -> None:
    """Choose heights, CRFs and bitrates that no others beat, from a few encodes.

    Encodes are scored as a viewer sees them: scaled up to the display. Rungs whose intervals
    overlap are merged.
    """
    options.check_plot(plot)
    extras.require("ladder" if plot is None else "ladder --plot")
    if encode is not None:
        stream.require_new(encode)
    asked = replace(asked, heights=options.integers(heights, "--heights"))
    with render.spinner("looking at the video") as update:

        def tell(probe: SurfaceProbe) -> None:
            shown = METRICS[climbing.DEVICES[asked.device][1]].shown(probe.score)
            kept = " (measured earlier)" if probe.reused else ""
            render.note(
                f"{probe.height} lines, CRF {probe.crf:g}: {shown}, "
                f"{probe.bitrate_kbps:.0f} kbit/s{kept}"
            )

        result = climbing.ladder(
            input, asked, registry=stores.registry, trust=trust, cache=stores.cache,
            keep=not stores.no_cache, machine=machine, on_probe=tell,
            on_progress=render.remaining("probing", update), intake=reading.intake(),
        )  # fmt: skip
        if encode is not None:
            result = stream.encode(
                input, result, encode, segment_s=segment, machine=machine,
                intake=reading.intake(), on_rung=lambda words: update(f"encoding {words}"),
            )  # fmt: skip
    for words in result.notes:
        render.note(f"note: {words}")
    if script is not None:
        text = stream.script(input, result, segment_s=segment, machine=machine,
                             intake=reading.intake())  # fmt: skip
        write_atomic(script, text.encode())
        render.note(f"wrote {script}")
    if json:
        render.print_json_line(to_dict(result))
    else:
        show(result)
    if plot is not None:
        from vqcast.pages import ladder_charts

        ladder_charts.write_ladder(result, plot)
        render.note(f"drew {plot}")


def show(result: LadderResult) -> None:
    """The rungs, what was encoded, and what it took to choose them."""
    shown, sure = METRICS[result.metric].shown, f"{result.confidence:.0%}"
    render.table(
        ("size", "CRF", result.metric, sure, "kbit/s", sure),
        [
            (f"{each.width}x{each.height}", f"{each.crf:g}", shown(each.score),
             f"{shown(each.lower)}..{shown(each.upper)}", f"{each.bitrate_kbps:.0f}",
             f"{each.bitrate_lower:.0f}..{each.bitrate_upper:.0f}")
            for each in result.rungs
        ],
    )  # fmt: skip
    if result.encoded:
        render.table(
            ("encoded", "CRF", result.metric, "kbit/s", "as forecast"),
            [
                (f"{each.height} lines", f"{each.crf:g}", shown(each.score),
                 f"{each.bitrate_kbps:.0f}", "yes" if each.within else "no")
                for each in result.encoded
            ],
        )  # fmt: skip
    merged = f", {result.merged} merged" if result.merged else ""
    render.say(
        f"{len(result.rungs)} rungs{merged}; {len(result.probes)} encodes instead of "
        f"{result.cells}: another choice of heights should score {result.regret:.2f} more at best"
    )
