"""``vqcast corpus build``: measure a grid of encodes, here or on a Dask cluster."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from annotated_doc import Doc

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.groups import grouped
from vqcast.corpus.plan import weight
from vqcast.corpus.remote import local_path
from vqcast.corpus.watch import Watcher
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.media.filters import Filters
from vqcast.media.inputs import RawFormat
from vqcast.media.options import EncoderOptions
from vqcast.workflow.corpus import CorpusMade, Grid
from vqcast.workflow.corpus import build as build_corpus

Sources = Annotated[
    list[str],
    typer.Argument(help="Video files: any container, y4m or raw YUV; paths or URLs (s3://)."),
]
Encoders = Annotated[list[str], typer.Option("--encoder", help="Encoder names: repeat, or a,b,c.")]
Qualities = Annotated[
    list[str],
    typer.Option(
        "--cq", help="Qualities: repeat, or 20,26,32; libx264:20,26 for one encoder alone."
    ),
]
Presets = Annotated[
    list[str] | None,
    typer.Option(
        "--preset",
        help="Presets of every encoder: fast, or fast,slow; libx264:fast,slow for one alone.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="The corpus to write, or to add to: .jsonl, .jsonl.gz or .parquet.",
    ),
]
Frames = Annotated[int | None, typer.Option(min=1, help="First N frames. Default: all.")]
V1 = Annotated[bool, typer.Option("--v1/--no-v1", help="Also record VMAF v1.")]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who measures."""

    jobs: Annotated[int | None, Doc("Cells at a time. Default: one per core.")] = None
    scheduler: Annotated[
        str | None, Doc("Measure on the workers of a Dask scheduler, tcp://HOST:PORT.")
    ] = None
    resource: Annotated[
        list[str] | None,
        Doc(
            "With --scheduler: what a cell takes of a worker's resources. NVENC=1 (also QSV, "
            "AMF, VAAPI) for that device's encoders, any other name for every cell."
        ),
    ] = None

    def amounts(self) -> dict[str, float]:
        """What a cell takes of a worker's resources. Raises InputError for what can't be."""
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"--jobs {self.jobs} is not a number of cells", hint="1 or more")
        if self.scheduler is None:
            if self.resource:
                raise InputError(
                    "--resource needs --scheduler", hint="it names what Dask workers have"
                )
            return {}
        if self.jobs is not None:
            raise InputError(
                "--jobs can't be combined with --scheduler",
                hint="set the number of cells on the workers: dask worker --nthreads N",
            )
        found = {}
        for text in options.split(self.resource or []):
            name, _, amount = text.partition("=")
            try:
                found[name] = float(amount)
            except ValueError:
                found[name] = 0.0
            if not name or not 0.0 < found[name] < float("inf"):
                raise InputError(f"--resource {text!r} is not NAME=AMOUNT, such as NVENC=1")
        extras.require("corpus build --scheduler")
        return found


@dataclass(frozen=True, slots=True)
class Companions:
    """Files beside the corpus."""

    cells: Annotated[
        str | None, Doc("Where finished cells are kept: a folder or URL. Default: OUT.cells.")
    ] = None
    manifest: Annotated[
        Path | None,
        Doc(
            "TSV with columns file and group (clips that share content); origin and licence "
            "are carried into the provenance."
        ),
    ] = None
    provenance: Annotated[
        Path | None, Doc("The provenance file to write. Default: beside OUT.")
    ] = None


@dataclass(frozen=True, slots=True)
class Raw:
    """How raw files are read."""

    width: Annotated[int | None, Doc("Raw YUV: width.")] = None
    height: Annotated[int | None, Doc("Raw YUV: height.")] = None
    raw_pix_fmt: Annotated[str | None, Doc("Raw YUV: pixel format, such as yuv420p.")] = None
    raw_fps: Annotated[
        str | None,
        Doc(
            "Raw YUV: frame rate, such as 25 or 30000/1001; name: from each file's name, "
            "as in Tennis_24fps.yuv."
        ),
    ] = None

    def formats(self, sources: list[str]) -> dict[str, RawFormat]:
        """How each raw file among the sources is to be read."""
        return {
            source: RawFormat(*self._of(source))
            for source in sources
            if source.lower().endswith((".yuv", ".raw"))
        }

    def _of(self, path: str) -> tuple[int, int, str, Fraction]:
        fps = self.raw_fps
        if self.width is None or self.height is None or self.raw_pix_fmt is None or fps is None:
            raise InputError(
                "is raw YUV", path=path, hint="say --width, --height, --raw-pix-fmt and --raw-fps"
            )
        if fps == "name":
            named = re.search(r"_(\d+(?:\.\d+)?)fps$", Path(path).stem)
            if named is None:
                raise InputError("its name does not end in a frame rate such as _25fps", path=path)
            fps = named[1]
        try:
            rate = Fraction(fps)
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"--raw-fps {fps!r} is not a frame rate") from error
        if rate <= 0:
            raise InputError(f"--raw-fps {fps!r} is not a frame rate")
        return self.width, self.height, self.raw_pix_fmt, rate


