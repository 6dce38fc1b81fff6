"""A run folder: the LOSO evidence and the verdict on it, by their fixed names.

``loso_seed{N}.json`` holds one seed's metrics, ``oof_seed{N}.parquet`` its
out-of-fold predictions, ``PROMOTE.json`` or ``HOLD.json`` the verdict. The
same names are used inside a registry's ``evidence/`` folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vqcast import documents
from vqcast.documents.evidence import (
    AnyVerdict,
    IntervalReport,
    LosoReport,
    UnseenReport,
)
from vqcast.durable.files import read_regular, remove, sha256_bytes, write_atomic
from vqcast.errors import EvidenceError
from vqcast.evidence.gate import HOLD, PROMOTE

V = TypeVar("V", bound=AnyVerdict)

INTERVALS_NAME = "intervals.json"
UNSEEN_NAME, UNSEEN_TABLE = "unseen.json", "unseen.parquet"
_TRAIN_HINT = "vqcast train --help"
_LOSO_NAME = re.compile(r"loso_seed\d+\.json")


def prefix(model_id: str) -> str:
    """Where a model's evidence lies in a registry."""
    return f"evidence/{model_id}/"


def loso_name(seed: int) -> str:
    """File name of a seed's evidence."""
    return f"loso_seed{seed}.json"


def predictions_name(seed: int) -> str:
    """File name of a seed's out-of-fold predictions."""
    return f"oof_seed{seed}.parquet"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The seeds' reports, and the exact bytes and digests of their files."""

    reports: dict[int, LosoReport]
    files: dict[str, bytes]
    intervals: IntervalReport | None = None
    """The calibration and its coverage, where the corpus supports one."""
    unseen: UnseenReport | None = None
    """What refits without each preset and encoder showed, where they were made."""

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of each ``loso_seed{N}.json``, of ``intervals.json`` and ``unseen.json``."""
        return {
            name: sha256_bytes(data) for name, data in self.files.items() if name.endswith(".json")
        }

    @property
    def all_digests(self) -> dict[str, str]:
        """sha256 of every piece of evidence, predictions included."""
        return {name: sha256_bytes(data) for name, data in sorted(self.files.items())}

    @property
    def prediction_digests(self) -> dict[str, str]:
        """sha256 of each ``oof_seed{N}.parquet``, and of ``unseen.parquet``."""
        return {
            name: sha256_bytes(data)
            for name, data in sorted(self.files.items())
            if name.endswith(".parquet")
        }


def parse(files: Mapping[str, bytes], *, where: str) -> Evidence:
    """The evidence among ``files``, predictions checked against their digests.

    Raises EvidenceError for none at all, a report under another seed's name,
    or predictions that are absent or differ.
    """
    reports: dict[int, LosoReport] = {}
    kept: dict[str, bytes] = {}
    for name in sorted(files):
        if not _LOSO_NAME.fullmatch(name):
            continue
        report = documents.from_bytes(LosoReport, files[name], where=f"{where}/{name}")
        if name != loso_name(report.seed):
            raise EvidenceError(f"{where}/{name}: says it is of seed {report.seed}")
        reports[report.seed] = report
        kept[name] = files[name]
        if report.predictions is not None:
            kept[predictions_name(report.seed)] = _predictions(files, report, where)
    if not reports:
        raise EvidenceError(f"{where}: holds no loso_seed*.json", hint=_TRAIN_HINT)
    intervals = None
    if INTERVALS_NAME in files:
        kept[INTERVALS_NAME] = files[INTERVALS_NAME]
        path = f"{where}/{INTERVALS_NAME}"
        intervals = documents.from_bytes(IntervalReport, files[INTERVALS_NAME], where=path)
    unseen = _unseen(files, where)
    kept |= {name: files[name] for name in (UNSEEN_NAME, UNSEEN_TABLE) if name in files}
    return Evidence(reports=reports, files=kept, intervals=intervals, unseen=unseen)


def _unseen(files: Mapping[str, bytes], where: str) -> UnseenReport | None:
    """The report on refits, its table checked against its digest."""
    if UNSEEN_NAME not in files:
        return None
    report = documents.from_bytes(UnseenReport, files[UNSEEN_NAME], where=f"{where}/{UNSEEN_NAME}")
    if sha256_bytes(files.get(UNSEEN_TABLE, b"")) != report.predictions.sha256:
        raise EvidenceError(
            f"{where}/{UNSEEN_TABLE}: is missing, or differs from the digest in {UNSEEN_NAME}",
            hint="train again with --unseen",
        )
    return report


def _predictions(files: Mapping[str, bytes], report: LosoReport, where: str) -> bytes:
    assert report.predictions is not None
    name = predictions_name(report.seed)
    if report.predictions.path != name or name not in files:
        raise EvidenceError(f"{where}: {name} is missing", hint="train that seed again")
    if sha256_bytes(files[name]) != report.predictions.sha256:
        raise EvidenceError(
            f"{where}/{name}: differs from the digest in {loso_name(report.seed)}",
            hint="train that seed again",
        )
    return files[name]


def in_registry(files: Mapping[str, bytes], model_id: str, *, where: str = "") -> Evidence:
    """A model's evidence among a registry's files. Raises EvidenceError as ``parse`` does."""
    start = prefix(model_id)
    mine = {name.removeprefix(start): files[name] for name in files if name.startswith(start)}
    return parse(mine, where=where + start.rstrip("/"))


def read(folder: Path) -> Evidence:
    """Every seed's evidence in ``folder``. Raises EvidenceError as ``parse`` does."""
    if not folder.is_dir():
        raise EvidenceError("no such run folder", path=folder, hint=_TRAIN_HINT)
    names = ("loso_seed*.json", "oof_seed*.parquet", INTERVALS_NAME, UNSEEN_NAME, UNSEEN_TABLE)
    found = [path for name in names for path in folder.glob(name)]
    return parse({path.name: read_regular(path) for path in found}, where=str(folder))


