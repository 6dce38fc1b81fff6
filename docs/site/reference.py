"""Parts of the reference that the program says of itself: commands, refusals, extras."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from vqcast import errors, extras
from vqcast.media import encoders


def commands() -> str:
    """Every command with its options, as Typer documents an application."""
    words = ["typer", "vqcast.cli.main", "utils", "docs", "--name", "vqcast"]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=True
    )
    return done.stdout[done.stdout.index("\n## ") :].strip()


def refusals() -> str:
    """Every way to refuse, with its exit code."""
    found: list[Any] = []
    waiting: list[Any] = errors.VqcastError.__subclasses__()
    while waiting:
        each = waiting.pop(0)
        found.append(each)
        waiting = [*each.__subclasses__(), *waiting]
    rows = [[f"`{each.__name__}`", str(each.exit_status), cell(each.__doc__)] for each in found]
    return table(["error", "exit code", "cause"], rows)


def extras_table() -> str:
    """The extras, from the table that the commands read."""
    rows = [[f"`{name}`", cell(brings), cell(needed)] for name, brings, needed in extras.table()]
    return table(["extra", "for", "commands that need it"], rows)


def encoder_entry() -> str:
    """The encoder table's entry of SVT-AV1, as it stands in the source."""
    source = Path(encoders.__file__).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Encoder":
            text = ast.get_source_segment(source, node, padded=True) or ""
            if '"libsvtav1"' in text:
                return f"```python\n{textwrap.dedent(text)}\n```"
    sys.exit("the encoder table has no entry of libsvtav1")


def cell(text: str | None) -> str:
    """A docstring or a sentence as it may stand in a table's cell."""
    plain = " ".join((text or "").replace("``", "`").split())
    return plain.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the cells are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
