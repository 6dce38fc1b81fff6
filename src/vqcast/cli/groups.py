"""A dataclass as a group of options: its fields are the options, its ``Doc`` texts their help.

``@grouped`` spreads every parameter of a command that is annotated with a dataclass into that
dataclass's fields, and hands the command the finished value::

    @grouped
    def tune(input: Path, asked: TuneRequest, trust: Trust): ...

    vqcast tune film.mkv --encoder libx264 --target 93 --public-key key.pem
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from annotated_doc import Doc

from vqcast.errors import InputError
from vqcast.metric import ScoreSize

_FLAGS = {
    "confidence": ("--confidence", "--quality-confidence"),
    "encoders": ("--encoder",),
    "tolerance_percent": ("--tolerance",),
    "whole": ("--whole/--sample",),
    "knob_range": ("--range",),
    "scene_cut": ("--scene-cut/--no-scene-cut",),
}
"""Field -> its flags, where they are not ``--its-name``."""

Command = Callable[..., None]


def grouped(command: Command) -> Command:
    """The command with its dataclass parameters spread into options."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _options(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))

    @wraps(command)
    def spread(**given: Any) -> None:
        built = {name: _built(group, given) for name, group in groups.items()}
        command(**given, **built)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread


def _asked(group: Any) -> list[tuple[Field[Any], Any]]:
    """The fields that are options, those with a ``Doc``, each with its annotation."""
    hints = get_type_hints(group, include_extras=True)
    return [
        (each, hints[each.name])
        for each in fields(group)
        if get_origin(hints[each.name]) is Annotated
    ]


def _built(group: Any, given: dict[str, Any]) -> Any:
    """The group's value, groups inside it first; what it takes is gone from ``given``."""
    return group(
        **{
            each.name: _built(get_args(hint)[0], given)
            if is_dataclass(get_args(hint)[0])
            else _value(given.pop(each.name), each)
            for each, hint in _asked(group)
        }
    )


def _options(group: Any) -> list[inspect.Parameter]:
    found: list[inspect.Parameter] = []
    for each, hint in _asked(group):
        kind = get_args(hint)[0]
        if is_dataclass(kind):
            found += _options(kind)
        else:
            found.append(_option(each, hint))
    return found


def _option(field: Field[Any], hint: Any) -> inspect.Parameter:
    kind, *extra = get_args(hint)
    text = next(each.documentation for each in extra if isinstance(each, Doc))
    shown = field.default not in (None, MISSING, "", ())
    option = typer.Option(
        *_FLAGS.get(field.name, (f"--{field.name.replace('_', '-')}",)),
        help=text, show_default=shown, metavar="WxH|auto|source" if _is_size(kind) else None,
    )  # fmt: skip
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.default is MISSING else field.default,
        annotation=Annotated[_plain(kind), option],
    )


def _plain(kind: Any) -> Any:
    """The type that is parsed: words for what the dataclass itself checks."""
    if get_origin(kind) is Literal:
        return str
    if kind == tuple[str, ...]:
        return list[str]
    return str | None if _is_size(kind) else kind


def _is_size(kind: Any) -> bool:
    return tuple[int, int] in get_args(kind)


def _value(given: Any, field: Field[Any]) -> Any:
    """What the dataclass asks for, from what was parsed."""
    if isinstance(given, list) and isinstance(field.default, tuple):
        return tuple(given)
    return score_size(given) if field.name == "score_size" and given is not None else given


def score_size(text: str) -> ScoreSize:
    """``"auto"`` and ``"source"`` as they are, else as `size_of`."""
    words: dict[str, ScoreSize] = {"auto": "auto", "source": "source"}
    return words[text] if text in words else size_of(text)


def size_of(text: str) -> tuple[int, int]:
    """``"1280x720"`` as numbers. Raises InputError for other words."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"--score-size {text!r} is not WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)
