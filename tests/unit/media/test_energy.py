"""Counters as Linux lays them out, read from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqcast.media.energy import counters, joules


def lay(root: Path, **zones: tuple[int, int]) -> Path:
    for name, (used, most) in zones.items():
        folder = root / name.replace("_", ":").replace("rapl", "intel-rapl")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{used}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return root


def test_energy_is_that_of_all_packages_and_of_no_part_twice(tmp_path: Path) -> None:
    before = counters(lay(tmp_path, rapl_0=(10_000_000, 10**9), rapl_1=(5, 10**9),
                          rapl_0_0=(1, 10**9)))  # fmt: skip
    lay(tmp_path, rapl_0=(12_500_000, 10**9), rapl_1=(1_000_005, 10**9), rapl_0_0=(9, 10**9))
    assert joules(before, counters(tmp_path)) == pytest.approx(3.5)


def test_a_counter_that_began_anew_counts_on(tmp_path: Path) -> None:
    before = counters(lay(tmp_path, rapl_0=(999_000_000, 10**9)))
    lay(tmp_path, rapl_0=(1_000_000, 10**9))
    assert joules(before, counters(tmp_path)) == pytest.approx(2.0)


def test_a_machine_that_does_not_tell_is_not_guessed(tmp_path: Path) -> None:
    assert counters(tmp_path) == {} and joules({}, {}) is None
    lay(tmp_path, rapl_0=(1, 2))
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("soon\n")
    assert counters(tmp_path) == {}
    assert joules({"a": (1, 2)}, {}) is None
