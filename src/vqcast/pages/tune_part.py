"""The tunings that a report shows: reading their lines, and their part of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vqcast.documents import jsontext
from vqcast.documents.tune import EncodeResult, TuneResult
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.errors import DocumentError
from vqcast.pages import html, ink, tune_plot
from vqcast.pages.subject import Piece

_HINT = "make one with: vqcast tune ... --json > FILE"
_STATUS = {
    "met": ("met", "pass"),
    "best_effort": ("best effort", "fail"),
    "size_cap": ("size cap hit", "fail"),
}


@dataclass(frozen=True, slots=True)
class Tune:
    """One tuning's answer, and what the final encode measured where there was one."""

    piece: Piece
    result: TuneResult
    encoded: EncodeResult | None


def read_tunes(path: Path) -> list[Tune]:
    """The answers among the lines of ``vqcast tune --json`` or ``vqcast encode --json``.

    Raises DocumentError for a line that is no such line, or a file without an answer.
    """
    data = read_regular(path)
    piece = Piece(path.name, sha256_bytes(data), len(data), path)
    tunes: list[Tune] = []
    for number, line in enumerate(data.splitlines(), start=1):
        where = f"{path}: line {number}"
        try:
            value = jsontext.parse(line or b"null", where=where)
            event = value.get("event") if isinstance(value, dict) else None
            if event == "result":
                tunes.append(Tune(piece, msgspec.convert(value, TuneResult), None))
            elif event == "encoded" and tunes:
                encoded = msgspec.convert(value, EncodeResult)
                tunes[-1] = Tune(piece, tunes[-1].result, encoded)
        except msgspec.ValidationError as error:
            raise DocumentError(f"{where}: {error}", hint=_HINT) from error
        except DocumentError as error:
            raise DocumentError(error.message, hint=_HINT) from error
    if not tunes:
        raise DocumentError(f"{path}: holds no result of a tuning", hint=_HINT)
    return tunes


def tune_part(tunes: Sequence[Tune], cite: Callable[[Piece], str]) -> str:
    """The section of the tunings, as HTML."""
    return "".join(
        _one(tune, f"tune-{number}", cite(tune.piece)) for number, tune in enumerate(tunes)
    )


def _one(tune: Tune, key: str, evidence: str) -> str:
    result = tune.result
    word, kind = _STATUS[result.status]
    whole = sum(probe.whole for probe in result.probes)
    n = (
        f"{len(result.probes)} probes ({whole} of the whole title), {result.frames_encoded:,} "
        f"frames encoded, of a title of {result.source.frames:,}"
    )
    curve = html.table(
        ("CRF", "forecast", "from", "to", "reaches the target, %", "MB"),
        [
            (p.crf, p.score, p.lower, p.upper, 100 * p.probability, p.bytes / 1e6)
            for p in result.curve
        ],
        digits=(1, 2, 2, 2, 1, 3),
    )
    probes = html.table(
        ("CRF", "score", "frames", "", "MB, whole title", "s"),
        [
            (
                probe.crf,
                probe.score,
                probe.frames,
                ("whole" if probe.whole else "sampled") + (", reused" if probe.reused else ""),
                tune_plot.title_bytes(probe, result) / 1e6,
                probe.wall_s,
            )
            for probe in result.probes
        ],
        digits=(1, 2, 0, 0, 3, 1),
    )
    pictures = (
        (
            "quality",
            "Quality over CRF",
            f"{tune_plot.metric(result)} of the whole title with its band; probes as measured. "
            "What lies far under the target is in the table only.",
            tune_plot.quality_figure(result),
            curve,
        ),
        (
            "size",
            "Size over CRF",
            "Sampled probes are carried to the whole title by their share of frames.",
            tune_plot.size_figure(result),
            probes,
        ),
        (
            "rate",
            "Quality over size",
            "What more bits would buy.",
            tune_plot.rate_figure(result),
            "",
        ),
    )
    figures = [
        html.figure(
            title,
            ink.inline(
                chart, name=f"{key}-{name}", title=title, description=tune_plot.answer(result)
            ),
            n=n,
            evidence=evidence,
            note=note,
            fallback=fallback,
        )
        for name, title, note, chart, fallback in pictures
    ]
    return (
        f'<div class="title"><h3>{html.text(tune_plot.heading(result))}</h3>'
        f'<span class="pill {kind}">{word}</span></div>'
        + html.paragraph(
            f"{tune_plot.answer(result)}. {result.reason[:1].upper()}{result.reason[1:]}."
        )
        + _measured(tune)
        + html.paragraph(
            f"Forecast by {result.forecaster.id}"
            + (f" ({result.forecaster.sha256[:12]})" if result.forecaster.sha256 else "")
            + f"; source sha256 {result.source.sha256[:12]}, scored at "
            f"{result.source.score_width}x{result.source.score_height}.",
            kind="quiet",
        )
        + f'<div class="figures">{"".join(figures)}</div>'
    )


def _measured(tune: Tune) -> str:
    made = tune.encoded
    if made is None:
        return ""
    return html.paragraph(
        f"Then encoded at CRF {made.crf:g} and measured: {made.score:.2f}, target "
        f"{made.target:g} {'met' if made.met else 'missed'}, "
        f"{tune_plot.megabytes(made.bytes)} MB."
    )
