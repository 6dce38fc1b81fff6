"""What the evidence of a network family shows: figures of held-out rows, claims, slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqcast.documents.evidence import FoldReport, LosoReport, SliceReport, Verdict
from vqcast.evidence.folder import Evidence
from vqcast.evidence.metrics import mean_or_none
from vqcast.regressor.spec import Spec
from vqcast.vocab import slot_of

NOUNS = {"frame": "frames", "pooled": "clip means"}
"""What intervals are of, by the name of their target."""


@dataclass(frozen=True, slots=True)
class Line:
    """One source or encoder: metrics of its held-out rows, mean over the seeds."""

    name: str
    n: int
    plcc: float | None
    srocc: float | None
    rmse: float | None
    seed_plccs: tuple[float | None, ...]

    @property
    def row(self) -> tuple[str, int, float | None, float | None, float | None]:
        """Its line of a table."""
        return self.name, self.n, self.plcc, self.srocc, self.rmse


@dataclass(frozen=True, slots=True)
class Claim:
    """The coverage of one kind of interval, in percent: what the gate asks, what was measured."""

    target: str
    nominal: float
    least: float
    covered: float
    width: float
    """Mean, in VMAF points."""
    n: int
    n_groups: int

    @property
    def noun(self) -> str:
        """What the intervals are of."""
        return NOUNS[self.target]

    @property
    def passed(self) -> bool:
        """Whether enough of them held."""
        return self.least <= self.covered <= 100.0


@dataclass(frozen=True, slots=True)
class Results:
    """One model's verdict and the evidence that it pins."""

    model: Spec
    verdict: Verdict
    found: Evidence

    @property
    def reports(self) -> list[LosoReport]:
        """Every seed's report, in the order of seeds."""
        return [self.found.reports[seed] for seed in sorted(self.found.reports)]

    @property
    def unit(self) -> str:
        """What a fold held out: a source, or a whole content group."""
        return "source" if self.reports[0].hold_out == "src" else "group"

    @property
    def n_rows(self) -> int:
        """Frames that were held out, each once a seed."""
        return sum(fold.n_val for fold in self.reports[0].folds)

    @property
    def sources(self) -> list[Line]:
        """Every held-out source (or group), the lowest PLCC first."""
        return _lines([{fold.held_out: fold for fold in each.folds} for each in self.reports])

    @property
    def encoders(self) -> list[Line]:
        """Every encoder's held-out rows, the lowest PLCC first."""
        return _lines([{part.name: part for part in each.encoders} for each in self.reports])

    @property
    def group_mean(self) -> tuple[int, float] | None:
        """How many content groups were held out whole, and the mean PLCC; None where none was."""
        groups = [report.groups for report in self.reports if report.groups]
        mean = mean_or_none([group.mean_plcc for group in groups])
        return None if mean is None else (groups[0].n_folds, mean)

    @property
    def group_least(self) -> float | None:
        """The lowest PLCC of a content group in any seed."""
        plccs = [report.groups.min_plcc for report in self.reports if report.groups]
        return min((plcc for plcc in plccs if plcc is not None), default=None)

    @property
    def claims(self) -> list[Claim]:
        """The coverage that the verdict claims; empty where it claims none."""
        claim, report = self.verdict.intervals, self.found.intervals
        if claim is None or report is None:
            return []
        counts = {"frame": self.n_rows, "pooled": report.calibration.n_cells}
        return [
            Claim(
                target=target,
                nominal=100 * claim.nominal_coverage,
                least=100 * claim.coverage_min,
                covered=100 * covered,
                width=report.coverage[target].mean_width,
                n=counts[target],
                n_groups=claim.n_groups,
            )
            for target, covered in sorted(claim.coverage.items())
        ]

    @property
    def slot_rows(self) -> dict[str, int]:
        """Rows behind each slot of the vocabulary; empty where the model reads no codec."""
        slots = self.model.vocabulary
        rows = dict.fromkeys(slots, 0)
        for part in self.reports[0].encoders:
            if slots:
                rows[slots[slot_of(part.name, slots)]] += part.n
        return rows


def _lines(seeds: Sequence[Mapping[str, FoldReport] | Mapping[str, SliceReport]]) -> list[Line]:
    lines = []
    for name, first in seeds[0].items():
        same = [each[name] for each in seeds if name in each]
        values = {
            metric: [getattr(part, metric) for part in same] for metric in ("plcc", "srocc", "rmse")
        }
        lines.append(
            Line(
                name=name,
                n=first.n_val if isinstance(first, FoldReport) else first.n,
                **{metric: mean_or_none(each) for metric, each in values.items()},
                seed_plccs=tuple(values["plcc"]),
            )
        )
    return sorted(lines, key=lambda line: (line.plcc is not None, line.plcc or 0.0, line.name))
