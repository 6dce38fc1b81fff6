"""What a report is about: the models of a run folder or a registry, with their evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcast import documents
from vqcast.documents.evidence import FoldReport, LosoReport, SliceReport, Verdict
from vqcast.documents.registry import Registry
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.evidence.metrics import mean_or_none
from vqcast.regressor.spec import ENSEMBLE, SPECS, Spec, spec_of
from vqcast.serve.folder import REGISTRY_NAME, Folder
from vqcast.vocab import slot_of

NOUNS = {"frame": "frames", "pooled": "clip means"}
"""What intervals are of, by the name of their target."""
_SEED = re.compile(r"seed\d+")


@dataclass(frozen=True, slots=True)
class Piece:
    """One file that figures are read from."""

    name: str
    """Relative to the run folder or the registry, or the file's own name."""
    sha256: str
    n_bytes: int
    path: Path

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.name.rpartition("/")[2]

    @property
    def series(self) -> str:
        """What is cited as one: files that differ by their seed alone."""
        return _SEED.sub("seed*", self.file)


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
class Subject:
    """One model family's verdict and the evidence that it pins."""

    model: Spec
    verdict: Verdict
    found: evidence.Evidence
    pieces: dict[str, Piece]
    """By their short name, the verdict under its own."""
    verdict_name: str

    @property
    def reports(self) -> list[LosoReport]:
        """Every seed's report, in the order of seeds."""
        return [self.found.reports[seed] for seed in sorted(self.found.reports)]

    @property
    def loso_names(self) -> list[str]:
        """The reports' file names."""
        return [evidence.loso_name(seed) for seed in sorted(self.found.reports)]

    @property
    def prediction_names(self) -> list[str]:
        """The file names of the out-of-fold predictions that were kept."""
        return list(self.found.prediction_digests)

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


def read_run(run_dir: Path) -> Subject:
    """The model of a run folder.

    Raises EvidenceError where there is no evidence, no verdict, or one on other evidence.
    """
    found = evidence.read(run_dir)
    verdict, data = evidence.read_verdict(run_dir)
    name = f"{verdict.verdict}.json"
    files = {**found.files, name: data}
    return _subject(verdict, name, found, files, where=run_dir, below="", again=f" {run_dir}")


def read_registry(root: Path) -> list[Subject]:
    """Every model of a registry that stands on a verdict, the ensemble first.

    Raises RegistryError for a folder that is not whole, EvidenceError where no
    model has a verdict or a verdict is of other evidence.
    """
    folder = Folder(root)
    folder.require_whole()
    subjects = subjects_in(folder.files, where=root)
    if not subjects:
        raise EvidenceError(
            f"{root}: holds no model with a verdict", hint="report a run folder: vqcast report DIR"
        )
    return subjects


def subjects_in(files: Mapping[str, bytes], *, where: Path) -> list[Subject]:
    """`read_registry` of files that are known to be whole; none is an empty list."""
    registry = documents.decode(Registry, files[REGISTRY_NAME], where=REGISTRY_NAME)
    ids = {row.id for row in registry.models}
    subjects = []
    for model in SPECS.values():
        name, prefix = model.verdict_name, evidence.prefix(model.id)
        if name not in files or not all(model.member_id(seed) in ids for seed in model.seeds):
            continue
        verdict = documents.decode(Verdict, files[name], where=f"{where}/{name}")
        mine = {
            key.removeprefix(prefix): data for key, data in files.items() if key.startswith(prefix)
        }
        found = evidence.parse(mine, where=f"{where}/{prefix.rstrip('/')}")
        subject = _subject(verdict, name, found, found.files, where=where, below=prefix, again="")
        subject.pieces[name] = _piece(name, files[name], where)
        subjects.append(subject)
    return subjects


def _subject(
    verdict: Verdict,
    name: str,
    found: evidence.Evidence,
    files: Mapping[str, bytes],
    *,
    where: Path,
    below: str,
    again: str,
) -> Subject:
    if dict(verdict.evidence) != found.digests:
        raise EvidenceError(
            f"{where}/{name}: was given on other evidence than what lies there",
            hint=f"vqcast gate{again or ' --help'}",
        )
    return Subject(
        model=spec_of(verdict.model or ENSEMBLE.id),
        verdict=verdict,
        found=found,
        pieces={key: _piece(below + key, data, where) for key, data in files.items()},
        verdict_name=name,
    )


def _piece(name: str, data: bytes, root: Path) -> Piece:
    return Piece(name, sha256_bytes(data), len(data), root / name)
