"""A corpus as cells and curves, and a tuning as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.image import imread

from vqcast.corpus.table import Corpus, load
from vqcast.corpus.writing import convert
from vqcast.documents.tune import TuneResult
from vqcast.errors import DocumentError, InputError
from vqcast.metric import METRICS
from vqcast.pages import curve_charts, tune_charts
from vqcast.pages.points import of_sources, points_of
from vqcast.pages.report import ReportContent, report
from vqcast.pages.tunings import read_tunings


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two sources, one encoder with two presets and one that records no size."""
    path = tmp_path / "small.jsonl"
    lines = []
    for src, encoder, preset, size in (
        ("a", "libx264", "fast", 1000),
        ("a", "libx264", "slow", 900),
        ("b", "libx264", "fast", 2000),
        ("b", "h264_videotoolbox", None, None),
    ):
        for cq in (20, 30):
            for frame in range(15):
                row = {"src": src, "encoder": encoder, "cq": cq, "frame_index": frame}
                row |= {"vmaf": 90 - cq + frame / 10, "adm2": 0.9, "motion2": 1.0}
                row |= {f"vif_scale{scale}": 0.8 for scale in range(4)}
                row |= {"preset": preset} if preset else {}
                row |= {"enc_bytes": size * 30 // cq} if size else {}
                lines.append(json.dumps(row))
    path.write_text("\n".join(lines))
    return path


def result_of(tune_lines: Path) -> TuneResult:
    (tune,) = read_tunings(tune_lines)
    return tune.result


def test_cells_pool_their_frames_and_carry_their_bits(small: Path) -> None:
    cells = points_of(load(small))
    assert [(c.source, c.encoder, c.preset, c.cq) for c in cells[:4]] == [
        ("a", "libx264", "fast", 20.0),
        ("a", "libx264", "fast", 30.0),
        ("a", "libx264", "slow", 20.0),
        ("a", "libx264", "slow", 30.0),
    ]
    assert len(cells) == 8
    assert cells[0].frames == 15 and cells[0].vmaf == pytest.approx(70.7)
    assert cells[0].kbit_per_frame == pytest.approx(1500 * 8 / 1000 / 15)
    unsized = [c for c in cells if c.encoder == "h264_videotoolbox"]
    assert [c.kbit_per_frame for c in unsized] == [None, None]


def test_a_parquet_corpus_has_the_same_cells(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small.parquet"
    convert(small, folder)
    assert points_of(load(folder)) == points_of(load(small))


@pytest.mark.slow
def test_the_shipped_corpus_is_its_grid(corpus: Corpus) -> None:
    cells = points_of(corpus)
    assert len(cells) == 1212 and sum(cell.frames for cell in cells) == len(corpus)
    assert all(cell.kbit_per_frame for cell in cells)


def test_a_source_that_is_not_there_is_named(small: Path) -> None:
    cells = points_of(load(small))
    assert {cell.source for cell in of_sources(cells, ["b"])} == {"b"}
    with pytest.raises(InputError, match="no source c") as caught:
        of_sources(cells, ["a", "c"])
    assert "a, b" in (caught.value.hint or "")


def test_an_encoder_keeps_its_colour_and_its_presets_differ_in_dashes(small: Path) -> None:
    look = curve_charts.looks(points_of(load(small)))
    fast, slow = look["libx264", "fast"], look["libx264", "slow"]
    assert fast[:2] == slow[:2] and fast[2] != slow[2]
    assert look["h264_videotoolbox", None][:2] != fast[:2]
    assert list(curve_charts.named(look)) == ["h264_videotoolbox", "libx264 fast", "libx264 slow"]


def test_curves_hold_every_cell(styled: None, small: Path) -> None:
    cells = points_of(load(small))
    for figure, rows in (
        (curve_charts.overview(cells, "t"), 1),
        (curve_charts.by_source(cells, "t"), 2),
    ):
        panels = [axes for axes in figure.axes if axes.axison]
        assert len(panels) == 2 * rows
    bits, quality = panels[2], panels[3]  # of source b
    assert bits.get_xscale() == "log" and quality.get_xscale() == "linear"
    drawn = [(x, y) for line in quality.lines for x, y in zip(*line.get_data(), strict=True)]
    assert drawn == [(20.0, pytest.approx(70.7)), (30.0, pytest.approx(60.7))] * 2
    assert sum(len(line.get_xdata()) for line in bits.lines) == 2  # the encoder with sizes alone


def test_the_lines_of_a_tuning_are_read(tune_lines: Path) -> None:
    (tune,) = read_tunings(tune_lines)
    assert tune.result.status == "met" and len(tune.result.probes) == 2
    assert tune.encoded is not None and tune.encoded.met
    assert tune.piece.n_bytes == tune_lines.stat().st_size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no result"),
        ("not json\n", "line 1"),
        ('{"event":"start"}\n', "no result"),
        ('\n{"event":"result","crf":"x"}\n', "line 2"),
        ("[1,2]\n", "no result"),
    ],
)
def test_what_is_no_tuning_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(DocumentError, match=said):
        read_tunings(path)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_tuning_is_drawn_to_a_file(tune_lines: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tune.{ending}"
    tune_charts.write(result_of(tune_lines), path)
    if ending == "png":
        image = imread(path)
        assert image.shape[0] > 1000 and np.std(image[..., :3]) > 0.05
    else:
        assert path.read_bytes().startswith(b"<?xml")


def test_a_picture_shows_band_probes_target_and_choice(styled: None, tune_lines: Path) -> None:
    result = result_of(tune_lines)
    (axes,) = tune_charts.quality_figure(result).axes
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == [
        "90 % band",
        "forecast",
        "whole probe",
        "sampled probe, reused",
        f"chosen, CRF {result.crf:g}",
    ]
    assert f"target {result.target:g}" in [text.get_text() for text in axes.texts]
    assert axes.get_ylabel() == "VMAF, mean of frames"
    low, high = axes.get_xlim()
    assert low < min(p.crf for p in result.curve) and high > max(p.crf for p in result.curve)


def test_a_sampled_probe_is_carried_to_the_whole_title(tune_lines: Path) -> None:
    result = result_of(tune_lines)
    whole, sampled = result.probes
    assert tune_charts.title_bytes(whole, result) == whole.bytes
    assert tune_charts.title_bytes(sampled, result) == pytest.approx(
        sampled.bytes * result.source.frames / sampled.frames
    )


def test_a_picture_needs_neither_curve_nor_probe(tune_lines: Path, tmp_path: Path) -> None:
    bare = msgspec.structs.replace(result_of(tune_lines), curve=[], probes=[])
    tune_charts.write(bare, tmp_path / "bare.png")
    assert np.std(imread(tmp_path / "bare.png")[..., :3]) > 0.01


def test_a_picture_begins_near_the_target_and_holds_every_probe(tune_lines: Path) -> None:
    result = result_of(tune_lines)
    deep = [msgspec.structs.replace(point, lower=0.0) for point in result.curve]
    low = msgspec.structs.replace(result, curve=deep)
    assert tune_charts.floor(low) == pytest.approx(93 - 40 - 1.5)
    probe = msgspec.structs.replace(result.probes[0], score=31.0)
    assert tune_charts.floor(msgspec.structs.replace(low, probes=[probe])) < 31
    assert tune_charts.floor(result) < min(point.lower for point in result.curve)


@pytest.mark.parametrize(("metric", "target"), [("xpsnr", 40.0), ("ssim", 0.98)])
def test_a_metric_of_another_scale_fills_its_own_picture(
    metric: str, target: float, tune_lines: Path, tmp_path: Path
) -> None:
    result = result_of(tune_lines)
    scale = target / result.target
    curve = [
        msgspec.structs.replace(
            each, score=each.score * scale, lower=each.lower * scale, upper=each.upper * scale
        )
        for each in result.curve
    ]
    other = msgspec.structs.replace(
        result, metric=metric, target=target, score=result.score * scale, curve=curve, probes=[]
    )
    top = max(each.upper for each in curve) if metric == "xpsnr" else 1.0
    assert top < tune_charts.ceiling(other) < 1.05 * top
    assert tune_charts.floor(other) >= target - 41.5 * METRICS[metric].point - 1e-9
    assert METRICS[metric].shown(other.score) in tune_charts.answer(other)
    tune_charts.write(other, tmp_path / "other.png")


@pytest.mark.parametrize(("given", "said"), [(0.0, "1 %"), (0.904, "90 %"), (0.9999, "99 %")])
def test_a_probability_never_rounds_to_certainty(given: float, said: str) -> None:
    assert tune_charts.sure(given) == said


@pytest.mark.parametrize(("status", "word"), [("best_effort", "best effort"), ("met", ">met<")])
def test_the_page_says_how_a_tuning_ended(
    styled: None, tune_lines: Path, status: str, word: str
) -> None:
    (tune,) = read_tunings(tune_lines)
    changed = type(tune)(
        tune.piece, msgspec.structs.replace(tune.result, status=status), tune.encoded
    )
    text = report(ReportContent("t", [], tunings=[changed]))
    assert word in text and tune.piece.sha256 in text and tune.result.forecaster.id in text
