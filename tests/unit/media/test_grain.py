"""Film grain that the decoder draws: left out in every way in which an encode is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqcast.measured.cell import Cell
from vqcast.media.deliver import Scoring, deliver, measure_delivered, plan
from vqcast.media.encoders import encoder
from vqcast.media.grain import has_grain
from vqcast.media.measure import encode, encoder_options, score
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.pair import score_pair
from vqcast.media.source import Source, probe
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

GRAIN = [
    ("libsvtav1", "8", 30.0, EncoderOptions(svt="film-grain=30")),
    ("libsvtav1", "10", 30.0, EncoderOptions(svt="film-grain=15:film-grain-denoise=1", depth=10)),
    ("libaom-av1", "8", 30.0, EncoderOptions(aom="film-grain-test=1")),
    ("libaom-av1", "8", 30.0, EncoderOptions(enc=("denoise-noise-level=20",))),
]
Ffmpeg = Callable[..., Path]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg, tool: Tool) -> Source:
    """Sixteen frames of something that moves, and has grain."""
    path = ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=160x120:rate=25,noise=alls=14:allf=t:all_seed=1",
        "-frames:v", "16", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path_factory.mktemp("noisy") / "noisy.mkv",
    )  # fmt: skip
    return probe(path, tool)


@pytest.mark.parametrize(("name", "preset", "cq", "given"), GRAIN)
def test_every_way_of_scoring_leaves_the_drawn_grain_out(
    name: str, preset: str, cq: float, given: EncoderOptions, noisy: Source, tool: Tool,
    ffmpeg: Ffmpeg, tmp_path: Path,
) -> None:  # fmt: skip
    made = encode(noisy, name, preset, cq, tool, tmp_path / "made.mp4", given=given)
    entry = encoder(name, given)
    depth = entry.scoring_depth(noisy.depth)
    assert given.grain and has_grain(made.path, "av1", tool)
    raw = ("-c:v", "ffv1")
    with_it = ffmpeg("-i", made.path, *raw, tmp_path / "with.mkv")
    without = ffmpeg("-filmgrain", 0, "-i", made.path, *raw, tmp_path / "without.mkv")

    def of(path: Path) -> np.ndarray:
        return score(noisy, path, tool, depth=depth).columns["vmaf"]

    assert abs(of(with_it) - of(without)).max() > 0.05, "else this test could not fail"
    expected = of(without)
    assert np.array_equal(of(made.path), expected)
    together = encode_and_score(noisy, name, preset, cq, tool, given=given)
    assert np.array_equal(together.scores.columns["vmaf"], expected)
    planned = plan(noisy, entry, tmp_path / "out.mkv", tool)
    delivered = deliver(noisy, planned, preset, cq, tool, scoring=Scoring())
    assert delivered.scores is not None
    assert np.array_equal(delivered.scores.columns["vmaf"], expected)
    afterwards = measure_delivered(noisy, delivered, tool)
    assert np.array_equal(afterwards.columns["vmaf"], expected)
    pair = score_pair(noisy.path, delivered.path, tool)
    assert np.array_equal(pair.scores.columns["vmaf"], expected)
    assert any("scored without it" in note for note in pair.notes)


def test_the_grain_of_a_source_is_part_of_it(noisy: Source, tool: Tool, tmp_path: Path) -> None:
    given = GRAIN[0][-1]
    path = encode(noisy, "libsvtav1", "8", 30, tool, tmp_path / "made.mp4", given=given).path
    source = probe(path, tool)
    itself = score(source, path, tool, depth=8, itself=True).columns["vmaf"]
    without = score(source, path, tool, depth=8).columns["vmaf"]
    assert itself.mean() > without.mean()


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("libsvtav1", PLAIN, False),
        ("libsvtav1", EncoderOptions(svt="film-grain=0"), False),
        ("libsvtav1", EncoderOptions(svt="tune=0:film-grain-denoise=1"), False),
        ("libsvtav1", EncoderOptions(svt="tune=0:film_grain=4"), True),
        ("libaom-av1", EncoderOptions(aom="denoise-noise-level=10"), True),
        ("libaom-av1", EncoderOptions(enc=("denoise-noise-level=-1",)), False),
        ("libaom-av1", EncoderOptions(enc=("denoise-noise-level=9",)), True),
    ],
)
def test_grain_that_is_asked_for_is_another_measurement(
    name: str, given: EncoderOptions, asked: bool, noisy: Source
) -> None:
    assert given.grain is asked
    cell = Cell(noisy, name, "8", 20, options=given)
    assert ("grain" in cell.identity("0" * 64)) is asked


def test_an_encoder_that_denoises_what_it_is_lent_leaves_the_reference_alone(
    noisy: Source, tool: Tool, tmp_path: Path
) -> None:
    given = EncoderOptions(enc=("denoise-noise-level=40",))
    words = encoder_options(noisy, encoder("libaom-av1", given), 30, "8")
    assert words[:2] == ["-vf", "copy"]
    made = encode(noisy, "libaom-av1", "8", 30, tool, tmp_path / "made.mp4", given=given)
    apart = score(noisy, made.path, tool, depth=8).columns["vmaf"]
    together = encode_and_score(noisy, "libaom-av1", "8", 30, tool, given=given)
    assert np.array_equal(together.scores.columns["vmaf"], apart)
