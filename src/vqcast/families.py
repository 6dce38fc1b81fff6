"""The model families: one table, and the one protocol that each of them implements.

A family is a package that says what it reads, how it is trained, judged, fitted and exported,
verified, rebuilt and shown. Commands, registry and pages ask the table for it by id, and never
which family it is::

    chosen = family("fr_regressor_v3")
    trained = chosen.train(Corpora([path]), run_dir, Training(), watch=Watch())

Adding one is a package and an entry of ``FAMILIES`` (docs/howto/family.md). An entry is a dotted
name, so that reading the table imports no family, and verifying a registry no training extra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from vqcast import documents
from vqcast.documents.base import Document
from vqcast.documents.evidence import AnyVerdict, OwnerOfEvidence
from vqcast.documents.registry import AnyRow
from vqcast.durable.files import read_regular
from vqcast.errors import EvidenceError, InputError
from vqcast.evidence.gate import PROMOTE
from vqcast.watch import Table, Watch

if TYPE_CHECKING:
    from vqcast.corpus.table import Corpus

DEFAULT = "fr_regressor_v2_ensemble_v1"

FAMILIES: dict[str, str] = {
    DEFAULT: "vqcast.regressor.family:ENSEMBLE",
    "fr_regressor_v1": "vqcast.regressor.family:V1",
    "fr_regressor_v2": "vqcast.regressor.family:V2",
    "fr_regressor_v3": "vqcast.regressor.family:V3",
    "crf_forecast_v1": "vqcast.forecast.family:V1",
    "crf_forecast_v2": "vqcast.forecast.family:V2",
}
"""Model id -> where its family is defined, ``package.module:NAME``."""


class Corpora:
    """The corpora that a command was given, each read at most once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._read: dict[Path, Corpus] = {}

    @classmethod
    def of(cls, given: Corpora | Sequence[Path]) -> Corpora:
        """The same, or those at the paths given."""
        return given if isinstance(given, Corpora) else cls(given)

    def one(self, model_id: str) -> Corpus:
        """The corpus of a model that is made from one. Raises InputError for several."""
        if len(self.paths) != 1:
            raise InputError(
                f"{model_id} is made from one corpus, {len(self.paths)} are given",
                hint="give --corpus once",
            )
        return self.all()[0]

    def all(self) -> list[Corpus]:
        """Every corpus in the order given. Raises CorpusError for what can't be trained on."""
        from vqcast.corpus.table import load  # reading rows needs the training extra

        for path in self.paths:
            if path not in self._read:
                self._read[path] = load(path)
        return [self._read[path] for path in self.paths]


@dataclass(frozen=True, slots=True)
class Training:
    """What may be asked of a training; what is left out is the family's own choice."""

    seeds: tuple[int, ...] | None = None
    epochs: int | None = None
    hold_out: str | None = None
    """``src`` or ``group``: what a fold leaves out."""
    dry_run: bool = False
    """As short as can be, and marked so that no gate accepts it."""
    unseen: bool = False
    """Also refit without each preset and each encoder, and measure what that costs."""

    @property
    def given(self) -> list[str]:
        """The names of what is asked for."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]


@dataclass(frozen=True, slots=True)
class Trained:
    """The evidence that a training wrote into its run folder."""

    model_id: str
    evidence: Document | list[Document]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate's verdict on a run folder."""

    verdict: AnyVerdict
    recommendation: str
    """What to do, in a sentence."""
    tables: tuple[Table, ...]

    @property
    def promotes(self) -> bool:
        """Whether the verdict is PROMOTE."""
        return self.verdict.verdict == PROMOTE


@dataclass(frozen=True, slots=True)
class Package:
    """What a promotion installs: rows, the models' files, and what they stand on."""

    rows: Sequence[AnyRow]
    files: Mapping[str, bytes]
    grounds: Mapping[str, bytes] = field(default_factory=dict)
    """Verdict and evidence under their names in a registry; empty for a scaffold."""
    checked: str = ""
    """What was checked before it may be installed, in a sentence."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """That check's figures, by name."""


MAX_REBUILD_DIFFERENCE = 0.05
"""VMAF points between two makings on different software (CONTRACTS §6)."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How one promoted model compares with the same model made again."""

    model_id: str
    same_bytes: bool
    worst: float
    """Largest difference in VMAF points over the corpus."""

    @property
    def problem(self) -> str | None:
        """A sentence where the two differ by more than the law allows."""
        if self.worst <= MAX_REBUILD_DIFFERENCE:
            return None
        return f"{self.model_id}: trained again it differs by {self.worst:.3f} VMAF"


