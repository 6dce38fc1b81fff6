"""``vqcast report``: one page that shows a run or a registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from vqcast import extras
from vqcast.cli import render
from vqcast.durable.files import write_atomic
from vqcast.errors import InputError


def report(
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write: .html.")],
    run_dir: Annotated[
        Path | None, typer.Argument(help="A run folder with evidence and its verdict.")
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="A registry folder instead: every model in it."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus",
            help="The corpus that the evidence was made on: adds predicted against measured, "
            "reliability and rate-quality curves.",
        ),
    ] = None,
    tune: Annotated[
        list[Path] | None,
        typer.Option("--tune", help="Lines of `vqcast tune --json`: repeat for several."),
    ] = None,
    ladder: Annotated[
        list[Path] | None,
        typer.Option(
            "--ladder", help="Lines of `vqcast ladder --json` or `vqcast compare --json`: repeat."
        ),
    ] = None,
) -> None:
    """Write one self-contained page: verdict, accuracy, intervals, curves, provenance.

    It needs no network and no script, follows the light or dark theme, and
    the same evidence gives the same bytes.
    """
    if (run_dir is None) == (registry is None):
        raise InputError(
            "give a run folder or --registry DIR, one of them", hint="vqcast report --help"
        )
    extras.require("report" if corpus is None else "report --corpus")
    from vqcast.pages import report as pages

    content = pages.gather(run_dir, registry, corpus, tune or [], ladder or [])
    text = pages.report(content, href=lambda path: _href(path, out))
    write_atomic(out, text.encode())
    render.say(f"wrote {out}")


def _href(path: Path, out: Path) -> str | None:
    """A relative link, where page and file both lie under the working folder.

    Elsewhere it would spell out this machine's folders.
    """
    here, target, folder = Path.cwd(), path.resolve(), out.resolve().parent
    if not (target.is_relative_to(here) and folder.is_relative_to(here)):
        return None
    return quote(Path(os.path.relpath(target, folder)).as_posix())
