"""The Python API as a page, from signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from annotated_doc import Doc
from docstrings import attributes, cell, code_cell, markdown, sentence, table

import vqcast
from vqcast.errors import VqcastError


def page() -> str:
    """Markdown of everything that callers use."""
    return "\n\n".join(
        [
            _function("vqcast.load", vqcast.load),
            _type("Predictor", vqcast.Predictor),
            _type("Prediction", vqcast.Prediction),
            _type("Interval", vqcast.Interval),
            _type("Trust", vqcast.Trust),
            _function("vqcast.predict", vqcast.predict),
            _type("PairPrediction", vqcast.PairPrediction),
            _function("vqcast.tune", vqcast.tune),
            _type("TuneRequest", vqcast.TuneRequest),
            _function("vqcast.encode", vqcast.encode),
            "## VqcastError",
            markdown(VqcastError.__doc__),
            "Every class below it, and its exit code: [the command line](cli.md#exit-codes).",
        ]
    )


def _function(name: str, function: Callable[..., Any], level: str = "##") -> str:
    return f"{level} {name}\n\n{_signature(name, function)}\n\n{markdown(function.__doc__)}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    shown = [each for each in signature.parameters.values() if each.name != "self"]
    words = [_parameter(each) for each in shown]
    starred = [each.kind is each.KEYWORD_ONLY for each in shown]
    if True in starred:
        words.insert(starred.index(True), "*")
    inner = ", ".join(words)
    if len(name + inner) > 70:
        inner = "\n" + "".join(f"    {each},\n" for each in words)
    return f"```python\n{name}({inner}) -> {signature.return_annotation}\n```"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _type(name: str, owner: type) -> str:
    parts = [f"## {name}", markdown(owner.__doc__)]
    rows = []
    documented = _docs(owner)
    said = attributes(owner) | documented
    hints = get_type_hints(owner) if documented else {}
    if dataclasses.is_dataclass(owner):
        for field in dataclasses.fields(owner):
            default = "" if field.default is dataclasses.MISSING else code_cell(repr(field.default))
            rows.append(
                [
                    code_cell(field.name),
                    _plain(hints.get(field.name, field.type)),
                    default,
                    said.get(field.name, ""),
                ]
            )
    columns = ["field", "type", "default", "meaning"]
    if rows and not any(row[2] for row in rows):
        columns.remove("default")
        rows = [[row[0], row[1], row[3]] for row in rows]
    if rows:
        parts.append(table(columns, rows))
    for member, value in vars(owner).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            parts.append(f"### {name}.{member}\n\n{markdown(value.__doc__)}")
        elif inspect.isfunction(value):
            parts.append(_function(f"{name}.{member}", value, "###"))
    return "\n\n".join(parts)


def _docs(owner: type) -> dict[str, str]:
    """The ``Doc`` of each field that has one."""
    hints = get_type_hints(owner, include_extras=True) if dataclasses.is_dataclass(owner) else {}
    return {
        name: sentence(each.documentation)
        for name, hint in hints.items()
        for each in getattr(hint, "__metadata__", ())
        if isinstance(each, Doc)
    }


def _plain(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return code_cell(text) if text else cell(str(annotation))
