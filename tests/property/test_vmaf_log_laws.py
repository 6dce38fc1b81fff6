"""Whatever bytes libvmaf leaves, they give finite columns or a ToolFailure."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import ToolFailure
from vqcast.media.measure import parse_log
from vqcast.metric import VMAF

NUMBERS = st.floats() | st.integers(-(10**400), 10**400)
VALUES = (
    NUMBERS
    | st.none()
    | st.booleans()
    | st.text("a1", max_size=3)
    | st.lists(st.none(), max_size=1)
)


def _parse(log: bytes, frames: int) -> dict[str, np.ndarray] | None:
    try:
        columns = parse_log(log, frames, VMAF.logged, what="here")
    except ToolFailure:
        return None
    assert list(columns) == list(VMAF.logged)
    for values in columns.values():
        assert values.shape == (frames,)
        assert np.isfinite(values).all()
    return columns


@given(st.integers(0, 3), st.data())
def test_any_values_are_read_exactly_or_refused(frames: int, data: st.DataObject) -> None:
    rows = [
        {metric: data.draw(st.floats(0, 100)) for metric in VMAF.logged.values()}
        for _ in range(frames)
    ]
    spoilt = frames and data.draw(st.booleans())
    if spoilt:
        metric = data.draw(st.sampled_from(list(VMAF.logged.values())))
        rows[data.draw(st.integers(0, frames - 1))][metric] = data.draw(VALUES)
    entries = [{"frameNum": number, "metrics": row} for number, row in enumerate(rows)]
    columns = _parse(json.dumps({"frames": entries}).encode(), frames)
    if not spoilt:
        assert columns is not None
        for column, metric in VMAF.logged.items():
            assert columns[column].tolist() == [row[metric] for row in rows]


@given(
    st.recursive(
        VALUES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["frames", "frameNum", "metrics", "vmaf"]), inner)
        ),
        max_leaves=12,
    ),
    st.integers(0, 2),
)
def test_any_document_is_read_or_refused(document: object, frames: int) -> None:
    _parse(json.dumps(document).encode(), frames)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(log: bytes) -> None:
    assert _parse(log, 1) is None
