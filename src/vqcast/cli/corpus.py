"""``vqcast corpus``: build one from real video, check one."""

from __future__ import annotations

import re
import shlex
import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from vqcast.cli import options, render
from vqcast.errors import DocumentError, InputError

app = typer.Typer(help="Build and check corpora of measured frames.", no_args_is_help=True)


@app.command()
def build(
    sources: Annotated[
        list[Path], typer.Argument(help="Video files: any container, y4m or raw YUV.")
    ],
    encoder: Annotated[
        list[str], typer.Option("--encoder", help="Encoder names: repeat, or a,b,c.")
    ],
    cq: Annotated[
        list[str],
        typer.Option(
            "--cq", help="Qualities: repeat, or 20,26,32; libx264:20,26 for one encoder alone."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The corpus to write: .jsonl or .jsonl.gz.")],
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "--preset",
            help="Presets of every encoder: fast, or fast,slow; libx264:fast,slow for one alone.",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="First N frames. Default: all.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Cells at a time. Default: one a core.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            help="TSV with columns file and group (clips that share content); origin and licence "
            "are carried into the provenance.",
        ),
    ] = None,
    provenance_file: Annotated[
        Path | None,
        typer.Option("--provenance", help="Where it says how it was made. Default: beside OUT."),
    ] = None,
    v1: Annotated[bool, typer.Option("--v1/--no-v1", help="Also record VMAF v1.")] = True,
    width: Annotated[int | None, typer.Option(min=1, help="Raw YUV: width.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Raw YUV: height.")] = None,
    pix_fmt: Annotated[str, typer.Option(help="Raw YUV: pixel format.")] = "yuv420p",
    fps: Annotated[
        str,
        typer.Option(
            help="Raw YUV: frame rate, such as 25 or 30000/1001; name: from each file's name, "
            "as in Tennis_24fps.yuv."
        ),
    ] = "25",
    json: options.Json = False,
) -> None:
    """Encode every source with every encoder at every quality, and score each frame.

    Interrupted at any point and started again, it goes on with the next cell.
    Exit code 1 where a cell failed; the rest is written all the same.
    """
    options.require_media()
    from vqcast.corpus.build import build as build_corpus
    from vqcast.corpus.build import cells_folder
    from vqcast.corpus.plan import plan
    from vqcast.corpus.provenance import Manifest, provenance, read_manifest
    from vqcast.durable import jsontext
    from vqcast.durable.files import write_atomic
    from vqcast.media.doctor import libvmaf_version, require_devices
    from vqcast.media.source import RawFormat, probe
    from vqcast.media.tool import find_ffmpeg

    names = options.split(encoder)
    qualities = _qualities(names, cq)
    presets = _presets(names, preset or [])
    _check_grid(qualities, presets)
    raws = {
        path: _raw(path, width, height, pix_fmt, fps)
        for path in sources
        if path.suffix.lower() in (".yuv", ".raw")
    }
    known = read_manifest(manifest) if manifest else Manifest()
    tool = find_ffmpeg()
    render.note(f"ffmpeg {tool.version}, sha256 {tool.sha256[:16]}…")
    require_devices(names, tool)
    probed = []
    with render.weighted_bar("reading sources", len(sources)) as advance:
        for path in sources:
            fmt = RawFormat(*raws[path]) if path in raws else None
            source = probe(path, tool, raw=fmt, frames=frames, group=known.group(path))
            known.check(path, source.sha256)
            if manifest is not None and source.group is None:
                render.note(f"{path.name}: not in {manifest.name}, taken as a group of its own")
            probed.append(source)
            advance(1, path.name)
    cells = plan(probed, qualities, presets, v1=v1)
    with render.weighted_bar("cells", sum(cell.weight for cell in cells)) as advance:
        built = build_corpus(
            cells,
            out,
            tool,
            jobs=jobs,
            on_cell=lambda cell, reused: advance(cell.weight, str(cell)),
            on_failure=lambda cell, reason: render.note(f"failed: {cell}: {reason}"),
        )
    if built.sha256 is not None:
        origin = provenance(
            cells,
            tool,
            libvmaf_version(tool),
            known,
            command=_command(sources, manifest),
            corpus_name=out.name,
            corpus_sha256=built.sha256,
            n_rows=built.rows,
        )
        write_atomic(provenance_file or _default_provenance(out), jsontext.dump(origin))
    if json:
        render.print_json(
            {
                "out": str(out),
                "sha256": built.sha256,
                "rows": built.rows,
                "cells": len(cells),
                "measured": built.measured,
                "reused": built.reused,
                "failed": [{"cell": str(cell), "reason": why} for cell, why in built.failures],
            }
        )
    else:
        render.say(
            f"{out}: {built.rows} rows; {len(cells)} cells: {built.measured} measured, "
            f"{built.reused} found finished, {len(built.failures)} failed"
        )
        render.note(f"finished cells are kept in {cells_folder(out)}; remove it when you are done")
    if built.failures:
        raise typer.Exit(1)


def _numbers(text: str) -> list[float]:
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
            own.setdefault(name, []).extend(_numbers(rest))
        else:
            shared += _numbers(value)
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


def _check_grid(qualities: dict[str, list[float]], presets: dict[str, tuple[str, ...]]) -> None:
    """Refuse a bad name or number before any source is read."""
    from vqcast.media.encoders import encoder

    for name, values in qualities.items():
        entry = encoder(name)
        for preset in presets.get(name, (entry.default_preset,)):
            for value in values:
                entry.check(value, preset)


