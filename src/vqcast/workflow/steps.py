"""The steps from a corpus to a promoted model, as typed functions.

The command line and Python both call these; whichever family a model is of, they are the same::

    steps.train("fr_regressor_v3", [Path("corpus.jsonl.gz")], Path("runs/v3"))
    judged = steps.gate(Path("runs/v3"))
    if judged.promotes:
        steps.promote(Path("runs/v3"), [Path("corpus.jsonl.gz")], Path("models"))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vqcast.documents.registry import AnyRow, Signature
from vqcast.durable.files import write_atomic
from vqcast.errors import InputError, RegistryError, SignatureRefused
from vqcast.evidence.folder import write_verdict
from vqcast.families import (
    Corpora,
    Family,
    Judged,
    Rebuilt,
    Trained,
    Training,
    all_families,
    family,
    family_of_run,
)
from vqcast.registry import law
from vqcast.registry.seal import install
from vqcast.serve.folder import Folder, packaged_registry, read_registry
from vqcast.serve.signature import read
from vqcast.serve.trust import Trust
from vqcast.watch import NOBODY, Watch

EXPORT_FOLDER = "export"
"""Where a model that its training exports lies in the run folder."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion installed."""

    registry: Path
    rows: Sequence[AnyRow]
    files: int
    """In the registry now."""
    checked: str
    """What was checked before, in a sentence."""
    figures: dict[str, float]
    """That check's figures, by name."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A registry held against its law."""

    root: Path
    violations: list[str]
    n_files: int
    signature: Signature | None
    signature_checked: bool
    rebuilt: list[Rebuilt]


def train(
    model_id: str,
    corpora: Corpora | Sequence[Path],
    run_dir: Path,
    *,
    asked: Training | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Measure what a model is worth on data it has not seen; the evidence goes to ``run_dir``.

    A killed training goes on where it stopped. Raises InputError for an option that the family
    has no use for.
    """
    chosen, asked = family(model_id), asked or Training()
    _refuse(chosen, asked.given)
    return chosen.train(Corpora.of(corpora), run_dir, asked, watch=_on(watch, workers))


def export(
    run_dir: Path,
    corpora: Corpora | Sequence[Path],
    *,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Judged:
    """Judge a run, and write the model that is fitted on everything into its folder.

    Below the gate the files are a scaffold, marked so. Nothing is installed.
    """
    judged = gate(run_dir)
    made = family_of_run(run_dir).fit(
        run_dir, Corpora.of(corpora),
        scaffold=not judged.promotes, watch=_on(watch, workers),
    )  # fmt: skip
    for name, data in made.files.items():
        write_atomic(run_dir / EXPORT_FOLDER / name, data)
    return judged


def gate(run_dir: Path, *, write: bool = True) -> Judged:
    """Judge a run folder's evidence, writing PROMOTE.json or HOLD.json beside it if asked to.

    Raises EvidenceError where it can't be judged.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    judged = family_of_run(run_dir).judge(run_dir, generated_at_utc=now)
    if write:
        write_verdict(run_dir, judged.verdict)
    return judged


def promote(
    run_dir: Path,
    corpora: Corpora | Sequence[Path],
    registry: Path,
    *,
    scaffold: bool = False,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Promoted:
    """Fit, export and install the model that the run folder's verdict promotes.

    With ``scaffold``, one that was held is installed as smoke rows, which nothing may score with,
    and only where no promoted row stands. Raises GateHeld where the verdict is HOLD,
    EvidenceError where it does not follow from evidence and corpora, ParityError where an export
    differs from what was fitted. The registry is then as it was.
    """
    chosen = family_of_run(run_dir)
    _refuse(chosen, ["scaffold"] if scaffold else [])
    made = chosen.fit(run_dir, Corpora.of(corpora), scaffold=scaffold, watch=_on(watch, workers))
    files = install(registry, made)
    return Promoted(registry, made.rows, files, made.checked, dict(made.figures))


Step = Trained | Judged | Promoted


def pipeline(
    model_id: str,
    corpora: Corpora | Sequence[Path],
    run_dir: Path,
    *,
    promote_into: Path | None = None,
    asked: Training | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Judged:
    """Train and judge; a verdict installs nothing unless ``promote_into`` names a registry.

    ``on_step`` is called with what each step gave, as it ends.
    """
    given = Corpora.of(corpora)
    on_step(train(model_id, given, run_dir, asked=asked, workers=workers, watch=watch))
    judged = gate(run_dir)
    on_step(judged)
    if promote_into is not None and judged.promotes:
        on_step(promote(run_dir, given, promote_into, workers=workers, watch=watch))
    return judged


def verify(
    registry: Path | None = None,
    *,
    trust: Trust | None = None,
    corpora: Corpora | Sequence[Path] = (),
    workers: int | None = None,
    watch: Watch | None = None,
) -> Verified:
    """Hold a registry against its law; with ``corpora``, a sound one is also made again.

    None is the registry that travels with vqcast. Raises RegistryError where there is none.
    """
    folder = Folder(registry or packaged_registry())
    violations = law.verify(folder, trust)
    rebuilt: list[Rebuilt] = []
    given = Corpora.of(corpora)
    if given.paths and not violations:
        rebuilt = rebuild(folder, given, workers=workers, watch=watch)
        violations = [each.problem for each in rebuilt if each.problem is not None]
    try:
        signed = read(folder)
    except SignatureRefused:  # named among the violations
        signed = None
    return Verified(
        root=folder.root,
        violations=violations,
        n_files=len(folder.files),
        signature=signed,
        signature_checked=bool(trust and trust.public_key) and not violations,
        rebuilt=rebuilt,
    )


def rebuild(
    registry: Path | Folder,
    corpora: Corpora | Sequence[Path],
    *,
    workers: int | None = None,
    watch: Watch | None = None,
) -> list[Rebuilt]:
    """Make every promoted model of a registry again from its corpora, and compare.

    Raises EvidenceError where a model was made from others, RegistryError where the folder is
    not whole or holds no promoted model.
    """
    folder = Folder(registry) if isinstance(registry, Path) else registry
    folder.require_whole()
    promoted = {row.id: row for row in read_registry(folder.files).models if not row.is_smoke}
    given = Corpora.of(corpora)
    results: list[Rebuilt] = []
    for each in all_families():
        mine = {name: row for name, row in promoted.items() if name in each.row_ids}
        if mine:
            results += each.rebuild(mine, folder.files, given, watch=_on(watch, workers))
    if not results:
        raise RegistryError("holds no promoted model to rebuild", path=folder.root)
    return sorted(results, key=lambda result: result.model_id)


def _on(watch: Watch | None, workers: int | None) -> Watch:
    return replace(watch or NOBODY, workers=workers)


def _refuse(chosen: Family, given: Sequence[str]) -> None:
    """Raise InputError for what is asked of a family that has no use for it."""
    idle = [f"--{name.replace('_', '-')}" for name in given if name not in chosen.options]
    if idle:
        raise InputError(
            f"{chosen.id}: {', '.join(idle)} does nothing for this family", hint="leave it out"
        )
