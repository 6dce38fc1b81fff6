"""What a report is about: the models of a run folder or a registry, with their evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vqcast import documents
from vqcast.documents.evidence import Verdict
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError
from vqcast.evidence import folder as evidence
from vqcast.regressor.results import Results
from vqcast.regressor.spec import ENSEMBLE, SPECS, spec_of
from vqcast.serve import folder as registry
from vqcast.serve.folder import Folder

_SEED = re.compile(r"seed\d+")


@dataclass(frozen=True, slots=True)
class CitedFile:
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
class Subject(Results):
    """One model's results, and the files that they are read from."""

    pieces: dict[str, CitedFile]
    """By their short name, the verdict under its own."""
    verdict_name: str

    @property
    def loso_names(self) -> list[str]:
        """The reports' file names."""
        return [evidence.loso_name(seed) for seed in sorted(self.found.reports)]

    @property
    def prediction_names(self) -> list[str]:
        """The file names of the out-of-fold predictions that were kept."""
        return [name for name in self.found.prediction_digests if name.startswith("oof_")]


def read_run(run_dir: Path) -> Subject:
    """The model of a run folder.

    Raises EvidenceError where there is no evidence, no verdict, or one on other evidence.
    """
    found = evidence.read(run_dir)
    verdict, data = evidence.read_verdict(Verdict, run_dir)
    name = f"{verdict.verdict}.json"
    files = {**found.files, name: data}
    return _subject(verdict, name, found, files, where=run_dir, below="", again=f" {run_dir}")


def read_registry(root: Path) -> list[Subject]:
    """Every network of a registry that stands on a verdict, the ensemble first.

    Raises RegistryError for a folder that is not whole, EvidenceError where no
    model has a verdict or a verdict is of other evidence.
    """
    folder = Folder(root)
    folder.require_whole()
    files = folder.files
    ids = {row.id for row in registry.read_registry(files).models}
    subjects = []
    for model in SPECS.values():
        name, prefix = model.verdict_name, evidence.prefix(model.id)
        if name not in files or not all(model.member_id(seed) in ids for seed in model.seeds):
            continue
        verdict = documents.from_bytes(Verdict, files[name], where=f"{root}/{name}")
        mine = {
            key.removeprefix(prefix): data for key, data in files.items() if key.startswith(prefix)
        }
        found = evidence.parse(mine, where=f"{root}/{prefix.rstrip('/')}")
        subject = _subject(verdict, name, found, found.files, where=root, below=prefix, again="")
        subject.pieces[name] = _piece(name, files[name], root)
        subjects.append(subject)
    if not subjects:
        raise EvidenceError(
            "holds no network with a verdict",
            path=root,
            hint=f"the figures of other models are on their cards: vqcast registry cards {root}",
        )
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


def _piece(name: str, data: bytes, root: Path) -> CitedFile:
    return CitedFile(name, sha256_bytes(data), len(data), root / name)
