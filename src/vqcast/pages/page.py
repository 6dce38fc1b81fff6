"""The whole page: one HTML file that needs nothing else.

No script, no font, no request: charts are inline SVG and the theme follows
``prefers-color-scheme``. The same evidence gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from vqcast.evidence.gate import PROMOTE
from vqcast.pages import html, ink
from vqcast.pages.corpus_part import Measured, corpus_part
from vqcast.pages.model_part import model_part
from vqcast.pages.part import Part
from vqcast.pages.subject import Piece, Subject
from vqcast.pages.tune_part import Tune, tune_part

if TYPE_CHECKING:
    from vqcast.pages.heldout import HeldOut

Href = Callable[[Path], str | None]
"""Where a link to a file on disk may lead from the page; None where it may not."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SEED = re.compile(r"seed\d+")
_GROUND = ("#f4f6f8", "#10151b")


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that a page shows."""

    title: str
    subjects: Sequence[Subject]
    held_out: dict[str, HeldOut | None] = field(default_factory=dict)
    """By model id; None where the corpus given is another than the model's."""
    corpus: Measured | None = None
    tunes: Sequence[Tune] = ()


def page(content: Content, *, href: Href = lambda path: None) -> str:
    """The report as HTML."""
    with ink.style():
        parts = [_head(content), "<main>", _summary(content)]
        for number, subject in enumerate(content.subjects):
            part = Part(
                subject, content.held_out.get(subject.model.id), _citing(subject, content.corpus)
            )
            parts.append(model_part(part, unfolded=number == 0))
        if content.corpus is not None:
            parts.append(
                _section(
                    "corpus",
                    "The corpus",
                    corpus_part(content.corpus, cite([content.corpus.piece])),
                )
            )
        if content.tunes:
            parts.append(
                _section(
                    "tunings", "Tunings", tune_part(content.tunes, lambda piece: cite([piece]))
                )
            )
        parts += [_provenance(content, href), "</main>", _foot()]
    return "".join(parts)


def cite(pieces: Iterable[Piece]) -> str:
    """Links to the files' lines among the page's sources, with the start of their digests.

    Files that differ by their seed alone share one name.
    """
    named: dict[str, list[Piece]] = {}
    for piece in pieces:
        named.setdefault(_SEED.sub("seed*", piece.name.rpartition("/")[2]), []).append(piece)
    said = []
    for name, same in named.items():
        shown = name if len(same) > 1 else same[0].name.rpartition("/")[2]
        links = " ".join(
            f'<a href="#{_anchor(piece)}"><code>{piece.sha256[:8]}</code></a>' for piece in same
        )
        said.append(f"{html.text(shown)} {links}")
    return ", ".join(said)


def _anchor(piece: Piece) -> str:
    return f"file-{piece.sha256[:8]}-{ink.slug(piece.name)}"


def _citing(subject: Subject, corpus: Measured | None) -> Callable[[Iterable[str]], str]:
    known = dict(subject.pieces)
    if corpus is not None:
        known["corpus"] = corpus.piece
    return lambda names: cite(known[name] for name in names)


def _section(key: str, title: str, body: str) -> str:
    return f'<section class="part" id="{key}"><h2>{html.text(title)}</h2>{body}</section>'


def _head(content: Content) -> str:
    links = [(subject.model.id, subject.model.id) for subject in content.subjects]
    links += [("corpus", "corpus")] if content.corpus else []
    links += [("tunings", "tunings")] if content.tunes else []
    links.append(("sources", "provenance"))
    items = "".join(f'<li><a href="#{key}">{html.text(name)}</a></li>' for key, name in links)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,">'
        f"<title>{html.text(content.title)}</title><style>{_css()}</style></head><body>"
        f'<header class="top"><h1>{html.text(content.title)}</h1>'
        + html.paragraph(
            "How well held-out video was predicted, whether that is enough to ship, and which "
            "files say so.",
            kind="lead",
        )
        + f'<nav aria-label="Parts of this page"><ul>{items}</ul></nav></header>'
    )


