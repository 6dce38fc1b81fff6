"""Read a corpus's file or folder once: its rows checked, their rows' order, one digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.corpus import lines
from vqcast.corpus.checking import BUILD_HINT, Piece, check
from vqcast.corpus.frame import Frame
from vqcast.corpus.lazy import pl
from vqcast.corpus.parquet import ROW, digest_of, read_parts
from vqcast.durable.files import read_regular, sha256_bytes
from vqcast.errors import CorpusError, InputError


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of a corpus in its order, each of them checked."""

    frame: Frame
    sha256: str
    shape: str
    dropped: int
    """Pooled rows that were left out: a mean or the score is not finite."""


def read(path: Path, *, min_rows: int, keep: bool = False) -> Rows:
    """The rows of the corpus at ``path``.

    ``keep`` keeps the pooled rows that are no use. Raises CorpusError, naming the row, as
    `vqcast.corpus.table.load` does.
    """
    source = _open(path)
    frames: list[Frame] = []
    shape, dropped = None, 0
    for piece in source:
        try:
            checked = check(piece, shape)
        except (ValueError, pl.exceptions.PolarsError) as error:
            words = str(error).splitlines()[0]
            raise CorpusError(
                ": ".join(filter(None, (piece.name, "damaged", words))), path=piece.path
            ) from error
        shape = checked.shape
        dropped += checked.dropped
        frames.append((piece.frame if keep else checked.frame).compact())
    if shape is None:
        raise CorpusError("is empty", path=path, hint=BUILD_HINT)
    rows = sum(map(len, frames))
    if rows < min_rows:
        note = f" ({dropped} more were dropped: a mean or the score is not finite)"
        raise CorpusError(
            f"{rows} rows{note if dropped else ''}, at least {min_rows} are needed",
            path=path,
            hint=BUILD_HINT,
        )
    return Rows(Frame.concat(frames, source.order(frames)), source.sha256, shape, dropped)


class _LinesFile:
    """JSON Lines, plain or gzip."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = read_regular(path)
        self.sha256 = sha256_bytes(self._data)

    def __iter__(self) -> Iterator[Piece]:
        data, self._data = self._data, b""
        return lines.pieces(data, self._path)

    def order(self, frames: list[Frame]) -> None:
        """As they stand."""


class _Dataset:
    """A folder of Parquet parts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[str, str] = {}

    def __iter__(self) -> Iterator[Piece]:
        for part in read_parts(self._folder):
            self._digests[part.name] = part.sha256
            if len(part.frame):
                yield Piece(part.frame, self._folder, name=part.name)

    @property
    def sha256(self) -> str:
        """Of all parts, once they were read."""
        return digest_of(self._digests)

    def order(self, frames: list[Frame]) -> NDArray[np.int64] | None:
        """The rows' indexes by their places; None where no row says one: in order of the parts.

        Where rows were dropped, those that are left close up.
        """
        places = np.concatenate([_places(frame) for frame in frames])
        if (places < 0).all():
            return None
        order = np.argsort(places, kind="stable")
        ranked = places[order]
        if ranked[0] < 0 or (np.diff(ranked) <= 0).any():
            raise CorpusError(
                f"two rows claim one place ({ROW})",
                path=self._folder,
                hint="parts of two corpora are mixed: convert each again from its own source",
            )
        return None if (np.diff(order) == 1).all() else order


def _places(frame: Frame) -> NDArray[np.int64]:
    if ROW not in frame.data.columns:
        return np.full(len(frame), -1, dtype=np.int64)
    places: NDArray[np.int64] = frame.data[ROW].cast(pl.Int64).fill_null(-1).to_numpy()
    return places


def _open(path: Path) -> _LinesFile | _Dataset:
    try:
        if not path.exists():
            raise CorpusError("no such corpus", path=path, hint=BUILD_HINT)
        return _Dataset(path) if path.is_dir() else _LinesFile(path)
    except OSError as error:
        raise CorpusError(f"{error.strerror}", path=path) from error
    except InputError as error:
        raise CorpusError(error.reason, path=error.path, hint=error.hint) from error
