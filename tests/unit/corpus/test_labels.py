"""Labels read as the list that they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from vqcast.corpus.labels import Labels

VALUES = ["b", None, "a", "b"]


def test_they_read_as_a_list() -> None:
    labels = Labels.of(VALUES)
    assert labels == VALUES and labels == Labels.of(VALUES) and list(labels) == VALUES
    assert labels != VALUES[:3] and labels != ["b", None, "a", "c"] and labels != "b"
    assert (labels[0], labels[-2], len(labels)) == ("b", "a", 4)
    assert labels[1:] == VALUES[1:] and labels.counts() == {"b": 2, None: 1, "a": 1}
    assert np.array(labels).tolist() == VALUES
    assert np.array(Labels.of(["x", "yy"])).dtype == np.array(["x", "yy"]).dtype
    with pytest.raises(IndexError):
        labels[4]


def test_a_name_that_is_left_out_does_not_count() -> None:
    taken = Labels.of(VALUES).take(np.array([3, 2]))
    assert taken == ["b", "a"] and taken.counts() == {"b": 1, "a": 1}