class Family(Protocol):
    """Everything that vqcast asks of a model family."""

    @property
    def id(self) -> str:
        """The model's id, also the name of its folder of evidence."""

    @property
    def row_ids(self) -> tuple[str, ...]:
        """The registry rows that may be its own."""

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """Patterns of the evidence files in a run folder; each says ``model`` inside."""

    @property
    def verdict_name(self) -> str:
        """The file in a registry that holds the verdict its rows stand on."""

    @property
    def options(self) -> frozenset[str]:
        """Which fields of `Training` it understands, and ``scaffold`` where it has scaffolds."""

    @property
    def exported_by_training(self) -> bool:
        """Whether ``train`` also judges it and writes its files into the run folder."""

    def train(self, corpora: Corpora, run_dir: Path, asked: Training, *, watch: Watch) -> Trained:
        """Measure what it is worth on data it has not seen, and leave the evidence in ``run_dir``.

        A killed training goes on where it stopped. Installs nothing.
        """

    def judge(self, run_dir: Path, *, generated_at_utc: str) -> Judged:
        """The verdict on a run folder's evidence, a function of it alone; writes nothing.

        Raises EvidenceError for evidence that can't be judged.
        """

    def fit(self, run_dir: Path, corpora: Corpora, *, scaffold: bool, watch: Watch) -> Package:
        """Fit on everything, export, and check the export, once the verdict is seen to stand.

        With ``scaffold`` the verdict must be HOLD, and the rows are smoke. Raises GateHeld,
        EvidenceError or ParityError; writes nothing.
        """

    def problems(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> list[str]:
        """Why its rows of a registry may not stand, in words; empty where all is well.

        ``rows`` are those of ``row_ids`` that the registry has, ``files`` all its files. That
        each model's file is there, self-contained and has its digest is the registry's own check.
        """

    @property
    def card(self) -> str:
        """Its templates' name: ``NAME_card.md.j2`` and ``NAME_line.md.j2`` of `vqcast.pages`.

        ``package:NAME`` are those of another package's folder ``templates``.
        """

    def card_facts(self, rows: Mapping[str, AnyRow], files: Mapping[str, bytes]) -> dict[str, Any]:
        """What those templates read; among it ``corpora``, the sha256 of each it was made from.

        Raises EvidenceError where its evidence is missing.
        """

    def rebuild(
        self,
        rows: Mapping[str, AnyRow],
        files: Mapping[str, bytes],
        corpora: Corpora,
        *,
        watch: Watch,
    ) -> list[Rebuilt]:
        """Make the promoted models of ``rows`` again and compare.

        Raises EvidenceError where they were made from another corpus.
        """


def family(model_id: str) -> Family:
    """The family of ``model_id``. Raises InputError naming the known ones."""
    if model_id not in FAMILIES:
        raise InputError(
            f"no model family {model_id!r}", hint=f"known: {', '.join(sorted(FAMILIES))}"
        )
    module, _, name = FAMILIES[model_id].partition(":")
    return cast(Family, getattr(import_module(module), name))


def all_families() -> list[Family]:
    """Every family, in the order of the table."""
    return [family(model_id) for model_id in FAMILIES]


def owner_of(row_id: str) -> Family | None:
    """The family that a registry row belongs to, or None for a foreign row."""
    return next((each for each in all_families() if row_id in each.row_ids), None)


def family_of_run(run_dir: Path) -> Family:
    """The family whose evidence lies in a run folder; the default one where it says none.

    Raises EvidenceError where it mixes the evidence of several, InputError for an unknown one.
    """
    patterns = dict.fromkeys(name for each in all_families() for name in each.evidence_names)
    paths = [path for pattern in patterns for path in run_dir.glob(pattern)]
    said = [
        documents.from_bytes(OwnerOfEvidence, read_regular(path), where=str(path)).model
        for path in sorted(paths)
    ]
    models = {model or DEFAULT for model in said}
    if len(models) > 1:
        raise EvidenceError(f"mixes evidence of {', '.join(sorted(models))}", path=run_dir)
    return family(models.pop() if models else DEFAULT)
