"""``vqcast ladder``: the rungs of a bitrate ladder over resolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from annotated_doc import Doc

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.cli.tune import Input
from vqcast.documents import to_dict
from vqcast.documents.ladder import LadderResult
from vqcast.durable.files import write_atomic
from vqcast.errors import InputError
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning import ladder as climbing
from vqcast.tuning import stream
from vqcast.tuning.ladder import LadderRequest
from vqcast.tuning.machine import Machine
from vqcast.tuning.surface import SurfaceProbe


@dataclass(frozen=True, slots=True)
class LadderFiles:
    """What is written of a ladder."""

    encode: Annotated[
        Path | None, Doc("Encode the rungs into this folder, with an HLS and a DASH playlist.")
    ] = None
    segment: Annotated[float, Doc("Seconds of a segment.")] = 4.0
    script: Annotated[Path | None, Doc("Write the encodes as a shell script.")] = None
    plot: Annotated[Path | None, Doc("Draw the hull and its rungs: .png or .svg.")] = None

    def __post_init__(self) -> None:
        options.check_plot(self.plot)
        if not 0 < self.segment < math.inf:
            raise InputError(f"{self.segment:g} s can't be a segment", field="segment")
        if self.encode is not None:
            stream.require_new(self.encode)


@grouped
def ladder(
    input: Input,
    asked: LadderRequest,
    files: LadderFiles,
    reading: options.Reading,
    stores: options.Stores,
    machine: Machine,
    trust: Trust,
    heights: Annotated[
        str, typer.Option(help="Heights of the encodes, in lines: a,b.")
    ] = "1080,720,540,360",
    json: options.Json = False,
) -> None:
    """Choose heights, CRFs and bitrates that no others beat, from a few encodes.

    Encodes are scored as a viewer sees them: scaled up to the display. Rungs whose intervals
    overlap are merged.
    """
    extras.require("ladder" if files.plot is None else "ladder --plot")
    asked, intake = replace(asked, heights=options.integers(heights, "--heights")), reading.intake()
    with render.spinner("looking at the video") as update:
        result = climbing.ladder(
            input, asked, registry=stores.registry, trust=trust, cache=stores.cache,
            keep=not stores.no_cache, machine=machine, on_probe=_tell,
            on_progress=render.remaining("probing", update), intake=intake,
        )  # fmt: skip
        if files.encode is not None:
            result = stream.encode(
                input, result, files.encode, segment_s=files.segment, machine=machine,
                intake=intake, on_rung=lambda words: update(f"encoding {words}"),
            )  # fmt: skip
        if files.script is not None:
            text = stream.script(
                input, result, segment_s=files.segment, machine=machine, intake=intake
            )
            write_atomic(files.script, text.encode())
            render.note(f"wrote {files.script}")
    for words in result.notes:
        render.note(f"note: {words}")
    if json:
        render.print_json_line(to_dict(result))
    else:
        show(result)
    if files.plot is not None:
        from vqcast.pages import ladder_charts

        ladder_charts.write_ladder(result, files.plot)
        render.note(f"drew {files.plot}")


def _tell(probe: SurfaceProbe) -> None:
    kept = " (measured earlier)" if probe.reused else ""
    render.note(
        f"{probe.height} lines, CRF {probe.crf:g}: {probe.score:.2f}, "
        f"{probe.bitrate_kbps:.0f} kbit/s{kept}"
    )


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
