"""What a user writes, type-checked by ``mypy --strict`` and never run.

Lines that end in ``# wrong`` are mistakes that the types must catch.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import vqcast


def predict() -> None:
    trust = vqcast.Trust(Path("public.pem"), require_signature=True, min_serial=3)
    predictor = vqcast.load("fr_regressor_v2_ensemble_v1", "models", trust=trust)
    assert_type(predictor, vqcast.Predictor)
    prediction = predictor.predict([[0.9] * 6], encoder="libx264", cq=28, preset="medium")
    assert_type(prediction, vqcast.Prediction)
    assert_type(prediction.mean, NDArray[np.float64])
    interval = prediction.interval
    print(interval.lower)  # wrong: a model may have none
    if interval is not None:
        assert_type(interval, vqcast.Interval)
        assert_type(interval.pooled_lower, float)
    assert_type(prediction.probability(93), float)
    pair = vqcast.predict("film.mkv", Path("encode.mkv"), predictor, cq=28)
    assert_type(pair, vqcast.PairPrediction)
    assert_type(pair.measured, NDArray[np.float64])
    predictor.predict([[0.9] * 6], encoder=264)  # wrong
    vqcast.load(public_key="public.pem")  # wrong: that is Trust's


def tune() -> None:
    asked = vqcast.TuneRequest(
        encoder="libsvtav1", target=93, pool="harmonic", score_size=(1280, 720)
    )
    assert_type(asked.confidence, float)
    assert_type(asked.preset, str | None)
    result = vqcast.tune("film.mkv", asked, cache=Path("probes"), on_event=told)
    assert_type(result, vqcast.TuneResult)
    assert_type([probe.score for probe in result.probes], list[float])
    vqcast.TuneRequest(encoder="libx264")  # wrong: no target
    vqcast.TuneRequest(encoder="libx264", target=93, pool="median")  # wrong
    vqcast.TuneRequest(encoder="libx264", target="93")  # wrong
    vqcast.TuneRequest(encoder="libx264", target=93, patience=3)  # wrong
    filters = vqcast.Filters(crop="auto", scale="-2:720", vf="unsharp=3:3:0.5")
    vqcast.TuneRequest(encoder="libx264", target=93, filters=filters)
    vqcast.Filters(crop=(640, 360, 0, 60))  # wrong: it is words, as on the command line
    asked.target = 95  # wrong: a request is frozen
    vqcast.tune("film.mkv", encoder="libx264", target=93)  # wrong
    vqcast.tune("film.mkv", asked, without={"group"})  # wrong: a benchmark's business


def shot_by_shot() -> None:
    asked = vqcast.TuneRequest(encoder="libsvtav1", target=93)
    made = vqcast.encode_per_shot("film.mkv", "film.av1.mkv", asked, "worst", allow_larger=True)
    assert_type(made, vqcast.ShotsResult)
    assert_type(made.output, vqcast.EncodeResult)
    assert_type([shot.crf for shot in made.shots if shot.selected], list[float])
    vqcast.encode_per_shot("film.mkv", "film.av1.mkv", asked, "best")  # wrong: no objective


def told(event: vqcast.TuneStart | vqcast.TuneProbed | vqcast.TuneResult) -> None:
    if isinstance(event, vqcast.TuneProbed):
        assert_type(event.probe.crf, float)
    elif event.event == "result":
        assert_type(event, vqcast.TuneResult)


def encode() -> None:
    asked = vqcast.TuneRequest(encoder="libx265", target=90, max_size_percent=40)
    try:
        streams = vqcast.StreamChoice(audio="opus", downmix=2)
        made = vqcast.encode(
            "film.mkv", Path("film.mp4"), asked, on_progress=progress, streams=streams
        )
    except vqcast.errors.ToolUnavailable as error:
        assert_type(error.hint, str | None)
    except vqcast.VqcastError as error:
        assert_type(
            (error.exit_status, error.path, error.field), tuple[int, str | Path | None, str | None]
        )
    else:
        assert_type(made, vqcast.EncodeResult)
        assert_type(made.met, bool)


def surface() -> None:
    with vqcast.surface("film.mkv", confidence=0.9) as found:
        assert_type(found, vqcast.Surface)
        probe = found.measure("libsvtav1", "10", 35, 720)
        assert_type(probe, vqcast.SurfaceProbe)
        found = found.condition(probe)
        score = found.score("libsvtav1", "10", 38)
        assert_type(score, vqcast.Ranged)
        assert_type((score.value, score.lower, score.upper), tuple[float, float, float])
        assert_type(found.bitrate("libx264", "medium", 23.5, 540).upper, float)
        for point in found.hull("libsvtav1", "10", (1080, 720, 540)):
            assert_type(point, vqcast.HullPoint)
            assert_type((point.height, point.crf), tuple[int, float])
        found.condition(35.0)  # wrong: a probe is measured
        found.score("libsvtav1", 10, 35)  # wrong: a preset is a word


def across() -> None:
    asked = vqcast.CompareRequest(encoders=("libx264", "libsvtav1"), target=93, budget="2h")
    assert_type(vqcast.compare("film.mkv", asked), vqcast.CompareResult)
    rungs = vqcast.LadderRequest(encoder="libsvtav1", heights=(1080, 720), device="phone")
    assert_type(vqcast.ladder("film.mkv", rungs), vqcast.LadderResult)
    assert_type(vqcast.explain("film.mkv"), vqcast.ExplainResult)
    vqcast.LadderRequest(encoder="libsvtav1", device="tv")  # wrong
    vqcast.CompareRequest(encoders="libx264", target=93)  # wrong: several


def progress(done: int, total: int) -> None:
    print(done / total)


def absent() -> None:
    print(vqcast.Session)  # wrong: internal
    assert_type(vqcast.__version__, str)