@grouped
def build(
    sources: Sources,
    encoder: Encoders,
    cq: Qualities,
    out: Out,
    preset: Presets = None,
    frames: Frames = None,
    *,
    workers: Workers,
    beside: Companions,
    v1: V1 = True,
    scored: options.Scored,
    raw: Raw,
    given: EncoderOptions,
    filters: Filters,
    ffmpeg: options.Ffmpeg = None,
    json: options.Json = False,
) -> None:
    """Encode every source with every encoder at every quality, and score each frame.

    Interrupted at any point and run again, it resumes with the next cell. Cells
    that OUT holds already are kept. Exit code 1 where a cell failed; the rest is
    written all the same.
    """
    extras.require("corpus build")
    names = options.split(encoder)
    grid = Grid(
        sources,
        _qualities(names, cq),
        _presets(names, preset or []),
        frames=frames,
        v1=v1,
        also=scored.metric,
        score_size=scored.score_size,
        raws=raw.formats(sources),
        manifest=beside.manifest,
        options=given,
        filters=filters,
    )
    amounts = workers.amounts()
    with ExitStack() as bars:
        made = build_corpus(
            grid,
            out,
            jobs=workers.jobs,
            scheduler=workers.scheduler,
            resources=amounts,
            cells=beside.cells,
            provenance_file=beside.provenance,
            ffmpeg=ffmpeg,
            command=_command(sources, beside.manifest),
            watcher=_Bars(bars, len(sources)),
        )
    _show(made, out, json=json)
    if made.corpus.failures:
        raise typer.Exit(1)


class _Bars(Watcher):
    """Draws what a build does."""

    def __init__(self, bars: ExitStack, sources: int) -> None:
        self._bars = bars
        self._advance = bars.enter_context(render.weighted_bar("reading sources", sources))

    def note(self, sentence: str) -> None:
        render.note(sentence)

    def source(self, name: str) -> None:
        self._advance(1, name)

    def planned(self, cells: Sequence[Cell]) -> None:
        self._weight = weight
        self._bars.close()
        total = sum(map(weight, cells))
        self._advance = self._bars.enter_context(render.weighted_bar("cells", total))

    def cell(self, cell: Cell, reused: bool) -> None:
        self._advance(self._weight(cell), str(cell))

    def failure(self, cell: Cell, reason: str) -> None:
        render.note(f"failed: {cell}: {reason}")


def _show(made: CorpusMade, out: Path, *, json: bool) -> None:
    built = made.corpus
    kept = built.earlier.cells if built.earlier else 0
    if json:
        render.print_json(
            {
                "out": str(out),
                "sha256": built.sha256,
                "rows": built.rows,
                "cells": made.cells,
                "measured": built.measured,
                "reused": built.reused,
                "kept": kept,
                "failed": [{"cell": str(cell), "reason": why} for cell, why in built.failures],
            }
        )
        return
    before = f"; {kept} other cells kept" if kept else ""
    render.say(
        f"{out}: {built.rows} rows; {made.cells} cells: {built.measured} measured, "
        f"{built.reused} reused, {len(built.failures)} failed{before}"
    )
    render.note(f"finished cells are kept in {made.kept_in}; remove it when you are done")


def numbers(text: str) -> list[float]:
    """``--cq``'s list of numbers. Raises InputError."""
    try:
        return [float(part) for part in options.split([text])]
    except ValueError as error:
        raise InputError(f"--cq: {text!r} is not a list of numbers") from error


def _qualities(encoders: list[str], given: list[str]) -> dict[str, list[float]]:
    """Each encoder's qualities: its own where named, else those for all."""
    own: dict[str, list[float]] = {}
    shared: list[float] = []
    for value in given:
        name, colon, rest = value.partition(":")
        if colon:
            if name not in encoders:
                raise InputError(f"--cq {value}: {name!r} is not among the encoders given")
            own.setdefault(name, []).extend(numbers(rest))
        else:
            shared += numbers(value)
    missing = [name for name in encoders if name not in own and not shared]
    if missing:
        raise InputError(f"no quality for {', '.join(missing)}", hint="add --cq N or --cq NAME:N")
    return {name: own.get(name, shared) for name in encoders}


def _presets(encoders: list[str], given: list[str]) -> dict[str, tuple[str, ...]]:
    """Each named encoder's presets; one for all gives way to one for the encoder."""
    presets: dict[str, tuple[str, ...]] = {}
    for value in sorted(given, key=lambda text: ":" in text):
        name, colon, rest = value.partition(":")
        if colon and name not in encoders:
            raise InputError(f"--preset {value}: {name!r} is not among the encoders given")
        words = tuple(options.split([rest if colon else value]))
        if not words:
            raise InputError(f"--preset {value!r} names no preset")
        presets.update({name: words} if colon else dict.fromkeys(encoders, words))
    return presets


def _command(sources: list[str], manifest: Path | None) -> str:
    """The command line as it was typed, but for this machine's folders, long lists and cluster."""
    words = _without(("--scheduler", "--resource", "--cells"), sys.argv[1:])
    given = [Path(text) for text in sources]
    first = given[0]
    everything = sorted(first.parent.glob(f"*{first.suffix}"))
    if sorted(given) == everything and sources[0] in words:
        start = words.index(sources[0])
        if words[start : start + len(sources)] == sources:
            words[start : start + len(sources)] = [f"CLIPS/*{first.suffix}"]
    files = [*sources, *([str(manifest)] if manifest else [])]
    local = {text: f"CLIPS/{path.name}" for text in files if (path := local_path(text)) is not None}
    named = [local.get(word, word) for word in words]
    quoted = [Path(word).name if Path(word).is_absolute() else word for word in named]
    quoted = [re.sub(r"^(\w+://)[^/@]*@", r"\1", word) for word in quoted]  # no one's password
    return " ".join(["vqcast", *(word if "*" in word else shlex.quote(word) for word in quoted)])


def _without(names: tuple[str, ...], words: list[str]) -> list[str]:
    """``words`` without these options and their values, whether or not an = joins them."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word.partition("=")[0] not in names:
            kept.append(word)
        skip = not skip and word in names
    return kept
