"""What the tests run, by room: coverage's report as a small evidence file and a table.

    python -m tools.coverage_page build/coverage.json --evidence FILE --markdown PAGE

``make coverage`` measures and writes both.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from vqcast.pages import blocks

COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def evidence(report: dict[str, Any]) -> dict[str, Any]:
    """Counts by room, from the JSON report of coverage.py."""
    rooms: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for name, file in report["files"].items():
        parts = Path(name).parts
        inner = parts[parts.index("vqcast") + 1 :] if "vqcast" in parts else ("studies",)
        room = inner[0] if len(inner) > 1 or "vqcast" not in parts else "(modules at the top)"
        for count in COUNTS:
            rooms[room][count] += file["summary"][count]
    total = {count: sum(room[count] for room in rooms.values()) for count in COUNTS}
    return {
        "tool": f"coverage {report['meta']['version']}",
        "measured": report["meta"]["timestamp"][:10],
        "rooms": dict(sorted(rooms.items())),
        "total": total,
    }


def table(found: dict[str, Any]) -> str:
    """The evidence as Markdown."""

    def row(name: str, counts: dict[str, int]) -> str:
        lines = _percent(counts["covered_lines"], counts["num_statements"])
        branches = _percent(counts["covered_branches"], counts["num_branches"])
        return f"| {name} | {counts['num_statements']:,} | {lines} | {branches} |"

    rows = [row(name, counts) for name, counts in found["rooms"].items()]
    return "\n".join(
        [
            f"{found['measured']}, {found['tool']}, the whole suite. "
            "Loops that Numba compiles do not count as run.",
            "",
            "| room | statements | run | branches taken |",
            "|---|---|---|---|",
            *rows,
            row("**all**", found["total"]),
            "",
        ]
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    """Write the evidence and the table, and print the total."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--markdown", type=Path, required=True)
    asked = parser.parse_args()
    found = evidence(json.loads(asked.report.read_text(encoding="utf-8")))
    asked.evidence.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    blocks.write(asked.markdown, "coverage", table(found))
    total = found["total"]
    print("lines run:", _percent(total["covered_lines"], total["num_statements"]))
    print("branches taken:", _percent(total["covered_branches"], total["num_branches"]))


if __name__ == "__main__":
    main()
