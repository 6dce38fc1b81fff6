"""Strict JSON: one reader, one writer.

The reader refuses what Python's own takes: duplicate keys, NaN, Infinity,
numbers that overflow, bytes that are not UTF-8, lone surrogates, documents too
large or too deep. The writer gives the same bytes for the same value.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from vqcast.errors import DocumentError

MAX_BYTES = 64 << 20
MAX_DEPTH = 64


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"duplicate key {key!r}")
            seen.add(key)
    return document


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text} is out of range")
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates, parse_float=_finite, parse_constant=_refuse_constant
)


_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
"""A bracket, or a whole string, so that what stands in strings is passed over."""


def _check_depth(text: str) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH}")
        elif first != '"':
            depth -= 1


def parse(data: bytes, *, where: str, max_bytes: int = MAX_BYTES) -> Any:
    """The JSON value of ``data``. Raises DocumentError naming ``where``."""
    if len(data) > max_bytes:
        raise DocumentError(f"{where}: {len(data)} bytes of JSON, more than {max_bytes}")
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        value = _DECODER.decode(text)
        if "\\u" in text:
            # An escaped lone surrogate is text that no file can hold again.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{where}: not strict JSON: {error}") from error


def dump(value: Any) -> bytes:
    """``value`` as indented JSON with a final newline, keys in given order.

    Raises DocumentError for NaN, Infinity and text that UTF-8 can't hold.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
        return text.encode() + b"\n"
    except ValueError as error:
        raise DocumentError(f"can't write as JSON: {error}") from error


def dump_line(value: Any) -> bytes:
    """``value`` as one compact JSON line with its newline."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except ValueError as error:
        raise DocumentError(f"can't write as JSON: {error}") from error
