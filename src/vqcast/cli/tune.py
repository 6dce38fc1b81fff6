"""``vqcast tune``: the CRF that meets a target, with a stated confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vqcast.cli import options, render
from vqcast.documents import to_dict
from vqcast.documents.tune import TuneProbed, TuneResult, TuneStart
from vqcast.errors import InputError

if TYPE_CHECKING:
    from vqcast.media.source import Source

EXIT_STATUS = {"met": 0, "best_effort": 3, "size_cap": 4}

Input = Annotated[Path, typer.Argument(help="The video.", metavar="INPUT")]
Encoder = Annotated[str, typer.Option(help="The encoder, by ffmpeg's name.")]
Target = Annotated[float, typer.Option(help="The score to reach, VMAF points.")]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence", "--quality-confidence", help="How sure the answer is to reach the target."
    ),
]
Preset = Annotated[str | None, typer.Option(help="The encoder's preset. Default: a usual one.")]
Metric = Annotated[str, typer.Option(help="vmaf (v0.6.1) or vmaf-v1.")]
Pool = Annotated[
    str, typer.Option(help="One score from all frames: mean, harmonic, p1 or worst-second.")
]
ScoreSize = Annotated[
    str,
    typer.Option(help="Compare pictures at WxH, everywhere. Default: the source's own size."),
]
MaxSize = Annotated[
    float | None, typer.Option(help="Largest video, in percent of the source file.")
]
MinCrf = Annotated[float | None, typer.Option(help="Lowest CRF allowed.")]
MaxCrf = Annotated[float | None, typer.Option(help="Highest CRF allowed.")]
CrfStep = Annotated[
    float | None, typer.Option(help="Step between CRFs. Default: 0.5 for x264 and x265, else 1.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="Expected waste of size, percent, that is not worth another probe."),
]
Whole = Annotated[
    bool | None,
    typer.Option(
        "--whole/--sample", help="Probe all frames, or segments. Default: segments above 2 min."
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="End on a CRF at which the whole title was measured.")
]
Forecasters = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        help="The forecaster's registry. Default: the one that travels with vqcast.",
        show_default=False,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Where probes are kept. Default: the user's cache folder."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep probes.")]
Lines = Annotated[bool, typer.Option("--json", help="Print JSON lines: start, probes, result.")]


def tune(
    input: Input,
    encoder: Encoder,
    target: Target,
    confidence: Confidence = 0.95,
    preset: Preset = None,
    metric: Metric = "vmaf",
    pool: Pool = "mean",
    score_size: ScoreSize = "",
    max_size_percent: MaxSize = None,
    min_crf: MinCrf = None,
    max_crf: MaxCrf = None,
    crf_step: CrfStep = None,
    tolerance: Tolerance = None,
    whole: Whole = None,
    verify: Verify = False,
    registry: Forecasters = None,
    public_key: options.PublicKey = None,
    require_signature: options.RequireSignature = False,
    min_serial: options.MinSerial = None,
    trust_file: options.TrustFile = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    curve: Annotated[
        bool, typer.Option("--curve", help="Print the forecast at every CRF, too.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curve: .png or .svg.", show_default=False)
    ] = None,
    json: Lines = False,
) -> None:
    """Find the highest CRF that reaches the target, and say how sure that is.

    Exit codes: 0 met with the confidence; 3 best effort, the target is out of
    reach; 4 the size cap was hit; 1 a tool failed; 2 bad input. Interrupted, it
    goes on from the probes that it has.
    """
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"{plot}: a picture ends in .png or .svg")
    result = run(
        input, json=json, encoder=encoder, target=target, confidence=confidence, preset=preset,
        metric=metric, pool=pool, score_size=score_size, max_size_percent=max_size_percent,
        min_crf=min_crf, max_crf=max_crf, crf_step=crf_step, tolerance=tolerance, whole=whole,
        verify=verify, registry=registry, cache=cache, keep=not no_cache,
        trust=options.trust(public_key, require_signature, min_serial, trust_file),
    )  # fmt: skip
    if not json:
        show(result, curve=curve)
    if plot is not None:
        options.require("report", "matplotlib")
        from vqcast.pages import tune_charts

        tune_charts.write(result, plot)
        render.note(f"drew {plot}")
    if EXIT_STATUS[result.status]:
        raise typer.Exit(EXIT_STATUS[result.status])


def run(
    input: Path | Source, *, json: bool, score_size: str, tolerance: float | None, **asked: Any
) -> TuneResult:
    """Tune, telling each step as it ends."""
    options.require_media()
    from vqcast.tuning.session import tune as search

    if tolerance is not None:
        asked["tolerance_percent"] = tolerance
    with telling(json) as tell:
        return search(input, score_size=size_of(score_size), on_event=tell, **asked)


def size_of(text: str) -> tuple[int, int] | None:
    """``"1280x720"`` as numbers; None for an empty text."""
    if not text:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"--score-size {text!r} is not WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)


@contextmanager
def telling(json: bool) -> Iterator[Callable[[Any], None]]:
    """What is said of each event: JSON lines, or a line a probe and a spinner meanwhile."""
    with render.spinner("reading the video") as update:
        done: list[float] = []

        def tell(event: Any) -> None:
            if json:
                render.print_json_line(to_dict(event))
            if isinstance(event, TuneStart):
                for words in event.notes:
                    render.note(f"note: {words}")
                if event.forecaster.sha256 is None:
                    render.note(
                        "note: no promoted forecaster knows this encoder, metric and size; "
                        "a generic Gaussian answers, with more probes"
                    )
            elif isinstance(event, TuneProbed):
                done.append(event.probe.wall_s)
                if not json:
                    render.say(probe_line(len(done), event))
            left = max(2 - len(done), 1) * done[-1] if done else None
            ahead = "" if left is None else f", about {left:.0f} s if it is the last"
            update(f"probe {len(done) + 1}{ahead}")

        yield tell


def probe_line(number: int, event: TuneProbed) -> str:
    """One probe in words."""
    probe = event.probe
    part = "" if probe.whole else f", {probe.frames} frames sampled"
    kept = " (measured earlier)" if probe.reused else f", {probe.wall_s:.1f} s"
    return f"probe {number}: CRF {probe.crf:g} gives {probe.score:.2f}{part}{kept}"


def show(result: TuneResult, *, curve: bool) -> None:
    """The answer, and the whole curve where asked for."""
    if curve:
        render.table(
            ("CRF", result.metric, "interval", f"P(>= {result.target:g})", "size"),
            [
                (f"{point.crf:g}", f"{point.score:.2f}", f"{point.lower:.2f}..{point.upper:.2f}",
                 f"{point.probability:.0%}", size_text(point.bytes))
                for point in result.curve
            ],
        )  # fmt: skip
    words = {"met": "", "best_effort": "best effort: ", "size_cap": "size cap: "}[result.status]
    render.say(f"{words}CRF {result.crf:g}")
    interval = (
        "measured"
        if result.basis == "verified"
        else f"{result.confidence:.0%} interval {result.lower:.2f}..{result.upper:.2f}"
    )
    render.say(
        f"  {result.metric} {result.score:.2f} ({interval})"
        + (
            f", {min(result.probability, 0.99):.0%} sure of {result.target:g}"
            if result.basis == "forecast"
            else ""
        )
    )
    size = size_text(result.bytes)
    if result.basis == "forecast":
        size += f" ({size_text(result.bytes_lower)}..{size_text(result.bytes_upper)})"
    render.say(f"  video {size}, {result.size_percent:.1f} % of the source")
    render.say(f"  {result.reason}")


def size_text(size: int) -> str:
    """Bytes in the unit that people read."""
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
