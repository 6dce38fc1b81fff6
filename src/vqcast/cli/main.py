"""``vqcast``: the commands, and the one place where refusals become exit codes.

0: done, or PROMOTE. 1: it ran and the answer is no (HOLD, a violation, a
failed cell), or a tool failed. 2: bad input. 3: best effort, the target was not
reached. 4: the size cap was hit. 130: interrupted.
"""

from __future__ import annotations

import sys
from typing import ClassVar

import typer

from vqcast import __version__, extras
from vqcast.cli import render
from vqcast.cli.lazy import LazyGroup
from vqcast.errors import VqcastError

INTERRUPTED = 130
_INTERRUPTED_WORDS = "interrupted: finished work is kept; run the same command again to resume"


class Commands(LazyGroup):
    """Every command of ``vqcast``, in the order of its help."""

    table: ClassVar = {
        name: (f"vqcast.cli.{name}:{attribute}", summary)
        for name, attribute, summary in (
            ("tune", "tune", "Find the highest CRF that reaches a target score."),
            ("encode", "encode", "Find that CRF, encode with it, and measure the result."),
            ("compare", "compare", "Compare encoders and presets: size and time at a target."),
            ("ladder", "ladder", "Choose the rungs of a bitrate ladder over resolutions."),
            ("explain", "explain", "Say what is known of a video before any encode."),
            ("predict", "predict", "Predict an encode's VMAF, beside the measured one."),
            ("doctor", "doctor", "Show what works on this machine, by trying it."),
            ("corpus", "app", "Build, check, convert and plot corpora of measured frames."),
            ("train", "train", "Cross-validate a model family on a corpus."),
            ("gate", "gate", "Judge a run's evidence: PROMOTE or HOLD."),
            ("promote", "promote", "Fit the models that a PROMOTE speaks for, and install them."),
            ("pipeline", "pipeline", "Train, gate and promote in one run."),
            ("registry", "app", "List, verify, sign, import and roll back registries."),
            ("evaluate", "evaluate", "Measure the intervals on held-out groups."),
            ("report", "report", "Write one page about a run, a registry or a tuning."),
            ("smoke", "smoke", "Prove the chain on a synthetic corpus, in seconds."),
        )
    }


app = typer.Typer(
    cls=Commands,
    name="vqcast",
    help="Forecast, tune and measure video encodes, with a stated confidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    """Forecast, tune and measure video encodes, with a stated confidence."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except VqcastError as error:
        render.refusal(error)
        sys.exit(error.exit_status)
    except ModuleNotFoundError as error:
        lacking = extras.missing(error.name or "", f"vqcast {' '.join(sys.argv[1:2])}")
        if lacking is None:
            raise
        render.refusal(lacking)
        sys.exit(lacking.exit_status)
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
        render.note("next: check free space and permissions, then run the same command again")
        sys.exit(1)


if __name__ == "__main__":
    main()
