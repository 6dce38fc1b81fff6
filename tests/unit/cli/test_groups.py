"""A dataclass becomes options, and the options become the dataclass."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import pytest
import typer
from annotated_doc import Doc
from typer.testing import CliRunner

from vqcast.cli.encode import encode
from vqcast.cli.groups import grouped
from vqcast.cli.tune import tune
from vqcast.errors import InputError
from vqcast.media.filters import Filters
from vqcast.media.options import EncoderOptions
from vqcast.tuning.request import TuneRequest


@dataclass(frozen=True)
class Asked:
    """A group of every kind of field."""

    name: Annotated[str, Doc("Whose.")]
    how: Annotated[Literal["a", "b"], Doc("Which way.")] = "a"
    score_size: Annotated[tuple[int, int] | None, Doc("A size.")] = None
    confidence: Annotated[float, Doc("How sure.")] = 0.5
    whole: Annotated[bool | None, Doc("All of it.")] = None


SEEN: list[object] = []


@grouped
def command(path: str, asked: Asked, *, loud: bool = False) -> None:
    """A command."""
    SEEN[:] = [path, asked, loud]


def run(*words: str) -> list[object]:
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return SEEN


def test_defaults_are_the_dataclass_s() -> None:
    assert run("x", "--name", "n") == ["x", Asked("n"), False]


def test_every_kind_of_field_is_read() -> None:
    words = ("--how", "b", "--score-size", "320x240", "--quality-confidence", "0.9", "--sample")
    expected = Asked("n", "b", (320, 240), 0.9, False)
    assert run("x", "--name", "n", *words, "--loud") == ["x", expected, True]


@pytest.mark.parametrize("text", ["", "big", "320", "320x", "-1x2", "3.5x2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="score-size"):
        run("x", "--name", "n", "--score-size", text)


def test_tune_and_encode_take_every_field_of_the_request() -> None:
    for each in (tune, encode):
        app = typer.Typer()
        app.command()(each)
        names = {param.name for param in typer.main.get_command(app).params}
        asked = {field.name for field in fields(TuneRequest)} - {"options", "filters"}
        added = {field.name for field in fields(EncoderOptions)} - {"facts"}  # found out, not asked
        through = {field.name for field in fields(Filters)} - {"bits"}
        assert asked | added | through <= names
