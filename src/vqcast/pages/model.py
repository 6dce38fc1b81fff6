"""One model as the report's templates read it: rows of tables, claims, names of its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from vqcast.evidence.evaluation import Figures, Slice
from vqcast.evidence.gate import PROMOTE
from vqcast.pages import accuracy_charts, ink, picture
from vqcast.pages.heldout import HeldOutFigures, Scatter
from vqcast.pages.subject import CitedFile, Subject
from vqcast.pages.template import plural, slug
from vqcast.regressor.results import NOUNS, Claim
from vqcast.vocab import UNKNOWN

Row = tuple[str | float | None, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Nominal against observed coverage of frames or of clip means."""

    target: str
    overall: Sequence[Figures]
    encoders: Sequence[Slice]

    @property
    def noun(self) -> str:
        """What the intervals are of."""
        return NOUNS[self.target]

    @property
    def n(self) -> int:
        """How many intervals were tested."""
        return next(each.measured.n for each in self.overall if each.measured)

    @property
    def n_groups(self) -> int:
        """In how many content groups."""
        return next(each.measured.n_groups for each in self.overall if each.measured)

    @property
    def looks(self) -> dict[str, tuple[str, str]]:
        """Colour and marker of each encoder."""
        return ink.series_of(each.name for each in self.encoders)

    @property
    def key(self) -> dict[str, tuple[str, str, str]]:
        """The same for a key."""
        return {name: (*look, "-") for name, look in self.looks.items()}

    @property
    def heads(self) -> list[str]:
        """The levels, above the columns."""
        return ["nominal", *(f"{100 * each.level:g} %" for each in self.overall)]

    @property
    def rows(self) -> list[Row]:
        """What held of all rows and of each encoder's, in percent."""
        held = {
            (each.name, each.level): 100 * each.measured.coverage
            for each in self.encoders
            if each.target == self.target
        }
        everything = [
            None if each.measured is None else 100 * each.measured.coverage for each in self.overall
        ]
        return [
            ("all", *everything),
            *(
                (name, *(held.get((name, each.level)) for each in self.overall))
                for name in self.looks
            ),
        ]


@dataclass(frozen=True, slots=True)
class Model:
    """One model, and its predictions beside a corpus where there is one."""

    subject: Subject
    held_out: HeldOutFigures | None
    known: Mapping[str, CitedFile]
    """The files that its figures are read from, by short name; the corpus as ``corpus``."""

    @property
    def key(self) -> str:
        """Begins the name of every chart of this model."""
        return self.subject.model.id

    @property
    def promoted(self) -> bool:
        """Whether the verdict is PROMOTE."""
        return self.subject.verdict.verdict == PROMOTE

    @property
    def seeds(self) -> str:
        """How many networks each figure is a mean of."""
        count = len(self.subject.reports)
        return f"mean of {count} seeds" if count > 1 else "one network"

    @property
    def frames(self) -> str:
        """The n of most figures."""
        subject = self.subject
        folds = plural(len(subject.reports[0].folds), subject.unit)
        return f"{plural(subject.n_rows, 'frame')} of {folds}, {self.seeds}"

    @property
    def claims(self) -> list[Claim]:
        """The coverage that the verdict claims, for frames and for clip means."""
        return self.subject.claims

    @property
    def summary_row(self) -> Row:
        """This model among others."""
        subject, gate = self.subject, self.subject.verdict.gate
        spread = gate.plcc_spread if len(subject.reports) > 1 else None
        held = "yes" if self.claims else "no"
        folds = len(subject.reports[0].folds)
        verdict = subject.verdict.verdict
        return self.key, verdict, gate.mean_plcc, spread, folds, subject.n_rows, held

    @property
    def recipe_row(self) -> Row:
        """How its networks were trained."""
        first = self.subject.reports[0]
        return (
            self.key,
            first.corpus or None,
            first.corpus_sha256[:12] or None,
            first.epochs,
            first.batch_size,
            f"{first.lr:g}",
            f"{first.weight_decay:g}",
            sum(report.wall_time_s for report in self.subject.reports),
        )

    @property
    def coverage_heads(self) -> list[str]:
        """The columns of ``coverage_rows`` after encoder and frames."""
        return [f"{claim.noun} held, %" for claim in self.claims]

    @property
    def coverage_rows(self) -> list[Row]:
        """Each encoder's frames, and the share of its intervals that held, in percent."""
        report = self.subject.found.intervals
        if report is None:
            return []
        frames = {line.name: line.n for line in self.subject.encoders}
        covered = [report.coverage[claim.target].encoders for claim in self.claims]
        return [
            (
                name,
                frames.get(name),
                *(100 * each[name] if name in each else None for each in covered),
            )
            for name in sorted({name for each in covered for name in each})
        ]

    @property
    def reliabilities(self) -> list[Reliability]:
        """Of frames and of clip means; empty without a corpus or a claim."""
        found = self.held_out
        if found is None or not found.overall:
            return []
        return [
            Reliability(
                target, [each for each in found.overall if each.target == target], found.encoders
            )
            for target in NOUNS
        ]

    @property
    def scatters(self) -> list[Scatter]:
        """Predicted against measured, the source of the lowest PLCC first."""
        order = {line.name: place for place, line in enumerate(self.subject.sources)}
        found = self.held_out.scatters if self.held_out else []
        return sorted(found, key=lambda each: order.get(each.source, len(order)))

    def scatter_panels(self, scatters: Sequence[Scatter]) -> list[tuple[str, str, Markup]]:
        """Each one's name, n and chart."""
        return [
            (
                each.source,
                f"n = {each.n:,}",
                self.chart(
                    accuracy_charts.scatter(each),
                    f"scatter-{slug(each.source)}",
                    f"Predicted against measured VMAF of {each.source}",
                    f"{each.drawn} of {each.n:,} frames, beside the diagonal.",
                ),
            )
            for each in scatters
        ]

    @property
    def strangers(self) -> list[str]:
        """Encoders that trained the slot for unknown ones."""
        vocabulary = self.subject.model.vocabulary
        names = [line.name for line in self.subject.reports[0].encoders]
        return [name for name in names if name not in vocabulary] if UNKNOWN in vocabulary else []

    @property
    def left_out(self) -> str:
        """Encoders without a slot, and their rows."""
        rows = self.subject.reports[0].rows_excluded
        return ", ".join(f"{name} ({plural(count, 'row')})" for name, count in rows.items())

    @property
    def slot_words(self) -> str:
        """The vocabulary's rows in words, for whoever does not see the chart."""
        return "; ".join(f"{slot}: {count:,}" for slot, count in self.subject.slot_rows.items())

    def files(self, *names: str) -> list[CitedFile]:
        """Evidence files by their short names."""
        return [self.known[name] for name in names]

    def chart(self, figure: Figure, name: str, title: str, description: str) -> Markup:
        """A chart of this model for the page."""
        return picture.inline(
            figure, name=f"{self.key}-{name}", title=title, description=description
        )
