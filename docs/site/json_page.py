"""The JSON documents as a page and as JSON Schemas, from the types that read and write them."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import pkgutil
import textwrap
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import msgspec
from reference import cell, table

from vqcast import documents as schemas
from vqcast import interval
from vqcast.documents.base import Document

_PLAIN = {
    msgspec.inspect.StrType: "string",
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.NoneType: "null",
}


def page() -> str:
    """Markdown of every document, by the module that defines it."""
    parts = []
    for module, types in _modules():
        title, _, rest = _text(module.__doc__).partition("\n")
        parts += [f"## {title.partition(':')[0].rstrip('.')}", rest]
        parts += [_section(each) for each in sorted(types, key=lambda each: each not in roots())]
    return "\n\n".join(part for part in parts if part)


def json_schemas() -> dict[str, bytes]:
    """File name -> JSON Schema (2020-12) of each document that no other one holds."""
    return {
        f"{each.__name__}.json": json.dumps(msgspec.json.schema(each), indent=2).encode() + b"\n"
        for each in roots()
    }


@cache
def documents() -> list[type]:
    """Every document, in the order of the modules."""
    return [each for _, types in _modules() for each in types]


@cache
def roots() -> list[type]:
    """The documents that are files or lines of their own."""
    held = {name for each in documents() for name in _held(msgspec.inspect.type_info(each))}
    return [
        each for each in documents() if issubclass(each, Document) and each.__name__ not in held
    ]


def _modules() -> list[tuple[ModuleType, list[type]]]:
    """Each module of documents with its own types, in source order."""
    names = [each.name for each in pkgutil.iter_modules(schemas.__path__) if each.name != "base"]
    first = ("tune", "evidence", "model", "registry", "forecast", "reading")
    ordered = sorted(names, key=lambda name: (first.index(name) if name in first else 99, name))
    found = []
    for name in ordered:
        module = importlib.import_module(f"vqcast.documents.{name}")
        own = [
            each
            for each in vars(module).values()
            if isinstance(each, type)
            and issubclass(each, Document)
            and each.__module__ == module.__name__
        ]
        found.append((module, own))
    return [*found, (interval, [interval.Calibration, interval.LevelQuantile])]


def _section(owner: type) -> str:
    parts = [f"### {owner.__name__}", _text(owner.__doc__)]
    if owner in roots():
        parts.append(f"[JSON Schema](schemas/{owner.__name__}.json)")
    said = _attributes(owner)
    info: Any = msgspec.inspect.type_info(owner)
    rows = [
        [
            f"`{field.encode_name}`",
            _typed(field.type),
            "yes" if field.required else _default(field),
            said.get(field.name, ""),
        ]
        for field in info.fields
    ]
    parts.append(table(["key", "type", "required, or default", "meaning"], rows))
    return "\n\n".join(parts)


def _default(field: Any) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    value = field.default
    if value is msgspec.NODEFAULT or value is msgspec.UNSET:
        return "may be absent"
    return f"`{json.dumps(dataclasses.asdict(value) if _is_data(value) else value)}`"


def _is_data(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _typed(info: Any) -> str:
    """A type in JSON's words; documents are links."""
    kind = type(info)
    if kind in _PLAIN:
        return cell(_PLAIN[kind] + _limits(info))
    if kind is msgspec.inspect.LiteralType:
        return cell(" or ".join(f"`{json.dumps(value)}`" for value in info.values))
    if kind is msgspec.inspect.UnionType:
        return " or ".join(_typed(each) for each in info.types)
    if kind in (msgspec.inspect.ListType, msgspec.inspect.VarTupleType):
        return f"list of {_typed(info.item_type)}"
    if kind is msgspec.inspect.DictType:
        return f"object: {_typed(info.key_type)} → {_typed(info.value_type)}"
    if kind is msgspec.inspect.Metadata:
        return _typed(info.type)
    return f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"


def _limits(info: Any) -> str:
    words = [
        f"{text} {value}"
        for name, text in (("ge", "at least"), ("le", "at most"), ("max_length", "up to"))
        if (value := getattr(info, name, None)) is not None
    ]
    return f" ({', '.join(words)}{' characters' if hasattr(info, 'pattern') else ''})" * bool(words)


def _held(info: Any) -> set[str]:
    """Names of the documents that a document's own fields hold."""
    found: set[str] = set()
    for field in info.fields:
        stack = [field.type]
        while stack:
            each = stack.pop()
            if hasattr(each, "cls"):
                found.add(each.cls.__name__)
            stack += [
                inner
                for name in ("type", "item_type", "key_type", "value_type")
                if (inner := getattr(each, name, None)) is not None
            ]
            stack += getattr(each, "types", ())
    return found


def _text(docstring: str | None) -> str:
    """A docstring as Markdown: ``code`` in single backticks, ``::`` blocks as code blocks."""
    plain = inspect.cleandoc(docstring or "").replace("``", "`")
    return plain.replace("::\n\n", ":\n\n")


def _attributes(owner: type) -> dict[str, str]:
    """The string under each annotated attribute of a class, by the attribute's name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
    return {
        node.target.id: cell(str(below.value.value))
        for node, below in pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }
