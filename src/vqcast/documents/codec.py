"""Documents to canonical bytes and back.

The bytes are indented JSON with the keys in contract order, so that equal
documents are equal files::

    verdict = from_bytes(Verdict, data, where="PROMOTE.json")
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from vqcast.documents import jsontext
from vqcast.documents.base import Document
from vqcast.errors import DocumentError

T = TypeVar("T", bound=Document)


def to_bytes(document: Document) -> bytes:
    """The document's canonical bytes: indented JSON, keys in contract order."""
    return jsontext.dump(msgspec.to_builtins(document))


def to_line(document: Document) -> bytes:
    """The canonical bytes of a document that is mostly numbers: one line of JSON."""
    return jsontext.dump_line(msgspec.to_builtins(document))


def to_dict(document: Document) -> dict[str, Any]:
    """The document as plain dicts and lists."""
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def from_bytes(kind: type[T], data: bytes, *, where: str) -> T:
    """``data`` as a ``kind``. Raises DocumentError naming ``where`` and the field."""
    value = jsontext.parse(data, where=where)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DocumentError(f"{where}: {error}") from error