def _raw(
    path: Path, width: int | None, height: int | None, pix_fmt: str, fps: str
) -> tuple[int, int, str, Fraction]:
    """What the options, and with ``--fps name`` the file's name, say of a raw file."""
    if width is None or height is None:
        raise InputError(f"{path}: is raw YUV", hint="say --width, --height, --pix-fmt and --fps")
    if fps == "name":
        named = re.search(r"_(\d+(?:\.\d+)?)fps$", path.stem)
        if named is None:
            raise InputError(f"{path}: its name does not end in a frame rate such as _25fps")
        fps = named[1]
    try:
        rate = Fraction(fps)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"--fps {fps!r} is not a frame rate") from error
    if rate <= 0:
        raise InputError(f"--fps {fps!r} is not a frame rate")
    return width, height, pix_fmt, rate


def _default_provenance(out: Path) -> Path:
    name = out.name.removesuffix(".gz").removesuffix(".jsonl")
    return out.with_name(f"{name}.provenance.json")


def _command(sources: list[Path], manifest: Path | None) -> str:
    """The command line as it was typed, this machine's folders and long lists left out."""
    words = sys.argv[1:]
    given = [str(path) for path in sources]
    first = sources[0]
    everything = sorted(first.parent.glob(f"*{first.suffix}"))
    if sorted(sources) == everything and given[0] in words:
        start = words.index(given[0])
        if words[start : start + len(given)] == given:
            words[start : start + len(given)] = [f"CLIPS/*{first.suffix}"]
    local = {
        str(path): f"CLIPS/{path.name}" for path in (*sources, *([manifest] if manifest else []))
    }
    named = [local.get(word, word) for word in words]
    quoted = [Path(word).name if Path(word).is_absolute() else word for word in named]
    return " ".join(["vqcast", *(word if "*" in word else shlex.quote(word) for word in quoted)])


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The corpus: .jsonl or .jsonl.gz.")],
    json: options.Json = False,
) -> None:
    """Say what a corpus holds and everything that is wrong with it.

    Exit code 0 where it can be trained on and nothing is odd, 1 where
    something is, 2 where it is refused.
    """
    from vqcast.corpus.check import describe, oddities
    from vqcast.corpus.table import load

    corpus = load(file)
    facts, odd = describe(corpus), oddities(corpus)
    if json:
        render.print_json(facts | {"oddities": odd})
    else:
        render.say(
            f"{file}: {facts['n_rows']} rows ({facts['shape']}), {facts['n_cells']} cells, "
            f"{facts['n_sources']} sources in {facts['n_groups']} groups"
        )
        render.say(f"sha256 {facts['sha256']}")
        vmaf = facts["vmaf"]
        render.say(
            f"vmaf {vmaf['min']:.2f}..{vmaf['max']:.2f}, mean {vmaf['mean']:.2f}; "
            f"cq {facts['cq_min']:g}..{facts['cq_max']:g}"
        )
        render.table(
            ("encoder", "rows", "presets", "qualities"),
            [
                (
                    name,
                    each["rows"],
                    ", ".join(each["presets"]),
                    ", ".join(f"{q:g}" for q in each["cq"]),
                )
                for name, each in facts["encoders"].items()
            ],
        )
        render.table(
            ("source", "group", "rows"),
            [(name, each["group"], each["rows"]) for name, each in facts["sources"].items()],
        )
        render.table(
            ("feature", "min", "max"),
            [(name, each["min"], each["max"]) for name, each in facts["features"].items()],
        )
        for sentence in odd:
            render.say(f"odd: {sentence}")
        render.say("nothing odd" if not odd else f"{len(odd)} things to look at")
    if odd:
        raise typer.Exit(1)


@app.command()
def select(
    file: Annotated[Path, typer.Argument(help="The corpus to take from.")],
    out: Annotated[Path, typer.Option("--out", help="The corpus to write.")],
    group: Annotated[list[str] | None, typer.Option("--group", help="Groups to keep.")] = None,
    source: Annotated[list[str] | None, typer.Option("--source", help="Sources to keep.")] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", help="Encoders to keep.")
    ] = None,
    cq: Annotated[list[str] | None, typer.Option("--cq", help="Qualities to keep.")] = None,
) -> None:
    """Write a slice of a corpus: some groups, sources, encoders or qualities."""
    from vqcast.corpus.select import select as select_rows
    from vqcast.corpus.table import load

    rows, digest = select_rows(
        load(file),
        out,
        groups=options.split(group or []),
        sources=options.split(source or []),
        encoders=options.split(encoder or []),
        cqs=[number for text in cq or [] for number in _numbers(text)],
    )
    render.say(f"{out}: {rows} rows, sha256 {digest}")


@app.command()
def datasheet(
    file: Annotated[Path, typer.Argument(help="The corpus.")],
    provenance: Annotated[Path, typer.Option("--provenance", help="Its provenance file.")],
    out: Annotated[Path, typer.Option("--out", help="The Markdown page to write.")],
) -> None:
    """Write a corpus's datasheet: content, making, licences, limits."""
    from vqcast.corpus.provenance import datasheet as page
    from vqcast.corpus.table import load
    from vqcast.durable import jsontext
    from vqcast.durable.files import read_regular, write_atomic

    origin = jsontext.parse(read_regular(provenance), where=str(provenance))
    try:
        text = page(load(file), origin)
    except (KeyError, TypeError) as error:
        raise DocumentError(f"{provenance}: is no provenance: lacks {error}") from error
    write_atomic(out, text.encode())
    render.say(f"wrote {out}")
