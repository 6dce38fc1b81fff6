"""The forecaster that travels with vqcast: lawful, small and quick to load."""

from __future__ import annotations

import time
from pathlib import Path

from vqcast.durable.files import sha256_bytes
from vqcast.forecast.table import FOLDER, load_table, read_table
from vqcast.registry import law
from vqcast.serve.folder import Folder, packaged_registry

ROOT = Path(__file__).parents[2]


def test_it_is_lawful_and_made_from_the_shipped_corpora() -> None:
    assert law.verify(packaged_registry(FOLDER)) == []
    table, row = load_table(None)
    shipped = {
        sha256_bytes(path.read_bytes())
        for drop in ("phase_a", "presets", "curves", "scenes")
        for path in ROOT.glob(f"data/{drop}/per_frame_canonical6.jsonl.gz")
    }
    assert {pin.sha256 for pin in table.corpora} <= shipped
    assert not row.is_smoke


def test_its_table_is_small_and_quick() -> None:
    _, row = load_table(None)
    data = Folder(packaged_registry(FOLDER)).files[row.table]
    assert len(data) < 700_000
    times = []
    for _ in range(5):
        begun = time.process_time()
        read_table(data, row)
        times.append(time.process_time() - begun)
    assert min(times) < 0.3  # 0.04 s on an idle core