def _css() -> str:
    def variables(theme: int) -> str:
        shown = {name: (light, dark) for light, (name, dark) in ink.VARIABLES.items()}
        shown["ground"] = _GROUND
        return "".join(f"--{name}:{values[theme]};" for name, values in shown.items())

    sheet = (files("vqcast.pages") / "page.css").read_text()
    return (
        f":root{{color-scheme:light dark;--font:{_FONT};--mono:{_MONO};{variables(0)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}{sheet}"
    )


def _summary(content: Content) -> str:
    note = html.paragraph(
        "Per-frame VMAF v0.6.1 is a deterministic function of the six features that these "
        "networks read: a PLCC near 1 shows that the chain is sound, not that a network knows "
        "more than libvmaf.",
        kind="quiet",
    )
    if len(content.subjects) < 2:
        return note
    rows = []
    for subject in content.subjects:
        gate = subject.verdict.gate
        rows.append(
            (
                subject.model.id,
                subject.verdict.verdict,
                gate.mean_plcc,
                gate.plcc_spread if len(subject.reports) > 1 else None,
                len(subject.reports[0].folds),
                subject.n_rows,
                "yes" if subject.found.intervals else "no",
            )
        )
    held = sum(subject.verdict.verdict == PROMOTE for subject in content.subjects)
    words = f"{held} of {len(rows)} models stand on a {PROMOTE} verdict."
    columns = ("model", "verdict", "mean PLCC", "spread", "folds", "frames", "interval")
    return note + html.paragraph(words) + html.table(columns, rows, digits=(0, 0, 5, 5))


def _provenance(content: Content, href: Href) -> str:
    pieces: dict[str, Piece] = {}
    for subject in content.subjects:
        named = sorted(subject.pieces.values(), key=lambda piece: piece.name)
        pieces |= {_anchor(piece): piece for piece in named}
    if content.corpus is not None:
        pieces[_anchor(content.corpus.piece)] = content.corpus.piece
    pieces |= {_anchor(tune.piece): tune.piece for tune in content.tunes}
    items = "".join(
        f'<li id="{anchor}"><span class="name">{_linked(piece, href)}</span>'
        f'<span class="bytes">{piece.n_bytes:,} bytes</span><code>{piece.sha256}</code></li>'
        for anchor, piece in pieces.items()
    )
    recipes = []
    for subject in content.subjects:
        first = subject.reports[0]
        recipes.append(
            (
                subject.model.id,
                first.corpus or "-",
                first.corpus_sha256[:12] or "-",
                first.epochs,
                first.batch_size,
                f"{first.lr:g}",
                f"{first.weight_decay:g}",
                sum(report.wall_time_s for report in subject.reports),
            )
        )
    columns = ("model", "corpus", "its sha256", "epochs", "batch", "lr", "weight decay", "fit, s")
    return _section(
        "sources",
        "Provenance",
        html.paragraph(
            "Every figure is read from these files, or computed from them when the page was made. "
            "The verdicts pin the digests of their evidence; a report is refused where they differ."
        )
        + f'<ul class="files">{items}</ul>'
        + "<h3>How the networks were fitted</h3>"
        + html.table(columns, recipes, digits=(0, 0, 0, 0, 0, 0, 0, 0)),
    )


def _linked(piece: Piece, href: Href) -> str:
    target = href(piece.path)
    name = html.text(piece.name)
    return f'<a href="{html.text(target)}">{name}</a>' if target else name


def _foot() -> str:
    return (
        "<footer><p>Written by <code>vqcast report</code>. VMAF 0..100, higher is better. PLCC: "
        "Pearson's correlation; SROCC: Spearman's; RMSE in VMAF points. A cell is one encode of "
        "one source.</p></footer></body></html>\n"
    )
