"""The tuning page holds what its evidence holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vqcast.documents import codec
from vqcast.tuning import sampling

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The benchmarks' own modules, by name."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import sampling
    import spacing
    import tune

    yield {"tune": tune, "sampling": sampling, "spacing": spacing}
    for name in ("tune", "sampling", "spacing", "tune_rules", "page"):
        sys.modules.pop(name, None)


def test_the_races_on_the_page_are_those_of_the_evidence(bench: dict[str, ModuleType]) -> None:
    document = json.loads((ROOT / "docs/evidence/tune.json").read_text(encoding="utf-8"))
    assert bench["tune"].report(document) in (ROOT / "docs/tune.md").read_text(encoding="utf-8")


def test_the_samples_on_the_page_are_those_of_the_evidence(bench: dict[str, ModuleType]) -> None:
    document = json.loads((ROOT / "docs/evidence/sampling.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/tune.md").read_text(encoding="utf-8")
    assert bench["sampling"].report(document) in page


def test_intervals_of_finished_titles_are_those_of_the_evidence(
    bench: dict[str, ModuleType],
) -> None:
    document = json.loads((ROOT / "docs/evidence/spacing.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert bench["spacing"].report(document) in page
    assert codec.to_bytes(bench["spacing"].taught(document)) == sampling.TABLE.read_bytes()


def test_the_promises_of_the_benchmark_hold_in_the_evidence() -> None:
    """Confidence 0.9: probes, frames and answers as the page's first paragraph tells them."""
    document = json.loads((ROOT / "docs/evidence/tune.json").read_text(encoding="utf-8"))
    rows = [row for row in document["rows"] if row["oracle"] is not None]
    mine = [row["searches"]["vqcast"] for row in rows]
    rival = [row["searches"]["ab-av1's rule"] for row in rows]
    assert sum(each["probes"] for each in mine) <= 2.0 * len(rows)
    assert sum(each["frames"] for each in mine) <= 0.5 * sum(each["frames"] for each in rival)
    forecast = [each for each in mine if not each["verified"]]
    assert sum(each["met"] for each in forecast) >= 0.87 * len(forecast)
    assert all(each["met"] for each in mine if each["verified"])
    assert {each["forecaster"] for each in mine} == {"crf_forecast_v1"}
