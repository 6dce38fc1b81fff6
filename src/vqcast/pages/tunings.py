"""The tunings that a report shows, read from their lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from vqcast.documents import jsontext
from vqcast.documents.tune import EncodeResult, TuneResult
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.errors import DocumentError
from vqcast.pages import tune_charts
from vqcast.pages.subject import CitedFile

Row = tuple[str | float, ...]
_HINT = "make one with: vqcast tune ... --json > FILE"


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning's answer, and what the final encode measured where there was one."""

    piece: CitedFile
    result: TuneResult
    encoded: EncodeResult | None

    @property
    def curve_rows(self) -> list[Row]:
        """CRF, score, its band, the probability of the target in percent, and megabytes."""
        return [
            (p.crf, p.score, p.lower, p.upper, 100 * p.probability, p.bytes / 1e6)
            for p in self.result.curve
        ]

    @property
    def probe_rows(self) -> list[Row]:
        """CRF, score, frames, what was scored, megabytes of the whole title, seconds."""
        return [
            (
                probe.crf,
                probe.score,
                probe.frames,
                ("whole" if probe.whole else "sampled") + (", reused" if probe.reused else ""),
                tune_charts.title_bytes(probe, self.result) / 1e6,
                probe.wall_s,
            )
            for probe in self.result.probes
        ]


def read_tunings(path: Path) -> list[Tuning]:
    """The answers among the lines of ``vqcast tune --json`` or ``vqcast encode --json``.

    Raises DocumentError for a line that is no such line, or a file without an answer.
    """
    data = read_regular(path)
    piece = CitedFile(path.name, sha256_bytes(data), len(data), path)
    tunings: list[Tuning] = []
    for number, line in enumerate(data.splitlines(), start=1):
        where = f"{path}: line {number}"
        try:
            value = jsontext.parse(line or b"null", where=where)
            event = value.get("event") if isinstance(value, dict) else None
            if event == "result":
                tunings.append(Tuning(piece, msgspec.convert(value, TuneResult), None))
            elif event == "encoded" and tunings:
                encoded = msgspec.convert(value, EncodeResult)
                tunings[-1] = Tuning(piece, tunings[-1].result, encoded)
        except msgspec.ValidationError as error:
            raise DocumentError(f"{where}: {error}", hint=_HINT) from error
        except DocumentError as error:
            raise DocumentError(error.message, hint=_HINT) from error
    if not tunings:
        raise DocumentError("holds no result of a tuning", path=path, hint=_HINT)
    return tunings
