"""``vqcast predict``: an encode's predicted VMAF beside the measured one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast.cli import options, render
from vqcast.serve.predictor import load


def predict(
    ref: Annotated[Path, typer.Argument(help="The reference video.")],
    dist: Annotated[Path, typer.Argument(help="The encode of it.")],
    encoder: Annotated[str | None, typer.Option(help="The encoder that made it.")] = None,
    cq: Annotated[float | None, typer.Option(help="The quality it was made with.")] = None,
    preset: Annotated[str | None, typer.Option(help="The preset it was made with.")] = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    registry: options.RegistryFolder = None,
    allow_smoke: Annotated[
        bool, typer.Option("--allow-smoke", help="Load a smoke scaffold all the same.")
    ] = False,
    per_frame: Annotated[bool, typer.Option("--per-frame", help="Print every frame.")] = False,
    json: options.Json = False,
) -> None:
    """Measure the features of DIST against REF and predict VMAF from them.

    Prints the ensemble's mean and spread, per frame and pooled, beside the
    VMAF that libvmaf measured on the same frames. The spread says how far the
    networks disagree; it is not a calibrated interval.
    """
    predictor = load(model, registry, allow_smoke=allow_smoke)
    options.require_media()
    from vqcast.media.pair import score_pair
    from vqcast.media.tool import find_ffmpeg

    scores = score_pair(ref, dist, find_ffmpeg())
    prediction = predictor.predict(scores.features(), encoder=encoder, cq=cq, preset=preset)
    measured = scores.columns["vmaf"]
    frames = [
        {
            "frame_index": index,
            "predicted": float(mean),
            "spread": float(std),
            "measured": float(value),
        }
        for index, (mean, std, value) in enumerate(
            zip(prediction.mean, prediction.std, measured, strict=True)
        )
    ]
    pooled = {
        "predicted": prediction.pooled_mean,
        "spread": prediction.pooled_std,
        "measured": float(measured.mean()),
    }
    for warning in prediction.warnings:
        render.note(f"note: {warning}")
    if json:
        render.print_json(
            {
                "model": model,
                "reference": str(ref),
                "distorted": str(dist),
                "pooled": pooled,
                "slot": prediction.slot,
                "slot_rows": prediction.slot_rows,
                "warnings": list(prediction.warnings),
                "frames": frames,
            }
        )
        return
    columns = ("", "predicted", "spread", "measured", "difference")

    def line(name: str, entry: dict[str, float]) -> tuple[object, ...]:
        cells = [f"{entry[key]:.2f}" for key in ("predicted", "spread", "measured")]
        return name, *cells, f"{entry['predicted'] - entry['measured']:+.2f}"

    rows = [line(f"frame {entry['frame_index']}", entry) for entry in frames] if per_frame else []
    render.table(columns, [*rows, line(f"mean of {len(frames)} frames", pooled)])
