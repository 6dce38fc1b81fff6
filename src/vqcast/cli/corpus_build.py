"""``vqcast corpus build``: measure a grid of encodes, here or on a Dask cluster."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.errors import InputError, VqcastError

if TYPE_CHECKING:
    from vqcast.corpus.copies import Copies
    from vqcast.corpus.execute import Executor


def build(
    sources: Annotated[
        list[str],
        typer.Argument(help="Video files: any container, y4m or raw YUV; paths or URLs (s3://)."),
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
    out: Annotated[
        Path, typer.Option("--out", help="The corpus to write: .jsonl, .jsonl.gz or .parquet.")
    ],
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
        int | None,
        typer.Option("--jobs", min=1, help="Cells at a time. Default: one per core."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Measure on the workers of a Dask scheduler, tcp://HOST:PORT.",
        ),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            "--resource",
            help="With --scheduler: what a cell takes of a worker's resources. NVENC=1 (also QSV, "
            "AMF, VAAPI) for that device's encoders, any other name for every cell.",
        ),
    ] = None,
    cells_url: Annotated[
        str | None,
        typer.Option(
            "--cells", help="Where finished cells are kept: a folder or URL. Default: OUT.cells."
        ),
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
        typer.Option("--provenance", help="The provenance file to write. Default: beside OUT."),
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

    Interrupted at any point and run again, it resumes with the next cell.
    Exit code 1 where a cell failed; the rest is written all the same.
    """
    extras.require("corpus build")
    from vqcast.corpus.build import build as build_corpus
    from vqcast.corpus.build import cells_folder
    from vqcast.corpus.copies import Copies
    from vqcast.corpus.plan import plan, weight
    from vqcast.corpus.provenance import Manifest, provenance, read_manifest
    from vqcast.corpus.remote import local_path
    from vqcast.corpus.store import open_store
    from vqcast.corpus.writing import check_name
    from vqcast.documents import to_bytes
    from vqcast.documents.forecast import CorpusPin
    from vqcast.durable.files import write_atomic
    from vqcast.media.doctor import libvmaf_version, require_devices
    from vqcast.media.source import Intake, RawFormat, probe
    from vqcast.media.tool import find_ffmpeg

    check_name(out)
    names = options.split(encoder)
    qualities = _qualities(names, cq)
    presets = _presets(names, preset or [])
    _check_grid(qualities, presets)
    raws = {
        source: RawFormat(*_raw(source, width, height, pix_fmt, fps))
        for source in sources
        if source.lower().endswith((".yuv", ".raw"))
    }
    known = read_manifest(manifest) if manifest else Manifest()
    copies = Copies()
    executor = _executor(scheduler, resource or [], jobs, copies)
    store = open_store(cells_url or str(cells_folder(out)))
    tool = find_ffmpeg()
    render.note(f"ffmpeg {tool.version}, sha256 {tool.sha256[:16]}…")
    if scheduler is None:
        require_devices(names, tool)
    probed, origins = [], {}
    with render.weighted_bar("reading sources", len(sources)) as advance:
        for text in sources:
            with _local_copy(text, copies) as path:
                source = probe(
                    path,
                    tool,
                    raw=raws.get(text),
                    frames=frames,
                    group=known.group(path),
                    intake=Intake(decode_all=True, digest_all=True),
                )
            known.check(path, source.identity)
            if manifest is not None and source.group is None:
                render.note(f"{path.name}: not in {manifest.name}, taken as a group of its own")
            if local_path(text) is None:
                origins[source.name] = text
            probed.append(source)
            advance(1, path.name)
    cells = plan(probed, qualities, presets, v1=v1)
    with render.weighted_bar("cells", sum(map(weight, cells))) as advance:
        built = build_corpus(
            cells,
            out,
            tool,
            executor=executor,
            store=store,
            origins=origins,
            on_cell=lambda cell, reused: advance(weight(cell), str(cell)),
            on_failure=lambda cell, reason: render.note(f"failed: {cell}: {reason}"),
        )
    if built.sha256 is not None:
        origin = provenance(
            cells,
            tool,
            libvmaf_version(tool),
            known,
            command=_command(sources, manifest),
            corpus=CorpusPin(path=out.name, sha256=built.sha256, n_rows=built.rows),
        )
        write_atomic(provenance_file or _default_provenance(out), to_bytes(origin))
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
            f"{built.reused} reused, {len(built.failures)} failed"
        )
        kept = cells_url or cells_folder(out)
        render.note(f"finished cells are kept in {kept}; remove it when you are done")
    if built.failures:
        raise typer.Exit(1)


def _executor(
    scheduler: str | None, resources: list[str], jobs: int | None, copies: Copies
) -> Executor:
    """Who measures: this machine, or the workers of a scheduler."""
    from vqcast.corpus.cluster import DaskCluster
    from vqcast.corpus.execute import LocalPool

    if scheduler is None:
        if resources:
            raise InputError("--resource needs --scheduler", hint="it names what Dask workers have")
        return LocalPool(jobs, copies)
    if jobs is not None:
        raise InputError(
            "--jobs can't be combined with --scheduler",
            hint="set the number of cells on the workers: dask worker --nthreads N",
        )
    amounts = {}
    for text in options.split(resources):
        name, _, amount = text.partition("=")
        try:
            amounts[name] = float(amount)
        except ValueError:
            amounts[name] = 0.0
        if not name or not 0.0 < amounts[name] < float("inf"):
            raise InputError(f"--resource {text!r} is not NAME=AMOUNT, such as NVENC=1")
    extras.require("corpus build --scheduler")
    return DaskCluster(scheduler, amounts)


@contextmanager
def _local_copy(text: str, copies: Copies) -> Iterator[Path]:
    """A source as a local file; what is wrong with it is said of ``text``."""
    from vqcast.corpus.remote import local_path

    path = local_path(text)
    if path is not None:
        yield path
        return
    with copies.use(text) as path:
        try:
            yield path
        except VqcastError as error:
            raise (error.at(text) if error.path == path else error) from error


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


def _check_grid(qualities: dict[str, list[float]], presets: dict[str, tuple[str, ...]]) -> None:
    """Refuse a bad name or number before any source is read."""
    from vqcast.media.encoders import encoder

    for name, values in qualities.items():
        entry = encoder(name)
        for preset in presets.get(name, (entry.default_preset,)):
            for value in values:
                entry.check(value, preset)


def _raw(
    path: str, width: int | None, height: int | None, pix_fmt: str, fps: str
) -> tuple[int, int, str, Fraction]:
    """What the options, and with ``--fps name`` the file's name, say of a raw file."""
    if width is None or height is None:
        raise InputError(f"{path}: is raw YUV", hint="say --width, --height, --pix-fmt and --fps")
    if fps == "name":
        named = re.search(r"_(\d+(?:\.\d+)?)fps$", Path(path).stem)
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
    name = out.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".parquet")
    return out.with_name(f"{name}.provenance.json")


def _command(sources: list[str], manifest: Path | None) -> str:
    """The command line as it was typed, but for this machine's folders, long lists and cluster."""
    from vqcast.corpus.remote import local_path

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
