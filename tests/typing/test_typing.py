"""The public face as a type checker and a reader of ``__all__`` see it."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import vqcast

HERE = Path(__file__).parent
SOURCE = Path(vqcast.__file__).parents[1]
_ERROR = re.compile(r"user_code\.py:(\d+): error: (.*)")


def test_mypy_accepts_what_users_write_and_refuses_their_mistakes(tmp_path: Path) -> None:
    code = HERE / "user_code.py"
    words = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, str(code)],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"MYPYPATH": str(SOURCE)},
    )  # fmt: skip
    found = {int(line): words for line, words in _ERROR.findall(done.stdout)}
    lines = code.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "  # wrong" in line}
    assert wrong, "no mistakes to catch"
    assert found.keys() == wrong, done.stdout + done.stderr


def test_the_marker_of_a_typed_package_ships() -> None:
    assert (Path(vqcast.__file__).parent / "py.typed").is_file()


def test_everything_public_is_there_and_documented() -> None:
    for name in vqcast.__all__:
        public = getattr(vqcast, name)
        assert name in dir(vqcast)
        if inspect.isclass(public) or inspect.isfunction(public):
            assert public.__doc__ and public.__doc__ != inspect.getdoc(object), name


def test_public_functions_say_their_types() -> None:
    for function in (
        vqcast.load,
        vqcast.predict,
        vqcast.tune,
        vqcast.encode,
        vqcast.compare,
        vqcast.ladder,
        vqcast.explain,
        vqcast.surface,
    ):
        signature = inspect.signature(function)
        hints = typing.get_type_hints(function)
        assert hints.keys() == {*signature.parameters, "return"}, function
        assert typing.Any not in hints.values() and object not in hints.values()
        kinds = {each.kind for each in signature.parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
