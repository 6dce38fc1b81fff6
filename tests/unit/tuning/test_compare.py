"""What a comparison decides, without an encode."""

from __future__ import annotations

import msgspec
import pytest

from vqcast.documents.compare import CompareRow
from vqcast.documents.tune import TuneProbe
from vqcast.errors import InputError
from vqcast.tuning.compare import CompareRequest, budget_of, marked, pick, surely_better
from vqcast.tuning.pace import energy, pace


def row(encoder: str, size: int, seconds: float, **changes: object) -> CompareRow:
    made = CompareRow(
        encoder=encoder, preset=None, status="met", crf=30, score=93, lower=92, upper=94,
        basis="forecast", bytes=size, bytes_lower=size * 9 // 10, bytes_upper=size * 11 // 10,
        encode_s=seconds, encode_s_lower=0.8 * seconds, encode_s_upper=1.25 * seconds,
        energy_j=None, probes=1, frames_encoded=10, front=False,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


ROWS = [row("a", 900, 10), row("b", 1000, 5), row("c", 1100, 12), row("d", 500, 90),
        row("e", 100, 1, status="best_effort")]  # fmt: skip


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    assert [each.front for each in marked(ROWS)] == [True, True, False, True, False]
    alike = marked([row("a", 900, 10), row("b", 900, 10)])
    assert [each.front for each in alike] == [True, True]


@pytest.mark.parametrize(
    ("budget", "chosen"), [("15s", 0), ("2min", 3), ("950kB", None), ("0.00095MB", 0), ("2s", None)]
)
def test_a_budget_picks_the_best_of_the_other(budget: str, chosen: int | None) -> None:
    rows = ROWS if budget != "950kB" else [row("a", 10**6, 10)]
    assert pick(rows, budget)[0] == chosen


def test_a_row_is_surely_worse_only_where_no_interval_overlaps() -> None:
    assert surely_better(row("a", 100, 1), row("b", 1000, 10))
    assert not surely_better(row("a", 950, 1), row("b", 1000, 10))
    assert not surely_better(row("a", 100, 1, status="best_effort"), row("b", 1000, 10))


@pytest.mark.parametrize("text", ["", "ten minutes", "10", "0s", "-3MB", "3 weeks"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        budget_of(text)


def test_presets_go_to_the_encoders_that_have_them() -> None:
    asked = CompareRequest(encoders=("libx264,libsvtav1", "libx265"), target=93,
                           preset=("veryfast", "slow,10"))  # fmt: skip
    assert [(each.encoder, each.preset) for each in asked.rows()] == [
        ("libx264", "veryfast"), ("libx264", "slow"), ("libsvtav1", "10"),
        ("libx265", "veryfast"), ("libx265", "slow"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="none of libx264 has a preset '10'"):
        CompareRequest(encoders=("libx264",), target=93, preset=("10",))
    with pytest.raises(InputError, match="names no encoder"):
        CompareRequest(encoders=(), target=93)


def timed(crf: float, frames: int, seconds: float | None) -> TuneProbe:
    return TuneProbe(crf=crf, score=90, bytes=1, frames=frames, whole=True, reused=False,
                     wall_s=1, encode_s=seconds)  # fmt: skip


def test_energy_is_the_power_of_the_probes_over_the_time_that_is_forecast() -> None:
    told = [msgspec.structs.replace(timed(30, 100, 4.0), energy_j=80.0), timed(35, 100, 3.0)]
    assert energy(told, 10.0) == pytest.approx(200.0)
    assert energy([timed(30, 100, 4.0)], 10.0) is None


def test_time_is_that_of_the_probe_and_less_at_a_higher_crf() -> None:
    exact = pace([timed(30, 100, 4.0)], 30, 100)
    assert exact is not None and exact.seconds == pytest.approx(4.0)
    assert 0.0 < exact.deviation < 0.2  # the same encode takes another time the next time
    longer = pace([timed(30, 100, 4.0)], 30, 1000)
    assert longer is not None and longer.seconds == pytest.approx(40)
    low, high = longer.within(0.95)[1:]
    assert low < 40 < high
    higher = pace([timed(30, 100, 4.0)], 40, 1000)
    assert higher is not None and higher.seconds < 40 and higher.deviation > longer.deviation
    two = pace([timed(30, 100, 4.0), timed(40, 100, 2.0)], 35, 100)
    assert two is not None and 2.0 < two.seconds < 4.0
    assert pace([timed(30, 100, None)], 30, 100) is None
