"""Laws of strict JSON: it round-trips, and nothing but DocumentError comes out of it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from vqcast.documents import jsontext
from vqcast.errors import DocumentError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    for write in (jsontext.dump, jsontext.dump_line):
        data = write(value)
        assert jsontext.parse(data, where="here") == value
        assert write(jsontext.parse(data, where="here")) == data
    assert jsontext.dump_line(value).count(b"\n") == 1


def _parse(data: bytes) -> None:
    try:
        value = jsontext.parse(data, where="here")
    except DocumentError:
        return
    assert json.loads(data) == value
    jsontext.dump(value)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    _parse(data)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [*'[]{},:"\\', '"a":', "1", "-", "e9", "e999", "NaN", "null", "\\u", "d800", '"x"', " "]
        ),
        max_size=30,
    )
)
def test_any_json_like_text_parses_or_is_refused(pieces: list[str]) -> None:
    _parse("".join(pieces).encode())


@given(VALUES, st.data())
def test_a_changed_byte_parses_or_is_refused(value: object, data: st.DataObject) -> None:
    document = bytearray(jsontext.dump_line(value))
    document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    _parse(bytes(document))
