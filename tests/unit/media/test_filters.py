"""Filters: what is read, what is refused by name, and what ffmpeg is told of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from vqcast.errors import InputError
from vqcast.media.filters import TAKEN, UNFILTERED, Filters
from vqcast.media.graph import graph
from vqcast.media.inputs import Video
from vqcast.media.options import EncoderOptions


def chain(filters: Filters, **found: Any) -> Video:
    given: dict[str, Any] = {"order": None, "deinterlace": False, "box": filters.box, "hdr": None}
    return graph(filters, "v:0", pix_fmt="yuv420p", **(given | found))


def test_nothing_asked_for_is_the_stream_alone() -> None:
    assert chain(UNFILTERED) == Video("v:0")
    assert str(UNFILTERED) == ""


def test_filters_come_in_one_order_and_keep_the_format() -> None:
    asked = Filters(
        vf="unsharp=3:3:0.5,hflip", scale="-2:720", fps="23.976", crop="1920:800:0:140",
        denoise="medium",
    )  # fmt: skip
    assert chain(asked, order="tff", deinterlace=True).chain == (
        "bwdif=mode=send_frame:parity=tff:deint=all,setfield=prog,fps=24000/1001,"
        "crop=1920:800:0:140,hqdn3d=4:3:6:4.5,scale=-2:720:flags=lanczos+accurate_rnd,"
        "unsharp=3:3:0.5,hflip,format=yuv420p"
    )
    assert str(asked) == (
        "--crop 1920:800:0:140 --scale -2:720 --fps 23.976 --denoise medium "
        "--vf unsharp=3:3:0.5,hflip"
    )


@pytest.mark.parametrize(
    ("asked", "reach"),
    [
        ({"scale": "64:48"}, 0),
        ({"vf": "hflip,eq=contrast=1.1"}, 0),
        ({"vf": "rotate=t"}, None),
        ({"vf": "hqdn3d"}, None),
        ({"denoise": "light"}, None),
        ({"fps": "25"}, None),
        ({"detelecine": True}, None),
    ],
)
def test_what_remembers_is_read_from_the_beginning(
    asked: dict[str, Any], reach: int | None
) -> None:
    assert chain(Filters(**asked)).reach == reach


def test_bwdif_reaches_beside_a_picture() -> None:
    assert chain(UNFILTERED, order="bff", deinterlace=True).reach == 2


@pytest.mark.parametrize(
    ("text", "rate"),
    [("25", Fraction(25)), ("23.976", Fraction(24000, 1001)), ("30000/1001", Fraction(30000, 1001)),
     ("12.5", Fraction(25, 2)), ("24", Fraction(24))],
)  # fmt: skip
def test_rates_are_read(text: str, rate: Fraction) -> None:
    assert Filters(fps=text).rate == rate


def test_a_mapped_picture_has_the_depth_of_the_encode() -> None:
    deep = Filters(tonemap=True).for_encode(EncoderOptions(depth=10))
    assert "format=yuv420p10le,sidedata=mode=delete:type=" in chain(deep, hdr="HLG").chain
    assert "color_trc=arib-std-b67" in chain(deep, hdr="HLG").chain
    plain = Filters(tonemap=True).for_encode(EncoderOptions())
    assert chain(plain, hdr="PQ").chain.endswith(",format=yuv420p")
    assert UNFILTERED.for_encode(EncoderOptions(depth=10)) == UNFILTERED


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"crop": "63:48:0:0"}, "even"),
        ({"crop": "64:48"}, "W:H:X:Y"),
        ({"crop": "0:48:0:0"}, "even"),
        ({"scale": "-2:-2"}, "one of which"),
        ({"scale": "iw/2:ih/2"}, "W:H"),
        ({"scale": "641:360"}, "even"),
        ({"fps": "0"}, "frames a second"),
        ({"fps": "25/0"}, "frames a second"),
        ({"fps": "1000"}, "frames a second"),
        ({"fps": "film"}, "frames a second"),
        ({"denoise": "much"}, "light, medium, strong"),
        ({"deinterlace": "yadif"}, "auto, bwdif, fields, no"),
        ({"deinterlace": "bwdif", "detelecine": True}, "both say"),
        ({"deinterlace": "fields", "detelecine": True}, "both say"),
        ({"vf": " "}, "names no filter"),
        ({"vf": "hflip,"}, "no filter"),
        ({"vf": "hflip;movie=a"}, "no filter"),
        ({"vf": "[in]hflip[out]"}, "no filter"),
        ({"vf": "hflip@a"}, "no filter"),
        ({"vf": "hqdn3"}, "did you mean hqdn3d"),
        ({"vf": "movie=a.mkv"}, "something beside the video"),
        ({"vf": "hflip,lut3d=a.cube"}, "something beside the video"),
        ({"vf": "drawtext=text=a"}, "something beside the video"),
        ({"vf": "yadif"}, "--deinterlace"),
        ({"vf": "fps=25"}, "--fps"),
        ({"vf": "decimate"}, "--detelecine"),
        ({"vf": "zscale=t=linear"}, "--tonemap"),
        ({"vf": "format=gray"}, "--pix-fmt"),
        ({"vf": "curves=psfile=a.acv"}, "names a file"),
        ({"vf": "curves=plot=a"}, "names a file"),
        ({"vf": "eq=/etc/passwd"}, "names a file"),
        ({"vf": "eq=contrast=../a"}, "names a file"),
        ({"vf": "eq=/contrast=a"}, "no option"),
        ({"vf": "eq=contrast='1.1'"}, "no option"),
        ({"vf": "eq=contrast=1\\,1"}, "no option"),
        ({"vf": "eq="}, "no filter"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as refused:
        Filters(**asked)
    assert told in f"{refused.value.message} {refused.value.hint}"


def test_no_filter_that_is_taken_opens_files_or_changes_times() -> None:
    assert not TAKEN & {"movie", "lut3d", "subtitles", "drawtext", "fps", "select", "setpts"}
