"""Rungs and refusals of a ladder, without an encode."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from vqcast.cli.ladder import LadderFiles
from vqcast.errors import InputError
from vqcast.media.source import Source
from vqcast.tuning.ladder import LadderRequest, display_of, kbps_of, rungs
from vqcast.tuning.stream import require_new
from vqcast.tuning.surface import HullPoint, Ranged

ASKED = LadderRequest(encoder="libx264", heights=(1080, 540))
SOURCE = Source(Path("/a.mkv"), "a", "a" * 64, 1920, 1080, 8, 10)


def point(height: int, score: float, rate: float, half: float = 1.0) -> HullPoint:
    return HullPoint(height, 30.0, Ranged(score, score - half, score + half),
                     Ranged(rate, rate * 0.9, rate * 1.1))  # fmt: skip


HULL = [point(540, 40, 100), point(540, 55, 200), point(540, 70, 400), point(1080, 85, 1000),
        point(1080, 93, 2000), point(1080, 96, 4000), point(1080, 98, 8000)]  # fmt: skip


def test_rungs_go_from_the_top_to_the_bottom_that_were_asked_for() -> None:
    found = rungs(HULL, replace(ASKED, rungs=3))
    assert [each.score.value for each in found] == [96, 70, 55]
    assert [each.score.value for each in rungs(HULL, replace(ASKED, rungs=1))] == [96]


def test_spacing_by_bitrate_is_even_in_its_logarithm() -> None:
    found = rungs(HULL, replace(ASKED, rungs=3, spacing="bitrate"))
    assert [each.bitrate_kbps.value for each in found] == [4000, 1000, 200]


def test_no_rung_takes_more_than_is_allowed_its_interval_included() -> None:
    assert rungs(HULL, replace(ASKED, max_bitrate="2.2M"))[0].bitrate_kbps.value == 2000
    assert rungs(HULL, replace(ASKED, max_bitrate="2.1M"))[0].bitrate_kbps.value == 1000
    with pytest.raises(InputError, match="cheapest encode takes 110 kbit/s"):
        rungs(HULL, replace(ASKED, max_bitrate="50k"))


def test_while_probes_may_narrow_it_the_cheapest_point_is_not_refused() -> None:
    assert rungs(HULL, replace(ASKED, max_bitrate="50k"), settled=False) == HULL[:1]


def test_a_folder_that_can_not_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    require_new(tmp_path / "not" / "there" / "yet")
    (tmp_path / "file").write_bytes(b"")
    for taken in (tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError):
            require_new(taken)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_length_of_a_segment_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="can't be a segment"):
        LadderFiles(segment=seconds)


def test_rungs_whose_intervals_overlap_are_merged() -> None:
    wide = [replace(each, score=Ranged(each.score.value, each.score.value - 8,
                                       each.score.value + 8)) for each in HULL]  # fmt: skip
    found = rungs(wide, replace(ASKED, rungs=6))
    assert [each.score.value for each in found] == [96, 70]


def test_the_display_is_the_source_or_what_the_device_shows() -> None:
    large = replace(SOURCE, width=3840, height=2160)
    assert display_of(SOURCE, "source", (720,)) == (1920, 1080)
    assert display_of(large, "source", (2160,)) == (3840, 2160)
    assert display_of(large, "phone", (720,)) == (1920, 1080)
    assert display_of(SOURCE, "4k", (720,)) == (1920, 1080)


@pytest.mark.parametrize(
    ("device", "heights", "said"),
    [("source", (2160, 1080), "2160 lines are more than the 1080 that the source has"),
     ("1080p", (1440,), "1440 lines are more than the 1080 that the 1080p shows")],
)  # fmt: skip
def test_heights_above_what_is_seen_are_refused(
    device: str, heights: tuple[int, ...], said: str
) -> None:
    source = SOURCE if device == "source" else replace(SOURCE, width=3840, height=2160)
    with pytest.raises(InputError, match=said):
        display_of(source, device, heights)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"heights": ()}, {"heights": (720, 720)}, {"rungs": 0}, {"spacing": "even"},
     {"device": "tv"}, {"top": 40.0}, {"max_bitrate": "fast"}, {"max_bitrate": "0k"},
     {"probes": 0}, {"encoder": "libx2640"}, {"confidence": 0.2}, {"preset": "nope"}],
)  # fmt: skip
def test_what_makes_no_ladder_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(ASKED, **wrong)


def test_bitrates_are_read_as_people_write_them() -> None:
    assert kbps_of("800k") == 800 and kbps_of("1.5M") == 1500
