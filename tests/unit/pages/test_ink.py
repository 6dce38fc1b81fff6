"""Charts as SVG for a page, as files, and in colours that everyone can tell apart."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from vqcast.errors import InputError
from vqcast.pages import ink, picture
from vqcast.pages.template import slug

# Machado et al. 2009, severity 1, on linear RGB.
SIGHT = {
    "trichromat": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (a, b))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    scaled = XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def themed(colour: str, theme: str) -> str:
    return colour if theme == "light" else ink.VARIABLES[colour][1]


def drawn(label: str = "a label") -> Figure:
    figure = ink.canvas(200, 120)
    axes = ink.panel(figure, left=40, right=10, top=10, bottom=30)
    axes.plot([0.005, 0.0125], [1, 2], color=ink.SERIES[0][0], marker="o")
    axes.set_xticks([0.005, 0.0125], ["0.005", "0.0125"])
    axes.set_xlabel(label)
    return figure


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_the_first_six_series_look_unlike_to_everyone(theme: str, sight: str) -> None:
    seen = [lab(SIGHT[sight] @ linear(themed(colour, theme))) for colour, _ in ink.SERIES[:6]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 15


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ink_stands_out_from_its_ground(theme: str) -> None:
    ground = themed(ink.PAPER, theme)
    for text in (ink.INK, ink.MUTED, ink.GOOD, ink.BAD):
        assert contrast(themed(text, theme), ground) >= 4.5
    for mark, _ in ink.SERIES:
        assert contrast(themed(mark, theme), ground) >= 3


def test_markers_tell_series_apart_without_colour() -> None:
    assert len({marker for _, marker in ink.SERIES}) == len(ink.SERIES) == len(set(ink.SERIES))


def test_an_inline_chart_is_a_labelled_image_of_its_own(styled: None) -> None:
    svg = picture.inline(drawn(), name="one", title="Title & more", description="What <it> shows")
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "one-title one-desc"
    assert (root[0].tag, root[0].text) == ("title", "Title & more")
    assert (root[1].tag, root[1].text) == ("desc", "What <it> shows")
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) and all(each.startswith("one-") for each in ids)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert used and set(used) <= set(ids)


def test_an_inline_chart_takes_its_colours_and_font_from_the_page(styled: None) -> None:
    svg = picture.inline(drawn(), name="one", title="t", description="d")
    assert "var(--s0)" in svg and "var(--font)" in svg and "var(--muted)" in svg
    assert not re.findall(r"#[0-9a-f]{6}\b", svg) and "DejaVu" not in svg and "<style" not in svg


def test_shortening_a_chart_leaves_its_words_alone(styled: None) -> None:
    svg = picture.inline(drawn("1.23456 points"), name="one", title="t", description="d")
    words = [text for text in ET.fromstring(svg).itertext() if text.strip()]
    assert {"0.005", "0.0125", "1.23456 points"} <= set(words)


def test_the_same_figure_is_the_same_text(styled: None) -> None:
    first, second = (
        picture.inline(drawn(), name="n", title="t", description="d") for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    "name", ["</svg><script>alert(1)</script>", "a $\\frac$ b", "視頻", "&amp;", "\x01bell\x07"]
)
def test_a_name_stays_text_whatever_it_spells(styled: None, name: str) -> None:
    svg = picture.inline(drawn(name), name=slug(name), title=name, description=name)
    root = ET.fromstring(svg)
    shown = re.sub("[\x00-\x08]", "\N{REPLACEMENT CHARACTER}", name)
    assert shown in [text for text in root.itertext()] and root.find(".//script") is None


@pytest.mark.parametrize("ending", [".png", ".svg", ".PNG"])
def test_a_chart_is_written_as_its_name_says(styled: None, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"chart{ending}"
    picture.write(drawn(), path)
    data = path.read_bytes()
    if ending == ".svg":
        assert data.startswith(b"<?xml") and b"var(--" not in data and b"<text" not in data
    else:
        assert data.startswith(b"\x89PNG") and np.std(imread(path)[..., :3]) > 0.02
    picture.write(drawn(), path)
    assert path.read_bytes() == data


def test_another_ending_is_refused(styled: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        picture.write(drawn(), tmp_path / "chart.pdf")
    assert not list(tmp_path.iterdir())
