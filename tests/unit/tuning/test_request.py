"""A request is checked once, where it is made, and names the field that is wrong."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError
from typing import Any, get_args

import msgspec
import pytest

from vqcast import metric
from vqcast.errors import InputError
from vqcast.forecast.latent import METRICS, POOLS
from vqcast.metric import MetricName
from vqcast.tuning.request import TuneRequest


def asked(**changes: Any) -> TuneRequest:
    return TuneRequest(**{"encoder": "libx264", "target": 93.0} | changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", 0), ("target", 100), ("target", -1), ("target", math.nan), ("target", math.inf),
        ("confidence", 0.49), ("confidence", 1.0), ("confidence", math.nan),
        ("metric", "vmof"), ("metric", ""), ("pool", "median"),
        ("max_size_percent", 0), ("max_size_percent", -1), ("max_size_percent", math.nan),
        ("tolerance_percent", 0), ("tolerance_percent", math.inf),
        ("score_size", (0, 720)), ("score_size", (1280, -1)),
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        asked(**{field: value})
    assert caught.value.field == field and caught.value.exit_status == 2
    assert caught.value.message == f"{field}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"metric": "ssim", "target": 95}, "target"),
        ({"metric": "ssim", "target": 1.0}, "target"),
        ({"metric": "xpsnr", "target": 70}, "target"),
        ({"metric": "psnr", "target": 0}, "target"),
        ({"metric": "xpsnr", "target": 40, "pool": "harmonic"}, "pool"),
        ({"metric": "ssim", "target": 0.9, "pool": "harmonic"}, "pool"),
    ],
)
def test_a_target_and_a_pooling_are_the_metric_s(words: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        asked(**words)
    assert caught.value.field == field


@pytest.mark.parametrize("name", get_args(MetricName))
def test_every_metric_can_be_asked_for(name: str) -> None:
    made = asked(metric=name, target=0.5)
    assert made.also == (() if name == "vmaf" else (name,))
    assert list(get_args(MetricName)) == list(metric.METRICS)


def test_it_is_frozen_and_travels() -> None:
    request = asked(score_size=(1280, 720), pool="p1")
    with pytest.raises(FrozenInstanceError):
        request.target = 95  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(request)) == request
    assert msgspec.json.decode(msgspec.json.encode(request), type=TuneRequest) == request


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("pool", POOLS)
def test_every_metric_and_pooling_that_can_be_computed_can_be_asked_for(
    metric: str, pool: str
) -> None:
    assert asked(metric=metric, pool=pool).metric == metric
