"""A refusal's sentence is made of its parts, and both survive a trip to another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from vqcast.errors import InputError, MediaError, VqcastError


def every(owner: type[VqcastError]) -> list[type[VqcastError]]:
    return [owner, *(each for below in owner.__subclasses__() for each in every(below))]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "is wrong"),
        ({"path": Path("a/b")}, "a/b: is wrong"),
        ({"path": "s3://b/k", "field": "vmaf"}, "s3://b/k: vmaf: is wrong"),
        ({"field": "target"}, "target: is wrong"),
    ],
)
def test_the_sentence_is_made_of_its_parts(parts: dict[str, str], sentence: str) -> None:
    error = InputError("is wrong", **parts, hint="mend it")
    assert error.message == str(error) == sentence
    assert (error.reason, error.hint) == ("is wrong", "mend it")


@pytest.mark.parametrize("kind", every(VqcastError))
def test_every_error_has_a_cause_an_exit_code_and_survives_a_pickle(
    kind: type[VqcastError],
) -> None:
    assert kind.__doc__ and kind.exit_status in (1, 2, 4)
    error = kind("is wrong", path="p", field="f", hint="h")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and again.message == "p: f: is wrong"
    assert vars(again) == vars(error)


def test_the_same_refusal_of_another_path() -> None:
    moved = MediaError("is empty", path=Path("/tmp/x"), hint="h").at("s3://b/film.mkv")
    assert type(moved) is MediaError and moved.message == "s3://b/film.mkv: is empty"
    assert moved.hint == "h"
