"""An encoder is one entry of the table, which builds a corpus, tunes a title and makes a file.

Two real encoders that the table lacks: one with a codec and scale of its own and no presets, one
with a list of presets that no vocabulary knows.
"""

from __future__ import annotations

from pathlib import Path

import av
import pytest

import vqcast
from vqcast.corpus.build import build
from vqcast.corpus.plan import plan, weight
from vqcast.corpus.table import load
from vqcast.errors import InputError
from vqcast.media.deliver import deliver
from vqcast.media.deliver import plan as plan_output
from vqcast.media.encoders import AV1, ENCODERS, Codec, Encoder
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool
from vqcast.tuning.grid import grid_of
from vqcast.vocab import PRESETS

MPEG4 = Encoder(
    "mpeg4", Codec("mpeg4"), ("-qscale:v",), 1, 31, 1, None, None, "yuv420p", None,
    fixed=("-threads", "1"), search=(2, 31, 1), cost=0.2,
)  # fmt: skip
RAV1E = Encoder(
    "librav1e", AV1, ("-qp",), 0, 255, 1, "-speed", "10", "yuv420p", "yuv420p10le",
    fixed=("-rav1e-params", "threads=1"), cost=8.0,
    preset_list=tuple(str(number) for number in range(10, -1, -1)),
)  # fmt: skip


@pytest.fixture(params=[MPEG4, RAV1E], ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """An encoder that was added to the table."""
    added: Encoder = request.param
    assert added.name not in ENCODERS
    monkeypatch.setitem(ENCODERS, added.name, added)
    return added


def test_a_corpus_is_built_with_it(
    entry: Encoder, fractal_source: Source, tool: Tool, tmp_path: Path
) -> None:
    low, high, _ = entry.search_range
    cells = plan([fractal_source], {entry.name: [low, high]}, {})
    assert weight(cells[0]) > 0
    built = build(cells, tmp_path / "c.jsonl", tool)
    assert (built.measured, built.failures) == (2, [])
    corpus = load(tmp_path / "c.jsonl", min_rows=16)
    assert set(corpus.preset) == {entry.default_preset}
    assert corpus.vmaf[:8].mean() > corpus.vmaf[8:].mean() + 5


def test_a_title_is_tuned_and_delivered_with_it(
    entry: Encoder, fractal: Path, tool: Tool, tmp_path: Path
) -> None:
    asked = vqcast.TuneRequest(encoder=entry.name, target=80)
    result = vqcast.tune(fractal, asked, cache=tmp_path)
    assert result.status == "met" and result.score >= 80
    assert result.crf in grid_of(entry.name).crfs
    source = probe(fractal, tool)
    made = deliver(
        source, plan_output(source, entry, tmp_path / "o.mkv", tool),
        result.preset, result.crf, tool,
    )  # fmt: skip
    with av.open(str(made.path)) as opened:
        assert opened.streams.video[0].codec_context.codec.canonical_name == entry.codec.name
    if "webm" not in entry.codec.muxers:
        with pytest.raises(InputError, match="webm does not hold mpeg4"):
            plan_output(source, entry, tmp_path / "o.webm", tool)


def test_a_preset_that_it_lacks_is_refused_with_its_own_list(entry: Encoder) -> None:
    with pytest.raises(InputError, match="has no preset") as refused:
        entry.check(entry.middle, "medium")
    assert ", ".join(entry.presets) in str(refused.value.hint)


def test_no_entry_has_a_second_list_of_frozen_presets() -> None:
    for name, each in ENCODERS.items():
        assert not (each.preset_list and name in PRESETS)
        assert bool(each.presets) == (each.preset_option is not None)
