"""``vqcast corpus``: build one from real video, check, cut, convert and describe one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast import extras
from vqcast.cli import options, render
from vqcast.cli.corpus_build import build, numbers
from vqcast.cli.groups import size_of
from vqcast.corpus.check import describe, oddities
from vqcast.corpus.merge import merge as merge_corpora
from vqcast.corpus.merge import merged_provenance
from vqcast.corpus.provenance import read_provenance
from vqcast.corpus.select import select as select_rows
from vqcast.corpus.table import load
from vqcast.corpus.writing import convert as convert_corpus
from vqcast.documents import to_bytes
from vqcast.durable.files import write_atomic
from vqcast.errors import InputError

ScoreSize = Annotated[
    str | None,
    typer.Option(
        "--score-size",
        metavar="WxH",
        help="Take the rows scored at this size alone; needed where a source has several.",
    ),
]

app = typer.Typer(
    help="Build, check, convert and plot corpora of measured frames.", no_args_is_help=True
)
app.command()(build)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The corpus: .jsonl, .jsonl.gz or .parquet.")],
    score_size: ScoreSize = None,
    json: options.Json = False,
) -> None:
    """Say what a corpus holds and everything that is wrong with it.

    Exit code 0 where it can be trained on and nothing is odd, 1 where
    something is, 2 where it is refused.
    """
    corpus = load(file, score_size=size_of(score_size) if score_size else None)
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
    score_size: ScoreSize = None,
) -> None:
    """Write a slice of a corpus: some groups, sources, encoders, qualities or one scoring size."""
    rows, digest = select_rows(
        load(file, min_rows=1, score_size=size_of(score_size) if score_size else None),
        out,
        groups=options.split(group or []),
        sources=options.split(source or []),
        encoders=options.split(encoder or []),
        cqs=[number for text in cq or [] for number in numbers(text)],
    )
    render.say(f"{out}: {rows} rows, sha256 {digest}")


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="Corpora to join, in this order.")],
    out: Annotated[Path, typer.Option("--out", help="The corpus to write.")],
    origin: Annotated[
        list[Path] | None,
        typer.Option("--origin", help="The provenance file of each corpus, in the same order."),
    ] = None,
    provenance: Annotated[
        Path | None, typer.Option("--provenance", help="The provenance file to write.")
    ] = None,
) -> None:
    """Join corpora into one file, each cell once: a network is trained on one file.

    A cell that two hold is taken from the first; where they disagree on its
    score, nothing is written.
    """
    if provenance is not None and not origin:
        raise InputError("--provenance needs --origin, the provenance file of each part")
    made = merge_corpora(files, out)
    for path, taken, known in zip(files, made.taken, made.known, strict=True):
        render.say(f"{path}: {taken} cells taken, {known} already there")
    render.say(f"{out}: {made.rows} rows, sha256 {made.sha256}")
    if provenance is not None:
        words = ["vqcast corpus merge", *map(str, files), f"--out {out}"]
        words += [f"--origin {path}" for path in origin or []] + [f"--provenance {provenance}"]
        origins = [read_provenance(path) for path in origin or []]
        document = merged_provenance(load(out), origins, command=" ".join(words))
        write_atomic(provenance, to_bytes(document))
        render.say(f"wrote {provenance}")


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="The corpus to read.")],
    out: Annotated[Path, typer.Argument(help="The one to write: .jsonl, .jsonl.gz or .parquet.")],
) -> None:
    """Write a corpus in another shape, JSON Lines or a Parquet dataset, without loss.

    A .parquet corpus is a folder with a part for each encoder and source. Its
    sha256 is that of the list sha256sum makes of its parts, sorted by name.
    """
    rows, digest = convert_corpus(file, out)
    render.say(f"{out}: {rows} rows, sha256 {digest}")


@app.command()
def datasheet(
    file: Annotated[Path, typer.Argument(help="The corpus.")],
    out: Annotated[Path, typer.Option("--out", help="The Markdown page to write.")],
    provenance: Annotated[
        Path | None,
        typer.Option("--provenance", help="Its provenance file, as `corpus build` writes it."),
    ] = None,
) -> None:
    """Write a corpus's datasheet: contents, making, licences, limits."""
    extras.require("corpus datasheet")
    from vqcast.pages.datasheet import datasheet as page

    origin = read_provenance(provenance) if provenance else None
    write_atomic(out, page(load(file), origin).encode())
    render.say(f"wrote {out}")


@app.command()
def plot(
    file: Annotated[Path, typer.Argument(help="The corpus.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture: .png or .svg.")],
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="Sources to draw, one row each. Default: all in one row."),
    ] = None,
) -> None:
    """Draw VMAF over bits and over the quality number, a curve for each encoder."""
    extras.require("corpus plot")
    from vqcast.pages import curve_charts, ink, picture, points

    found = points.points_of(load(file))
    names = options.split(source or [])
    with ink.style():
        if names:
            chosen = points.of_sources(found, names)
            drawn = curve_charts.by_source(chosen, f"{file.name}: {', '.join(names)}")
        else:
            count = len({point.source for point in found})
            drawn = curve_charts.overview(found, f"{file.name}: {count} sources")
        picture.write(drawn, out)
    render.say(f"wrote {out}")
