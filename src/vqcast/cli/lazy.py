"""A group of commands whose modules are imported once they are asked for.

So ``vqcast tune --help`` starts without what training or predicting imports, and ``vqcast --help``
imports no command at all: their one-line summaries stand in the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import (  # type: ignore[attr-defined]  # typer lists the item nowhere else
    CompletionItem,
    TyperGroup,
)

Table = Mapping[str, tuple[str, str]]
"""Command -> where it is (``module:attribute``), and its summary in the group's help."""


class LazyGroup(TyperGroup):
    """A group over a table of commands; a subclass fills it."""

    table: ClassVar[Table] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Loading(self.table)

    def list_commands(self, ctx: Any) -> list[str]:
        """The table's names in its order."""
        return list(self.table)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names and summaries that fit, without importing any command."""
        named = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in self.table.items()
            if name.startswith(incomplete)
        ]
        return [*named, *super(TyperGroup, self).shell_complete(ctx, incomplete)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The summaries, as the table has them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])


class _Loading(Mapping[str, Any]):
    """The commands of a table by name, each made when it is first read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name, self._table[name][0])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def _command(name: str, where: str) -> Any:
    module, _, attribute = where.partition(":")
    app = found = getattr(import_module(module), attribute)
    if not isinstance(app, typer.Typer):
        app = typer.Typer()
        app.command(name=name)(found)
    app._add_completion, app.rich_markup_mode = False, None  # as the group above has it
    command = typer.main.get_command(app)
    command.name = name
    _name_arguments(command)
    return command


def _name_arguments(command: Any) -> None:
    """Arguments in capitals, as the help's sentences call them."""
    for each in command.params:
        if each.param_type_name == "argument" and each.metavar is None:
            each.metavar = each.name.upper()
    for inner in getattr(command, "commands", {}).values():
        _name_arguments(inner)
