"""The streams: NumPy's own words, frozen digits, independence of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from learn_columns import keep_masks

from vqcast.regressor import streams


def test_words_are_those_of_numpys_generator_lane_by_lane() -> None:
    entropy = (5, 6)
    children = np.random.SeedSequence(entropy).spawn(streams.LANES)
    lanes = [np.random.SFC64(child).random_raw(50) for child in children]
    stream = streams.WordStream(entropy)
    words = np.concatenate([stream.words(640), stream.words(960)])
    assert np.array_equal(words, np.array(lanes).T.ravel())


def test_words_are_the_same_for_ever() -> None:
    words = streams.dropout_stream(0, "Tennis_24fps").words(3)
    golden = ["0x74b1aa812e5c109c", "0x38d43f910ba1d3", "0x499c20c8be04915b"]
    assert [hex(word) for word in words] == golden


def test_streams_differ_by_purpose_seed_and_name() -> None:
    makers = (streams.shuffle_stream, streams.dropout_stream)
    firsts = {
        int(maker(seed, name).words(1)[0])
        for maker in makers
        for seed in (0, 1)
        for name in (None, "", "a", "b")
    }
    firsts |= {int(streams.weight_stream(seed).words(1)[0]) for seed in (0, 1)}
    assert len(firsts) == 18


def by_hand(words: list[int], items: list[int]) -> list[int]:
    bits = len(items).bit_length()
    for last in range(len(items) - 1, 0, -1):
        place = (words[last] >> bits) * (last + 1) >> (64 - bits)
        items[last], items[place] = items[place], items[last]
    return items


@pytest.mark.parametrize("count", [1, 2, 31, 32, 1000])
def test_shuffle_is_durstenfelds(count: int) -> None:
    rows = np.arange(5, 5 + count, dtype=np.int32)
    words = [int(word) for word in streams.shuffle_stream(1, "a").words(count)]
    order = streams.shuffled(streams.shuffle_stream(1, "a"), rows)
    assert order.tolist() == by_hand(words, rows.tolist())
    assert rows.tolist() == list(range(5, 5 + count))


def test_orders_of_one_stream_differ() -> None:
    stream = streams.shuffle_stream(0, None)
    rows = np.arange(100, dtype=np.int32)
    first, second = (streams.shuffled(stream, rows) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(100))
    assert not np.array_equal(first, second)


def test_every_item_comes_first_equally_often() -> None:
    stream = streams.shuffle_stream(0, None)
    rows = np.arange(5, dtype=np.int32)
    counts = np.bincount([streams.shuffled(stream, rows)[0] for _ in range(5000)], minlength=5)
    assert np.abs(counts - 1000).max() < 5 * (5000 * 0.2 * 0.8) ** 0.5


def test_dropped_share_is_the_rate() -> None:
    masks = keep_masks(streams.dropout_stream(3, "x"), 200, 32, 64, 2, 0.1)
    dropped = 1.0 - masks.mean()
    sigma = (0.1 * 0.9 / masks.size) ** 0.5
    assert abs(dropped - streams.drop_threshold(0.1) / 65536) < 4 * sigma
    assert abs(streams.drop_threshold(0.1) / 65536 - 0.1) < 1e-5


def test_masks_do_not_depend_on_how_steps_are_split() -> None:
    for shape in ((32, 64, 2), (5, 3, 1)):
        whole = keep_masks(streams.dropout_stream(0, "a"), 6, *shape, 0.5)
        stream = streams.dropout_stream(0, "a")
        parts = [keep_masks(stream, steps, *shape, 0.5) for steps in (1, 3, 2)]
        assert np.array_equal(whole, np.concatenate(parts))


def test_no_dropout_keeps_every_unit() -> None:
    assert keep_masks(streams.dropout_stream(0, None), 9, 32, 64, 2, 0.0).all()


def test_uniform_fills_its_range() -> None:
    values = streams.uniform(streams.weight_stream(0), 4000, 0.25)
    assert values.dtype == np.float32
    assert -0.25 <= values.min() < -0.249
    assert 0.249 < values.max() <= 0.25
    assert abs(values.mean()) < 4 * 0.25 / (3 * 4000) ** 0.5
