"""What ``vqcast encode --per-shot`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vqcast.cli import render, tune
from vqcast.documents import to_dict
from vqcast.documents.shots import ShotEncode, ShotMade, ShotsResult, ShotsStart
from vqcast.errors import LargerThanSource
from vqcast.metric import METRICS
from vqcast.tuning.films import Film

if TYPE_CHECKING:
    from vqcast.tuning.batch import Asked


def encode(input: Path, output: Path | None, given: Asked, *, json: bool) -> None:
    """One film shot by shot, told shot by shot."""
    from vqcast.tuning.batch import encode_shots, plan

    if output is None:
        ((_, output),) = plan([Film(input)], given)
    told: list[str] = []
    shown = METRICS[given.request.metric].shown
    with render.spinner("finding the shots") as update:

        def on_event(event: Any) -> None:
            if json:
                render.print_json_line(to_dict(event))
            elif isinstance(event, ShotMade):
                again = " again" if event.again else ""
                render.say(
                    f"shot {event.encode.shot + 1} of {event.shots}{again}: CRF "
                    f"{event.encode.crf:g} gives {shown(event.encode.score)}"
                    + (" (made earlier)" if event.encode.reused else "")
                )
            if isinstance(event, ShotsStart) and not json:
                told.extend(event.notes)
                for words in event.notes:
                    render.note(f"note: {words}")

        try:
            made = encode_shots(
                input, output, given, on_event=on_event,
                on_progress=render.remaining("encoding", update),
            )  # fmt: skip
        except LargerThanSource as error:
            if json:
                render.print_json_line(to_dict(tune.not_written(output, error)))
            raise
    if not json:
        show(made, told)
    if not made.output.met:
        raise typer.Exit(tune.EXIT_STATUS["best_effort"])


def show(made: ShotsResult, told: list[str]) -> None:
    """The shots of the output as a table, and the title in a line."""
    shown, target = METRICS[made.output.metric].shown, made.output.target
    worst = made.objective == "worst"
    render.table(
        ("shot", "from", "frames", "CRF", made.output.metric, "worst second", "kb/s", "forecast"),
        [
            (each.shot + 1, f"{each.start_s:.2f} s", each.frames, f"{each.crf:g}",
             shown(each.score), shown(each.worst), f"{each.kilobits_s:.0f}",
             _forecast(each, shown))
            for each in made.shots if each.selected
        ],
    )  # fmt: skip
    tune.show_encoded(made.output, told)
    render.say(
        f"  {made.objective}: mean {shown(made.mean)}, worst second {shown(made.worst_second)}, "
        f"{'worst second' if worst else 'mean'} asked {target:g}; "
        f"{made.encodes_a_frame:.2f} encodes of each frame"
    )


def _forecast(each: ShotEncode, shown: Any) -> str | None:
    if each.forecast is None:
        return None
    return f"{shown(each.forecast)} ±{each.forecast_deviation:.1f}"
