"""libvmaf's log: a real one is read, and anything less than whole is refused."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import ToolFailure
from vqcast.media import argv, inputs
from vqcast.media.measure import parse_log
from vqcast.media.tool import Tool
from vqcast.metric import VMAF

FRAMES = 2


@pytest.fixture(scope="module")
def log(
    pattern: Path, blurred: Path, tool: Tool, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The log of two frames, as the real libvmaf wrote it."""
    folder = tmp_path_factory.mktemp("log")
    graph = argv.score_filter(8, FRAMES).replace("[0:v:0]", f"[0:v:0]trim=end_frame={FRAMES},")
    command = argv.score(tool.path, inputs.read(blurred), inputs.read(pattern), graph)
    subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
    return (folder / argv.VMAF_LOG).read_bytes()


def _parse(log: bytes) -> dict[str, np.ndarray]:
    return parse_log(log, FRAMES, VMAF.logged, what="d against r")


@pytest.fixture
def edited(log: bytes) -> Callable[[Callable[[dict], object]], bytes]:
    """``edited(change)``: the log after ``change`` was applied to its document."""

    def edit(change: Callable[[dict], object]) -> bytes:
        document = json.loads(log)
        change(document)
        return json.dumps(document).encode()

    return edit


def test_a_whole_log_gives_its_columns(log: bytes) -> None:
    columns = _parse(log)
    assert list(columns) == list(VMAF.logged)
    metrics = [frame["metrics"] for frame in json.loads(log)["frames"]]
    for column, metric in VMAF.logged.items():
        assert columns[column].tolist() == [frame[metric] for frame in metrics]


def test_a_log_cut_at_any_byte_is_refused(log: bytes) -> None:
    whole = len(log.rstrip())
    for length in range(whole):
        with pytest.raises(ToolFailure):
            _parse(log[:length])


@pytest.mark.parametrize("metric", list(VMAF.logged.values()))
@pytest.mark.parametrize(
    "value", [None, math.nan, math.inf, -math.inf, "90", True, [], {}, 10**400], ids=repr
)
def test_a_value_that_is_no_finite_number_is_refused(
    metric: str, value: object, edited: Callable[..., bytes]
) -> None:
    with pytest.raises(ToolFailure, match="d against r"):
        _parse(edited(lambda log: log["frames"][1]["metrics"].update({metric: value})))


@pytest.mark.parametrize("metric", list(VMAF.logged.values()))
def test_a_missing_metric_is_refused_by_name(metric: str, edited: Callable[..., bytes]) -> None:
    with pytest.raises(ToolFailure, match=metric):
        _parse(edited(lambda log: log["frames"][1]["metrics"].pop(metric)))


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log["frames"].pop(),
        lambda log: log["frames"].pop(0),
        lambda log: log["frames"].append(log["frames"][0]),
        lambda log: log["frames"].reverse(),
        lambda log: log["frames"].clear(),
        lambda log: log["frames"][0].update(frameNum=1),
        lambda log: log["frames"][0].pop("frameNum"),
        lambda log: log["frames"][0].pop("metrics"),
        lambda log: log["frames"][0].update(metrics=[1]),
        lambda log: log["frames"][0].update(metrics=None),
        lambda log: log.update(frames={"0": 1, "1": 2}),
        lambda log: log.update(frames=None),
        lambda log: log.update(frames=3),
        lambda log: log.pop("frames"),
    ],
)
def test_missing_doubled_or_shuffled_frames_are_refused(
    change: Callable[[dict], object], edited: Callable[..., bytes]
) -> None:
    with pytest.raises(ToolFailure):
        _parse(edited(change))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"1", b'"frames"', b"\xff", b"[" * 10**5])
def test_another_document_is_refused(text: bytes) -> None:
    with pytest.raises(ToolFailure, match="not complete"):
        _parse(text)
