"""What a title's probes leave for its next tuning, with another encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.latent import to_score
from vqcast.forecast.table import load_table
from vqcast.media.source import Source
from vqcast.media.tool import Tool
from vqcast.tuning.history import FOLDER, History, kept
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import tune

X264 = TuneRequest(encoder="libx264", preset="ultrafast", target=80)
SVT = TuneRequest(encoder="libsvtav1", preset="10", target=80)
SEEN = Probe(28.0, 91.5, 0.0625, np.arange(6.0))
IDENTITY = "ab" * 32


def test_a_probe_is_told_to_other_encoders_and_not_to_its_own(tmp_path: Path) -> None:
    History(tmp_path, IDENTITY).add(kept(X264, "ultrafast", SEEN))
    again = Probe(28.0, 91.0, 0.0625, np.arange(6.0))
    History(tmp_path, IDENTITY).add(kept(X264, "ultrafast", again))
    history = History(tmp_path, IDENTITY)
    ((kind, told),) = history.others(SVT, "10")
    assert kind == ("libx264", "ultrafast")
    assert (told.crf, told.score, told.bits_per_pixel) == (28.0, 91.0, 0.0625)
    assert np.array_equal(told.features, np.arange(6.0))
    assert history.others(X264, "ultrafast") == []
    assert len(history.others(X264, "medium")) == 1
    assert history.others(TuneRequest(encoder="libsvtav1", target=90, pool="p1"), "10") == []
    assert History(tmp_path, "cd" * 32).others(SVT, "10") == []


def test_a_damaged_history_is_none_and_made_anew(tmp_path: Path) -> None:
    history = History(tmp_path, IDENTITY)
    history.add(kept(X264, "ultrafast", SEEN))
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(b'{"schema_version": 1, "probes": [{')
    assert history.others(SVT, "10") == []
    history.add(kept(X264, "ultrafast", SEEN))
    assert len(history.others(SVT, "10")) == 1


def test_no_folder_keeps_nothing() -> None:
    history = History(None, IDENTITY)
    history.add(kept(X264, "ultrafast", SEEN))
    assert history.others(SVT, "10") == []


def test_what_another_encoder_saw_narrows_the_first_forecast() -> None:
    table, _ = load_table(None)
    kind, crfs = ("libx264", "veryfast"), np.arange(20.0, 56.0)
    near = min(
        (curve for curve in table.curves if (curve.encoder, curve.preset) == kind),
        key=lambda curve: abs(curve.score["vmaf/mean"][6] - 1.6),
    )
    low, high = table.axes["libx264"]
    side = np.array(near.side)[:, 6]
    seen = Probe(
        (low + high) / 2, float(to_score(np.array(near.score["vmaf/mean"][6]))), 2.0 ** side[0],
        np.append(-np.expm1(-side[1:6]), np.expm1(side[6])),
    )  # fmt: skip
    plain, told = (
        Forecaster.from_table(table, "libsvtav1", "10", without={near.group}, told=each)
        .forecast([], crfs).deviation.mean()
        for each in ((), [(kind, seen)])
    )  # fmt: skip
    assert told < 0.85 * plain


@pytest.mark.parametrize("options", [{}, {"whole": True}])
def test_a_tuning_keeps_its_probes(
    options: dict[str, bool], pattern_source: Source, tool: Tool, tmp_path: Path
) -> None:
    asked = TuneRequest(encoder="libx264", preset="ultrafast", target=80, **options)
    found = tune(pattern_source, asked, cache=tmp_path)
    told = History(tmp_path, pattern_source.identity).others(SVT, "10")
    assert [seen.crf for _, seen in told] == sorted(line.crf for line in found.probes)
