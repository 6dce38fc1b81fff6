"""Metrics' facts: where pictures are compared, and what is said of a size that does not fit."""

from __future__ import annotations

import pytest

from vqcast.errors import InputError
from vqcast.metric import METRICS, beside, compared_at, unlike

VMAF, FOUR_K, XPSNR = METRICS["vmaf"], METRICS["vmaf-4k"], METRICS["xpsnr"]


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ((640, 360), (1920, 1080)),
        ((1726, 970), (1920, 1080)),
        ((1728, 970), None),
        ((1280, 972), None),
        ((720, 576), (1350, 1080)),
        ((1700, 720), (1920, 814)),
        ((608, 1080), None),
        ((1920, 1080), None),
        ((3840, 2160), None),
    ],
)
def test_auto_scales_small_pictures_up_to_the_model_s_screen(
    own: tuple[int, int], found: tuple[int, int] | None
) -> None:
    assert compared_at("auto", own) == found


def test_auto_of_the_4k_model_goes_up_to_2160_lines() -> None:
    assert compared_at("auto", (1920, 1080), FOUR_K) == (3840, 2160)
    assert compared_at("auto", (3456, 1440), FOUR_K) is None


@pytest.mark.parametrize("asked", [None, "source", (640, 360)])
def test_their_own_size_is_no_scaling(asked: object) -> None:
    assert compared_at(asked, (640, 360), XPSNR) is None  # type: ignore[arg-type]
    assert compared_at((320, 180), (640, 360), XPSNR) == (320, 180)


@pytest.mark.parametrize("name", ["xpsnr", "psnr", "ssim"])
def test_auto_is_refused_where_a_metric_has_no_viewing_size(name: str) -> None:
    with pytest.raises(InputError) as caught:
        compared_at("auto", (640, 360), METRICS[name])
    assert caught.value.field == "score_size" and name in caught.value.message


def test_a_model_of_another_screen_says_so() -> None:
    assert unlike(VMAF, (1920, 1080)) == unlike(VMAF, (640, 360)) == []
    assert unlike(FOUR_K, (3840, 2160)) == unlike(XPSNR, (3840, 2160)) == []
    (said,) = unlike(VMAF, (3840, 2160))
    assert "1080 lines" in said and "vmaf-4k" in said and "3840x2160" in said
    (said,) = unlike(FOUR_K, (1920, 1080))
    assert "2160 lines" in said and "--score-size auto" in said


def test_vmaf_v1_and_v06_are_told_apart_from_the_others() -> None:
    assert beside(["ssim", "vmaf-v1", "vmaf", "xpsnr", "ssim"]) == ("vmaf-v1", "xpsnr", "ssim")
    assert beside([]) == ()
    with pytest.raises(InputError):
        beside(["vmof"])
