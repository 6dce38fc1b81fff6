"""Probes of a title that are kept for its next tuning, with whichever encoder that is.

    history = History(folder, source.identity)
    history.add(kept(request, preset, probe))
    history.others(request, "10")  # what other encoders and presets saw

Only plain encodes, compared at the source's own size, are of use to another encoder's forecast.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vqcast import documents
from vqcast.documents.history import TitleHistory, TitleProbe
from vqcast.durable.files import read_regular, write_atomic
from vqcast.errors import VqcastError
from vqcast.forecast.forecaster import Probe
from vqcast.forecast.prior import Kind
from vqcast.tuning.request import TuneRequest

FOLDER = "titles"


def kept(request: TuneRequest, preset: str | None, seen: Probe) -> TitleProbe:
    """A probe as it is kept."""
    return TitleProbe(
        encoder=request.encoder, preset=preset, metric=request.metric, pool=request.pool,
        crf=seen.crf, score=seen.score, bits_per_pixel=seen.bits_per_pixel,
        features=seen.features.tolist(),
    )  # fmt: skip


class History:
    """The probes of one title; of a folder that is None, none."""

    def __init__(self, folder: Path | None, identity: str) -> None:
        self._path = folder and folder / FOLDER / f"{identity[:32]}.json"

    def add(self, probe: TitleProbe) -> None:
        """Keep ``probe`` for later tunings."""
        if self._path is not None:
            kept = {each.key: each for each in self._read()} | {probe.key: probe}
            history = TitleHistory(probes=[kept[key] for key in sorted(kept)])
            write_atomic(self._path, documents.to_line(history))

    def others(self, request: TuneRequest, preset: str | None) -> list[tuple[Kind, Probe]]:
        """What was seen with other encoders or presets, scored and pooled alike."""
        return [
            ((each.encoder, each.preset),
             Probe(each.crf, each.score, each.bits_per_pixel, np.array(each.features)))
            for each in self._read()
            if (each.metric, each.pool) == (request.metric, request.pool)
            and (each.encoder, each.preset) != (request.encoder, preset)
        ]  # fmt: skip

    def _read(self) -> list[TitleProbe]:
        if self._path is None or not self._path.is_file():
            return []
        try:
            data = read_regular(self._path)
            return documents.from_bytes(TitleHistory, data, where=str(self._path)).probes
        except VqcastError:  # of no use any more, and made anew by the next probe
            return []
