"""``vqcast tune``: the CRF that meets a target, with a stated confidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import vqcast
from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.documents import to_dict
from vqcast.documents.tune import EncodeResult, NotWritten, TuneProbed, TuneResult, TuneStart
from vqcast.errors import LargerThanSource
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest

EXIT_STATUS = {"met": 0, "best_effort": 3, "size_cap": 4}

Input = Annotated[Path, typer.Argument(help="The video.", metavar="INPUT")]
Lines = Annotated[bool, typer.Option("--json", help="Print JSON lines: start, probes, result.")]


@grouped
def tune(
    input: Input,
    asked: TuneRequest,
    reading: options.Reading,
    stores: options.Stores,
    machine: Machine,
    trust: Trust,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also print the forecast at every CRF.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curve: .png or .svg.", show_default=False)
    ] = None,
    json: Lines = False,
) -> None:
    """Find the highest CRF that reaches the target, and say how sure that is.

    Exit codes: 0 met with the confidence; 3 best effort, the target is out of
    reach; 4 the size cap was hit; 1 a tool failed; 2 bad input. Finished probes are
    kept: an interrupted run resumes from them.
    """
    options.check_plot(plot)
    extras.require("tune" if plot is None else "tune --plot")
    with render.spinner("reading the video") as update:
        result = vqcast.tune(
            input, asked, registry=stores.registry, trust=trust, cache=stores.cache,
            keep=not stores.no_cache, machine=machine, on_event=teller(update, json=json),
            on_progress=render.remaining("probing", update),
            intake=reading.intake(),
        )  # fmt: skip
    if not json:
        show(result, curve=curve)
    if plot is not None:
        from vqcast.pages import tune_charts

        tune_charts.write(result, plot)
        render.note(f"drew {plot}")
    if EXIT_STATUS[result.status]:
        raise typer.Exit(EXIT_STATUS[result.status])


INDICATIVE = "indicative: HDR pictures, a model made for SDR"
"""What is said of a score that no model was made to give."""


def teller(update: Callable[[str], None], *, json: bool) -> Callable[[Any], None]:
    """What is said of each event: JSON lines, or a line a probe; ``update`` says what runs."""
    done: list[float] = []
    metric = ""

    def tell(event: Any) -> None:
        nonlocal metric
        if json:
            render.print_json_line(to_dict(event))
        if isinstance(event, TuneStart):
            metric = event.metric
            for words in event.notes:
                render.note(f"note: {words}")
            if event.forecaster.sha256 is None:
                render.note(
                    "note: no promoted forecaster covers this encoder, metric and size; "
                    "a generic Gaussian is used, which takes more probes"
                )
        elif isinstance(event, TuneProbed):
            done.append(event.probe.wall_s)
            if not json:
                render.say(probe_line(len(done), event, metric))
        left = max(2 - len(done), 1) * done[-1] if done else None
        ahead = "" if left is None else f", about {left:.0f} s if it is the last"
        update(f"probe {len(done) + 1}{ahead}")

    return tell


def probe_line(number: int, event: TuneProbed, metric: str) -> str:
    """One probe in words."""
    probe = event.probe
    part = "" if probe.looks is None else f", {probe.looks} looks of {probe.frames} frames"
    kept = " (measured earlier)" if probe.reused else f", {probe.wall_s:.1f} s"
    return (
        f"probe {number}: CRF {probe.crf:g} gives {METRICS[metric].shown(probe.score)}{part}{kept}"
    )


def show(result: TuneResult, *, curve: bool) -> None:
    """The answer, and the whole curve where asked for."""
    shown = METRICS[result.metric].shown
    if curve:
        render.table(
            ("CRF", result.metric, "interval", f"P(>= {result.target:g})", "size"),
            [
                (f"{point.crf:g}", shown(point.score),
                 f"{shown(point.lower)}..{shown(point.upper)}",
                 f"{point.probability:.0%}", size_text(point.bytes))
                for point in result.curve
            ],
        )  # fmt: skip
    words = {"met": "", "best_effort": "best effort: ", "size_cap": "size cap: "}[result.status]
    render.say(f"{words}CRF {result.crf:g}")
    interval = (
        "measured"
        if result.basis == "verified"
        else f"{result.confidence:.0%} interval {shown(result.lower)}..{shown(result.upper)}"
    )
    interval += f"; {INDICATIVE}" * result.indicative
    render.say(
        f"  {result.metric} {shown(result.score)} ({interval})"
        + (
            f", {min(result.probability, 0.99):.0%} sure of {result.target:g}"
            if result.basis == "forecast"
            else ""
        )
    )
    size = size_text(result.bytes)
    if result.basis == "forecast":
        size += f" ({size_text(result.bytes_lower)}..{size_text(result.bytes_upper)})"
    render.say(f"  video {size}, {result.size_percent:.1f} % of the source")
    render.say(f"  {result.reason}")


def size_text(size: int) -> str:
    """Bytes in the unit that people read."""
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def not_written(output: Path, error: LargerThanSource) -> NotWritten:
    """The line of an encode that was larger than its source."""
    return NotWritten(
        output=str(output), crf=error.crf, video_bytes=error.made,
        source_video_bytes=error.source, reason=error.message,
    )  # fmt: skip


def show_encoded(made: EncodeResult, told: list[str]) -> None:
    """The output in a line; notes that were not ``told`` before."""
    metric = made.metric
    for words in made.notes:
        if words not in told:
            render.note(f"note: {words}")
    word = "reaches" if made.met else "misses"
    how, shown = "measured", METRICS[metric].shown
    if made.measured == "sample":
        how += f" (±{shown(made.score_half_width)}, {made.scored:,} of {made.frames:,} frames)"
    how += f" ({INDICATIVE})" * made.indicative
    how += "" if made.xpsnr is None else f", XPSNR {made.xpsnr:.2f} dB"
    render.say(
        f"{made.output}: {metric} {shown(made.score)} {how}, {word} {made.target:g}; "
        f"{size_text(made.bytes)}, {made.size_percent:.1f} % of the source"
    )
