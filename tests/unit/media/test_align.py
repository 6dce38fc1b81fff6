"""Offsets: found in small pictures, and not found where nothing tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.media.align import MOST, best_offset


@given(st.integers(-MOST, MOST), st.integers(0, 2**32 - 1))
def test_an_offset_of_moving_pictures_is_found(offset: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    film = rng.integers(0, 256, (60, 64)).astype(np.int16)
    start = MOST + offset
    reference, distorted = film[MOST : MOST + 30], film[start : start + 30]
    noisy = distorted + rng.integers(-3, 4, distorted.shape).astype(np.int16)
    assert best_offset(reference, noisy) == offset


@pytest.mark.parametrize("level", [0, 16, 255])
def test_a_still_title_has_none(level: int) -> None:
    still = np.full((30, 64), level, np.int16)
    assert best_offset(still, still) == 0
    assert best_offset(still, still + 1) == 0


def test_one_frame_has_none() -> None:
    frame = np.zeros((1, 64), np.int16)
    assert best_offset(frame, frame + 9) == 0
