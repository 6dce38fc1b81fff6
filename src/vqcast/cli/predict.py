"""``vqcast predict``: an encode's predicted VMAF beside the measured one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.serve.load import load
from vqcast.serve.trust import Trust


@grouped
def predict(
    ref: Annotated[Path, typer.Argument(help="The reference video.")],
    dist: Annotated[Path, typer.Argument(help="The encode of it.")],
    *,
    encoder: Annotated[str | None, typer.Option(help="The encoder that made it.")] = None,
    cq: Annotated[float | None, typer.Option(help="The quality it was made with.")] = None,
    preset: Annotated[str | None, typer.Option(help="The preset it was made with.")] = None,
    crf_norm: Annotated[
        float | None, typer.Option(help="Normalised quality, where a model records no range.")
    ] = None,
    preset_norm: Annotated[
        float | None, typer.Option(help="Normalised preset, fastest 0 to slowest 1.")
    ] = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    registry: options.RegistryFolder = None,
    allow_smoke: Annotated[
        bool, typer.Option("--allow-smoke", help="Load a smoke scaffold all the same.")
    ] = False,
    level: Annotated[
        float | None,
        typer.Option(
            help="Coverage of the interval, 0.5 to n/(n+1) for n calibration groups; the model's "
            "own where none is given."
        ),
    ] = None,
    per_frame: Annotated[bool, typer.Option("--per-frame", help="Print every frame.")] = False,
    trust: Trust,
    json: options.Json = False,
) -> None:
    """Measure the features of DIST against REF and predict VMAF from them.

    Prints the score with its calibrated interval, and how far the networks
    disagree, per frame and pooled, beside the VMAF that libvmaf measured on
    the same frames.
    """
    predictor = load(
        model,
        registry,
        allow_smoke=allow_smoke,
        trust=trust,
    )
    options.require_media()
    from vqcast.media.pair import score_pair
    from vqcast.media.tool import find_ffmpeg

    scores = score_pair(ref, dist, find_ffmpeg())
    prediction = predictor.predict(
        scores.features(),
        encoder=encoder,
        cq=cq,
        preset=preset,
        crf_norm=crf_norm,
        preset_norm=preset_norm,
        level=level,
    )
    measured = scores.columns["vmaf"]
    interval = prediction.interval
    frames = [
        {"frame_index": index}
        | _entry(prediction.mean[index], prediction.std[index], measured[index])
        | ({} if interval is None else _bounds(interval.lower[index], interval.upper[index]))
        for index in range(len(measured))
    ]
    pooled = _entry(prediction.pooled_mean, prediction.pooled_std, measured.mean())
    if interval is not None:
        pooled |= _bounds(interval.pooled_lower, interval.pooled_upper)
    for warning in prediction.warnings:
        render.note(f"note: {warning}")
    if json:
        render.print_json(
            {
                "model": model,
                "reference": str(ref),
                "distorted": str(dist),
                "level": interval.level if interval else None,
                "pooled": pooled,
                "slot": prediction.slot,
                "slot_rows": prediction.slot_rows,
                "warnings": list(prediction.warnings),
                "frames": frames,
            }
        )
        return
    covered = f"{interval.level:.0%} interval" if interval else "interval"
    rows = [_line(f"frame {entry['frame_index']}", entry) for entry in frames] if per_frame else []
    render.table(
        ("", "predicted", covered, "spread", "measured", "difference"),
        [*rows, _line(f"mean of {len(frames)} frames", pooled)],
    )


def _entry(predicted: float, spread: float, measured: float) -> dict[str, float]:
    return {"predicted": float(predicted), "spread": float(spread), "measured": float(measured)}


def _bounds(lower: float, upper: float) -> dict[str, float]:
    return {"lower": float(lower), "upper": float(upper)}


def _line(name: str, entry: dict[str, float]) -> tuple[object, ...]:
    bounds = f"{entry['lower']:.2f}..{entry['upper']:.2f}" if "lower" in entry else None
    cells = [f"{entry[key]:.2f}" for key in ("predicted", "spread", "measured")]
    return name, cells[0], bounds, *cells[1:], f"{entry['predicted'] - entry['measured']:+.2f}"
