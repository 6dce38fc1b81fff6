"""``vqcast explain``: what is known of a video before any encode."""

from __future__ import annotations

from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.cli.tune import Input
from vqcast.documents import to_dict
from vqcast.documents.explain import ExplainResult
from vqcast.serve.trust import Trust
from vqcast.tuning import explain as explaining
from vqcast.tuning.kinds import kinds
from vqcast.tuning.machine import Machine


@grouped
def explain(
    input: Input,
    reading: options.Reading,
    machine: Machine,
    trust: Trust,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="Encoders to forecast: repeat, or a,b. Default: libx264, libx265, libsvtav1.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="Presets, each for the encoders that have it. Default: medium ones.",
            show_default=False,
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="How sure intervals are.")
    ] = 0.95,
    registry: options.RegistryFolder = None,
    json: options.Json = False,
) -> None:
    """Say how complex a video is, which known titles it is like, and what encodes should give.

    Nothing is encoded: a few seconds of pictures are scaled down and up, which tells how much
    detail they have. Probes narrow these intervals: vqcast tune, compare and ladder.
    """
    extras.require("explain")
    asked = kinds(options.split(encoder or []), options.split(preset or []))
    with render.spinner("looking at the video"):
        result = explaining.explain(
            input, encoders=asked or explaining.ENCODERS, confidence=confidence,
            registry=registry, trust=trust, machine=machine, intake=reading.intake(),
        )  # fmt: skip
    for words in result.notes:
        render.note(f"note: {words}")
    if json:
        render.print_json_line(to_dict(result))
    else:
        show(result)


def show(result: ExplainResult) -> None:
    """Complexity, the nearest titles, and the forecasts."""
    seen = result.complexity
    render.say(
        f"{result.name}: {result.width}x{result.height}, {result.frames} frames, "
        f"{result.fps:g} a second; looked at {result.looked_at}"
    )
    render.say(f"  motion {seen.motion:.1f}: more than {seen.motion_rank:.0%} of known titles")
    render.say(
        f"  detail: scaled to a half and back VMAF {seen.half_score:.1f}, to a third "
        f"{seen.third_score:.1f}: more than {seen.detail_rank:.0%} of known titles"
    )
    near = ", ".join(f"{each.group} ({each.distance:.2f})" for each in result.nearest)
    render.say(f"  nearest titles: {near}")
    sure = f"{result.confidence:.0%}"
    render.table(
        ("encoder", "CRF", "vmaf", sure, "kbit/s", sure),
        [
            (" ".join(filter(None, (each.encoder, each.preset))), f"{each.crf:g}",
             f"{each.score:.1f}", f"{each.lower:.1f}..{each.upper:.1f}",
             f"{each.bitrate_kbps:.0f}", f"{each.bitrate_lower:.0f}..{each.bitrate_upper:.0f}")
            for each in result.points
        ],
    )  # fmt: skip
