"""What the code says of itself, as Markdown: docstrings, and the strings under attributes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise

_CONTRACT = re.compile(r"\s*\(CONTRACTS? §[^)]*\)")
"""A reference to the data contract, which readers of the site do not have."""


def markdown(text: str | None) -> str:
    """A docstring as Markdown: ``code`` in single backticks, ``::`` blocks as code blocks."""
    plain = _CONTRACT.sub("", inspect.cleandoc(text or "")).replace("``", "`")
    return re.sub(r"::\n\n", ":\n\n", plain)


def sentence(text: str | None) -> str:
    """A docstring on one line, for a table's cell."""
    return cell(" ".join(markdown(text).split()))


def cell(text: str) -> str:
    """``text`` as it may stand in a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def code_cell(text: str) -> str:
    """``text`` as code in a table's cell."""
    return f"`{text}`".replace("|", "\\|")


def attributes(owner: type) -> dict[str, str]:
    """The string under each annotated attribute of a class, by the attribute's name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    found = {}
    for node, below in pairwise(body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[node.target.id] = sentence(str(below.value.value))
    return found


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the cells are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
