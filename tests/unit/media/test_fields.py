"""Interlacing and repeats, as pictures show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vqcast.media.fields import Fields, is_interlaced, look, repeated

Ffmpeg = Callable[..., Path]
LOSSLESS = ("-pix_fmt", "yuv420p", "-c:v", "ffv1")


def _film(ffmpeg: Ffmpeg, path: Path, graph: str, *options: str) -> Path:
    return ffmpeg("-f", "lavfi", "-i", graph, "-t", "1", *options, *LOSSLESS, path)


MOVING = {
    "drawn": "testsrc2=s=320x240",
    "slow": "mandelbrot=s=320x240:end_pts=4000",
    "grain": "testsrc2=s=320x240,noise=alls=20:allf=t:all_seed=1",
    "scrolling": "smptebars=s=320x240,scroll=h=0.01",
}


@pytest.mark.parametrize("case", MOVING)
def test_progressive_pictures_are_told_from_woven_ones(
    case: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    flag = ("-vf", "setfield=tff")
    assert not is_interlaced(_film(ffmpeg, tmp_path / "p.mkv", MOVING[case], *flag), 0)


@pytest.mark.parametrize("graph", ["testsrc=s=320x240", *MOVING.values()])
@pytest.mark.parametrize("order", ["tff", "bff"])
def test_woven_fields_are_seen_in_either_order(
    graph: str, order: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    head, comma, rest = graph.partition(",")
    woven = f"{head}:r=50{comma}{rest},interlace=scan={order}:lowpass=0"
    found = look(_film(ffmpeg, tmp_path / "i.mkv", woven, "-vf", "setfield=prog"), 0)
    assert found == Fields(order)  # type: ignore[arg-type]


def test_slow_motion_is_seen(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    """No sample changes by much from one frame to the next."""
    graph = "gradients=s=320x240:r=50:seed=1,interlace=scan=bff:lowpass=0"
    assert look(_film(ffmpeg, tmp_path / "i.mkv", graph), 0).order == "bff"


def test_pulldown_is_told_from_interlacing_and_a_still_is_neither(
    ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = "testsrc2=s=320x240:r=24,telecine=first_field={}"
    for field, order in (("top", "tff"), ("bottom", "bff")):
        found = look(_film(ffmpeg, tmp_path / f"{field}.mkv", film.format(field)), 0)
        assert found == Fields(order, telecined=True)  # type: ignore[arg-type]
    assert not is_interlaced(_film(ffmpeg, tmp_path / "s.mkv", "smptebars=s=320x240"), 0)


@pytest.mark.parametrize(
    ("graph", "least", "most"),
    [
        ("testsrc2=s=320x240:r=12.5,fps=25", 0.4, 0.6),
        ("testsrc2=s=320x240:r=25", 0.0, 0.05),
        ("smptebars=s=320x240", 0.0, 0.0),
    ],
)
def test_repeated_frames_are_counted(
    graph: str, least: float, most: float, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    lossy = ("-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p")
    path = ffmpeg("-f", "lavfi", "-i", graph, "-t", "1", *lossy, tmp_path / "a.mkv")
    assert least <= repeated(path, 0) <= most
