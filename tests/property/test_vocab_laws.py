"""Laws of the codec block: its layout, its one-hot, and the two normalised columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import UnknownEncoderError
from vqcast.vocab import (
    NEUTRAL,
    PRESETS,
    UNKNOWN,
    VOCABULARIES,
    codec_block,
    codec_block_layout,
    crf_norm,
    preset_norm,
    slot_of,
)

QUALITY = st.integers(-400, 800).map(lambda quarters: quarters / 4)
VOCABULARY = st.sampled_from(list(VOCABULARIES.values()))


@given(VOCABULARY, st.data())
def test_a_row_is_one_slot_then_preset_then_quality(vocabulary, data) -> None:
    encoder = data.draw(st.sampled_from([name for name in vocabulary if name != UNKNOWN]))
    presets = PRESETS.get(encoder)
    preset = data.draw(st.none() | st.sampled_from(presets) if presets else st.none())
    low, high = sorted((data.draw(QUALITY), data.draw(QUALITY)))
    cq = data.draw(QUALITY)
    (row,) = codec_block([encoder], [preset], [cq], vocabulary, low, high)
    layout = codec_block_layout(vocabulary)
    assert row.dtype == np.float32 and len(row) == len(layout) == len(vocabulary) + 2
    named = dict(zip(layout, row, strict=True))
    assert named.pop("preset_norm") == np.float32(preset_norm(encoder, preset))
    assert named.pop("crf_norm") == np.float32(crf_norm(cq, low, high))
    assert [name for name, value in named.items() if value] == [f"encoder_onehot[{encoder}]"]
    assert sum(named.values()) == 1.0


@given(st.text(max_size=20), VOCABULARY)
def test_a_foreign_encoder_is_unknown_or_refused_and_never_another(name, vocabulary) -> None:
    if name in vocabulary:
        assert vocabulary[slot_of(name, vocabulary)] == name
    elif UNKNOWN in vocabulary:
        assert vocabulary[slot_of(name, vocabulary)] == UNKNOWN
    else:
        with pytest.raises(UnknownEncoderError) as refused:
            slot_of(name, vocabulary)
        assert all(slot in refused.value.message for slot in vocabulary)


@given(QUALITY, QUALITY, QUALITY, QUALITY)
def test_crf_norm_is_the_line_through_the_range(a, b, x, y) -> None:
    low, high = sorted((a, b))
    if high == low:
        assert crf_norm(x, low, high) == NEUTRAL
        return
    assert crf_norm(low, low, high) == 0.0 and crf_norm(high, low, high) == 1.0
    lower, upper = sorted((x, y))
    assert crf_norm(lower, low, high) <= crf_norm(upper, low, high)
    assert (0 <= crf_norm(x, low, high) <= 1) == (low <= x <= high)


@given(st.sampled_from(sorted(PRESETS)))
def test_presets_rise_from_0_to_1_in_equal_steps(encoder) -> None:
    values = [preset_norm(encoder, preset) for preset in PRESETS[encoder]]
    assert values[0] == 0.0 and values[-1] == 1.0
    assert np.allclose(np.diff(values), 1 / (len(values) - 1))
    assert preset_norm(encoder, None) == NEUTRAL


@given(st.lists(st.sampled_from(sorted(VOCABULARIES[2])), min_size=1, max_size=9))
def test_a_block_is_its_rows(encoders) -> None:
    """The block of many rows is the blocks of each, one below the other."""
    cqs = [float(number) for number in range(len(encoders))]
    whole = codec_block(encoders, [None] * len(cqs), cqs, VOCABULARIES[2], 0, 50)
    rows = [
        codec_block([encoder], [None], [cq], VOCABULARIES[2], 0, 50)
        for encoder, cq in zip(encoders, cqs, strict=True)
    ]
    assert np.array_equal(whole, np.concatenate(rows))
