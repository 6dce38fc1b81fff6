"""Netflix's bootstrap model beside our intervals, by real libvmaf; and the page that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from registry_kit import House

from studies import bootstrap
from vqcast import documents
from vqcast.errors import InputError
from vqcast.media.tool import Tool
from vqcast.pages import blocks
from vqcast.regressor.spec import ENSEMBLE

ROOT = Path(__file__).parents[3]


def test_the_bootstrap_collection_is_found_in_ffmpeg_and_run(
    house: House, tool: Tool, ffmpeg: Callable[..., Path], tmp_path: Path
) -> None:
    models = bootstrap.members(tool)
    assert len(models) == 21  # the one on all data, and 20 on resamples
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-frames:v", 10)
    ffmpeg(*picture, "-c:v", "ffv1", tmp_path / "clip_0.mkv")
    made = bootstrap.compare(house.registry, house.corpus, ENSEMBLE.id, tmp_path, cells=1)
    assert (made.cells, made.sources, made.netflix_95.n) == (1, 1, 10)
    assert made.netflix_95.width > 0.0
    page = bootstrap.page(made)
    assert "1 cell of 1 source" in page and "The comparison is not even" in page
    assert "| ours, conformal | 90 | - | - | - | - | - |" in page  # three groups reach 75 %
    again = documents.from_bytes(bootstrap.BootstrapReport, documents.to_bytes(made), where="made")
    assert again == made


def test_a_folder_without_the_sources_is_refused(house: House, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no source"):
        bootstrap.compare(house.registry, house.corpus, ENSEMBLE.id, tmp_path, cells=1)


def test_the_shipped_section_is_the_reports() -> None:
    data = (ROOT / "docs" / "evidence" / "bootstrap.json").read_bytes()
    report = documents.from_bytes(bootstrap.BootstrapReport, data, where="bootstrap.json")
    text = (ROOT / "docs" / "evaluation.md").read_text()
    assert blocks.replaced(text, "bootstrap", bootstrap.page(report)) == text
