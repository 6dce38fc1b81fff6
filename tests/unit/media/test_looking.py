"""Black bars: what is cropped is black everywhere, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vqcast.media.looking import Box, bars

Ffmpeg = Callable[..., Path]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-pix_fmt", "yuv420p")
MOVES = "mandelbrot=s=320x180:r=25:end_pts=4000"
DARK = "eq=brightness=-0.45:enable='lt(n,60)'"


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (f"{MOVES},pad=320:240:0:30", (320, 180, 0, 30)),
        (f"{MOVES},pad=400:180:40:0", (320, 180, 40, 0)),
        (f"{MOVES},pad=400:260:40:30", (320, 180, 40, 30)),
        (f"{MOVES},pad=320:240:0:30:color=0x060606", (320, 180, 0, 30)),
        (MOVES, (320, 180, 0, 0)),
        # A bar of an odd number of lines: a line of it stays, none of the picture goes.
        (f"{MOVES},pad=320:240:0:31", (320, 180 + 2, 0, 30)),
        # What shows one line for one second has that line.
        (f"{MOVES},pad=320:240:0:30,drawbox=0:20:320:2:white:fill:enable='between(t,2,2.5)'",
         (320, 190, 0, 20)),
        # A logo in the bar.
        (f"{MOVES},pad=320:240:0:30,drawbox=280:8:30:10:white:fill", (320, 202, 0, 8)),
        # Scenes in the dark, all but the last second.
        (f"{MOVES},pad=320:240:0:30,{DARK}", (320, 180, 0, 30)),
        # A candle in the middle of the dark until the last second shows the room.
        (f"{MOVES},drawbox=0:0:320:180:black:fill:enable='lt(n,60)',"
         "drawbox=150:80:20:20:white:fill,pad=320:240:0:30", (320, 180, 0, 30)),
    ],
)  # fmt: skip
def test_bars_are_cut_and_nothing_else(
    graph: str, expected: Box, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = ffmpeg("-f", "lavfi", "-i", graph, "-t", "4", "-g", "50", *X264, tmp_path / "film.mkv")
    assert bars(film, 0) == expected


def test_pictures_that_show_nothing_have_no_bars(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = ffmpeg("-f", "lavfi", "-i", "color=black:s=320x240:d=1", *X264, tmp_path / "film.mkv")
    assert bars(film, 0) is None


def test_deep_pictures_have_their_bars(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    deep = ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    film = ffmpeg("-f", "lavfi", "-i", f"{MOVES},pad=320:240:0:30", "-t", "1", *deep,
                  tmp_path / "film.mkv")  # fmt: skip
    assert bars(film, 0) == (320, 180, 0, 30)
