"""``vqcast``: the commands, and the one place where refusals become exit codes.

0: done, or PROMOTE. 1: it ran and the answer is no (HOLD, a violation, a
failed cell), or a tool failed. 2: bad input. 130: interrupted.
"""

from __future__ import annotations

import sys

import typer

from vqcast import __version__
from vqcast.cli import (
    corpus,
    corpus_plot,
    doctor,
    encode,
    evaluate,
    gate,
    pipeline,
    predict,
    promote,
    registry,
    render,
    report,
    smoke,
    train,
    tune,
)
from vqcast.errors import VqcastError

INTERRUPTED = 130
_INTERRUPTED_WORDS = "interrupted: what was finished is kept, the same command goes on from there"

app = typer.Typer(
    name="vqcast",
    help="Forecast video quality that you can vouch for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
corpus.app.command(name="plot")(corpus_plot.plot)
app.add_typer(corpus.app, name="corpus")
app.add_typer(registry.app, name="registry")
for command in (
    doctor,
    tune,
    encode,
    train,
    gate,
    promote,
    predict,
    evaluate,
    report,
    pipeline,
    smoke,
):
    name = command.__name__.rpartition(".")[2]
    app.command(name=name)(getattr(command, name))


def _version(show: bool) -> None:
    if show:
        render.say(f"vqcast {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_version, is_eager=True
    ),
) -> None:
    """Forecast video quality that you can vouch for."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except VqcastError as error:
        render.refusal(error)
        sys.exit(error.exit_status)
    except SystemExit as stop:  # typer ends an interrupted command itself, without a word
        if stop.code == INTERRUPTED:
            render.note(_INTERRUPTED_WORDS)
        raise
    except KeyboardInterrupt:
        render.note(_INTERRUPTED_WORDS)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        render.note(f"error: {error.filename or 'this machine'}: {error.strerror or error}")
        render.note("next: check free space and rights, then run the same command again")
        sys.exit(1)


if __name__ == "__main__":
    main()
