"""Commands are imported when they are asked for, and help needs none of what they work with."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from vqcast.cli.main import Commands, app

HEAVY = ("numpy", "onnxruntime", "onnx", "scipy", "polars", "numba", "av", "matplotlib")


def modules_after(*words: str, environment: dict[str, str]) -> set[str]:
    """The top-level modules that are loaded once ``vqcast WORDS`` has run."""
    code = f"""
import sys
from vqcast.cli.main import main
sys.argv = ["vqcast", *{words!r}]
try:
    main()
finally:
    sys.stderr.write("\\n".join({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


@pytest.mark.parametrize(
    "words",
    [("--help",), ("--version",), ("tune", "--help"), ("encode", "--help"), ("predict", "--help")],
)
def test_help_loads_nothing_that_works(
    words: tuple[str, ...], python_environment: dict[str, str]
) -> None:
    loaded = modules_after(*words, environment=python_environment)
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_importing_vqcast_loads_nothing_that_works(python_environment: dict[str, str]) -> None:
    code = "import sys, vqcast; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=python_environment
    )
    assert set(done.stdout.split()).isdisjoint(HEAVY)


def test_every_command_of_the_table_is_there_with_its_own_help() -> None:
    root = typer.main.get_command(app)
    assert root.list_commands(None) == list(Commands.table)
    for name in Commands.table:
        command = root.get_command(None, name)
        assert command.name == name and command.help, name
    assert root.get_command(None, "absent") is None
