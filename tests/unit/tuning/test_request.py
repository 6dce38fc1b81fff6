"""A request is checked once, where it is made, and names the field that is wrong."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import msgspec
import pytest

from vqcast.errors import InputError
from vqcast.forecast.latent import METRICS, POOLS
from vqcast.tuning.request import TuneRequest


def asked(**changes: Any) -> TuneRequest:
    return TuneRequest(**{"encoder": "libx264", "target": 93.0} | changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", 0), ("target", 100), ("target", -1), ("target", math.nan), ("target", math.inf),
        ("confidence", 0.49), ("confidence", 1.0), ("confidence", math.nan),
        ("metric", "psnr"), ("metric", ""), ("pool", "median"),
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
