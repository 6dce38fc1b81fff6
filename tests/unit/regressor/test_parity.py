"""What is exported is what was trained, within 1e-4 VMAF, or nothing ships."""

from __future__ import annotations

import numpy as np
import pytest

from vqcast.durable.files import sha256_bytes
from vqcast.errors import FeatureError, ParityError
from vqcast.regressor import graph, production
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.guard import CheckedGraph

INPUTS = [np.zeros((4, 6), np.float32), np.zeros((4, 14), np.float32)]


def session(bias: float) -> CheckedGraph:
    """A graph that answers ``bias`` whatever it is given."""
    layers = [(np.zeros((20, 1), np.float32), np.array([bias], np.float32))]
    data = graph.build(layers, ENSEMBLE, "x")
    return CheckedGraph(
        data,
        sha256=sha256_bytes(data),
        input_names=["features", "codec_onehot"],
        output_names=["score"],
        where="x.onnx",
    )


def test_agreement_returns_the_largest_difference() -> None:
    expected = np.array([50.0, 50.0, 50.00005, 49.99998])
    assert production.check_parity(
        session(50.0), INPUTS, [expected], 1e-4, where="x"
    ) == pytest.approx(5e-5, abs=1e-9)


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("by", [1.1e-4, -1.1e-4, 40.0, np.nan, np.inf])
def test_one_row_too_far_refuses(row: int, by: float) -> None:
    expected = np.full(4, 50.0)
    expected[row] += by
    with pytest.raises(ParityError, match=r"x: the exported graph differs") as caught:
        production.check_parity(session(50.0), INPUTS, [expected], 1e-4, where="x")
    assert caught.value.exit_status == 1


def test_a_graph_that_gives_no_number_refuses() -> None:
    with pytest.raises(FeatureError, match="not finite"):
        production.check_parity(session(float("nan")), INPUTS, [np.full(4, 50.0)], 1e-4, where="x")
