"""``vqcast predict``: an encode's predicted VMAF beside the measured one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from annotated_doc import Doc

import vqcast
from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.errors import InputError
from vqcast.media.filters import Filters
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust

if TYPE_CHECKING:
    from vqcast.workflow.predict import PairPrediction

NOT_SURE = 3
"""Exit code where the target is not reached with the confidence that was asked for."""


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How the encode was made, and the interval's level: the arguments of ``vqcast.predict``."""

    encoder: Annotated[str | None, Doc("The encoder that made it.")] = None
    cq: Annotated[float | None, Doc("The quality it was made with.")] = None
    preset: Annotated[str | None, Doc("The preset it was made with.")] = None
    crf_norm: Annotated[
        float | None, Doc("Normalised quality, where a model records no range.")
    ] = None
    preset_norm: Annotated[float | None, Doc("Normalised preset, fastest 0 to slowest 1.")] = None
    level: Annotated[
        float | None,
        Doc("Coverage of the interval, 0.5 to n/(n+1) for n calibration groups. Default: its own."),
    ] = None


@dataclass(frozen=True, slots=True)
class Match:
    """What is done where the two files do not match."""

    align: Annotated[
        str, Doc("auto: undo an offset of a few frames, and score the frames that both have.")
    ] = "off"


@dataclass(frozen=True, slots=True)
class Query:
    """What the caller wants to know of the clip."""

    target: Annotated[float | None, Doc("Ask how sure the clip is to reach this VMAF.")] = None
    quality_confidence: Annotated[
        float, Doc("How sure it must be: exit code 3 where it is less.")
    ] = 0.95

    def __post_init__(self) -> None:
        if self.target is not None and not 0 <= self.target <= 100:
            raise InputError(f"{self.target:g} is outside 0..100", field="target")
        if not 0 < self.quality_confidence < 1:
            raise InputError(
                f"{self.quality_confidence:g} is not between 0 and 1",
                hint="give a fraction, for example 0.9", field="quality_confidence",
            )  # fmt: skip


@grouped
def predict(
    ref: Annotated[Path, typer.Argument(help="The reference video.")],
    dist: Annotated[Path, typer.Argument(help="The encode of it.")],
    encoded: EncodeSettings,
    match: Match,
    scored: options.Scored,
    query: Query,
    filters: Filters,
    *,
    model: options.ModelId = options.DEFAULT_MODEL,
    registry: options.RegistryFolder = None,
    allow_smoke: Annotated[
        bool, typer.Option("--allow-smoke", help="Load a smoke scaffold all the same.")
    ] = False,
    per_frame: Annotated[bool, typer.Option("--per-frame", help="Print every frame.")] = False,
    trust: Trust,
    ffmpeg: options.Ffmpeg = None,
    json: options.Json = False,
) -> None:
    """Measure the features of DIST against REF and predict VMAF from them.

    Prints the score with its calibrated interval, and how far the networks
    disagree, per frame and pooled, beside the VMAF that libvmaf measured on
    the same frames. With --target also at least how probable it is that the
    clip reaches it: exit code 0 with the confidence asked for, 3 without.
    """
    predictor = vqcast.load(model, registry, allow_smoke=allow_smoke, trust=trust)
    if query.target is not None:
        predictor.require_confidence(query.quality_confidence)
    extras.require("predict")
    found = vqcast.predict(
        ref, dist, predictor, **asdict(encoded), **asdict(match), metrics=scored.metric,
        score_size=scored.score_size, filters=filters, ffmpeg=ffmpeg,
    )  # fmt: skip
    answer = _answer(found, query)
    for warning in (*found.notes, *found.prediction.warnings):
        render.note(f"note: {warning}")
    if json:
        about = {"model": model, "reference": str(ref), "distorted": str(dist)}
        render.print_json(about | {"filters": str(filters) or None} | _document(found) | answer)
    else:
        _show(found, answer, per_frame=per_frame)
    if answer and not answer["reached"]:
        raise typer.Exit(NOT_SURE)


def _answer(found: PairPrediction, query: Query) -> dict[str, Any]:
    """The query's answer; empty where nothing was asked."""
    if query.target is None:
        return {}
    return {
        "target": query.target,
        "confidence": query.quality_confidence,
        "probability": found.prediction.probability(query.target),
        "reached": found.prediction.reaches(query.target, query.quality_confidence),
    }


def _document(found: PairPrediction) -> dict[str, Any]:
    prediction = found.prediction
    interval = prediction.interval
    return {
        "level": interval.level if interval else None,
        "pooled": _pooled(found),
        "slot": prediction.slot,
        "slot_rows": prediction.slot_rows,
        "warnings": list(prediction.warnings),
        "notes": list(found.notes),
        "offset": found.offset,
        "metrics": {name: round(score, 6) for name, score in found.others.items()},
        "score_width": found.size[0],
        "score_height": found.size[1],
        "frames": _frames(found),
    }


def _frames(found: PairPrediction) -> list[dict[str, float]]:
    prediction, interval = found.prediction, found.prediction.interval
    return [
        {"frame_index": index}
        | _entry(prediction.mean[index], prediction.std[index], found.measured[index])
        | ({} if interval is None else _bounds(interval.lower[index], interval.upper[index]))
        for index in range(len(found.measured))
    ]


def _pooled(found: PairPrediction) -> dict[str, float]:
    prediction, interval = found.prediction, found.prediction.interval
    entry = _entry(prediction.pooled_mean, prediction.pooled_std, found.measured.mean())
    return entry | (_bounds(interval.pooled_lower, interval.pooled_upper) if interval else {})


def _entry(predicted: float, spread: float, measured: float) -> dict[str, float]:
    return {"predicted": float(predicted), "spread": float(spread), "measured": float(measured)}


def _bounds(lower: float, upper: float) -> dict[str, float]:
    return {"lower": float(lower), "upper": float(upper)}


def _show(found: PairPrediction, answer: dict[str, Any], *, per_frame: bool) -> None:
    interval = found.prediction.interval
    covered = f"{interval.level:.0%} interval" if interval else "interval"
    frames = _frames(found) if per_frame else []
    rows = [_line(f"frame {entry['frame_index']}", entry) for entry in frames]
    render.table(
        ("", "predicted", covered, "spread", "measured", "difference"),
        [*rows, _line(f"mean of {len(found.measured)} frames", _pooled(found))],
    )
    for name, score in found.others.items():
        render.say(f"{name} {METRICS[name].shown(score)} (measured)")
    if answer:
        word = "reached" if answer["reached"] else "not sure enough"
        render.say(
            f"VMAF {answer['target']:g} or more: at least {answer['probability']:.1%} sure, "
            f"{answer['confidence']:.1%} asked for: {word}"
        )


def _line(name: str, entry: dict[str, float]) -> tuple[object, ...]:
    bounds = f"{entry['lower']:.2f}..{entry['upper']:.2f}" if "lower" in entry else None
    cells = [f"{entry[key]:.2f}" for key in ("predicted", "spread", "measured")]
    return name, cells[0], bounds, *cells[1:], f"{entry['predicted'] - entry['measured']:+.2f}"
