"""The command line as a page: every command, option and default, as the program has them."""

from __future__ import annotations

import re
from typing import Any

import typer
from docstrings import cell, code_cell, markdown, sentence, table

from vqcast import errors, extras
from vqcast.cli.main import app

_REMARK = re.compile(r"\s*\[((?:default|required|env var|x>|\d)[^\]]*)\]$")


def commands() -> dict[str, Any]:
    """Every command by its full name, such as ``vqcast corpus build``; groups before theirs."""

    def walk(name: str, command: Any) -> dict[str, Any]:
        found = {name: command}
        for part, each in getattr(command, "commands", {}).items():
            found |= walk(f"{name} {part}", each)
        return found

    return walk("vqcast", typer.main.get_command(app))


def page() -> str:
    """Markdown of all commands."""
    parts = [_section(name, command) for name, command in commands().items() if name != "vqcast"]
    return "\n\n".join(parts)


def refusals() -> str:
    """Markdown table of every way to refuse, with its exit code."""
    classes = [errors.VqcastError, *_below(errors.VqcastError)]
    rows = [
        [code_cell(each.__name__), str(each.exit_status), sentence(each.__doc__)]
        for each in classes[1:]
    ]
    return table(["error", "exit code", "cause"], rows)


def extras_table() -> str:
    """Markdown table of the extras, from the one that the commands read."""
    rows = [[code_cell(name), brings, commands] for name, brings, commands in extras.table()]
    return table(["extra", "for", "commands that need it"], rows)


def _below(owner: type) -> list[Any]:
    found = []
    for each in owner.__subclasses__():
        found += [each, *_below(each)]
    return found


def _section(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    level = "#" * (1 + len(name.split()))
    parts = [f"{level} {name}", markdown(command.help)]
    if not getattr(command, "commands", {}):
        parts.append(f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```")
        rows = [_row(param.get_help_record(context)) for param in command.params]
        if rows:
            parts.append(table(["argument or option", "default", "meaning"], rows))
    return "\n\n".join(parts)


def _row(record: tuple[str, str]) -> list[str]:
    declared, said = record
    remark = _REMARK.search(said)
    words = remark[1] if remark else ""
    default = "required" if "required" in words else code_cell(words.partition("default: ")[2])
    bounds = [part for part in words.split("; ") if part[:1].isdigit() or part.startswith("x")]
    return [
        code_cell(declared),
        "" if default == "``" else default,
        cell(" ".join([_REMARK.sub("", said), *(f"({each})" for each in bounds)])),
    ]
