"""The table of extras is that of the package, and what it says is missing can be installed."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from vqcast import extras
from vqcast.errors import MissingDependency

DEVELOPMENT = {"dev", "docs"}
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_the_table_is_the_package_s() -> None:
    offered = PROJECT["optional-dependencies"]
    assert extras.EXTRAS.keys() == offered.keys() - DEVELOPMENT
    owners = importlib.metadata.packages_distributions()
    for name, extra in extras.EXTRAS.items():
        listed = {re.split(r"[><=\[]", each)[0].lower() for each in offered[name]}
        for module in extra.modules:
            assert {owner.lower() for owner in owners[module]} & listed, (name, module)


def test_the_readme_shows_the_table() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for name, brings, commands in extras.table():
        assert f"| `{name}` | {brings} | {commands} |" in readme, name


def test_every_need_is_an_extra_and_no_module_is_in_two() -> None:
    assert {name for needs in extras.NEEDS.values() for name in needs} <= extras.EXTRAS.keys()
    modules = [module for each in extras.EXTRAS.values() for module in each.modules]
    assert len(modules) == len(set(modules))


def test_every_command_of_the_table_exists() -> None:
    import typer

    from vqcast.cli.main import app

    root = typer.main.get_command(app)
    for line in extras.NEEDS:
        words = line.split()
        command = root
        while words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        flags = {flag for param in command.params for flag in param.opts}
        assert set(words) <= flags, line


def test_what_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"jinja2"}
    monkeypatch.setattr(
        extras.importlib.util, "find_spec", lambda name: object() if name in here else None
    )
    assert extras.absent("gate") == () and extras.absent("tune --plot") == ("media", "report")
    extras.require("gate")
    with pytest.raises(
        MissingDependency, match="vqcast tune --plot needs av, matplotlib"
    ) as caught:
        extras.require("tune --plot")
    assert caught.value.hint == "pip install 'vqcast[media,report]'"
    assert extras.missing("os") is None and "polars" in str(extras.missing("polars._typing"))


def test_an_error_of_another_module_is_not_hidden() -> None:
    with pytest.raises(ImportError, match="absent_of_nobody"), extras.needed("os.path", "this"):
        import absent_of_nobody  # noqa: F401
