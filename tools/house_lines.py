"""Where the lines of src/ are, and for what each was written: git blame, room by room.

    python -m tools.house_lines --evidence FILE --markdown PAGE

A line counts for the commit that last changed it, moves and white space aside. The commits of each
work since are listed below; what is older than the house was there before, and all else is its own.
Lines of code are those that are neither blank nor a comment nor of a docstring.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from vqcast.pages import blocks

BEFORE = "eab7406"
"""The last commit before the house was redrawn."""
WORKS = {
    "networks": """
        4a16161 8e22ad8 d1b96e1 1285d39 8243e9d 1a034ea d5a9521 93f585e 52c5d64 4b8704b
        1e18a81
    """,
    "films": """
        844c4aa d36c7f8 c0a9dad 5977804 8fc6d18 0f2a2c4 021825e cd02e87 63e2fcf 8414c4f
        adc4038 cabb712 2eaf45e 8217835 c01a25b 1df5274 45fe2e6 cf6de4a 1d0808b
    """,
    "long titles": """
        5c9fc5f fc8ea4f 0c27ff0 b8c724e 327b1c4 96f31b1 ef1b35e 57187e2 e6f39bd d2a7063
        7cafe4a 02e285a 29653bb ec07085 b541de7 556e6bd e809397 cfbbb11 0e58a86 d30bee3
        4466e3d 95df46e 0b7ad08 94d6994
    """,
    "options, filters, HDR, metrics": """
        ccdcbbb 9bac3d3 96b0eaf 652e47a eefb4fc c1ee674 1da2d2e 014608b bb69f9d 05c304a
        d1c9efc cc912e8 b0531c5 5e4d78d 985dad7 ebe9def 9065bc4 40d2480 2e779f0 e67f98b
        d27e272 aa98a45 42b6de0 ee81c87 92fafec 528d0e4 2e9f19d 4d4f05c 3ea989e f4d6bd9
        e31ddf6 67aeba9 bfcfb2f 236a53a 57d1fbf b1a2d9d a877c0c 4e58caf 8c310e5 9e7b4c7
        74f9a95 4dde7f7 70dd69b 1acb3d6 12b41d1 1fe29b5 472441d baa3d11
    """,
    "one forecaster": """
        8255837 7ddd49f d2cc22a 2b3ead1 a904958 f9419dd f1b0d6e
    """,
}
COLUMNS = ("before", "house", *WORKS)
NO_CODE = ("blank", "comments", "docstrings")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def _works() -> dict[str, str]:
    """Commit -> for what it was written; those that are not here: the house."""
    commits = _git("log", "--reverse", "--format=%H").split()
    first = next(at for at, commit in enumerate(commits) if commit.startswith(BEFORE))
    short = {each: work for work, named in WORKS.items() for each in named.split()}
    found = dict.fromkeys(commits[: first + 1], "before")
    return found | {each: short[each[:7]] for each in commits if each[:7] in short}


def _kinds(text: str) -> Counter[str]:
    """Lines that are blank, comments, docstrings, imports, signatures, or anything else."""
    kinds: dict[int, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = range(node.lineno, node.body[0].lineno)
            kinds = dict.fromkeys(lines, "signatures") | kinds
        elif isinstance(node, ast.Import | ast.ImportFrom):
            kinds |= dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), "imports")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            kinds |= dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), "docstrings")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            kinds[number] = "blank"
        elif number not in kinds:
            kinds[number] = "comments" if line.lstrip().startswith("#") else "statements"
    return Counter(kinds.values())


def evidence() -> dict[str, Any]:
    """Lines by room and work, and by kind."""
    of, kinds = _works(), Counter[str]()
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for name in _git("ls-files", "src/*.py").split():
        parts = Path(name).parts
        room = parts[2] if len(parts) > 3 else "(modules at the top)"
        said = _git("blame", "-w", "-M", "-C", "--line-porcelain", name)
        rooms[room].update(
            of.get(each, "house") for each in re.findall(r"^([0-9a-f]{40}) \d+ \d+", said, re.M)
        )
        found = _kinds(Path(name).read_text())
        rooms[room]["code"] += sum(n for kind, n in found.items() if kind not in NO_CODE)
        kinds.update(found)
    return {
        "commit": _git("rev-parse", "--short", "HEAD").strip(),
        "rooms": {
            name: {each: rooms[name][each] for each in (*COLUMNS, "code")} for name in sorted(rooms)
        },
        "kinds": dict(sorted(kinds.items())),
    }


def table(found: dict[str, Any]) -> str:
    """The evidence as Markdown."""
    rooms = {
        name: [*(each := [counts[work] for work in COLUMNS]), sum(each), counts["code"]]
        for name, counts in found["rooms"].items()
    }
    total = [sum(column) for column in zip(*rooms.values(), strict=True)]
    rows = sorted(rooms.items(), key=lambda each: -each[1][-2])
    heads = ["room", *COLUMNS, "lines", "of code"]
    lines = [f"At {found['commit']}:", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, counts in [*rows, ("**all**", total)]:
        lines.append(f"| {name} | {' | '.join(f'{each:,}' for each in counts)} |")
    kinds = ", ".join(f"{count:,} {name}" for name, count in found["kinds"].items())
    return "\n".join([*lines, "", f"By kind: {kinds}.", ""])


def main() -> None:
    """Count, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path, required=True)
    asked = parser.parse_args()
    found = evidence()
    asked.evidence.write_text(json.dumps(found, indent=2) + "\n")
    blocks.write(asked.markdown, "house-lines", table(found))


if __name__ == "__main__":
    main()
