"""The few pieces of HTML that a report is made of; every text is escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

Cell = str | float | int | None


def text(value: str) -> str:
    """``value`` as it may stand in a page."""
    return escape(value, quote=True)


def marked(value: str) -> str:
    """``value`` as it may stand in a page, what is between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value))


def figure_cell(value: Cell, digits: int = 4) -> str:
    """A number for a table, a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else value


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, digits: Sequence[int] = ()
) -> str:
    """A table that scrolls by itself where the page is narrow; the first column names the row."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = []
    for row in rows:
        first, *rest = [
            text(figure_cell(value, digits[index] if index < len(digits) else 4))
            for index, value in enumerate(row)
        ]
        cells = "".join(f"<td>{value}</td>" for value in rest)
        body.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def folded(summary: str, body: str) -> str:
    """Something that is there when it is asked for."""
    return f'<details class="fold"><summary>{text(summary)}</summary>{body}</details>'


def figure(
    title: str,
    charts: str,
    *,
    n: str,
    evidence: str,
    note: str = "",
    fallback: str = "",
    wide: bool = False,
) -> str:
    """A titled chart (or several) with its n, its evidence and the same figures as a table."""
    said = f"<p>{text(note)}</p>" if note else ""
    numbers = folded("The same figures as a table", fallback) if fallback else ""
    return (
        f'<figure class="{"wide" if wide else "half"}"><figcaption><h4>{text(title)}</h4>{said}'
        f'</figcaption>{charts}<p class="origin"><b>n</b> = {text(n)}. '
        f"<b>Evidence:</b> {evidence}</p>{numbers}</figure>"
    )


def many(panels: Sequence[tuple[str, str, str]], *, width: int, first: int) -> str:
    """Small charts under their name and n, as many a row as fit at ``width`` pixels each.

    All after the ``first`` are folded away.
    """
    cells = [
        f'<div class="panel"><h5>{text(name)}</h5><p class="n">{text(n)}</p>{chart}</div>'
        for name, n, chart in panels
    ]

    def grid(some: Sequence[str]) -> str:
        return f'<div class="many" style="--panel: {width}px">{"".join(some)}</div>'

    rest = len(cells) - first
    more = folded(f"{rest} more", grid(cells[first:])) if rest > 0 else ""
    return grid(cells[:first]) + more


def paragraph(value: str, *, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{marked(value)}</p>' if kind else f"<p>{marked(value)}</p>"
