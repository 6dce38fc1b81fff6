"""Strict JSON: what is refused, and that the same value gives the same bytes."""

from __future__ import annotations

import math

import pytest

from vqcast.documents import jsontext
from vqcast.errors import DocumentError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" {} ", {}),
        (b"[1,2.5,-0.0,1e3,null,true,false]", [1, 2.5, -0.0, 1000.0, None, True, False]),
        ('{"ключ":"\\u00e9\\ud83d\\ude00"}'.encode(), {"ключ": "é😀"}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'{"a":{"x":1},"b":{"x":2}}', {"a": {"x": 1}, "b": {"x": 2}}),
        (b'"[[[{{{\\"[["', '[[[{{{"[['),
    ],
)
def test_parses_json(text: bytes, value: object) -> None:
    assert jsontext.parse(text, where="here") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"a":1,"a":1}', "duplicate key 'a'"),
        (b'[{"x":{"k":1,"j":2,"k":3}}]', "duplicate key 'k'"),
        (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e400]", "1e400 is out of range"),
        (b"[-1e400]", "out of range"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
        (b'"\xff"', "utf-8"),
        (b'"\xed\xa0\x80"', "utf-8"),
        (b'"\\ud800"', "surrogates"),
        (b"\xef\xbb\xbf{}", "not strict JSON"),
        (b"", "not strict JSON"),
        (b"{}{}", "Extra data"),
        (b"{'a':1}", "not strict JSON"),
        (b"[1,]", "not strict JSON"),
        (b'["a\nb"]', "control character"),
        (b"[01]", "not strict JSON"),
    ],
)
def test_refuses_what_is_not_strict_json(text: bytes, words: str) -> None:
    with pytest.raises(DocumentError, match=r"^here\.json: not strict JSON") as refused:
        jsontext.parse(text, where="here.json")
    assert words in refused.value.message


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_bounded(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    limit = jsontext.MAX_DEPTH
    jsontext.parse(opening * limit + b"0" + closing * limit, where="here")
    with pytest.raises(DocumentError, match="deeper"):
        jsontext.parse(opening * (limit + 1) + b"0" + closing * (limit + 1), where="here")
    with pytest.raises(DocumentError, match="deeper"):
        jsontext.parse(opening * 100_000, where="here")


def test_brackets_inside_text_are_not_depth() -> None:
    text = b'["' + b"[" * 1000 + b'\\"' + b"{" * 1000 + b'\\\\"]'
    assert len(jsontext.parse(text, where="here")[0]) == 2002


def test_size_is_bounded_before_reading() -> None:
    assert jsontext.parse(b"[1]", where="here", max_bytes=3) == [1]
    with pytest.raises(DocumentError, match="4 bytes of JSON, more than 3"):
        jsontext.parse(b"[12]", where="here", max_bytes=3)


def test_dump_is_indented_ordered_and_ends_in_a_newline() -> None:
    assert (
        jsontext.dump({"b": 1, "a": ["é"]}) == '{\n  "b": 1,\n  "a": [\n    "é"\n  ]\n}\n'.encode()
    )


def test_dump_line_is_compact() -> None:
    assert jsontext.dump_line({"b": 1.0, "a": [1, 2]}) == b'{"b":1.0,"a":[1,2]}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}])
@pytest.mark.parametrize("write", [jsontext.dump, jsontext.dump_line])
def test_writer_refuses_what_the_reader_would(value: object, write: object) -> None:
    with pytest.raises(DocumentError, match="can't write"):
        write([value])  # type: ignore[operator]
