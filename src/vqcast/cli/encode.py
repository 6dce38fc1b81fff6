"""``vqcast encode``: tune, encode with the answer, measure the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqcast.cli import options, render, tune
from vqcast.documents import to_dict


def encode(
    input: tune.Input,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write: .mkv, .mp4, .webm or .mov.")
    ],
    encoder: tune.Encoder,
    target: tune.Target,
    confidence: tune.Confidence = 0.95,
    preset: tune.Preset = None,
    metric: tune.Metric = "vmaf",
    pool: tune.Pool = "mean",
    score_size: tune.ScoreSize = "",
    max_size_percent: tune.MaxSize = None,
    min_crf: tune.MinCrf = None,
    max_crf: tune.MaxCrf = None,
    crf_step: tune.CrfStep = None,
    tolerance: tune.Tolerance = None,
    whole: tune.Whole = None,
    verify: tune.Verify = False,
    registry: tune.Forecasters = None,
    public_key: options.PublicKey = None,
    require_signature: options.RequireSignature = False,
    min_serial: options.MinSerial = None,
    trust_file: options.TrustFile = None,
    cache: tune.Cache = None,
    no_cache: tune.NoCache = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUTPUT if it is there.")
    ] = False,
    json: tune.Lines = False,
) -> None:
    """Find the CRF that reaches the target, encode with it, and measure what came out.

    Audio, subtitles, chapters and timestamps are copied. Exit codes: 0 the
    encode was measured and reaches the target; 3 it does not (best effort); 4
    the size cap was hit; 1 a tool failed; 2 bad input.
    """
    options.require_media()
    from vqcast.media.deliver import check_output
    from vqcast.media.source import probe
    from vqcast.media.tool import find_ffmpeg
    from vqcast.tuning.encode import encode as deliver

    tool = find_ffmpeg()
    source = probe(input, tool)
    check_output(source, encoder, output, overwrite=overwrite)
    found = tune.run(
        source, json=json, encoder=encoder, target=target, confidence=confidence, preset=preset,
        metric=metric, pool=pool, score_size=score_size, max_size_percent=max_size_percent,
        min_crf=min_crf, max_crf=max_crf, crf_step=crf_step, tolerance=tolerance, whole=whole,
        verify=verify, registry=registry, cache=cache, keep=not no_cache,
        trust=options.trust(public_key, require_signature, min_serial, trust_file),
    )  # fmt: skip
    if not json:
        tune.show(found, curve=False)
    with render.counting_bar("encoding", source.frames) as update:
        made = deliver(source, output, found, tool, overwrite=overwrite, on_progress=update)
    if json:
        render.print_json_line(to_dict(made))
    else:
        word = "reaches" if made.met else "misses"
        render.say(
            f"{made.output}: {found.metric} {made.score:.2f} measured, {word} {made.target:g}; "
            f"{tune.size_text(made.bytes)}, {made.size_percent:.1f} % of the source"
        )
    status = tune.EXIT_STATUS[found.status] or (0 if made.met else tune.EXIT_STATUS["best_effort"])
    if status:
        raise typer.Exit(status)
