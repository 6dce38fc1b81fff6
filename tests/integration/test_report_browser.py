"""The report in a real browser: nothing is fetched, nothing complains, everything can be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_kit import Vqcast
from matplotlib.image import imread
from registry_kit import House

IN_CI = os.environ.get("CI") == "true"
playwright = (import_module if IN_CI else pytest.importorskip)("playwright.sync_api")

ROOT = Path(__file__).parents[2]
TUNE = ROOT / "tests" / "unit" / "pages" / "tune_sample.jsonl"
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}

OVERLAPS = """() => {
  const found = [];
  for (const chart of document.querySelectorAll('svg.chart')) {
    const name = chart.querySelector('title').textContent;
    const frame = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll('text')];
    const boxes = texts.map(each => [each.textContent, each.getBoundingClientRect()]);
    boxes.forEach(([a, x], i) => {
      if (x.left < frame.left - 1 || x.right > frame.right + 1) found.push(`${name}: ${a} is cut`);
      for (const [b, y] of boxes.slice(i + 1)) {
        const across = Math.min(x.right, y.right) - Math.max(x.left, y.left);
        const down = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
        if (across > 1 && down > 3) found.push(`${name}: ${a} over ${b}`);
      }
    });
  }
  return found;
}"""
"""What can't be read in a chart: words over words, and words beyond its edge."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium. Without one the tests are skipped, but never in CI, which installs it."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        reason = "no chromium on this machine: apt-get install chromium"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def shipped(vqcast: Vqcast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the shipped registry, with a tuning."""
    out = tmp_path_factory.mktemp("report") / "shipped.html"
    vqcast("report", "--registry", ROOT / "model" / "tiny", "--tune", TUNE, "-o", out)
    return out


@pytest.fixture(scope="module")
def fresh(vqcast: Vqcast, chain: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a run that was just trained, with its corpus, made in a folder above both."""
    out = tmp_path_factory.mktemp("report") / "fresh.html"
    above = tmp_path_factory.getbasetemp()
    vqcast("report", chain.run_dir, "--corpus", chain.corpus_path, "-o", out, cwd=above)
    return out


def opened(browser: Any, path: Path, look: str, shot: Path) -> tuple[Any, np.ndarray]:
    """The page after it settled, every fold open, and its picture, ``[height, width, 3]`` 0..1."""
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), wait_until="networkidle")
    page.screenshot(path=shot, full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert said == [] and asked == [path.as_uri()]
    return page, imread(shot)[..., :3]


@pytest.mark.parametrize("look", LOOKS)
def test_the_shipped_registry_reads_well(
    browser: Any, shipped: Path, look: str, tmp_path: Path
) -> None:
    page, picture = opened(browser, shipped, look, tmp_path / "page.png")
    words = page.inner_text("body")
    for expected in (
        "vqcast report: tiny",
        "fr_regressor_v2_ensemble_v1",
        "PROMOTE",
        "Mean PLCC, sources held out",
        "Spread of PLCC over seeds",
        "red_maple_drive",
        "no rows: never trained",
        "bikes: libsvtav1, preset 8",
        "Provenance",
    ):
        assert expected in words
    assert np.std(picture) > 0.05
    ground = np.median(picture)
    assert ground < 0.2 if look == "dark" else ground > 0.8
    width = LOOKS[look]["viewport"]["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    page.context.close()


def test_a_fresh_run_beside_its_corpus_reads_well(
    browser: Any, fresh: Path, tmp_path: Path
) -> None:
    page, picture = opened(browser, fresh, "phone", tmp_path / "page.png")
    words = page.inner_text("body")
    for expected in ("Error over the score", "clip_2", "No interval is claimed"):
        assert expected in words
    assert np.std(picture) > 0.05
    assert page.evaluate("document.documentElement.scrollWidth") <= picture.shape[1]
    assert page.evaluate(OVERLAPS) == []
    page.context.close()


def test_a_digest_leads_to_its_file(browser: Any, shipped: Path, tmp_path: Path) -> None:
    page, _ = opened(browser, shipped, "phone", tmp_path / "page.png")
    page.locator(".tile .origin a").first.click()
    line = page.locator(".files li:target")
    assert "seed_flip_PROMOTE.json" in line.inner_text() and line.is_visible()
    assert line.locator("a").count() == 0  # it lies outside the folder where the page was made
    page.context.close()


def test_files_near_the_page_are_linked(browser: Any, fresh: Path, tmp_path: Path) -> None:
    page, _ = opened(browser, fresh, "light", tmp_path / "page.png")
    links = [each.get_attribute("href") for each in page.locator(".files a").all()]
    assert len(links) == 12 and all((fresh.parent / link).is_file() for link in links)
    page.context.close()
