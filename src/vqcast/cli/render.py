"""Tables, progress bars and JSON: how every command speaks.

Results go to standard output, everything else to standard error. Bars are
drawn on a terminal only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table as Drawn

from vqcast.documents import jsontext
from vqcast.errors import VqcastError
from vqcast.watch import Progress, Table, Watch

_PIPED_WIDTH = 200
"""Columns of a table that no terminal bounds."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True, width=width)


out = _console(stderr=False)
err = _console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(jsontext.dump(value))
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """One JSON document on one line of standard output, at once."""
    sys.stdout.buffer.write(jsontext.dump_line(value))
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of result."""
    out.print(escape(text))


def note(text: str) -> None:
    """One line beside the result, on standard error."""
    err.print(escape(text))


def refusal(error: VqcastError) -> None:
    """One sentence, and the next step where there is one."""
    err.print(f"[red]error:[/red] {escape(error.message)}")
    if error.hint:
        err.print(f"[dim]next:[/dim] {escape(error.hint)}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table on standard output; the first column is text, the others align right."""
    drawn = Drawn(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(columns):
        drawn.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(figure(cell)) for cell in row))
    out.print(drawn)


def markdown(text: str) -> None:
    """A page in Markdown on standard output, its tables drawn as such."""
    out.print(Markdown(text))


def tables(drawn: Sequence[Table]) -> None:
    """Tables on standard output, one below the other."""
    for each in drawn:
        table(each.columns, each.rows, title=each.title)


def figure(value: object) -> str:
    """A table cell: floats with four decimals, None as a dash."""
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _bar(*extra: Any) -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        *extra,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=err,
        disable=not err.is_terminal,
    )


@contextmanager
def spinner(label: str) -> Iterator[Callable[[str], None]]:
    """Work whose length is not known; call with what is done now. Drawn on a terminal only."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda now: progress.update(task, description=escape(now))


def remaining(label: str, update: Callable[[str], None]) -> Callable[[int, int], None]:
    """Called with frames that are done and all of them, tells ``update`` the share and time left.

    ``total`` is 0 while nobody knows: only the frames are told then. Where less is done than
    before, something new has begun. What is done at once, as an earlier run did it, says nothing of
    the time.
    """
    began, first, last = time.monotonic(), 0, 0

    def tell(done: int, total: int) -> None:
        nonlocal began, first, last
        if done < last or last == 0:
            began, first = time.monotonic(), done
        last = done
        if not total:
            update(f"{label}: {done} frames")
            return
        passed, new = time.monotonic() - began, done - first
        left = f", about {passed * (total - done) / new:.0f} s left" if passed > 1 and new else ""
        update(f"{label}: {done / total:.0%}{left}")

    return tell


@contextmanager
def weighted_bar(label: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """A bar over work of unequal pieces; call with (weight, what is done)."""
    with _bar(TextColumn("{task.fields[now]}")) as progress:
        task = progress.add_task(label, total=total, now="")
        yield lambda weight, now: progress.update(task, advance=weight, now=escape(now))


@contextmanager
def watching(label: str) -> Iterator[Watch]:
    """A bar that follows a long step, and its remarks on standard error."""
    with _bar(TextColumn("{task.fields[now]}")) as progress:
        task = progress.add_task(label, total=1.0, now="")

        def update(state: Progress) -> None:
            progress.update(task, completed=state.done, total=state.total, now=escape(state.now))

        yield Watch(note=note, progress=update)