def write_report(folder: Path, report: LosoReport, predictions: bytes | None) -> None:
    """Write a seed's predictions, then the report that vouches for them."""
    if predictions is not None:
        write_atomic(folder / predictions_name(report.seed), predictions)
    write_atomic(folder / loso_name(report.seed), documents.to_bytes(report))


def verdict_path(folder: Path, verdict: str) -> Path:
    """``PROMOTE.json`` or ``HOLD.json`` in ``folder``."""
    return folder / f"{verdict}.json"


def write_verdict(folder: Path, verdict: AnyVerdict) -> Path:
    """Write the verdict and remove the other kind; never are both there for long.

    The old kind goes first: a kill in between leaves no verdict, which
    promotes nothing.
    """
    other = HOLD if verdict.verdict == PROMOTE else PROMOTE
    remove(verdict_path(folder, other))
    path = verdict_path(folder, verdict.verdict)
    write_atomic(path, documents.to_bytes(verdict))
    return path


def read_verdict(kind: type[V], folder: Path) -> tuple[V, bytes]:
    """The run folder's verdict, of its family's ``kind``, and its exact bytes.

    Raises EvidenceError where there is none, or both.
    """
    found = [path for word in (PROMOTE, HOLD) if (path := verdict_path(folder, word)).exists()]
    if not found:
        raise EvidenceError("has no verdict", path=folder, hint=f"vqcast gate {folder}")
    if len(found) > 1:
        raise EvidenceError(
            "holds both PROMOTE.json and HOLD.json", path=folder, hint=f"vqcast gate {folder}"
        )
    data = read_regular(found[0])
    verdict = documents.from_bytes(kind, data, where=str(found[0]))
    if f"{verdict.verdict}.json" != found[0].name:
        raise EvidenceError(f"{found[0]}: its verdict is {verdict.verdict!r}")
    return verdict, data
