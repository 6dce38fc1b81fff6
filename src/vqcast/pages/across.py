"""The comparisons and ladders that a report shows, read from their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from matplotlib.figure import Figure

from vqcast.documents import jsontext
from vqcast.documents.compare import CompareResult
from vqcast.documents.ladder import LadderResult
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.errors import DocumentError
from vqcast.pages import ink, ladder_charts
from vqcast.pages.subject import CitedFile

Row = tuple[str | float, ...]
_HINT = "make one with: vqcast ladder ... --json > FILE, or vqcast compare ... --json > FILE"


@dataclass(frozen=True, slots=True)
class Across:
    """One comparison of encoders, or one ladder over heights."""

    piece: CitedFile
    result: CompareResult | LadderResult

    @property
    def heading(self) -> str:
        """What was compared, in a few words."""
        if isinstance(self.result, CompareResult):
            return f"{ink.short(self.result.source.name)}: encoders at {self.result.target:g}"
        return f"{ink.short(self.result.name)}: ladder of {self.result.encoder}"

    @property
    def answer(self) -> str:
        """What came out, in one sentence."""
        result = self.result
        if isinstance(result, CompareResult):
            return f"{result.reason}; {len(result.rows)} rows"
        return (
            f"{len(result.rungs)} rungs from {len(result.probes)} encodes instead of {result.cells}"
        )

    @property
    def columns(self) -> Sequence[str]:
        """Of `rows`."""
        if isinstance(self.result, CompareResult):
            return "encoder", "CRF", "score", "MB", "from", "to", "s", "from", "to"
        return "size", "CRF", "score", "from", "to", "kbit/s", "from", "to"

    @property
    def digits(self) -> Sequence[int]:
        """Behind the point, by column."""
        if isinstance(self.result, CompareResult):
            return 0, 1, 2, 3, 3, 3, 1, 1, 1
        return 0, 1, 2, 2, 2, 0, 0, 0

    @property
    def rows(self) -> list[Row]:
        """The rows of the comparison, or the rungs."""
        if isinstance(self.result, CompareResult):
            return [
                (f"{row.encoder} {row.preset or ''}{' *' if row.front else ''}", row.crf, row.score,
                 row.bytes / 1e6, row.bytes_lower / 1e6, row.bytes_upper / 1e6, row.encode_s,
                 row.encode_s_lower, row.encode_s_upper)
                for row in self.result.rows
            ]  # fmt: skip
        return [
            (f"{each.width}x{each.height}", each.crf, each.score, each.lower, each.upper,
             each.bitrate_kbps, each.bitrate_lower, each.bitrate_upper)
            for each in self.result.rungs
        ]  # fmt: skip

    def figure(self) -> Figure:
        """Size against time, or score against bitrate."""
        if isinstance(self.result, CompareResult):
            return ladder_charts.comparison_figure(self.result)
        return ladder_charts.ladder_figure(self.result)


def read_across(path: Path) -> list[Across]:
    """The answers among the lines of ``vqcast compare --json`` or ``vqcast ladder --json``.

    Raises DocumentError for a file without one, or a line that is none.
    """
    data = read_regular(path)
    piece = CitedFile(path.name, sha256_bytes(data), len(data), path)
    kinds = {"comparison": CompareResult, "ladder": LadderResult}
    found: list[Across] = []
    for number, line in enumerate(data.splitlines(), start=1):
        where = f"{path}: line {number}"
        try:
            value = jsontext.parse(line or b"null", where=where)
            event = value.get("event") if isinstance(value, dict) else None
            if event in kinds:
                found.append(Across(piece, msgspec.convert(value, kinds[event])))
        except msgspec.ValidationError as error:
            raise DocumentError(f"{where}: {error}", hint=_HINT) from error
        except DocumentError as error:
            raise DocumentError(error.message, hint=_HINT) from error
    if not found:
        raise DocumentError("holds no comparison and no ladder", path=path, hint=_HINT)
    return found
