"""``docs/reliability.md`` from its evidence: the tables are put into ``page.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TITLES = {
    "crash": ("Accidents", "recovered"),
    "hostile": ("Attacks", "refused or harmless"),
    "fuzz": ("Mutated input", "understood or refused"),
}


def page(document: dict[str, Any]) -> str:
    """The page's Markdown."""
    lines = []
    for suite, (title, held) in TITLES.items():
        if suite not in document["suites"]:
            continue
        found = document["suites"][suite]
        day = found["measured_at_utc"].partition("T")[0]
        lines.append(f"## {title}\n")
        later = [
            f" *{row['attack']}* was carried out on {row['measured_at_utc'].partition('T')[0]}."
            for row in found["attacks"] if "measured_at_utc" in row
        ]  # fmt: skip
        lines.append(
            f"{found['machine']}, {day}, vqcast {found['vqcast']}, seed {found['seed']}; "
            f"seconds are wall time beside other work.{''.join(later)}\n"
        )
        lines.append(f"| attack | attempts | {held} | wrong | seconds |")
        lines.append("|---|---:|---:|---:|---:|")
        rows = found["attacks"]
        lines += [_row(row["attack"], row) for row in rows]
        totals = {
            key: sum(row[key] for row in rows) for key in ("attempts", "held", "wrong", "seconds")
        }
        lines.append(_row("**all**", totals) + "\n")
    template = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    return template.replace("{tables}", "\n".join(lines).rstrip())


def _row(name: str, row: dict[str, Any]) -> str:
    figures = f"{row['attempts']:,} | {row['held']:,} | {row['wrong']:,} | {row['seconds']:.0f}"
    return f"| {name} | {figures} |"
